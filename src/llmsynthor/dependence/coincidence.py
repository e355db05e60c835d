"""Levels that seem to say the same thing: as many records lie in one as in the other, and a model expects them together.

"Employment: child under 16" and the ages below 16 hold for the very same number of persons. That two unrelated shares agree
to this part is unlikely, and unlikelier still that a model should also expect the two together.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llmsynthor.dependence.coarse import Coarse
from llmsynthor.spec.levels import Interval

SAME = 0.0005
"""Two shares that differ by no more than this part of themselves may count the same records."""

TOGETHER = 2.0
"""How many times as often as by chance a model must expect two such levels together."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Coincidence:
    """The levels `inside` of a number, at one end of its range, and `level` of a category hold for the same records.

    `together` is how many times as often as by chance the model expects it; `swapped` says that the number is the second
    variable of the pair.
    """

    number: Coarse
    inside: NDArray[np.bool_]
    category: Coarse
    level: int
    together: float
    swapped: bool

    @property
    def share(self) -> float:
        return float(self.category.shares[self.level])

    def apart(self) -> NDArray[np.bool_]:
        """The cells that would be empty, shape (levels of one, levels of the other)."""
        own = np.arange(self.category.size) == self.level
        cells: NDArray[np.bool_] = self.inside[:, None] != own[None, :]
        return cells.T if self.swapped else cells


def coincidences(one: Coarse, other: Coarse, table: Floats) -> Iterator[Coincidence]:
    """Find them for a pair whose estimated shares are `table` (levels of one, levels of the other)."""
    for number, category, lift, swapped in ((one, other, table, False), (other, one, table.T, True)):
        if isinstance(category.levels[0], Interval):
            continue
        for inside in _ends(number):
            share = float(number.shares[inside].sum())
            for level in np.flatnonzero(np.abs(category.shares - share) <= SAME * share):
                together = float(lift[inside, level].sum() / (share * category.shares[level]))
                if together >= TOGETHER:
                    yield Coincidence(
                        number=number,
                        inside=inside,
                        category=category,
                        level=int(level),
                        together=together,
                        swapped=swapped,
                    )


def _ends(variable: Coarse) -> Iterator[NDArray[np.bool_]]:
    """Sets of a number's levels that lie at one end of its range and hold less than half of the records."""
    if not isinstance(variable.levels[0], Interval):
        return
    for k in range(1, variable.size):
        first = np.arange(variable.size) < k
        yield from (part for part in (first, ~first) if 0 < variable.shares[part].sum() < 0.5)
