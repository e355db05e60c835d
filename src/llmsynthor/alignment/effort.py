"""How long the stages may work, and who is told how they go."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.int32]
Counts = NDArray[np.int64]
Floats = NDArray[np.float64]
Notify = Callable[[str, int, Floats], None]
"""Told the stage, the number of the sweep, and the total variation distance of every table."""

Told = Callable[[str, int, Counts, Floats], None]
"""Told the stage, the number of the sweep, the counts of all cells, and what they should be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How long the stages may work. No clock decides: only counts and what is left to gain.

    Weights are fitted on `chains` top records, or on the engine's share of those asked for where that is more. At most `blocks`
    of at least `block_records` are corrected side by side; a worker takes `chunk` records at once, None as many as suit the
    engine. The number of workers changes nothing.
    """

    chains: int = 20_000
    blocks: int = 8
    block_records: int = 25_000
    chunk: int | None = None
    workers: int | None = None

    def fitted_on(self, share: float, records: int) -> int:
        """How many records weights are fitted on."""
        return max(self.chains, int(share * records))

    def side_by_side(self, records: int) -> int:
        """How many blocks of records are changed side by side."""
        return min(self.blocks, records // self.block_records)


def unheard(stage: str, sweep: int, counts: Counts, goal: Floats) -> None:
    """Tell nobody."""
