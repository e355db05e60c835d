"""A folder of PopulationSim becomes a spec: controls, control totals, crosswalk, settings; seeds become a start."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from llmsynthor.imports.controls import OTHER, Column, Control, column_of, grouped, universe_of
from llmsynthor.imports.expressions import Allowed, ControlError, read_control
from llmsynthor.imports.folders import UNITS, Folder, Frame, problem
from llmsynthor.imports.starts import MOST_RECORDS, csv_text, plain_id, starts_of
from llmsynthor.imports.writing import write_new
from llmsynthor.spec.reading.yaml_text import write_yaml

SIZES = ("NP", "HHSIZE", "HHSize", "hhsize", "hh_size", "persons", "size", "PERSONS", "HINCP_NP", "numprec")
IDS = ("_id", "serialno", "weight", "_weight", "wgtp")
EXACT = 1e8
"""Importance from which on a control never yields."""


@dataclass(slots=True)
class Imported:
    """What an import made: the spec's path, and what was left out or assumed."""

    spec: Path
    notes: list[str] = field(default_factory=list)


def import_populationsim(
    folder: Path, out: Path, *, configs: str = "configs", data: str = "data", force: bool = False
) -> Imported:
    """Write spec.yaml, tables/ and, where there are seeds, start/ into `out`; raises DataError."""
    work = Folder(folder, configs, data)
    notes = list[str]()
    controls = _controls(work, notes)
    total = next((own for own in controls if own.name == work.total), None) or next(
        (own for own in controls if own.unit == "household" and not own.allowed), None
    )
    levels, crosswalk = _levels(work, controls, notes)
    seeds = work.seeds()
    columns, kept = _columns(controls, seeds, work, notes)
    size = _size(columns)
    targets, tables = _targets(kept, total, columns, work, (levels, crosswalk), notes)
    document = {
        "llmsynthor": 1,
        "name": f"{folder.name}, from PopulationSim",
        "geographies": {"zones": {"levels": levels, "crosswalk": {"file": "tables/crosswalk.csv"}}},
        "units": _units(columns, size, has_persons=any(own.unit == "person" for own in kept)),
        "targets": targets,
        "synthesis": _synthesis(total, work, crosswalk, levels),
    }
    texts = {
        "tables/crosswalk.csv": csv_text(levels, crosswalk),
        **{f"tables/{name}": text for name, text in tables.items()},
    }
    texts |= starts_of(seeds, columns, total, work, notes, size=size)
    head = [
        "# Written by `llmsynthor import populationsim`.",
        *(f"# {note}" for note in notes),
    ]
    texts["spec.yaml"] = "\n".join(head) + "\n" + write_yaml(document)
    for name, text in texts.items():
        write_new(out / name, text, force=force)
    return Imported(spec=out / "spec.yaml", notes=notes)


def _controls(work: Folder, notes: list[str]) -> list[Control]:
    frame = work.controls()
    missing = [n for n in ("target", "geography", "seed_table", "control_field", "expression") if n not in frame.names]
    if missing:
        raise problem(frame.path, "columns are missing", "it is no controls.csv", ", ".join(missing))
    found = list[Control]()
    for row in frame.rows:
        said = dict(zip(frame.names, row, strict=True))
        unit = UNITS.get(said["seed_table"])
        if unit is None:
            raise problem(frame.path, "the seed table is households or persons", "correct it", said["seed_table"])
        try:
            allowed = dict(read_control(said["expression"], said["seed_table"]))
        except ControlError as cause:
            notes.append(f"decide: the control {said['target']} was left out: {cause}: {said['expression'][:80]}")
            continue
        weights = (work.weight, work.id, "weight", "WGTP", "PWGTP", "Pweight", "HHweight")
        allowed = {
            name: own
            for name, own in allowed.items()
            if not (
                (name in weights or name.lower().endswith(IDS)) and (own.everything or said["target"] == work.total)
            )
        }
        if said["target"] == work.total:
            allowed = {}
        try:
            importance = float(said.get("importance", "1") or 1)
        except ValueError:
            importance = 1.0
        found.append(
            Control(
                name=said["target"],
                level=said["geography"],
                unit=unit,
                field=said["control_field"],
                importance=importance,
                allowed=allowed,
            )
        )
    if not found:
        raise problem(frame.path, "no control can be read", "see the expressions", None)
    return found


def _levels(work: Folder, controls: Sequence[Control], notes: list[str]) -> tuple[list[str], list[tuple[str, ...]]]:
    """Levels that controls name, coarse to fine, and the zones of each; ids of zones are texts."""
    order = [str(level) for level in work.settings.get("geographies", [])]
    used = list(dict.fromkeys(own.level for own in controls))
    frame = work.table("geo_cross_walk", ("cross",))
    if frame is None:
        if len(used) != 1:
            raise problem(work.data, "there is no crosswalk", "put geo_cross_walk.csv there")
        control = work.totals(used[0])
        ids = sorted(set(control.column(used[0]))) if control is not None else []
        return used, [(own,) for own in ids]
    unknown = [level for level in used if level not in frame.names]
    if unknown:
        raise problem(
            frame.path, "the crosswalk has no column for a geography", "rename it in settings.yaml", ", ".join(unknown)
        )
    counts = {level: len(set(frame.column(level))) for level in used}
    levels = sorted(used, key=lambda level: (order.index(level) if level in order else counts[level], counts[level]))
    rows = list(dict.fromkeys(zip(*(map(plain_id, frame.column(level)) for level in levels), strict=True)))
    finest = work.totals(levels[-1])
    if finest is not None and levels[-1] in finest.names:
        there = set(map(plain_id, finest.column(levels[-1])))
        left = [row for row in rows if row[-1] not in there]
        if left:
            notes.append(
                f"{len(left)} zones of the crosswalk have no control totals and were left out, such as {left[0][-1]}"
            )
        rows = [row for row in rows if row[-1] in there]
    return levels, [row for row in rows if all(row)]


Columns = dict[str, dict[str, Column]]


def _columns(
    controls: Sequence[Control], seeds: Mapping[str, Frame], work: Folder, notes: list[str]
) -> tuple[Columns, list[Control]]:
    """A variable for each column that controls name; controls on columns that make none are left out."""
    found: Columns = {"household": {}, "person": {}}
    for unit, own_columns in found.items():
        said: dict[str, list[Allowed]] = {}
        for control in controls:
            if control.unit == unit:
                for name, allowed in control.allowed.items():
                    said.setdefault(name, []).append(allowed)
        for name, own in said.items():
            seen = list(_numbers(seeds[unit], name)) if unit in seeds else []
            if unit in seeds and name in seeds[unit].names:
                covered = _covers(own, seeds[unit], name)
            else:
                covered = _adds_up(unit, name, controls, work)
            column = column_of(name, own, seen, whole=covered)
            if column is not None:
                own_columns[name] = column
    kept = [control for control in controls if all(name in found[control.unit] for name in control.allowed)]
    for control in controls:
        if control not in kept:
            notes.append(f"decide: the control {control.name} was left out: its codes overlap those of other controls")
    return found, kept


def _numbers(frame: Frame, name: str) -> Iterator[float]:
    if name in frame.names:
        for text in frame.column(name):
            try:
                yield float(text)
            except ValueError:
                continue


def _covers(said: Sequence[Allowed], seed: Frame, name: str) -> bool:
    """Whether every value of the seed is named."""
    codes = Column(name=name, codes=tuple((str(k), own) for k, own in enumerate(said)))
    return all(codes.level_of(text) != OTHER for text in set(seed.column(name)))


def _adds_up(unit: str, name: str, controls: Sequence[Control], work: Folder) -> bool:
    """Whether the controls on a column alone add up to those of all records of the unit, to a hundredth."""
    own = [control for control in controls if control.unit == unit and set(control.allowed) == {name}]
    whole = [control for control in controls if control.unit == unit and not control.allowed]
    sums = [sum(total_of(control, work) for control in some) for some in (own, whole[:1])]
    return sums[1] > 0 and abs(sums[0] - sums[1]) <= 0.02 * sums[1]


def total_of(control: Control, work: Folder) -> float:
    """The sum of a control over its zones."""
    frame = work.totals(control.level)
    return sum(_numbers(frame, control.field)) if frame is not None else 0.0


def _size(columns: Columns) -> str:
    """The household's variable that says how many persons it has."""
    names = [name for name in SIZES if name in columns["household"] and columns["household"][name].numeric]
    return names[0] if names else "size"


def _units(columns: Columns, size: str, *, has_persons: bool) -> dict[str, Any]:
    household = {name: _variable(column) for name, column in columns["household"].items()}
    if has_persons and size not in household:
        household[size] = {"kind": "integer", "range": [1, 11], "unit": "persons"}
    if has_persons and household[size]["range"][0] < 1:
        household[size]["range"][0] = 1
    if not household:
        household["kind"] = {"kind": "category", "levels": ["household"]}
    units: dict[str, Any] = {"household": {"geography": "zones", "variables": household}}
    if has_persons:
        person = {name: _variable(column) for name, column in columns["person"].items()}
        person = person or {"kind": {"kind": "category", "levels": ["person"]}}
        units["person"] = {"parent": "household", "count": size, "variables": person}
    return units


def _variable(column: Column) -> dict[str, Any]:
    if column.numeric:
        return {"kind": "integer", "range": [int(column.low), int(column.high)]}
    return {"kind": "category", "levels": list(column.levels)}


def _targets(
    controls: Sequence[Control],
    total: Control | None,
    columns: Columns,
    work: Folder,
    zones: tuple[list[str], list[tuple[str, ...]]],
    notes: list[str],
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """A target and its long table for every group of controls."""
    levels, crosswalk = zones
    others = [own.importance for own in controls if own.importance < EXACT]
    middle = median(others) if others else 1.0
    targets, tables = list[dict[str, Any]](), dict[str, str]()
    ordered = sorted(grouped(controls), key=lambda group: total not in group)
    for number, group in enumerate(ordered):
        first = group[0]
        known = {row[levels.index(first.level)] for row in crosswalk}
        frame = work.totals(first.level)
        rows = list(_rows(group, frame, columns[first.unit], known, notes))
        if not rows:
            continue
        zone = first.level if first.unit == "household" else f"household.{first.level}"
        name = first.name if len(group) == 1 else f"{' and '.join(first.allowed)} by {first.level}"
        name += f" ({number})" if any(own["name"] == name for own in targets) else ""
        file = f"{number:02d}-{re.sub(r'[^a-z0-9]+', '-', name.lower()).strip('-')[:50]}.csv"
        tables[file] = csv_text([zone, *first.allowed, "count"], rows)
        importance: Any = (
            "exact" if first.importance >= EXACT else round(max(own.importance for own in group) / middle, 6)
        )
        target = {"name": name, "unit": first.unit, "table": f"tables/{file}", "source": "PopulationSim controls"}
        if importance != 1:
            target["importance"] = importance
        if total is not None and total not in group:
            target["of"] = total.name
        about = universe_of(group, columns[first.unit])
        if about:
            target["universe"] = about
        targets.append(target)
    return targets, tables


def _rows(
    group: Sequence[Control], frame: Frame | None, columns: Mapping[str, Column], known: set[str], notes: list[str]
) -> Iterator[list[str]]:
    """Rows of a long table: zone, levels, count."""
    level = group[0].level
    if frame is None or level not in frame.names:
        notes.append(
            f"decide: there are no control totals of {level}: {', '.join(own.name for own in group)} were left out"
        )
        return
    for control in group:
        if control.field not in frame.names:
            notes.append(
                f"decide: the control {control.name} was left out: {frame.path.name} has no column {control.field}"
            )
            continue
        cells = [columns[name].cell(allowed) for name, allowed in control.allowed.items()]
        if any(cell is None for cell in cells):
            notes.append(f"decide: the control {control.name} was left out: it is no single interval or code")
            continue
        for zone, value in zip(frame.column(level), frame.column(control.field), strict=True):
            if plain_id(zone) in known:
                yield [plain_id(zone), *(str(cell) for cell in cells), value or "0"]


def _synthesis(
    total: Control | None, work: Folder, crosswalk: Sequence[tuple[str, ...]], levels: Sequence[str]
) -> dict[str, Any]:
    if total is None:
        return {"records": 1000, "seed": 1}
    frame = work.totals(total.level)
    number = sum(_numbers(frame, total.field)) if frame is not None else 0.0
    share = {"share": round(MOST_RECORDS / number, 6)} if number > MOST_RECORDS else {}
    return {"records": {"of": total.name, **share}, "seed": 1}
