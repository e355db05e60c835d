"""Fit: log-weights θ of the tables' cells, by stochastic dual ascent with persistent chains (Tieleman 2008; Younes 1999).

A Gibbs sweep redraws every variable of every record from its conditional, then θ moves by a step times log(target / current).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.tilting import tilt
from llmsynthor.alignment.cells import NEVER, WHOLE, noise
from llmsynthor.alignment.directions import follow
from llmsynthor.alignment.effort import Codes, Counts, Floats, Told
from llmsynthor.alignment.engine import Pace
from llmsynthor.alignment.rows.draw import NEARLY_GIVEN, Link, draw_framed, draw_initial, initial_weights, links
from llmsynthor.alignment.rows.engine import Rows
from llmsynthor.alignment.schedule import rake

SHARE = 0.2
"""Part of the records asked for that θ is fitted on, where that is more than the chains."""

SWEEPS, LEAST, LEAST_MEANS = 60, 12, 40
"""Sweeps of the fit at most, at least, and at least where there are means or directions."""

FASTER = 3.0
"""How much larger the steps of a direction's multiplier are: fewer of them pull at a variable than tables do."""

SETTLING_SWEEPS = 4
"""Sweeps that let copies of the chains drift apart, where more records are asked for than θ was fitted on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Raked:
    """`codes` (records, variables) drawn under `theta` (cells,); the tables' distances before the first sweep."""

    codes: Codes
    theta: Floats
    first: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """Records drawn under θ, and their squared error for each cell in what chance explains: 1 is as good as a draw can be."""

    codes: Codes
    theta: Floats
    noise: float


def fit(rows: Rows, held: Codes, told: Told) -> Raked:
    """Fit θ to what the held records leave open, and draw as many records as are missing.

    Where rules stand between records like walls, Gibbs sweeps lead away from what the first draw has met: that is kept then.
    """
    missing = rows.records - len(held)
    if not missing:
        return Raked(codes=held[:0], theta=rows.compiled.fixed.copy(), first=rows.distances(held))
    chain = links(rows.goals)
    theta = rows.compiled.fixed.copy()
    for table, weights in initial_weights(rows.goals, chain).items():
        a, b = rows.compiled.tables[table]
        theta[a:b] = weights
    if rows.goals.frame >= 0 and not len(held):
        return _fit_framed(rows, theta, told)
    if _may_be_solution(rows, chain, held):
        whole = draw_initial(rows.goals, chain, missing, np.random.default_rng([rows.seed, 1]))
        if _is_solution(rows, whole, theta):
            return Raked(codes=whole, theta=theta, first=rows.distances(whole))
    n_chains = rows.effort.fitted_on(SHARE, missing)
    chains = draw_initial(rows.goals, chain, n_chains, np.random.default_rng([rows.seed, 2]))
    start, goal = rows.distances(np.concatenate([held, chains])), _remaining(rows, held) * (n_chains / missing)
    drawn = Learned(codes=chains, theta=theta, noise=_noise(rows, chains, theta, goal))
    begun = theta.copy()
    _begin_means(rows, begun)
    learned = _learn(rows, chains.copy(), begun, goal, told)
    kept = drawn if _is_plain(rows, held) and learned.noise > max(drawn.noise, 1.0) else learned
    return Raked(codes=_as_many(rows, kept.codes, kept.theta, missing), theta=kept.theta, first=start)


def _fit_framed(rows: Rows, theta: Floats, told: Told) -> Raked:
    """Draw the frame first, then what each of its records is; where that meets everything, nothing needs fitting.

    Otherwise θ is fitted beside records that keep their frame, and what is drawn or fitted is kept, whichever misses less.
    """
    goals, records, seed = rows.goals, rows.records, rows.seed
    drawn = draw_framed(goals, records, rng=np.random.default_rng([seed, 1]))
    start = rows.distances(drawn)
    soft = bool(rows.compiled.is_soft.any())
    if not (soft or goals.moments or goals.quantiles) and _is_solution(rows, drawn, theta):
        return Raked(codes=drawn, theta=theta, first=start)
    _begin_means(rows, theta)
    n_chains = min(records, rows.effort.fitted_on(SHARE, records))
    chains = draw_framed(goals, n_chains, rng=np.random.default_rng([seed, 2]))
    learned = _learn(rows, chains, theta, _remaining(rows, drawn[:0]) * (n_chains / records), told)
    theta, fitted = learned.theta, learned.codes
    weights = np.exp(theta)
    if records > n_chains:
        fitted = drawn.copy()
        for sweep in range(SETTLING_SWEEPS):
            rows.sweep(fitted, weights, 1_000 + sweep)
    better = _missing(rows, drawn) <= _missing(rows, fitted) and not soft
    return Raked(codes=drawn if better else fitted, theta=theta, first=start)


def _missing(rows: Rows, codes: Codes) -> float:
    """Records by which cells are off beyond rounding, and those in cells that are forbidden."""
    counts = rows.count(codes)
    return rows.compiled.missed(counts, rows.goal(counts, len(codes))) + float(counts[rows.compiled.is_rule].sum())


def _may_be_solution(rows: Rows, chain: tuple[Link, ...], held: Codes) -> bool:
    """Whether every table lies within one that the records are drawn from."""
    linked = [set(rows.goals.tables[link.table].projection.axes) for link in chain]
    if not _is_plain(rows, held):
        return False
    said = (goal for goal in rows.goals.tables if not goal.is_shape)
    return all(any(set(goal.projection.axes) <= axes for axes in linked) for goal in said)


def _is_plain(rows: Rows, held: Codes) -> bool:
    """Whether hard tables are all that the records are to meet: what the first draw has met is all there is then."""
    soft = bool(rows.compiled.is_soft.any())
    return not (len(held) or soft or rows.shaped or rows.goals.moments or rows.goals.quantiles)


def _is_solution(rows: Rows, codes: Codes, theta: Floats) -> bool:
    """Whether records drawn table by table meet everything already: then nothing needs fitting."""
    counts = rows.count(codes)
    return rows.compiled.worst(counts, rows.goal(counts)) < WHOLE and not np.any(counts[np.isneginf(theta)])


def _noise(rows: Rows, codes: Codes, theta: Floats, open_goal: Floats) -> float:
    """Squared error of what must be met for each of its cells, in what chance explains; endless where θ forbids a record."""
    counts = rows.count(codes)
    goal = rows.compiled.scaled(open_goal, counts)
    told = rows.compiled.is_hard & (goal > 0) & ~rows.compiled.is_slack
    if np.any(counts[np.isneginf(theta)]):
        return np.inf
    return noise(counts, goal, told)


def _learn(rows: Rows, codes: Codes, theta: Floats, open_goal: Floats, told: Told) -> Learned:
    """Move θ until the tables of the chains are at the noise of their number; θ is an average over the sweeps."""
    compiled = rows.compiled
    theta = np.where(compiled.is_led & (open_goal <= 0) & ~compiled.is_slack, NEVER, theta)
    average = rake(Chains(rows, codes, open_goal), theta, told)
    return Learned(codes=codes, theta=average, noise=_noise(rows, codes, average, open_goal))


class Chains:
    """Rows that θ is fitted on: `codes` (records, variables), changed in place, and what is wanted of them (cells,)."""

    def __init__(self, rows: Rows, codes: Codes, open_goal: Floats) -> None:
        compiled = rows.compiled
        self.rows, self.codes, self.open_goal = rows, codes, open_goal
        self.learn = compiled.is_led & (open_goal > 0) & ~compiled.is_slack
        self.overlap, self.middling = _overlap(rows)
        least = LEAST_MEANS if rows.goals.moments or compiled.directions else LEAST
        self.pace = Pace(sweeps=SWEEPS, least=least, gain=0.98, averaged=5)

    def sweep(self, weight: Floats, number: int) -> tuple[Counts, Floats]:
        """Redraw every variable of every record."""
        self.rows.sweep(self.codes, np.exp(weight), number)
        counts = self.rows.count(self.codes)
        return counts, self.rows.compiled.scaled(self.open_goal, counts)

    def rake(self, weight: Floats, counts: Counts, goal: Floats, number: int) -> NDArray[np.bool_]:
        """Move θ of tables, quantiles and means."""
        told = self.learn & (goal > 0)
        slower = 1.0 + number / 20.0
        step = (1.0 / self.overlap / slower)[told]
        moved = weight[told] + step * np.log(goal[told] / np.maximum(counts[told], 0.5))
        weight[told] = moved / (
            1.0 + step * self.rows.compiled.decay[told]
        )  # implicit: stable however strong the decay
        self.rows.compiled.centre(weight)
        middling = 1.0 / self.middling / slower
        _lean_between(self.rows, weight, counts, middling)
        follow(self.rows.compiled.directions, weight, counts, min(1.0, FASTER * middling))
        _tilt_means(self.rows, weight, counts, 1.0 / (1.0 + number / 10.0), len(self.codes))
        return told


def _overlap(rows: Rows) -> tuple[Floats, float]:
    """How many targets share a variable: their steps add up. Rules and shapes do not move, and count for nothing.

    Returns that of every cell, and the middling one. Where some variables are in many tables that are nearly given and others in
    few, each cell has its own; else all have the middling one.
    """
    goals, touching = rows.goals, np.zeros(len(rows.goals.grid.axes))
    parts = [
        *(goal.projection for goal in goals.tables if not goal.is_shape),
        *(quantile.projection for quantile in goals.quantiles),
    ]
    for projection in (*parts, *(moment.projection for moment in goals.moments)):
        touching[list(set(projection.axes))] += 1
    middling = max(1.0, float(np.median(touching)))
    every = np.full(len(rows.compiled.fixed), middling)
    if any(NEARLY_GIVEN <= goal.trust < 1.0 for goal in goals.tables):
        for goal, (first, last) in zip(goals.tables, rows.compiled.tables, strict=True):
            every[first:last] = max(middling, touching[list(goal.projection.axes)].max())
    return every, middling


def _begin_means(rows: Rows, theta: Floats) -> None:
    """Begin with the tilt of the first mean of each variable as it is where nothing else is known."""
    first, begun = rows.compiled.moments[1], set[int]()
    for moment in rows.goals.moments:
        if moment.axis not in begun:
            theta[first : first + moment.projection.size] += moment.start
            begun.add(moment.axis)
        first += moment.projection.size


def _lean_between(rows: Rows, theta: Floats, counts: Counts, step: float) -> None:
    """Weigh down the side of a quantile that holds too many; what lies on the value itself needs no weight.

    The weights are the multipliers of two inequalities, at most so many below and at most so many above: never positive, and zero
    where there is room. As long as anything lies on the value only one of the two can bind, so what both have is taken off both.
    """
    for first, share in rows.compiled.between:
        total = float(counts[first : first + 3].sum())
        if total <= 0:
            continue
        for cell, most in ((first, share * total), (first + 2, (1.0 - share) * total)):
            theta[cell] = min(0.0, theta[cell] + step * np.log(max(most, 0.5) / max(float(counts[cell]), 0.5)))
        both = max(theta[first], theta[first + 2])
        theta[[first, first + 2]] -= both


def _tilt_means(rows: Rows, theta: Floats, counts: Counts, step: float, records: int) -> None:
    first = rows.compiled.moments[1]
    for moment in rows.goals.moments:
        cells = slice(first, first + moment.projection.size)
        theta[cells] = tilt(moment, theta[cells], counts[cells].astype(np.float64), step, records)
        first = cells.stop


def _as_many(rows: Rows, chains: Codes, theta: Floats, records: int) -> Codes:
    if records <= len(chains):
        return chains[:records]
    copies: NDArray[np.int32] = np.resize(chains, (records, chains.shape[1]))
    weights = np.exp(theta)
    for sweep in range(SETTLING_SWEEPS):
        rows.sweep(copies, weights, 1_000 + sweep)
    return copies


def _remaining(rows: Rows, held: Codes) -> Floats:
    """What the held records leave open; groups of free size keep their shares, of which only the ratios count."""
    wanted = rows.compiled.shares * rows.records
    counts = rows.count(np.ascontiguousarray(held)).astype(np.float64)
    for first, last in rows.compiled.free:
        counts[first:last] = 0
    return np.asarray(np.maximum(wanted - counts, 0.0))
