"""How far statements can be trusted: what rounding and margins of error hide, and what of a difference they explain."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from llmsynthor.spec.targets import Table

BASES = (1000.0, 100.0, 10.0, 5.0, 3.0)
"""What publishers round counts to, and what is looked for where it is not stated."""

ENOUGH_VALUES = 8
"""So many different values that are all multiples of a base show it."""

SIGMA = 1.645
"""Margins of error are taken at 90 %, as the ACS publishes them: so many standard errors."""

Kind = Literal["rounding", "margin of error", "conflict"]
Floats = NDArray[np.float64]


def resolution(table: Table) -> float:
    """What a table's values were rounded to: stated, or the unit of their last digit, or the base that all are multiples of.

    >>> resolution(Table(name="", unit="", columns=(), cells=((),) * 8, values=(120, 40, 70, 310, 990, 60, 1240, 80)))
    10.0
    """
    shown = table.resolution
    if table.rounding is not None or shown < 1:
        return shown
    values = np.unique(np.abs([value for value in table.values if value]))
    bases = BASES if len(values) >= ENOUGH_VALUES else ()
    return next((base for base in bases if not (values % base).any()), shown)


def hidden_by_rounding(half: float, number: Floats, stated: Floats) -> Floats:
    """What rounding may hide in each cell of a margin, as a share: `half` a unit in each of `number` cells, and in the total.

    The sum of all, but no more than three standard errors of as many that are rounded independently. All shape (cells,).
    """
    all_of_it = number + number.sum() * stated
    likely = 3 / np.sqrt(3) * (np.sqrt(number) + np.sqrt(number.sum()) * stated)
    return np.asarray(half * np.minimum(all_of_it, likely))


def floors(stated: Floats, hidden: Floats, errors: Floats, rounding: Floats) -> Floats:
    """What each member's cells may be off by rounding when they are weighed, all (members, cells of the margin).

    Each its own where rounding and margins of error explain the difference; the more they leave unexplained, the nearer to that of
    the coarsest: then the digits say nothing of who is right.
    """
    apart = np.abs(stated[:, None] - stated[None])
    explained = hidden[:, None] + hidden[None] + SIGMA * np.hypot(errors[:, None], errors[None])
    excess = np.maximum(apart - explained, 0.0).max(axis=(0, 1))
    unexplained = np.minimum(excess / np.maximum(hidden.max(axis=0), 1e-300), 1.0)
    return np.asarray(rounding + (rounding.max(axis=0) - rounding) * unexplained)


def zeros_for_good(stated: Floats, hidden: Floats, structural: Sequence[bool]) -> NDArray[np.bool_]:
    """Which zeros of the members (members, cells) are none that rounding may have made of what the others state."""
    others = np.where(stated > 0, stated, np.inf).min(axis=0)
    made = (others <= hidden) & ~np.array(structural)[:, None]
    return np.asarray((stated <= 0) & ~made)


def kind_of(apart: Sequence[float], hidden: Sequence[float], errors: Sequence[float]) -> Kind:
    """Say what explains how far a statement is apart from each other one: rounding, margins of error, or nothing."""
    if all(gap <= rounding + 1e-12 for gap, rounding in zip(apart, hidden, strict=True)):
        return "rounding"
    explained = (gap <= rounding + error for gap, rounding, error in zip(apart, hidden, errors, strict=True))
    return "margin of error" if all(explained) else "conflict"
