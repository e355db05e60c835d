"""What an alignment begins with, and what it gives back."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llmsynthor.population.roster import Roster

DONE = "nothing was left to correct"
"""How the sentence of a correction begins that has met everything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Records that are there already, and how strongly each holds on to what it is.

    `stay` is a log-weight. With `for_good` it is never given up; otherwise when the tables cannot be met without.
    """

    roster: Roster
    stay: float = 100.0
    for_good: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What alignment did: the tables' TVD at the start, after fitting and in the end, and why it stopped."""

    start: tuple[float, ...]
    fitted: tuple[float, ...]
    final: tuple[float, ...]
    sentence: str
    moved: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Aligned:
    """The records of all units, those of the start first; `unchanged` (records of the start,) says which of them stayed.

    `broken` records break a rule. `unmet` names the tables with a cell that is further off than rounding explains, the worst
    first.
    """

    roster: Roster
    unchanged: NDArray[np.bool_]
    report: Report
    broken: int = 0
    unmet: tuple[str, ...] = ()

    @property
    def codes(self) -> NDArray[np.int32]:
        """Those of the top unit: (records, variables)."""
        return self.roster.codes[0]
