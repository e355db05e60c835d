"""Who lives with whom, as a library keeps it: the first member of a household by the others, in kinds of household."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

PLACES = ("second", "further")
"""Which member beside the first: the second, and all others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kinship:
    """Counts of members beside the first. `kinds` names the parent's variable that tells kinds of household apart; `names` are
    the variables of members that are kept.

    `tables` has for every name "NAME" (kinds, places, levels of the first, levels of the member), for "NAME before" the same of
    the member before, where that is not the first, without places, and for "NAME first" (kinds, levels of the first).
    """

    kinds: str
    names: tuple[str, ...]
    tables: Mapping[str, Floats] = field(repr=False)

    @property
    def about(self) -> dict[str, Any]:
        shapes = {name: list(table.shape) for name, table in self.tables.items()}
        return {"kinds": self.kinds, "names": list(self.names), "shapes": shapes}

    @classmethod
    def unpacked(cls, about: Mapping[str, Any], numbers: Floats, at: int) -> tuple["Kinship", int]:
        """Read the tables from `numbers` on; returns where they end."""
        tables: dict[str, Floats] = {}
        for name, shape in about["shapes"].items():
            size = int(np.prod(shape))
            tables[str(name)] = numbers[at : at + size].reshape(shape)
            at += size
        return cls(kinds=str(about["kinds"]), names=tuple(map(str, about["names"])), tables=tables), at
