"""PopulationSim's layout: synthetic households and persons, and a summary of controls, results and differences a geography."""

from pathlib import Path

import numpy as np
import polars as pl

from llmsynthor.records.formats.made import Made
from llmsynthor.records.formats.places import telling
from llmsynthor.records.formats.roles import units_of
from llmsynthor.records.linked import Nested
from llmsynthor.records.measure import cell_numbers
from llmsynthor.spec.levels import Level, number_text
from llmsynthor.spec.schema import Numeric
from llmsynthor.spec.targets import Table


def write_populationsim(made: Made, out: Path) -> list[Path]:
    """Write `synthetic_households.csv`, `synthetic_persons.csv` and `final_summary_<LEVEL>.csv`; raises DataError."""
    household, person = units_of(made)
    homes = made.frames[household].rename({f"{household}_id": "household_id"})
    zones = [name for place in made.spec.schema[household].places for name in place.variables]
    above = homes.select("household_id", *(name for name in zones if name in homes.columns))
    people = made.frames[person].rename({f"{household}_id": "household_id", "position": "per_num"})
    people = people.join(above, on="household_id", how="left", maintain_order="left", suffix="_home")
    tables = {"synthetic_households.csv": homes, "synthetic_persons.csv": people}
    nested = made.nested()
    for level in zones:
        summary = _summary(made, nested, level, {level, f"{household}.{level}"})
        if summary is not None:
            tables[f"final_summary_{level}.csv"] = summary
    for name, frame in tables.items():
        with telling(out / name):
            frame.write_csv(out / name)
    return [out / name for name in tables]


def _summary(made: Made, nested: Nested, level: str, names: set[str]) -> pl.DataFrame | None:
    """A row a zone: all controls, then all results, then all differences; tables of counts that have the level."""
    controls: dict[str, dict[str, float]] = {}
    results: dict[str, dict[str, float]] = {}
    for target in made.spec.targets:
        if not isinstance(target, Table) or target.trust < 1 or target.condition:
            continue
        at = next((k for k, name in enumerate(target.columns) if name in names), None)
        if at is None:
            continue
        numbers = cell_numbers(nested, target)
        inside = numbers[numbers >= 0]
        counts = np.bincount(inside, minlength=len(target.cells))
        whole = target.base.records if target.base is not None else sum(target.values)
        records = made.frames[target.base.unit].height if target.base is not None else len(inside)
        scale = records / whole if whole else 0.0
        for number, (cell, value) in enumerate(zip(target.cells, target.values, strict=True)):
            rest = " ".join(_named(made, target, k, own) for k, own in enumerate(cell) if k != at)
            name = f"{target.name} {rest}".strip().replace(" ", "_")
            zone = str(cell[at])
            controls.setdefault(name, {})[zone] = round(value * scale, 6)
            results.setdefault(name, {})[zone] = float(counts[number])
    if not controls:
        return None
    zones = list(dict.fromkeys(zone for own in controls.values() for zone in own))
    columns: dict[str, list[str] | list[float]] = {"geography": [level] * len(zones), "id": zones}
    for name, own in controls.items():
        columns[f"{name}_control"] = [own.get(zone, 0.0) for zone in zones]
    for name, found in results.items():
        columns[f"{name}_result"] = [found.get(zone, 0.0) for zone in zones]
    for name, own in controls.items():
        columns[f"{name}_diff"] = [round(results[name].get(zone, 0.0) - own.get(zone, 0.0), 6) for zone in zones]
    return pl.DataFrame(columns)


def _named(made: Made, target: Table, number: int, level: Level) -> str:
    """A level as part of a column's name: intervals as 1, 2-4 or 5+.

    Whole numbers have both ends in.
    """
    if isinstance(level, str):
        return level
    _, variable = made.spec.schema.find(target.unit, target.columns[number])
    assert isinstance(variable, Numeric)
    if level.high >= variable.range.high:
        return f"{number_text(level.low)}+"
    last = level.high - 1 if variable.integer else level.high
    return number_text(level.low) if last == level.low else f"{number_text(level.low)}-{number_text(last)}"
