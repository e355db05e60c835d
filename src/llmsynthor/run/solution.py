"""What a run made, in memory: records, how well they fit, and the folder that it is written to and read from."""

import os
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl

from llmsynthor.errors import Problem, RunFolderError
from llmsynthor.evaluation.compare import ALIGNMENT
from llmsynthor.evaluation.ends import accounts_of
from llmsynthor.evaluation.metrics import figures
from llmsynthor.llm.ledger import Ledger
from llmsynthor.records.held import unreadable
from llmsynthor.records.levels import as_enums, as_texts
from llmsynthor.records.microdata import as_frame, frames_of
from llmsynthor.records.parts import Parts, are_parts
from llmsynthor.records.run_folder import LEDGER, RunFolder, claim, read_manifest, unwritable
from llmsynthor.report.page import write_report
from llmsynthor.run.crosstab import crosstab
from llmsynthor.run.dependencies import DEPENDENCIES
from llmsynthor.run.library import LIBRARY
from llmsynthor.run.shown import solution_html, solution_line
from llmsynthor.run.tables import DISAGREEMENTS
from llmsynthor.spec.reading.files import load, save
from llmsynthor.spec.specification import Spec
from llmsynthor.synthesis.stop import StopReason


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Solution:
    """Records and how they came about.

    `records` maps each unit to a polars frame (`.to_pandas()` works), categories as Enum in the order of the spec; `alignment`,
    `disagreements`, `dependencies`, `proposals` and `history` are the tables of the run folder, `estimated` those that the LLM
    estimated by their file names, `library` what its variables are in a library of dependence, `manifest` its run.json.
    `exit_code` is 0 when every target and rule holds, 3 when the server of the model stayed away, 1 otherwise.

    >>> import llmsynthor as ls
    >>> coins = ls.Spec(
    ...     units=[ls.unit("toss", side=ls.category("head", "tail"))],
    ...     targets=[ls.table({"head": 1, "tail": 1}, unit="toss", columns=["side"], name="fair")],
    ... )
    >>> solution = ls.synthesize(coins, records=10, llm="none", seed=1)
    >>> solution
    <Solution: 10 toss records; 1 target: exact; ALIGNED>
    >>> solution.stop is ls.StopReason.ALIGNED, solution.unmet
    (True, ())
    >>> solution.table("side").rows()
    [('head', 5, 0.5), ('tail', 5, 0.5)]
    """

    spec: Spec
    records: Mapping[str, pl.DataFrame]
    alignment: pl.DataFrame
    proposals: pl.DataFrame
    history: pl.DataFrame
    disagreements: pl.DataFrame
    dependencies: pl.DataFrame
    estimated: dict[str, pl.DataFrame]
    manifest: dict[str, Any]
    ledger: Ledger
    library: pl.DataFrame = field(default_factory=pl.DataFrame)
    start: Mapping[str, pl.DataFrame] | None = None

    @property
    def stop(self) -> StopReason:
        """Why the run ended: a value to compare, whose text is a sentence; `stop_reason` has the figures of the run."""
        named = self.manifest.get("stop")  # folders of before have none
        return StopReason[named] if named else StopReason.MISSED if self.exit_code else StopReason.ALIGNED

    @property
    def stop_reason(self) -> str:
        return str(self.manifest["stop_reason"])

    @property
    def unmet(self) -> tuple[str, ...]:
        """Names of the targets that the records do not meet, whatever these allow; `alignment` says by how much."""
        return tuple(self.manifest["alignment"]["unmet"])

    @property
    def dependence(self) -> pl.DataFrame:
        """How strongly variables hang together, and who says so: another name of `dependencies`."""
        return self.dependencies

    @property
    def exit_code(self) -> int:
        if self.manifest.get("stop") == StopReason.SERVER_AWAY.name:
            return 3
        return 1 if self.unmet or any(self.manifest["rules_broken"].values()) else 0

    def table(self, *names: str, unit: str | None = None) -> pl.DataFrame:
        """Cross-tabulate the records: a row per cell with `count` and `share`, cells without a record too.

        Numbers are cut where the spec's tables cut them. Columns may be derived or of units above (`household.tenure`); `unit` is
        the lowest that is named. Raises DataError.
        """
        return crosstab(self.spec, as_texts(self.records), names, unit=unit)

    def evaluate(self, reference: Any = None) -> dict[str, Any]:
        """Figures of the records: against the targets, and against reference records (a path, a frame, frames by unit)."""
        other = None if reference is None else frames_of(self.spec, reference)
        return figures(self.spec, as_texts(self.records), other, accounts=accounts_of(self.alignment))

    def report(self, path: str | Path) -> Path:
        """Write the report, one HTML file that opens offline; raises RunFolderError."""
        target = Path(path)
        with TemporaryDirectory() as folder:
            written = RunFolder(path=Path(folder))
            write_all(self, written, write_spec(self.spec, written))
            html = (Path(folder) / "report.html").read_bytes()
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(html)
        except OSError as cause:
            raise unwritable(target, cause) from cause
        return target

    def save(self, folder: str | Path) -> Path:
        """Write the run folder; raises RunFolderError when the folder holds another run or something else."""
        taken = claim(Path(folder), self.manifest, resume=False, force=False)
        try:
            write_all(self, taken, write_spec(self.spec, taken))
        finally:
            taken.release()
        return taken.path

    def export(self, kind: str, out: str | Path, map: Mapping[str, Any] | Path | None = None) -> list[Path]:  # noqa: A002
        """Write the records for another program into a new or empty folder, and give the files; see docs/formats.md.

        `kind` is csv, excel, sqlite, duckdb, postgres, package, geoparquet, activitysim, populationsim, matsim or starsim; `map`
        says for the last of these, as a mapping or a YAML file, which variable a column is. Raises DataError, RunFolderError.
        """
        from llmsynthor.records.formats.export import export  # noqa: PLC0415  (the formats come with their libraries)
        from llmsynthor.records.formats.made import made_of  # noqa: PLC0415

        seed = self.manifest.get("arguments", {}).get("seed")
        made = made_of(self.spec, self.records, seed=seed if isinstance(seed, int) else 0)
        return export(made, kind, Path(out), map)

    def audit(self, table: Any, *, unit: str | None = None) -> pl.DataFrame:
        """Hold a joint table that turned up later beside the records, cell by cell: published, obtained, band, covered or not.

        `table` is a file or a frame with two variables and a `count` or `share`; shares are of all records of the unit. Raises
        SpecError, DataError.

        >>> import llmsynthor as ls
        >>> pet = ls.unit("pet", kind=ls.category("cat", "dog"), home=ls.category("flat", "house"))
        >>> solution = ls.synthesize(ls.Spec(units=[pet]), records=40, llm="none", seed=1)
        >>> cells = {"kind": ["cat", "cat", "dog", "dog"], "home": ["flat", "house"] * 2, "share": [0.4, 0.1, 0.1, 0.4]}
        >>> solution.audit(pl.DataFrame(cells)).select("level", "other_level", "published", "obtained", "covered").row(0)
        ('cat', 'flat', 0.4, 0.275, False)
        """
        from llmsynthor.run.audit import audited  # noqa: PLC0415  (it reads folders of solutions)

        with TemporaryDirectory() as folder:
            if isinstance(table, str | os.PathLike):
                path = Path(table)
            else:
                path = Path(folder) / "table.csv"
                as_frame(table, "table").write_csv(path)
            written = save(self.spec, Path(folder) / "spec")
            return audited(written, as_texts(self.records), self.dependencies, path, unit=unit).cells

    def __repr__(self) -> str:
        return f"<Solution: {solution_line(self.records, self.manifest, self.stop)}>"

    def _repr_html_(self) -> str:
        return solution_html(self.records, self.alignment, self.manifest, self.stop)


def read_solution(folder: str | Path | os.PathLike[str]) -> Solution:
    """Read a run folder back; raises RunFolderError where the run has not ended or the folder holds none.

    >>> from pathlib import Path; from tempfile import mkdtemp; import llmsynthor as ls
    >>> coins = ls.Spec(units=[ls.unit("toss", side=ls.category("head", "tail"))])
    >>> folder = ls.synthesize(coins, records=10, llm="none").save(Path(mkdtemp()) / "coins")
    >>> ls.read_solution(folder).records["toss"].height
    10
    """
    path = Path(folder)
    manifest = read_manifest(path)
    if manifest.get("status") != "done":
        advice = "let it end: the same command with --resume goes on"
        found = str(manifest.get("stop_reason", "no word of its end"))
        raise RunFolderError(Problem(where=str(path), what="the run has not ended", found=found, advice=advice))
    spec = load(path / "spec")
    if are_parts(path, spec.schema.top.name):
        records: Mapping[str, pl.DataFrame] = Parts(folder=path, schema=spec.schema, made=manifest["made"])
    else:
        records = as_enums(_single(path, spec), spec.schema)
    single = {spec.schema.top.name: path / "start.parquet"}
    starts = single | {
        unit.name: path / "start" / f"{unit.name}.parquet" for unit in spec.schema.units if len(spec.schema.units) > 1
    }
    start = {unit: frame for unit, file in starts.items() if (frame := _parquet(file, needed=False)) is not None}
    estimated = {file.name: _csv(file, {}) for file in sorted((path / "estimated").glob("*.csv"))}
    return Solution(
        spec=spec,
        records=records,
        alignment=_csv(path / "alignment.csv", ALIGNMENT),
        proposals=_needed(path / "proposals.parquet"),
        history=_needed(path / "history.parquet"),
        disagreements=_csv(path / "disagreements.csv", DISAGREEMENTS),
        dependencies=_csv(path / "dependencies.csv", DEPENDENCIES),
        estimated=estimated,
        manifest=manifest,
        ledger=Ledger(path / LEDGER if (path / LEDGER).is_file() else None),
        library=_csv(path / "library.csv", LIBRARY) if (path / "library.csv").is_file() else pl.DataFrame(),
        start=start or None,
    )


def _single(path: Path, spec: Spec) -> dict[str, pl.DataFrame]:
    """The records of units that stand in one file each."""
    return {
        unit.name: frame
        for unit in spec.schema.units
        if (frame := _parquet(path / "records" / f"{unit.name}.parquet", needed=unit is spec.schema.top)) is not None
    }


def _needed(path: Path) -> pl.DataFrame:
    frame = _parquet(path, needed=True)
    assert frame is not None
    return frame


def _parquet(path: Path, *, needed: bool) -> pl.DataFrame | None:
    if not needed and not path.is_file():
        return None
    try:
        return pl.read_parquet(path, glob=False)
    except (OSError, pl.exceptions.PolarsError) as cause:
        raise unreadable(path, (str(cause).splitlines() or [""])[0][:120]) from cause


def _csv(path: Path, types: Mapping[str, Any]) -> pl.DataFrame:
    """Columns that are not named are read as what they look like."""
    try:
        header = pl.read_csv(path, n_rows=0, infer_schema=False, glob=False).columns
        known = {name: kind for name, kind in types.items() if name in header}
        return pl.read_csv(path, schema_overrides=known, infer_schema_length=None, glob=False)
    except (OSError, pl.exceptions.PolarsError) as cause:
        raise unreadable(path, (str(cause).splitlines() or [""])[0][:120]) from cause


def write_spec(spec: Spec, folder: RunFolder) -> dict[str, str]:
    """Write the spec with its tables, and the folder for estimates; gives the digests of its files. Raises RunFolderError."""
    try:
        save(spec, folder.path / "spec")
        (folder.path / "estimated").mkdir(exist_ok=True)
        return folder.digests("spec")
    except OSError as cause:
        raise unwritable(folder.path, cause) from cause


def _in_place(records: Mapping[str, pl.DataFrame], folder: RunFolder) -> bool:
    """Whether the records stand in the folder already, as parts."""
    return isinstance(records, Parts) and records.folder == folder.path


def write_all(solution: Solution, folder: RunFolder, spec: Mapping[str, str]) -> None:
    """Write every file of the run folder but its spec, categories as plain text; raises RunFolderError.

    `spec` has the digests of the files of the spec as `write_spec` wrote them: what was edited since is not the run's.
    """
    try:
        if solution.ledger.path != folder.ledger:
            solution.ledger.copy_to(folder.path / LEDGER)
    except (OSError, sqlite3.Error) as cause:
        raise unwritable(folder.path, cause) from cause
    for unit, frame in as_texts({} if _in_place(solution.records, folder) else solution.records).items():
        folder.write_parquet(f"records/{unit}.parquet", frame)
    folder.write_csv("alignment.csv", solution.alignment)
    folder.write_csv("disagreements.csv", solution.disagreements)
    folder.write_csv("dependencies.csv", solution.dependencies)
    if solution.library.height:
        folder.write_csv("library.csv", solution.library)
    for name, table in solution.estimated.items():
        folder.write_csv(f"estimated/{name}", table)
    for unit, frame in (solution.start or {}).items():
        folder.write_parquet(f"start/{unit}.parquet" if len(solution.start or {}) > 1 else "start.parquet", frame)
    folder.write_parquet("proposals.parquet", solution.proposals)
    folder.write_parquet("history.parquet", solution.history)
    solution.manifest.pop("files", None)  # in one place of run.json, whether a run or a solution in memory writes it
    solution.manifest["files"] = folder.digests() | dict(spec)
    folder.write_manifest({**solution.manifest, "status": "running"})  # the report reads it; done is what has a report
    write_report(folder.path, solution.spec, str(solution.manifest["status"]))
    folder.write_manifest(solution.manifest)
