"""Damped Newton steps for the root of the gradient of a convex function whose bend is a sum over what enters it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Matrix = Any
"""Who enters which sums: an array where it is small, else a sparse one."""

FEW_ENTRIES = 8_000
"""Entries up to which a matrix is an array: sparse ones are slow to import."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How often steps are made, and each halved; a slope below `close` of its scale is none."""

    steps: int
    halvings: int
    close: float


def find_root(
    at: Floats,
    gradient: Callable[[Floats], tuple[Floats, Floats]],
    entering: Matrix,
    *,
    ridge: Floats,
    scale: Floats,
    effort: Effort,
) -> Floats:
    """Go from `at` (sums,) to where the slope is zero, in units of `scale` (sums,).

    `gradient` gives the slope (sums,) and the bend of every row of `entering` (rows, sums); the second derivative is
    enteringᵀ · bends · entering + ridge.
    """
    slope, bends = gradient(at)
    for _ in range(effort.steps):
        if (np.abs(slope) <= effort.close * scale).all():
            break
        step = -_solve(entering, bends, ridge, slope)
        before = abs(float(slope @ step))
        for _ in range(effort.halvings):
            slope, bends = gradient(at + step)
            if abs(float(slope @ step)) < before:  # convex: the slope along the step only grows
                break
            step, before = step / 2, before / 2
        at = at + step
    return at


def _solve(entering: Matrix, bends: Floats, ridge: Floats, slope: Floats) -> Floats:
    """Solve (enteringᵀ · bends · entering + ridge) x = slope; shape (sums,)."""
    if isinstance(entering, np.ndarray):
        bend = entering.T @ (bends[:, None] * entering) + np.diag(ridge)
        try:
            return np.asarray(np.linalg.solve(bend, slope))
        except np.linalg.LinAlgError:  # sums that say the same, and a ridge too small to tell
            return np.asarray(np.linalg.lstsq(bend, slope)[0])
    from scipy.sparse import diags_array  # noqa: PLC0415  (heavy)
    from scipy.sparse.linalg import spsolve  # noqa: PLC0415  (heavy)

    bend = entering.T @ (diags_array(bends) @ entering) + diags_array(ridge)
    return np.atleast_1d(spsolve(bend.tocsc(), slope))


def entries(rows: Integers, columns: Integers, shape: tuple[int, int]) -> Matrix:
    """A matrix that counts how often each place is named.

    >>> entries(np.array([0, 1, 1]), np.array([1, 0, 0]), (2, 2))
    array([[0., 1.],
           [2., 0.]])
    """
    if shape[0] * shape[1] <= FEW_ENTRIES:
        small = np.zeros(shape)
        np.add.at(small, (rows, columns), 1.0)
        return small
    from scipy.sparse import csr_array  # noqa: PLC0415  (heavy)

    return csr_array((np.ones(len(rows)), (rows, columns)), shape=shape)


def thinned(matrix: Floats) -> Matrix:
    """The same matrix, sparse where it is large."""
    if matrix.size <= FEW_ENTRIES:
        return matrix
    from scipy.sparse import csr_array  # noqa: PLC0415  (heavy)

    return csr_array(matrix)


def whole_array(matrix: Matrix) -> Floats:
    """The matrix with its zeros, as an array."""
    return matrix if isinstance(matrix, np.ndarray) else np.asarray(matrix.toarray())
