"""What stays the same through an alignment, and the sums over all records that every stage takes."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.goals import Goals
from llmsynthor.alignment.cells import table_distances
from llmsynthor.alignment.rows.program import Compiled

Codes = NDArray[np.int32]
Counts = NDArray[np.int64]
Floats = NDArray[np.float64]
Notify = Callable[[str, int, Floats], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How long the stages may work. No clock decides: only counts and what is left to gain.

    `chains` is the least number of records that θ is fitted on, `share` the part of the records asked for where that is more.
    Errors below `rounding` of a record are taken for met. `blocks` are corrected side by side; the number of workers changes
    nothing.
    """

    chains: int = 20_000
    share: float = 0.2
    fit_sweeps: int = 60
    correct_sweeps: int = 60
    chunk: int = 16_384
    blocks: int = 8
    block_records: int = 25_000
    rounding: float = 1.0
    workers: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """The goals as the kernels read them, how many records, from which seed, with how much effort.

    `shaped` says that something besides the goals gives the records a shape, `keep` that records held are never let go.
    """

    goals: Goals
    compiled: Compiled
    records: int
    seed: int
    effort: Effort
    shaped: bool = False
    keep: bool = False
    notify: Notify = field(default=lambda stage, sweep, tvd: None)

    def goal(self, counts: Counts, records: int | None = None) -> Floats:
        """Wanted records per cell, shape (cells,), given the records there are."""
        return self.compiled.goal(counts, self.records if records is None else records)

    def told(self, stage: str, sweep: int, counts: Counts, goal: Floats) -> None:
        self.notify(stage, sweep, table_distances(self.compiled.tables, counts, goal))
