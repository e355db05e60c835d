"""Offsets and moves laid out as the flat arrays that kernels read."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.goals import Goals
from llmsynthor.aims.grid import Projection

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

LARGEST_JOINT_MOVE, LARGEST_RULE_MOVE = 1_024, 4_096
"""A redraw of several variables at once is offered where they have no more combinations than this."""


JOINT_SHARE = 0.5
"""Cost of trying one joint move on the records of a sweep, beside that of all moves of single variables."""


class Offsets:
    """Grows the one array of offsets, and says where each piece starts."""

    def __init__(self) -> None:
        self.pieces: list[Integers] = []
        self.length = 0

    def add(self, piece: Integers) -> int:
        self.pieces.append(piece)
        self.length += len(piece)
        return self.length - len(piece)


def move_chances(
    moves: Sequence[tuple[int, ...]], sizes: tuple[int, ...], move_ptr: Sequence[int], frame: int
) -> Floats:
    """Let all joint moves together cost about as much as those of single variables; a frame is never redrawn."""
    cost = np.array([np.prod([sizes[axis] for axis in axes]) for axes in moves]) * np.maximum(np.diff(move_ptr), 1)
    redrawn = np.arange(len(sizes)) != frame
    singles, joint = cost[: len(sizes)][redrawn].sum(), cost[len(sizes) :]
    return np.concatenate([redrawn, np.minimum(1.0, singles / np.maximum(joint, 1) * JOINT_SHARE)])


def as_array(values: Sequence[int] | Integers) -> Integers:
    return np.asarray(values, dtype=np.int64)


def joint_offsets(axes: tuple[int, ...], projection: Projection, sizes: tuple[int, ...]) -> Integers:
    joint = np.zeros(1, dtype=np.int64)
    for axis in axes:
        own = (
            projection.offsets[projection.axes.index(axis)]
            if axis in projection.axes
            else np.zeros(sizes[axis], np.int64)
        )
        joint = (joint[:, None] + own[None, :]).ravel()
    return joint


def clusters(tied: Sequence[tuple[int, ...]]) -> set[tuple[int, ...]]:
    """Variables that rules tie together by way of others: who lives behind two walls needs a door through both."""
    found: list[set[int]] = []
    for axes in tied:
        touching = [cluster for cluster in found if cluster & set(axes)]
        found = [cluster for cluster in found if cluster not in touching] + [set(axes).union(*touching)]
    return {tuple(sorted(cluster)) for cluster in found}


def small_enough(groups: set[tuple[int, ...]], goals: Goals, most: int) -> list[tuple[int, ...]]:
    sizes = goals.grid.sizes
    fitting = (axes for axes in groups if np.prod([sizes[axis] for axis in axes], dtype=float) <= most)
    return sorted(fitting)
