"""What is done with libraries of dependence outside a run and in it: matched with a spec, built, and library.csv."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from llmsynthor.aims.aims import Aims, set_aims
from llmsynthor.errors import DataError, Problem
from llmsynthor.files import read_bytes, write_beside
from llmsynthor.library.build import build_library, read_frame
from llmsynthor.library.consulting import Consulted
from llmsynthor.library.recipe import guess_recipe, read_recipe, written
from llmsynthor.library.shelf import NONE, SUFFIX, open_library
from llmsynthor.library.store import read_library, write_library
from llmsynthor.llm.ledger import Ledger
from llmsynthor.llm.opening import choose
from llmsynthor.llm.recorded import Recorded
from llmsynthor.options import Server
from llmsynthor.spec.specification import Spec
from llmsynthor.spec.targets import MAXIMUM_ENTROPY
from llmsynthor.synthesis.consulting import consult_units
from llmsynthor.synthesis.outcome import Outcome

RECIPE = "library.yaml"
LEDGER_SUFFIX = ".sqlite"
DEFAULT = "acs2024"
FITS = 2
"""Matched variables from which `check` proposes a library: they are a pair."""

MOST_PROPOSED = 200
"""Variables of a spec up to which `check` looks whether a library fits; a run that names one matches however many there are."""

LIBRARY = {
    "unit": pl.String,
    "variable": pl.String,
    "label": pl.String,
    "library": pl.String,
    "like": pl.String,
    "library_label": pl.String,
    "how": pl.String,
    "trust": pl.String,
    "gap": pl.Float64,
    "score": pl.Float64,
    "agreement": pl.Float64,
    "scale": pl.Float64,
    "in_words": pl.String,
}


def library_frame(outcome: Outcome) -> pl.DataFrame:
    """One row per variable that a library was consulted about: what it is there, how near, and its levels in words."""
    return frame_of(outcome.consulted)


def kinship_rows(outcome: Outcome) -> list[dict[str, Any]]:
    """Rows of dependencies.csv for what a library says of who lives with whom."""
    tables = [table for found in outcome.compositions for table in found.margins]
    return [
        {
            "one": table.columns[-2],
            "other": table.columns[-1],
            "source": "library",
            "in_words": table.name,
            "unit": table.unit,
        }
        for table in tables
        if len(table.columns) > 1 and table.source != MAXIMUM_ENTROPY
    ]


def frame_of(consulted: Sequence[Consulted]) -> pl.DataFrame:
    rows = [row for found in consulted for row in found.rows]
    return pl.DataFrame(rows, schema=LIBRARY, orient="row")


def match_spec(
    spec: Spec, name: str, llm: str, *, server: Server | None = None, ledger: Path | None = None
) -> pl.DataFrame:
    """Match a spec's variables with a library; no records are made. Raises DataError, LLMError."""
    library, choice = open_library(name), choose(llm, server=server)
    kept = Ledger(ledger)
    try:
        model = (
            None
            if choice is None
            else Recorded(
                identity=choice.identity, open_model=choice.open_model, ledger=kept, budget=spec.settings.budget
            )
        )
        return frame_of(consult_units(library, set_aims(spec), model))
    finally:
        kept.close()


def ledger_beside(out: Path) -> Path:
    """The ledger of the questions beside a file of matches; raises DataError where the file is none that may be written.

    It may be new, or matches of before: nothing else is replaced.
    """
    if not out.name or out.is_dir() or out.suffix == LEDGER_SUFFIX:
        what, advice = "this is no place for a table of matches", "name a CSV file with --out"
        raise DataError(Problem(where=str(out), what=what, advice=advice))
    try:
        if out.exists() or out.is_symlink():
            with_head = read_bytes(out).partition(b"\n")[0].decode("utf-8", "replace").strip()
            if with_head != ",".join(LIBRARY):
                raise ValueError("it holds something else")
    except (OSError, ValueError) as cause:
        what, advice = f"the file cannot be replaced ({cause})", "name a new file with --out"
        raise DataError(Problem(where=str(out), what=what, advice=advice)) from cause
    return out.with_suffix(LEDGER_SUFFIX)


def write_matches(found: pl.DataFrame, out: Path) -> Path:
    """Write matches as CSV; raises DataError where that cannot be."""
    try:
        write_beside(out, found.write_csv)
    except OSError as cause:
        problem = Problem(where=str(out), what=f"cannot write it ({cause})", advice="name another file with --out")
        raise DataError(problem) from cause
    return out


def proposed_library(spec: Spec, aims: Aims | None = None) -> str:
    """A sentence that proposes a library, where at least a pair of variables fits without a question; else nothing."""
    if spec.settings.method.library not in (None, NONE):
        return ""
    if sum(len(unit.variables) for unit in spec.schema.units) > MOST_PROPOSED:
        return ""
    rows = frame_of(consult_units(open_library(DEFAULT), aims or set_aims(spec), None)).filter(pl.col("trust") != NONE)
    named = rows["variable"].unique(maintain_order=True).to_list()
    if len(named) < FITS:
        return ""
    return (
        f"The library {DEFAULT} knows how {', '.join(named)} depend on each other, in the United States in 2024; a model may "
        f"recognise more. --library {DEFAULT} uses it, llmsynthor library match shows it"
    )


def build(data: Path, out: Path, *, recipe: Path | None = None, name: str | None = None) -> tuple[Path, str, bool]:
    """Build a library of the micro-data in a folder (or one file); returns its file, its digest and whether a recipe was guessed.

    The recipe is that given, else library.yaml in the folder, else one is guessed. It is written beside the library, to be edited.
    """
    folder = data if data.is_dir() else data.parent
    found = recipe or (folder / RECIPE if (folder / RECIPE).is_file() else None)
    plan = read_recipe(found) if found is not None else guess_recipe(_plain(name or data.stem), _frames(data))
    library = build_library(plan, folder)
    file = out / f"{plan.name}{SUFFIX}"
    try:
        out.mkdir(parents=True, exist_ok=True)
        digest = write_library(library, file)
        (out / f"{plan.name}.yaml").write_text(written(plan), encoding="utf-8")
    except OSError as cause:
        problem = Problem(where=str(out), what=f"cannot write it ({cause})", advice="name another folder with --out")
        raise DataError(problem) from cause
    read_library(file)
    return file, digest, found is None


def _frames(data: Path) -> dict[str, tuple[str, pl.DataFrame]]:
    paths = sorted(p for p in (data.iterdir() if data.is_dir() else [data]) if p.suffix in (".csv", ".parquet"))
    if not paths:
        advice = "give a CSV or Parquet file, or a folder of such"
        raise DataError(Problem(where=str(data), what="there are no records here", advice=advice))
    return {path.stem: (path.name, read_frame(path)) for path in paths}


def _plain(name: str) -> str:
    kept = "".join(sign if sign.isascii() and sign.isalnum() else "-" for sign in name.lower()).strip("-")
    return kept[:40] or "library"
