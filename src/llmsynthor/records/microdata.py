"""Micro-data on disk: which file holds which unit, and their records block by block, whole top records at a time."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from llmsynthor.errors import DataError, Problem
from llmsynthor.files import check_regular
from llmsynthor.records.levels import as_text
from llmsynthor.records.linked import Nested, nest
from llmsynthor.records.weights import NONE, checked, refuse_unused
from llmsynthor.spec.inputs import Column, base_columns, derived_below, target_columns
from llmsynthor.spec.levels import Interval
from llmsynthor.spec.schema import Category, Numeric, Unit
from llmsynthor.spec.specification import Spec
from llmsynthor.spec.targets import Target

BATCH, CSV_BYTES = 1_000_000, 1 << 26
PARQUET, SUFFIXES = (".parquet", ".pq"), (".parquet", ".pq", ".csv")


def source_sets(spec: Spec, data: Sequence[Path]) -> list[dict[str, Path]]:
    """Say which file holds which unit, as one or more sets of files whose ids belong together.

    Of a spec with one unit every file is a set. Of more units a file is named after its unit (`person.parquet`, `person.csv`), a
    folder holds such files, itself or in its `records/`, and the files of one folder are a set. Of a run in partitions, which has
    a folder of parts for each unit, the parts of one name are. Raises DataError.
    """
    units = [unit.name for unit in spec.schema.units]
    whole = [path for path in data if not _parts(path, units)]
    inside = [own for path in data for own in _parts(path, units)]
    return inside + (_whole(units, whole) if whole or not inside else [])


def _parts(path: Path, units: Sequence[str]) -> list[dict[str, Path]]:
    """Files by unit of every part of a folder of parts, in their order; none where it holds none."""
    for folder in (path, path / "records"):
        if (folder / units[0]).is_dir():
            names = [file.name for file in sorted((folder / units[0]).glob("*.parquet"))]
            return [{unit: folder / unit / name for unit in units if (folder / unit).is_dir()} for name in names]
    return []


def _whole(units: Sequence[str], data: Sequence[Path]) -> list[dict[str, Path]]:
    if len(units) == 1:
        return [{units[0]: file} for path in data for file in _files(path, units)]
    sets: dict[Path, dict[str, Path]] = {}
    for path in data:
        for file in _files(path, units):
            if file.stem not in units:
                advice = f"name it after its unit: {', '.join(f'{unit}{file.suffix}' for unit in units)}"
                raise DataError(
                    Problem(where=str(file), what="the file does not say which unit it holds", advice=advice)
                )
            if sets.setdefault(file.parent, {}).setdefault(file.stem, file) != file:
                what = f"the records of {file.stem} are given twice"
                raise DataError(Problem(where=str(file.parent), what=what, advice="keep one of the files"))
    return list(sets.values())


def frames_of(spec: Spec, source: Any) -> dict[str, pl.DataFrame]:
    """Give records by unit, from a file or a folder, a frame of the top unit, frames by unit, or a solution; raises DataError."""
    source = getattr(source, "records", source)
    if isinstance(source, str | Path):
        path = Path(source)
        if not path.exists():
            advice = f"give a Parquet file, or a folder with {spec.schema.top.name}.parquet"
            raise DataError(Problem(where=str(path), what="there are no reference records", advice=advice))
        sets = source_sets(spec, [path])
        sets = sets if path.is_dir() and _parts(path, [unit.name for unit in spec.schema.units]) else sets[:1]
        return {unit: pl.concat([read_file(files[unit]) for files in sets]) for unit in sets[0]}
    given = source if isinstance(source, Mapping) else {spec.schema.top.name: source}
    units = [unit.name for unit in spec.schema.units]
    strange = [str(name) for name in given if name not in units]
    if strange:
        advice = f"name the frames after the units: {', '.join(units)}"
        raise DataError(Problem(where="records", what="there is no such unit", found=", ".join(strange), advice=advice))
    return {name: as_text(as_frame(frame, f"records of {name}")) for name, frame in given.items()}


def as_frame(given: Any, where: str) -> pl.DataFrame:
    """Take a frame of any kind (polars, pandas, Arrow); raises DataError for what is none."""
    if isinstance(given, pl.DataFrame | pl.LazyFrame):
        return given.lazy().collect()
    if hasattr(given, "__arrow_c_stream__") or hasattr(given, "__dataframe__"):
        return pl.DataFrame(given)
    problem = Problem(
        where=where, what="it is no frame", found=type(given).__name__, advice="give a data frame or a path"
    )
    raise DataError(problem)


def read_file(path: Path) -> pl.DataFrame:
    """Read a whole Parquet or CSV file; raises DataError."""
    try:
        check_regular(path)
        return (
            pl.read_csv(path, infer_schema_length=None, glob=False)
            if path.suffix.lower() == ".csv"
            else pl.read_parquet(path, glob=False)
        )
    except (OSError, ValueError, pl.exceptions.PolarsError) as cause:
        problem = Problem(
            where=str(path), what=f"the records cannot be read ({str(cause)[:120]})", advice="finish the run first"
        )
        raise DataError(problem) from cause


def _files(path: Path, units: Sequence[str]) -> list[Path]:
    if not path.is_dir():
        return [path]
    names = [f"{unit}{suffix}" for unit in units for suffix in SUFFIXES]
    for folder in (path, path / "records"):
        found = [folder / name for name in names if (folder / name).is_file()]
        if found:
            return found
    advice = f"give files, or a folder with {', '.join(f'{unit}.parquet' for unit in units)}"
    raise DataError(Problem(where=str(path), what="the folder holds no records of the spec's units", advice=advice))


def blocks(
    spec: Spec, data: Sequence[Path], targets: Sequence[Target], *, weight: str | None = None
) -> Iterator[Nested]:
    """Read what the targets need, a block of whole top records at a time, checked, linked, derived variables computed.

    Children must stand in the order of their parents where there are more than a million top records; raises DataError.
    """
    for files in source_sets(spec, data):
        plan = _plan(spec, files, targets, weight)
        top, below = spec.schema.top.name, [unit for unit in spec.schema.units[1:] if unit.name in plan.names]
        streams = {unit.name: _Children(files[unit.name], unit, plan, spec) for unit in below}
        for frame in _batches(files[top], top, plan, spec):
            frames = {top: frame}
            for unit in below:
                frames[unit.name] = streams[unit.name].take(frames[str(unit.parent)])
            yield nest(frames, spec.schema, only=plan.derived)
        for stream in streams.values():
            stream.expect_end()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """The columns to read of each unit, the ids among them, and the derived variables to compute."""

    names: Mapping[str, tuple[str, ...]]
    ids: Mapping[str, tuple[str, ...]]
    derived: frozenset[Column]
    weight: str | None = None


def _plan(spec: Spec, files: Mapping[str, Path], targets: Sequence[Target], weight: str | None) -> _Plan:
    schema = spec.schema
    headers = {unit: _header(path) for unit, path in files.items()}
    refuse_unused(headers, schema, weight)
    have = frozenset((unit, name) for unit, header in headers.items() for name in header)
    wanted = frozenset[Column]().union(*(target_columns(target) for target in targets))
    needed = frozenset[Column]().union(*(base_columns(column, schema, have) for column in wanted))
    deepest = {unit for unit, _ in needed | wanted} | {target.unit for target in targets}
    used = [u for u in schema.units if u.name in deepest | {a.name for d in deepest for a in schema.ancestors(d)}]
    ids = {}
    for unit in used:
        parents_of = any(other.parent == unit.name for other in used)
        ids[unit.name] = (*([f"{unit.name}_id"] if parents_of else []), *([f"{unit.parent}_id"] if unit.parent else []))
    names = {u.name: (*ids[u.name], *sorted(name for owner, name in needed if owner == u.name)) for u in used}
    weight = None if weight == NONE else weight
    if weight is not None:
        names[schema.top.name] = (*dict.fromkeys((*names[schema.top.name], weight)),)
    problems = [
        Problem(where=unit, what="there is no file with these records", advice=f"give {unit}.parquet or {unit}.csv")
        for unit in names
        if unit not in files
    ]
    problems += [
        Problem(
            where=str(files[unit]),
            what="a column is missing",
            found=name,
            advice=f"name a column {name}; the data have: {', '.join(sorted(n for u, n in have if u == unit))}",
        )
        for unit in names
        for name in names[unit]
        if unit in files and (unit, name) not in have
    ]
    if problems:
        raise DataError(*problems)
    return _Plan(names=names, ids=ids, derived=derived_below(wanted, schema), weight=weight)


class _Children:
    """The records of a child unit, handed out in the order of the file."""

    def __init__(self, path: Path, unit: Unit, plan: _Plan, spec: Spec) -> None:
        self.path, self.parent, self.key = path, unit.parent, f"{unit.parent}_id"
        self.batches = _batches(path, unit.name, plan, spec)
        self.rest: pl.DataFrame | None = next(self.batches)
        self.none = self.rest.clear()

    def take(self, parents: pl.DataFrame) -> pl.DataFrame:
        """Hand out the records up to the first whose parent is not among these."""
        taken, known = [self.none], parents[self.key].unique()
        while self.rest is not None:
            own = self.rest[self.key]
            alike = own.dtype == known.dtype
            inside = own.is_in(known.implode()) if alike else own.cast(pl.String).is_in(known.cast(pl.String).implode())
            inside = inside.fill_null(value=False)
            count = len(inside) if inside.all() else int(inside.arg_min() or 0)
            taken.append(self.rest[:count])
            if count < len(inside):
                self.rest = self.rest[count:]
                break
            self.rest = next(self.batches, None)
        return pl.concat(taken)

    def expect_end(self) -> None:
        """Raise DataError when records are left: their parents are unknown, or stand in another order."""
        if self.rest is not None and self.rest.height:
            what = f"records have no {self.parent}, or do not stand in the order of their {self.parent}"
            advice = f"remove records without a {self.parent}, and sort both files by {self.key}"
            found = f"{self.key} {self.rest[self.key][0]}"
            raise DataError(Problem(where=str(self.path), what=what, found=found, advice=advice))


def _batches(path: Path, unit: str, plan: _Plan, spec: Spec) -> Iterator[pl.DataFrame]:
    """Yield checked frames of the wanted columns, at least one even where there are no records."""
    import pyarrow as pa  # noqa: PLC0415  (heavy)

    try:
        for batch in _arrow_batches(path, unit, plan, spec):
            frame = pl.from_arrow(pa.Table.from_batches([batch]))
            assert isinstance(frame, pl.DataFrame)
            frame = frame.with_columns(
                pl.col(name).cast(pl.Int64 if frame[name].dtype.is_integer() else pl.String) for name in plan.ids[unit]
            )
            _check_values(frame, unit, plan, spec, str(path))
            yield frame
    except (OSError, pa.ArrowException, pl.exceptions.PolarsError) as cause:
        raise _unreadable(path, cause) from cause


def _arrow_batches(path: Path, unit: str, plan: _Plan, spec: Spec) -> Iterator[Any]:
    import pyarrow as pa  # noqa: PLC0415  (heavy, only where used)
    import pyarrow.csv  # noqa: PLC0415  (heavy, only where used)
    import pyarrow.parquet  # noqa: PLC0415  (heavy, only where used)

    names = list(plan.names[unit])
    if path.suffix.lower() in PARQUET:
        file = pyarrow.parquet.ParquetFile(path)
        if not file.metadata.num_rows:
            yield _nothing(file.schema_arrow, names)
        yield from file.iter_batches(BATCH, columns=names)
        return
    types = {
        name: pa.float64()
        if name == plan.weight or isinstance(spec.schema[unit].variable(name), Numeric)
        else pa.string()
        for name in names
        if name not in plan.ids[unit]
    }
    with pyarrow.csv.open_csv(
        path,
        read_options=pyarrow.csv.ReadOptions(block_size=CSV_BYTES),
        convert_options=pyarrow.csv.ConvertOptions(column_types=types, strings_can_be_null=True, include_columns=names),
    ) as reader:
        yielded = False
        for batch in reader:
            yielded = True
            yield batch
        if not yielded:
            yield _nothing(reader.schema, names)


def _nothing(schema: Any, names: Sequence[str]) -> Any:
    import pyarrow as pa  # noqa: PLC0415  (heavy, only where used)

    fields = [schema.field(name) for name in names]
    return pa.RecordBatch.from_arrays([pa.array([], field.type) for field in fields], schema=pa.schema(fields))


def _header(path: Path) -> list[str]:
    """The names of a file's columns."""
    try:
        check_regular(path)
        if path.suffix.lower() in PARQUET:
            return list(pl.scan_parquet(path, glob=False).collect_schema())
        return pl.read_csv(path, n_rows=0, glob=False).columns
    except (OSError, ValueError, pl.exceptions.PolarsError) as cause:
        raise _unreadable(path, cause) from cause


def _unreadable(path: Path, cause: Exception) -> DataError:
    what = f"the data cannot be read ({(str(cause).splitlines() or [''])[0][:120]})"
    return DataError(Problem(where=str(path), what=what, advice="give CSV with a header, or Parquet"))


def _check_values(frame: pl.DataFrame, unit: str, plan: _Plan, spec: Spec, where: str) -> None:
    problems = []
    for name in plan.names[unit]:
        if name in plan.ids[unit]:
            continue
        if name == plan.weight:
            checked(frame[name], unit)
            continue
        variable = spec.schema[unit].variable(name)
        if isinstance(variable, Numeric) and not frame[name].dtype.is_numeric():
            what, found, advice = f"{name} holds no numbers", str(frame[name].dtype), "give numbers"
            problems.append(Problem(where=where, what=what, found=found, advice=advice))
        elif strange := _strange(frame[name], variable):
            what, advice = (
                f"{name} has values outside its domain",
                "correct the data, or the levels or range in the spec",
            )
            problems.append(Problem(where=where, what=what, found=strange, advice=advice))
    if problems:
        raise DataError(*problems)


def _strange(column: pl.Series, variable: object) -> str:
    """Name the first values outside the domain, or nothing."""
    if isinstance(variable, Category):
        distinct = column.cast(pl.String).unique()
        odd = distinct.filter(~distinct.is_in(list(variable.levels))).sort()
    elif isinstance(variable, Numeric):
        bounds: Interval = variable.range
        odd = column.filter((column < bounds.low) | (column >= bounds.high) | column.is_null())
    else:
        return ""
    return ", ".join(str(value) for value in odd.head(5)) if len(odd) else ""
