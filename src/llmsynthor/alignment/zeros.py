"""Structural zeros laid out for the kernels: thousands of rules about the same variables are one table of zeros, not thousands."""

from collections.abc import Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.goals import StructuralZeros
from llmsynthor.aims.grid import Projection
from llmsynthor.alignment.cells import Potential

MANY = 16
"""Rules about the same variables from which on they are one table: a redraw looks into every table that it touches."""

LARGEST = 1 << 20
"""Cells of such a table at most."""


def lay_out_zeros(zeros: Sequence[StructuralZeros], sizes: Sequence[int]) -> list[Potential]:
    """A log-weight for each cell that rules and tables forbid or allow, in the order in which their variables come first."""
    alike: dict[tuple[int, ...], list[StructuralZeros]] = {}
    for own in zeros:
        alike.setdefault(own.projection.axes, []).append(own)
    together = {axes for axes, found in alike.items() if len(found) >= MANY and _fits(axes, sizes)}
    laid, done = list[Potential](), set[tuple[int, ...]]()
    for own in zeros:
        axes = own.projection.axes
        if axes not in together:
            laid.append(Potential(projection=own.projection, values=np.where(own.forbidden, -np.inf, 0.0)))
        elif axes not in done:
            done.add(axes)
            laid.append(_one(alike[axes], [sizes[axis] for axis in axes]))
    return laid


def _fits(axes: tuple[int, ...], sizes: Sequence[int]) -> bool:
    return len(set(axes)) == len(axes) and np.prod([sizes[axis] for axis in axes], dtype=float) <= LARGEST


def _one(zeros: Sequence[StructuralZeros], sizes: Sequence[int]) -> Potential:
    """One table whose cell 1 is what any of them forbids, and whose cell 0 is the rest."""
    forbidden = np.zeros(sizes, dtype=np.int64)
    for own in zeros:
        for corner in _corners(own):
            forbidden[np.ix_(*corner)] = 1
    strides = [int(np.prod(sizes[k + 1 :])) for k in range(len(sizes))]
    offsets = tuple(np.arange(size) * stride for size, stride in zip(sizes, strides, strict=True))
    axes = zeros[0].projection.axes
    projection = Projection(axes=axes, offsets=offsets, cells=forbidden.ravel(), size=2)
    return Potential(projection=projection, values=np.array([0.0, -np.inf]))


def _corners(own: StructuralZeros) -> list[list[NDArray[np.int64]]]:
    """Codes of each axis whose combinations are forbidden: one such corner for each forbidden cell of the merged codes."""
    projection, found = own.projection, list[list[NDArray[np.int64]]]()
    classes = [
        [(int(value), np.flatnonzero(offset == value)) for value in set(offset.tolist())]
        for offset in projection.offsets
    ]
    for corner in product(*classes):
        cell = projection.cells[sum(value for value, _ in corner)]
        if cell >= 0 and own.forbidden[cell]:
            found.append([codes for _, codes in corner])
    return found
