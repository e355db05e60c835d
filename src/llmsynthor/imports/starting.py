"""A whole spec from tables as published: `init`. What a person must decide stands in it as comments."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from llmsynthor.errors import DataError, Problem
from llmsynthor.sources.guess import Guess, Guessed, guess
from llmsynthor.sources.recognise import read_long
from llmsynthor.sources.table import LongTable, Reading, SourceError
from llmsynthor.spec.reading.partial import within_groups
from llmsynthor.spec.reading.yaml_text import write_yaml

MOST_LISTED = 30
"""Levels that are written out; more of them are taken from the tables."""


MOST_OPEN = 1_500


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file with its table and what it may be."""

    path: Path
    table: LongTable
    found: Guess
    sheet: str | None = None


def read_source(path: Path, reading: Reading | None = None) -> Source:
    """Read a file and guess; raises DataError with the reason where it is no table."""
    said = reading or Reading()
    try:
        table = read_long(path, _with_labels(path, said))
    except (SourceError, OSError) as cause:
        raise _refused(path, cause) from cause
    found = guess(table)
    said = _with_labels(path, said)
    about = {"labels": said.labels, "sheet": said.sheet, "range": said.cells, "head": said.head, "matrix": said.matrix}
    about |= {"decimal": said.decimal, "separator": said.separator, "skip_rows": said.skip_rows or None}
    about |= {"layout": said.layout or table.layout or None, "encoding": said.encoding}
    found.read = {**{key: value for key, value in about.items() if value is not None}, **found.read}
    return Source(path=path, table=table, found=found, sheet=str(said.sheet) if said.sheet is not None else None)


def sheets_of(path: Path) -> list[tuple[str, int, int]]:
    """Each sheet of a workbook that holds a table, with its rows and columns; raises DataError."""
    from llmsynthor.sources.sheets import sheets_with_tables  # noqa: PLC0415  (imports come with the format)

    try:
        return sheets_with_tables(path)
    except (SourceError, OSError) as cause:
        raise _refused(path, cause) from cause


def _refused(path: Path, cause: SourceError | OSError) -> DataError:
    if isinstance(cause, SourceError):
        return DataError(Problem(where=str(path), what=cause.what, advice=cause.advice, found=cause.found or None))
    return DataError(Problem(where=str(path), what=f"it cannot be read ({cause})", advice="correct the path"))


def _with_labels(path: Path, said: Reading) -> Reading:
    """The Census API's labels, where they lie beside the table under its name."""
    if said.labels is not None or path.suffix.lower() != ".json":
        return said
    beside = path.with_name(f"{path.stem}_variables.json")
    return replace(said, labels=beside.name) if beside.is_file() else said


def write_spec(sources: Sequence[Source], folder: Path, *, name: str = "") -> str:
    """Write a spec in which every table is a target; paths are relative to `folder`."""
    counted = [source for source in sources if not source.found.statistic and source.found.variables]
    units = {source.found.unit for source in counted}
    nested = units == {"household", "person"}
    unit = next(iter(units), "person")
    merged = _merged(counted)
    lines = [
        "# Written by `llmsynthor init`: look it through. What begins with `decide` is for you to decide.",
        "llmsynthor: 1",
        *write_yaml({"name": name or "a synthesis from published tables"}).splitlines(),
        'context: ""        # decide: place, time, who these records are; a model is told so',
        "units:",
    ]
    if nested:
        lines += _unit("household", _of_unit(counted, merged, "household"), parent=None, sized=True)
        lines += _unit("person", _of_unit(counted, merged, "person"), parent="household")
    else:
        lines += _unit(unit, list(merged.values()), parent=None)
    targets = [line for s in sources for line in _target(s, merged, folder, s.found.unit if nested else unit)]
    lines.append("targets:" if any(line.startswith("  - ") for line in targets) else "targets: []")
    lines += targets
    records = "household" if nested else unit
    lines.append(f"synthesis: {{records: 1000, seed: 1}}      # decide: how many {records}s")
    return "\n".join(lines) + "\n"


def _merged(sources: Sequence[Source]) -> dict[str, Guessed]:
    """Each variable once: the levels of all tables, the widest range. Kinds that differ are made two variables."""
    found: dict[str, Guessed] = {}
    for source in sources:
        renamed = list[Guessed]()
        for variable in source.found.variables:
            own, other = variable, found.get(variable.name)
            if other is not None and other.numeric != own.numeric:
                new = f"{own.name}_{len(found)}"
                _rename(source.found, own.name, new)
                own = Guessed(name=new, levels=own.levels, low=own.low, high=own.high, zone=own.zone)
                other = found.get(new)
            levels = tuple(dict.fromkeys([*(other.levels if other else ()), *own.levels]))
            low = min(own.low, other.low) if other else own.low
            high = max(own.high, other.high) if other else own.high
            found[own.name] = Guessed(name=own.name, levels=levels, low=low, high=high, zone=own.zone)
            renamed.append(own)
        source.found.variables[:] = renamed
    return found


def _rename(found: Guess, old: str, new: str) -> None:
    columns = found.read.setdefault("columns", {})
    if "cells" in found.read and any(old in own for own in found.read["cells"].values()):
        found.read["cells"] = {
            code: {new if name == old else name: level for name, level in own.items()}
            for code, own in found.read["cells"].items()
        }
    else:
        columns[new] = columns.pop(old, old)
    if not columns:
        del found.read["columns"]


def _of_unit(sources: Sequence[Source], merged: dict[str, Guessed], unit: str) -> list[Guessed]:
    """Variables of a unit: those of its tables; zones are where households are."""
    names = dict.fromkeys(own.name for source in sources if source.found.unit == unit for own in source.found.variables)
    zones = dict.fromkeys(own.name for own in merged.values() if own.zone)
    if unit == "household":
        return [merged[name] for name in {**zones, **names}]
    above = {own.name for source in sources if source.found.unit == "household" for own in source.found.variables}
    return [merged[name] for name in names if name not in zones and name not in above]


def _unit(name: str, variables: Sequence[Guessed], *, parent: str | None, sized: bool = False) -> list[str]:
    lines = [f"  {name}:"]
    if parent is not None:
        lines += [f"    parent: {parent}", "    count: size"]
    lines.append("    variables:")
    if sized and not any(own.name == "size" for own in variables):
        lines.append(
            "      size: {kind: integer, range: [1, 8], unit: persons}      # decide: how many persons a household has"
        )
    for own in variables:
        lines += _variable_lines(own)
    if not variables and parent is not None:
        lines.append("      role: {kind: category, levels: [person]}      # decide: no table says anything of persons")
    return lines


def _variable_lines(own: Guessed) -> Iterator[str]:
    if own.numeric:
        said: dict[str, Any] = {"kind": "integer", "range": [int(own.low), int(own.high)]}
        note = "      # decide: the end of the range, where the last group is open"
    elif len(own.levels) > MOST_LISTED:
        said, note = {"kind": "category", "levels": "from tables"}, ""
    else:
        said, note = {"kind": "category", "levels": list(own.levels)}, ""
    lines = write_yaml({own.name: said}).splitlines()
    yield from (f"      {line}{note if number == 0 else ''}" for number, line in enumerate(lines))


def target_lines(source: Source, folder: Path) -> list[str]:
    """A target with its `read:` block, to paste into a spec."""
    return list(_target(source, _merged([source]), folder, source.found.unit))


def _target(source: Source, merged: dict[str, Guessed], folder: Path, unit: str) -> Iterator[str]:
    found = source.found
    where = Path(os.path.relpath(source.path.resolve(), folder.resolve())).as_posix()
    name = source.path.stem + (f", {source.sheet}" if source.sheet else "")
    if found.statistic or not found.variables:
        what = f"{found.statistic} is no count" if found.statistic else "nothing in it is cut by a variable"
        yield f"  # decide: {where}: {what}; it was left out. A median is `quantile: VARIABLE, probability: 0.5, by: [ZONE]`"
        return
    said: dict[str, Any] = {"name": name, "unit": unit, "table": where}
    if found.read:
        said["read"] = found.read
    within = _within(source)
    if within:
        said["given"] = list(within)
    if found.published:
        said["margin_of_error"] = "published"
    fewer = [
        own.name for own in found.variables if not own.numeric and len(set(own.levels)) < len(merged[own.name].levels)
    ]
    if fewer:
        said["open"] = True
    yield from (f"  # decide: {doubt}" for doubt in found.doubts)
    if fewer:
        yield f"  # decide: other tables have more levels of {', '.join(fewer)}: their cells are open here"
    lines = write_yaml([said]).splitlines()
    sign = "# " if _opened(source, merged) > MOST_OPEN else ""
    if sign:
        yield "  # decide: so much of it is open that it cannot be told: take a part of it (where), or say what the signs mean"
    yield from (f"  {sign}{line}" for line in lines)


def _within(source: Source) -> tuple[str, ...]:
    """The variables within each of whose levels shares add up to a whole, where all of them do not; none where counts are meant."""
    names = [own.name for own in source.found.variables if own.name in source.table.names]
    rows = source.table.frame.drop_nulls("value")
    if len(names) < len(source.found.variables) or rows.is_empty():
        return ()
    found = within_groups(rows.select(names).rows(), rows["value"].to_list(), names)
    return () if found is None else found[0]


def _opened(source: Source, merged: dict[str, Guessed]) -> int:
    """How many cells would be open: those without a number, and those of levels that only other tables have."""
    own, all_of = 1, 1
    for variable in source.found.variables:
        if not variable.numeric:
            own *= len(set(variable.levels))
            all_of *= len(merged[variable.name].levels)
    height = source.table.frame.height
    return source.table.frame["value"].null_count() + (all_of - own) * max(height // max(own, 1), 1)
