"""Linear programs of statements that may exclude each other: which of them do, and what the others leave one of them.

All rows are homogeneous, `matrix @ x <= 0` with x >= 0, so that shares of anything may be asked for by fixing another sum at one
(Charnes and Cooper 1962). An elastic program, whose slacks have a price, says whether statements hold together, and by its dual
values which of them exclude each other; these are left out one by one as long as the rest still does (the deletion filter of
Chinneck and Dravnieks 1991): what remains cannot be made smaller.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, hstack, vstack

Floats = NDArray[np.float64]

SLACK = 1e-7
"""What a row may be off, in shares."""

NOTICED = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """One number that a statement states: `most` @ x / `base` @ x is the most it can be, `least` @ x / `base` @ x the least.

    The three are vectors (columns,); `scale` turns the ratio into the unit of `stated`, and `words` name it.
    """

    words: str
    stated: float
    least: csr_array
    most: csr_array
    base: csr_array
    scale: float
    percent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What one target or rule says: rows (rows, columns) that are at most 0. `ratios[k]` is a number that it states.

    `exact` are the rows without what rounding and margins of error leave open, where that makes a difference.
    `aside` marks numbers that are told only where no other tells.
    """

    name: str
    is_rule: bool
    matrix: csr_array
    ratios: tuple[Ratio, ...] = ()
    exact: csr_array | None = None
    aside: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """`always` holds by definition (rows, columns); `total` (1, columns) is the sum that is fixed at one."""

    always: csr_array
    total: csr_array
    parts: tuple[Part, ...]


def excluding(program: Program) -> tuple[Part, ...]:
    """Find a smallest set of parts that cannot hold together; empty where all can."""
    parts = program.parts
    if not parts:
        return ()
    prices = _prices(program)
    if prices is None:
        return ()
    ends = np.cumsum([part.matrix.shape[0] for part in parts])[:-1]
    priced = [part.name for part, own in zip(parts, np.split(prices, ends), strict=True) if (own > NOTICED).any()]
    suspects = [part for part in parts if part.name in priced]
    kept = suspects if not feasible(program, suspects) else list(parts)
    if feasible(program, kept):
        return ()
    smaller = [_filtered(program, kept), _filtered(program, kept[::-1])]
    names = [len({(part.is_rule, part.name) for part in found}) for found in smaller]
    best = set(map(id, smaller[int(np.argmin(names))]))
    return tuple(part for part in parts if id(part) in best)


def _filtered(program: Program, parts: Sequence[Part]) -> list[Part]:
    """Leave out part after part as long as the rest still excludes itself."""
    kept = list(parts)
    for part in parts:
        rest = [other for other in kept if other is not part]
        if not feasible(program, rest):
            kept = rest
    return kept


def _linprog(costs: Floats, **more: Any) -> Any:
    from scipy.optimize import linprog  # noqa: PLC0415  (heavy)

    return linprog(costs, method="highs", **more)


def _prices(program: Program) -> Floats | None:
    """Dual values of all parts' rows where they do not hold together, None where they do."""
    soft = vstack([part.matrix for part in program.parts]).tocsr()
    rows, columns = soft.shape
    elastic = hstack([soft, -csr_array((np.ones(rows), (np.arange(rows), np.arange(rows))), shape=(rows, rows))])
    always = hstack([program.always, csr_array((program.always.shape[0], rows))])
    solved = _linprog(
        np.concatenate([np.zeros(columns), np.ones(rows)]),
        A_ub=vstack([elastic, always]).tocsr(),
        b_ub=np.zeros(rows + always.shape[0]),
        A_eq=hstack([program.total, csr_array((1, rows))]).tocsr(),
        b_eq=[1.0],
    )
    if solved.status != 0 or solved.fun <= NOTICED:
        return None
    prices: Floats = np.abs(np.asarray(solved.ineqlin.marginals[:rows]))
    return prices


def _rows(program: Program, parts: Sequence[Part]) -> tuple[csr_array, Floats]:
    matrix = vstack([program.always, *(part.matrix for part in parts)]).tocsr()
    bounds = np.zeros(matrix.shape[0])
    bounds[program.always.shape[0] :] = SLACK
    return matrix, bounds


def feasible(program: Program, parts: Sequence[Part]) -> bool:
    """Whether some masses meet all the parts."""
    matrix, bounds = _rows(program, parts)
    solved = _linprog(np.zeros(matrix.shape[1]), A_ub=matrix, b_ub=bounds, A_eq=program.total, b_eq=[1.0])
    return bool(solved.status != 2)


def say_numbers(program: Program, found: Sequence[Part]) -> str:
    """Say of one stated number how much the others need or leave; empty where no number tells."""
    for aside in (False, True):
        best, said = 1e-6, ""
        for part in (part for part in found if part.aside == aside):
            others = [other for other in found if other is not part]
            for ratio in part.ratios:
                low, high = _range(program, others, ratio)
                gap = max(low - ratio.stated, ratio.stated - high) / max(abs(ratio.scale), 1e-300)
                if gap > best + 1e-6:
                    best, said = gap, _sentence(ratio, low, high, alone=not others)
        if said:
            return said
    return ""


def _sentence(ratio: Ratio, low: float, high: float, *, alone: bool) -> str:
    end, bound = ("at least", low) if low > ratio.stated else ("at most", high)
    by = "" if alone else " by the others"
    return f"{ratio.words}: {_shown(ratio.stated, ratio)} stated, {end} {_shown(bound, ratio)}{by}"


def _shown(value: float, ratio: Ratio) -> str:
    if ratio.percent:
        return f"{round(100 * value / ratio.scale, 4) + 0.0:.4g} %"
    digits = 6 - int(np.floor(np.log10(max(abs(ratio.scale), 1e-9))))
    rounded = round(value, min(max(digits, 0), 9)) + 0.0
    return f"{rounded:,.0f}" if abs(rounded - round(rounded)) < 1e-6 * max(1.0, abs(rounded)) else f"{rounded:,.6g}"


def _range(program: Program, parts: Sequence[Part], ratio: Ratio) -> tuple[float, float]:
    """Least and greatest value of a ratio where the parts hold, to the letter if they can; infinite where that is not said."""
    exact = [replace(part, matrix=part.exact) if part.exact is not None else part for part in parts]
    found = []
    for sums, sign in ((ratio.least, 1.0), (ratio.most, -1.0)):
        best = sign * -np.inf
        for chosen in (exact, parts):
            matrix, bounds = _rows(program, chosen)
            solved = _linprog(
                sign * sums.toarray().ravel(),
                A_ub=matrix,
                b_ub=bounds * 1e-2,
                A_eq=ratio.base,
                b_eq=[1.0],
            )
            if solved.status == 0:
                best = sign * solved.fun * ratio.scale
                break
        found.append(best)
    return float(found[0]), float(found[1])
