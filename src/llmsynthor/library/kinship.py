"""Who lives with whom, as a library keeps it: the first member of a household by the others, in kinds of household."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

PLACES = ("second", "further")
"""Which member beside the first: the second, and all others."""

SIZES = (1, 2, 3, 4, 5, 6)
"""Where classes of households by their number of members begin."""

BLOCK = 5
"""Bins of a number that are counted together where sizes of households are told apart: single bins would be too rare."""

BY_SIZE = "by size"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kinship:
    """Counts of members beside the first. `kinds` names the parent's variable that tells kinds of household apart; `names` are
    the variables of members that are kept.

    `tables` has for every name "NAME" (kinds, places, levels of the first, levels of the member), for "NAME before" the same of
    the member before, where that is not the first, without places, and for "NAME first" (kinds, levels of the first). Each of
    them has beside it a table "… by size" of the same in households of each of `sizes`, which is the first axis, levels in blocks;
    `blocks` says at which level of a variable each begins. A library without sizes has none of these.
    """

    kinds: str
    names: tuple[str, ...]
    tables: Mapping[str, Floats] = field(repr=False)
    sizes: tuple[int, ...] = ()
    blocks: Mapping[str, tuple[int, ...]] = field(default_factory=dict, repr=False)

    def check(self, levels: Mapping[str, int]) -> None:
        """See that all tables are there and fit; `levels` says how many each variable has. Raises ValueError, KeyError."""
        if self.sizes and (self.sizes[0] > 1 or not _rises(self.sizes)):
            raise ValueError("sizes of households do not begin with one and rise")
        kinds = levels[self.kinds]
        for name in self.names:
            starts, own = self.blocks[name] if self.sizes else (), levels[name]
            if self.sizes and not (starts and starts[0] == 0 and starts[-1] < own and _rises(starts)):
                raise ValueError(f"blocks of {name} do not begin with its first level and rise")
            for key, outer, inner in (
                (name, (kinds, len(PLACES)), 2),
                (f"{name} before", (kinds,), 2),
                (f"{name} first", (kinds,), 1),
            ):
                wanted = {key: (*outer, *[own] * inner)}
                wanted |= {f"{key} {BY_SIZE}": (len(self.sizes), *outer, *[len(starts)] * inner)} if starts else {}
                odd = [place for place, shape in wanted.items() if self.tables[place].shape != shape]
                if odd:
                    raise ValueError(f"the table {odd[0]} has another shape")

    @property
    def about(self) -> dict[str, Any]:
        found: dict[str, Any] = {"kinds": self.kinds, "names": list(self.names)}
        if self.sizes:
            found |= {"sizes": list(self.sizes), "blocks": {name: list(starts) for name, starts in self.blocks.items()}}
        return {**found, "shapes": {name: list(table.shape) for name, table in self.tables.items()}}

    @classmethod
    def unpacked(cls, about: Mapping[str, Any], numbers: Floats, at: int) -> tuple["Kinship", int]:
        """Read the tables from `numbers` on; returns where they end."""
        tables: dict[str, Floats] = {}
        for name, shape in about["shapes"].items():
            size = int(np.prod(shape))
            tables[str(name)] = numbers[at : at + size].reshape(shape)
            at += size
        found = cls(
            kinds=str(about["kinds"]),
            names=tuple(map(str, about["names"])),
            tables=tables,
            sizes=tuple(map(int, about.get("sizes", ()))),
            blocks={str(name): tuple(map(int, starts)) for name, starts in about.get("blocks", {}).items()},
        )
        return found, at


def _rises(numbers: Sequence[int]) -> bool:
    return all(one < other for one, other in pairwise(numbers))


def block_starts(bins: int, words: int) -> tuple[int, ...]:
    """The levels at which blocks begin: some bins together, words each alone.

    >>> block_starts(12, 2)
    (0, 5, 10, 12, 13)
    """
    return (*range(0, bins, BLOCK), *range(bins, bins + words))


def block_of(starts: tuple[int, ...], levels: int) -> NDArray[np.int64]:
    """The block of each level, shape (levels,).

    >>> block_of((0, 5, 7), 8).tolist()
    [0, 0, 0, 0, 0, 1, 1, 2]
    """
    return np.asarray(np.searchsorted(np.array(starts), np.arange(levels), side="right") - 1)
