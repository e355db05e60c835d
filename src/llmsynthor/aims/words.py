"""Variables in words, for a prompt."""

from collections.abc import Sequence
from dataclasses import dataclass

from llmsynthor.aims.grid import Grid
from llmsynthor.spec.levels import Interval, Level
from llmsynthor.spec.schema import Category, Coded


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """A variable as a prompt shows it."""

    name: str
    text: str


def describe(grid: Grid) -> list[Described]:
    """Describe every variable of a unit: label, description, values."""
    return [Described(name=axis.name, text=_text(axis.variable)) for axis in grid.axes]


def _text(variable: Coded) -> str:
    about = ". ".join(part for part in (variable.label, variable.description) if part)
    if isinstance(variable, Category):
        values = "one of " + "; ".join(variable.levels)
    else:
        unit = f" {variable.unit}" if variable.unit else ""
        values = f"a range within {variable.range}{unit}"
    return f"{about} ({values})" if about else values


def say_level(column: str, level: Level) -> str:
    """Name one condition.

    >>> say_level("age", Interval(16, 25)), say_level("employment", "unemployed")
    ('age [16, 25)', 'employment = unemployed')
    """
    return f"{column} {level}" if isinstance(level, Interval) else f"{column} = {level}"


def say_cell(columns: Sequence[str], levels: Sequence[Level]) -> str:
    """Name a cell as a reader would: its conditions, joined by "and"."""
    return " and ".join(say_level(column, level) for column, level in zip(columns, levels, strict=True))


def say_missing(columns: Sequence[str], levels: Sequence[Level], missing: float) -> str:
    """Say what is missing in a cell, or too many.

    >>> say_missing(["age", "employment"], [Interval(16, 25), "unemployed"], 212)
    'age [16, 25) and employment = unemployed: 212 records missing'
    """
    amount = f"{abs(missing):,.0f} {'record' if round(abs(missing)) == 1 else 'records'}"
    return f"{say_cell(columns, levels)}: {amount} {'missing' if missing >= 0 else 'too many'}"
