"""The engine of flat records: how rows are counted and swept."""

from dataclasses import dataclass

import numpy as np

from llmsynthor.aims.goals import Goals
from llmsynthor.aims.reach import Reach, reach
from llmsynthor.alignment.effort import Codes, Counts, Effort, Floats
from llmsynthor.alignment.parallel import in_parallel
from llmsynthor.alignment.rows import kernels
from llmsynthor.alignment.rows.program import Compiled

CHUNK = 16_384
"""Records that a worker takes at once."""


@dataclass(slots=True)
class State:
    """The population as it is, with its counts and sums of means kept current; `pull` 0 says that means are given up."""

    codes: Codes
    counts: Counts
    means: Reach
    moved: int = 0
    pull: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
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

    def goal(self, counts: Counts, records: int | None = None) -> Floats:
        """Wanted records per cell, shape (cells,), given the records there are."""
        return self.compiled.goal(counts, (self.records if records is None else records,))

    def state(self, codes: Codes, *, moved: int = 0) -> State:
        """Records with their counts and sums."""
        counts = self.count(codes)
        return State(codes=codes, counts=counts, means=self.sums(counts), moved=moved)

    def sums(self, counts: Counts) -> Reach:
        """Which means the records can take."""
        return reach(self.goals.moments, *self.compiled.moments, counts, self.records)

    def distances(self, codes: Codes) -> tuple[float, ...]:
        """Total variation distance of each table from its goal."""
        counts = self.count(codes)
        return tuple(float(x) for x in self.compiled.distances(counts, self.goal(counts, len(codes))))

    def count(self, codes: Codes) -> Counts:
        """Count the records in every cell of every table, shape (cells,)."""
        n_cells, program = len(self.compiled.fixed), self.compiled.program

        def part(first: int) -> Counts:
            counts = np.zeros(n_cells, dtype=np.int64)
            kernels.count_chunk(codes, first, min(first + size, len(codes)), program, counts)
            return counts

        size = max(self.effort.chunk or CHUNK, n_cells)
        parts = in_parallel(part, range(0, len(codes), size), self.effort.workers)
        return sum(parts, np.zeros(n_cells, dtype=np.int64))

    def sweep(self, codes: Codes, weights: Floats, number: int) -> None:
        """Redraw every variable of every record once, in place; `weights` holds exp(θ) of every cell."""
        chunk = self.effort.chunk or CHUNK

        def part(first: int) -> None:
            last = min(first + chunk, len(codes))
            kernels.sweep_chunk(codes, first, last, self.compiled.program, weights, self.seed, number)

        in_parallel(part, range(0, len(codes), chunk), self.effort.workers)
