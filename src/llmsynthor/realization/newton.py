"""Damped Newton steps for the root of the gradient of a convex function whose bend is a sum over what enters it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array
from scipy.sparse.linalg import spsolve

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How often steps are made, and each halved; a slope below `close` of its scale is none."""

    steps: int
    halvings: int
    close: float


def find_root(
    at: Floats,
    gradient: Callable[[Floats], tuple[Floats, Floats]],
    entering: csr_array,
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
        bend = entering.T @ (diags_array(bends) @ entering) + diags_array(ridge)
        step = -np.atleast_1d(spsolve(bend.tocsc(), slope))
        before = abs(float(slope @ step))
        for _ in range(effort.halvings):
            slope, bends = gradient(at + step)
            if abs(float(slope @ step)) < before:  # convex: the slope along the step only grows
                break
            step, before = step / 2, before / 2
        at = at + step
    return at
