"""What every exported column is, said once: for the dictionaries of databases and the descriptions of packages."""

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from llmsynthor.records.formats.made import Made
from llmsynthor.spec.schema import Category, Numeric


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """A column: its kind (`integer`, `number`, `string`), what it is, its levels or range, and the table that it refers to."""

    unit: str
    name: str
    kind: str
    label: str = ""
    description: str = ""
    levels: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    refers_to: str | None = None

    @property
    def is_key(self) -> bool:
        return self.name == f"{self.unit}_id"


def describe(made: Made, unit: str) -> Iterator[Described]:
    """Yield every column of a unit, in their order."""
    schema, frame = made.spec.schema, made.frames[unit]
    units = {f"{own.name}_id": own.name for own in schema.units}
    for name in frame.columns:
        kind = _kind(frame[name].dtype)
        if name in units:
            owner = units[name] if units[name] != unit else None
            yield Described(unit=unit, name=name, kind=kind, label=f"id of the {units[name]}", refers_to=owner)
            continue
        try:
            variable = schema[unit].variable(name)
        except KeyError:
            label = f"place among the {unit}s of one {schema[unit].parent}" if name == "position" else ""
            yield Described(unit=unit, name=name, kind=kind, label=label)
            continue
        levels = variable.levels if isinstance(variable, Category) else ()
        ends = (variable.range.low, variable.range.high) if isinstance(variable, Numeric) else (None, None)
        yield Described(
            unit=unit,
            name=name,
            kind=kind,
            label=variable.label,
            description=variable.description,
            levels=levels,
            low=ends[0],
            high=ends[1],
        )


def _kind(kind: pl.DataType) -> str:
    if kind.is_integer():
        return "integer"
    return "number" if kind.is_numeric() else "string"
