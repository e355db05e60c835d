"""The `seed:` of a spec: a few real records, a file or a frame of a flat spec, one for each unit of a nested one."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import polars.selectors as cs

from llmsynthor.errors import Problem
from llmsynthor.files import OddFileError, check_regular, write_beside
from llmsynthor.spec.reading.parts import SeedPart
from llmsynthor.spec.schema import Schema
from llmsynthor.spec.seed import Seed

ADVICE = "give a CSV or Parquet file of records in the spec's variables, for each unit one"


def read_seed(part: SeedPart | None, schema: Schema, folder: Path, problems: list[Problem]) -> Seed | None:
    """Read the section; None where there is none, or where it cannot be read, which is then among the `problems`."""
    if part is None:
        return None
    records, weight = part.records, part.weight
    units = [unit.name for unit in schema.units]
    by_unit = records if isinstance(records, Mapping) else {units[0]: records}
    wrong = [str(name) for name in by_unit if name not in units] + [name for name in units if name not in by_unit]
    if wrong:
        what = "the seed has not records of each unit, and of no other"
        advice = f"give a file for each of {', '.join(units)}, as in records: {{{units[0]}: {units[0]}.csv}}"
        problems.append(Problem(where="seed", what=what, found=", ".join(wrong), advice=advice))
        return None
    read = {name: _frame(by_unit[name], folder, f"seed.{name}", problems) for name in units}
    frames = {name: frame for name, frame in read.items() if frame is not None}
    return None if len(frames) < len(units) else _checked(frames, weight, schema, problems)


def as_seed(frames: Mapping[str, pl.DataFrame], weight: str | None) -> Seed:
    """A seed of records that are read already."""
    plain = {name: frame.with_columns((cs.enum() | cs.categorical()).cast(pl.String)) for name, frame in frames.items()}
    content = "".join(f"{name}\n{frame.write_csv()}" for name, frame in plain.items())
    return Seed(frames=plain, weight=weight, digest=hashlib.sha256(content.encode()).hexdigest())


def _checked(
    frames: Mapping[str, pl.DataFrame], weight: str | None, schema: Schema, problems: list[Problem]
) -> Seed | None:
    top = frames[schema.top.name]
    empty = [name for name, frame in frames.items() if not frame.height]
    if empty:
        problems.append(Problem(where="seed", what="it holds no records", found=", ".join(empty), advice=ADVICE))
        return None
    if weight not in (None, "none") and weight not in top.columns:
        advice = f"name one of: {', '.join(top.columns)}, or none"
        problems.append(
            Problem(where="seed.weight", what="the column of weights is missing", found=str(weight), advice=advice)
        )
        return None
    for unit in schema.units:
        named = [variable.name for variable in unit.coded]
        if not set(named) & set(frames[unit.name].columns):
            found = ", ".join(frames[unit.name].columns[:8])
            what = "the seed has no variable of the spec"
            advice = f"name its columns as the spec does: {', '.join(named)}"
            problems.append(Problem(where=f"seed.{unit.name}", what=what, found=found, advice=advice))
            return None
    return as_seed(frames, weight)


def _frame(source: Any, folder: Path, where: str, problems: list[Problem]) -> pl.DataFrame | None:
    if isinstance(source, pl.DataFrame | pl.LazyFrame):
        return source.lazy().collect()
    if hasattr(source, "__arrow_c_stream__"):
        return pl.DataFrame(source)
    if not isinstance(source, str | Path):
        found = type(source).__name__
        problems.append(Problem(where=where, what="these are no records", found=found, advice=ADVICE))
        return None
    path = folder / source
    try:
        check_regular(path)
        if path.suffix.lower() in (".parquet", ".pq"):
            return pl.read_parquet(path, glob=False)
        return pl.read_csv(path, infer_schema_length=None, glob=False)
    except (OSError, OddFileError, ValueError, pl.exceptions.PolarsError) as cause:
        first = (str(cause).splitlines() or [""])[0][:120]
        problems.append(
            Problem(where=where, what=f"the records cannot be read ({first})", found=str(source), advice=ADVICE)
        )
        return None


def seed_files(seed: Seed) -> Mapping[str, str]:
    """Where `save` puts the records of each unit, beside spec.yaml."""
    return {name: f"seed/{name}.parquet" for name in seed.frames}


def write_seed(seed: Seed | None) -> dict[str, Any]:
    """The section in the form in which it is read, as far as words go; empty without a seed."""
    if seed is None:
        return {}
    weight = {} if seed.weight is None else {"weight": seed.weight}
    return {"seed": {"records": dict(seed_files(seed)), **weight}}


def save_seed(seed: Seed | None, folder: Path) -> Sequence[Path]:
    """Write the records of a seed beside a spec; returns their files."""
    paths = []
    for name, file in seed_files(seed).items() if seed is not None else ():
        assert seed is not None
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        write_beside(path, seed.frames[name].write_parquet)
        paths.append(path)
    return paths
