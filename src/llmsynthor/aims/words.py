"""Variables in words, for a prompt."""

from dataclasses import dataclass

from llmsynthor.aims.grid import Grid
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
