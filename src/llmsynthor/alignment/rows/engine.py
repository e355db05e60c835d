"""The engine of flat records: how rows are counted and swept."""

import numpy as np

from llmsynthor.alignment.cells import table_distances
from llmsynthor.alignment.parallel import in_parallel
from llmsynthor.alignment.rows import kernels
from llmsynthor.alignment.rows.effort import Codes, Counts, Floats, Task


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
