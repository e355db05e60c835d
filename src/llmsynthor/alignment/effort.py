"""What stays the same through an alignment, and the sums over all records that every stage takes."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.goals import Goals
from llmsynthor.alignment.rows import kernels
from llmsynthor.alignment.rows.program import Compiled

Codes = NDArray[np.int32]
Counts = NDArray[np.int64]
Floats = NDArray[np.float64]
Notify = Callable[[str, int, Floats], None]
T = TypeVar("T")


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


def count(task: Task, codes: Codes) -> Counts:
    """Count the records in every cell of every table, shape (cells,)."""
    program = task.compiled.program

    def part(first: int) -> Counts:
        counts = np.zeros(len(task.compiled.fixed), dtype=np.int64)
        kernels.count_chunk(codes, first, min(first + size, len(codes)), program, counts)
        return counts

    size = max(task.effort.chunk, len(task.compiled.fixed))
    return sum(
        in_parallel(part, range(0, len(codes), size), task.effort.workers),
        np.zeros(len(task.compiled.fixed), dtype=np.int64),
    )


def sweep_all(task: Task, codes: Codes, weights: Floats, sweep: int) -> None:
    """Redraw every variable of every record once, in place; `weights` holds exp(θ) of every cell."""

    def part(first: int) -> None:
        last = min(first + task.effort.chunk, len(codes))
        kernels.sweep_chunk(codes, first, last, task.compiled.program, weights, task.seed, sweep)

    in_parallel(part, range(0, len(codes), task.effort.chunk), task.effort.workers)


def distances(task: Task, codes: Codes) -> tuple[float, ...]:
    """Total variation distance of each table from its goal."""
    counts = count(task, codes)
    return tuple(float(x) for x in table_distances(task.compiled.tables, counts, task.goal(counts, len(codes))))


def table_distances(tables: Sequence[tuple[int, int]], counts: Counts, goal: Floats) -> Floats:
    """The same from the counts, shape (tables,); each table is its first cell and the one behind its last."""
    return np.array([np.abs(counts[a:b] - goal[a:b]).sum() / (2 * max(goal[a:b].sum(), 1e-300)) for a, b in tables])


def in_parallel(work: Callable[[int], T], firsts: range, workers: int | None) -> list[T]:
    """Run the pieces on all workers; the results come in the order of the pieces."""
    workers = workers or os.cpu_count() or 1
    if len(firsts) < 2 or workers < 2:
        return [work(first) for first in firsts]
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(work, firsts))
