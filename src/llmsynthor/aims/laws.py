"""The law of a number before any record is made: its base density, what means and quantiles make of it, and the cuts it needs.

Largest entropy is relative to a base: values of a number are alike to begin with, whatever cells they lie in, or as the finest
table of all records says. A mean tilts the base by exp(rate · x), a quantile shares it out below and above its value.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.density import Density, even_density, smooth_density
from llmsynthor.aims.uses import Use
from llmsynthor.spec.levels import Interval
from llmsynthor.spec.schema import Numeric
from llmsynthor.spec.specification import Spec
from llmsynthor.spec.targets import stated_population as population_of

Floats = NDArray[np.float64]

RESOLVING, FEWEST = 32, 4
"""Cells of about equal share into which the law of a number is cut where it is steep, in all, and at least in one cell."""

STEEP, STEEP_IN_TABLES = 0.25, 2.0
"""Change of a log-density within a cell from which on it is cut; a table's own cells are cut only where it is larger."""

HALVINGS = 16
"""How often the outermost cell is halved again, so that a long tail is not one cell."""

MOST_LAWS = 24
SEEN = 1e-5
"""A law says nothing of cells that hold a smaller share of its records."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fixed:
    """Cells of a number whose shares are known, by a table of all records (which `where` names) or by quantiles."""

    breaks: Floats
    shares: Floats
    where: str = ""


def base_density(use: Use) -> Density:
    """The smooth density that the finest table of all records implies; where there is none, all values are alike."""
    fixed = table_shares(use)
    if fixed is None:
        return even_density(use.number.range.low, use.number.range.high)
    return smooth_density(fixed.breaks, fixed.shares, integer=use.integer)


def table_shares(use: Use) -> Fixed | None:
    """The intervals and values of the finest table of all records."""
    best: Fixed | None = None
    for target in use.tables:
        position = target.columns.index(use.variable.name)
        sums: dict[Interval, float] = {}
        for cell, value in zip(target.cells, target.values, strict=True):
            level = cell[position]
            assert isinstance(level, Interval)
            sums[level] = sums.get(level, 0.0) + max(value, 0.0)
        levels = sorted(sums)
        contiguous = all(a.high == b.low for a, b in pairwise(levels))
        if contiguous and sum(sums.values()) > 0 and (best is None or len(levels) > len(best.shares)):
            breaks = np.array([levels[0].low, *(level.high for level in levels)])
            best = Fixed(breaks=breaks, shares=np.array([sums[level] for level in levels]), where=target.where)
    return best


def stated_population(spec: Spec, unit: str) -> float | None:
    """The number of records that the tables of counts speak of: the most important one's total, the first among equals."""
    return population_of(spec.targets, unit)


def quantile_shares(use: Use, base: Density) -> Fixed | None:
    """What the quantiles of all records fix; one that whole records may lie on binds on the side where the base has too few."""
    variable, found = use.number, dict[float, float]()
    for target in use.stated("quantile"):
        if target.by or target.universe is not None or target.probability is None:
            continue
        value, share = float(target.values[0]), target.probability
        if variable.integer and value.is_integer():
            below, upto = base.below(np.array([value, value + 1]))
            if below <= share <= upto:
                continue
            value = value if below > share else value + 1
        value = float(np.ceil(value)) if variable.integer else value
        if variable.range.low < value < variable.range.high and 0 < share < 1:
            found[value] = share
    values = sorted(found)
    shares = np.diff([0.0, *(found[value] for value in values), 1.0])
    if not values or (shares <= 0).any():
        return None
    breaks = np.array([variable.range.low, *values, variable.range.high])
    return Fixed(breaks=breaks, shares=shares)


def wanted_means(use: Use) -> tuple[tuple[float, bool], ...]:
    """Every mean inside the range that is asked for, and whether it is that of all records."""
    variable = use.number
    low, high = variable.range.low, variable.range.high - (1 if variable.integer else 0)
    return tuple(dict.fromkeys((mean, overall) for mean, overall in use.means if low < mean < high))


def law_with_mean(variable: Numeric, base: Density, mean: float, fixed: Fixed | None = None) -> Density:
    """The base tilted to a mean; cells with fixed shares keep them."""
    breaks = fixed.breaks if fixed is not None else None
    return base.with_mean(mean, breaks, whole=variable.integer)


def fixed_shares(use: Use) -> tuple[Density, Fixed | None]:
    """The base of all records, and the cells in which tables or quantiles fix their shares."""
    base = base_density(use)
    fixed = table_shares(use)
    if fixed is not None:
        return base, fixed
    overall = next((mean for mean, is_overall in wanted_means(use) if is_overall), None)
    guess = base if overall is None else law_with_mean(use.number, base, overall)
    fixed = quantile_shares(use, guess)
    return (base if fixed is None else base.shared(fixed.breaks, fixed.shares)), fixed


def expected_laws(use: Use, *, overall: bool = False) -> tuple[Density, ...]:
    """The density that each mean asks for, of all records or of a group (`overall`: of all alone); the base where there is none."""
    base, fixed = fixed_shares(use)
    means = [(mean, is_overall) for mean, is_overall in wanted_means(use) if is_overall or not overall]
    laws = [law_with_mean(use.number, base, mean, fixed if is_overall else None) for mean, is_overall in means]
    if len(laws) > MOST_LAWS:
        order = np.argsort([law.mean() for law in laws])
        laws = [laws[int(k)] for k in order[np.linspace(0, len(laws) - 1, MOST_LAWS).astype(np.int64)]]
    return tuple(laws) or (base,)


def law_shares(use: Use, breaks: Floats, mean: float | None) -> Floats:
    """Shares of the cells between breaks where no table has the number: the law of largest entropy with a mean, if it is known."""
    variable = use.number
    law = expected_laws(use)[0]
    if mean is not None and variable.range.low < mean < variable.range.high:
        law = law_with_mean(variable, base_density(use), mean)
    held = np.maximum(law.held(np.ceil(breaks) if variable.integer else breaks), 0.0)
    return np.asarray(held / held.sum())


def resolving_cuts(use: Use, breaks: Sequence[float]) -> set[float]:
    """Where the cells of a number must be cut so that its law is about even in each: nowhere without means."""
    laws = [law for law in expected_laws(use) if law.rates is not None]
    if not laws:
        return set()
    steep = STEEP if table_shares(use) is None else STEEP_IN_TABLES
    found = set[float]()
    for low, high in pairwise(breaks):
        held = np.array([law.held(np.array([low, high]))[0] for law in laws])
        bends = np.array([np.abs(law.rates).max() * (high - low) for law in laws if law.rates is not None])
        if bends[held > SEEN].max(initial=0.0) > steep:
            number = max(FEWEST, round(RESOLVING * float(held.mean())))
            found |= _cuts_inside(laws, low, high, number, integer=use.integer)
    return found


def _cuts_inside(laws: Sequence[Density], low: float, high: float, number: int, *, integer: bool) -> set[float]:
    """Cut one cell where equal parts of its records end, its first and last part in halves; left out where all is even."""
    halves = 0.5 ** np.arange(1, HALVINGS) / number
    places = np.unique(np.concatenate([np.arange(1, number) / number, halves, 1 - halves]))
    ends = np.full(len(places), low), np.full(len(places), high)
    tried = np.unique(np.concatenate([[low, high], *(law.inside(*ends, places) for law in laws)]))
    below = np.mean([law.below(tried) for law in laws], axis=0)
    edges = np.interp(below[0] + (below[-1] - below[0]) * places, below, tried)
    edges = np.unique(np.ceil(edges) if integer else edges)
    edges = np.concatenate([[low], edges[(edges > low) & (edges < high)], [high]])
    masses = np.stack([law.below(edges) for law in laws])
    rates = np.array([np.abs(law.rates).max() if law.rates is not None else 0.0 for law in laws])
    kept = [0]
    for k in range(1, len(edges) - 1):
        seen = masses[:, k + 1] - masses[:, kept[-1]] > SEEN
        if (rates[seen] * (edges[k + 1] - edges[kept[-1]])).max(initial=0.0) > STEEP:
            kept.append(k)
    return {float(edges[k]) for k in kept[1:]}
