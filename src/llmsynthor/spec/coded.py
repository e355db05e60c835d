"""The cells of a target as numbers: the distinct levels of each column, and which of them each cell has."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from llmsynthor.spec.levels import Level
from llmsynthor.spec.targets import Table, Target

Codes = NDArray[np.int64]


class _Column:
    """A column of a target, by which its codes are found again as long as there is the target: to compare cells takes as long."""

    __slots__ = ("place", "target")

    def __init__(self, target: Target, place: int) -> None:
        self.target, self.place = target, place

    def __hash__(self) -> int:
        return hash((id(self.target), self.place))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Column) and self.target is other.target and self.place == other.place


def coded_column(target: Target, place: int) -> tuple[tuple[Level, ...], Codes]:
    """The distinct levels of the column in this place, in the order in which they come, and each cell's among them (cells,).

    >>> table = Table(name="", unit="", columns=("a",), cells=(("x",), ("y",), ("x",)), values=(1.0, 1.0, 1.0))
    >>> coded_column(table, 0)
    (('x', 'y'), array([0, 1, 0]))
    """
    return _coded(_Column(target, place))


@lru_cache(maxsize=16)
def _coded(column: _Column) -> tuple[tuple[Level, ...], Codes]:
    levels = [cell[column.place] for cell in column.target.cells]
    places = {level: number for number, level in enumerate(dict.fromkeys(levels))}
    codes = np.fromiter(map(places.__getitem__, levels), dtype=np.int64, count=len(levels))
    codes.setflags(write=False)
    return tuple(places), codes


def coded_columns(target: Target) -> list[tuple[tuple[Level, ...], Codes]]:
    """The same of every column of a table, and of every one that a statistic is given by."""
    return [
        coded_column(target, place) for place in range(len(target.columns if isinstance(target, Table) else target.by))
    ]
