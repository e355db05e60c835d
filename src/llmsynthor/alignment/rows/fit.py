"""Fit: log-weights θ of the tables' cells, by stochastic dual ascent with persistent chains (Tieleman 2008; Younes 1999).

A Gibbs sweep redraws every variable of every record from its conditional, then θ moves by a step times log(target / current).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.tilting import tilt
from llmsynthor.alignment.rows.draw import NEVER, Link, draw_framed, draw_initial, initial_weights, links
from llmsynthor.alignment.rows.effort import Codes, Counts, Floats, Task
from llmsynthor.alignment.rows.engine import count, distances, sweep_all

PATIENCE = 4
"""Sweeps without gain after which θ has settled."""

SETTLING_SWEEPS = 4
"""Sweeps that let copies of the chains drift apart, where more records are asked for than θ was fitted on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
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


def fit(task: Task, held: Codes) -> Fitted:
    """Fit θ to what the held records leave open, and draw as many records as are missing.

    Where rules stand between records like walls, Gibbs sweeps lead away from what the first draw has met: that is kept then.
    """
    missing = task.records - len(held)
    if not missing:
        return Fitted(codes=held[:0], theta=task.compiled.fixed.copy(), first=distances(task, held))
    chain = links(task.goals)
    theta = task.compiled.fixed.copy()
    for table, weights in initial_weights(task.goals, chain).items():
        a, b = task.compiled.tables[table]
        theta[a:b] = weights
    if task.goals.frame >= 0 and not len(held):
        return _fit_framed(task, theta)
    if _may_be_solution(task, chain, held):
        whole = draw_initial(task.goals, chain, missing, np.random.default_rng([task.seed, 1]))
        if _is_solution(task, whole, theta):
            return Fitted(codes=whole, theta=theta, first=distances(task, whole))
    n_chains = max(task.effort.chains, int(task.effort.share * missing))
    chains = draw_initial(task.goals, chain, n_chains, np.random.default_rng([task.seed, 2]))
    start, goal = distances(task, np.concatenate([held, chains])), _remaining(task, held) * (n_chains / missing)
    drawn = Learned(codes=chains, theta=theta, noise=_noise(task, chains, theta, goal))
    begun = theta.copy()
    _begin_means(task, begun)
    learned = _learn(task, chains.copy(), begun, goal)
    kept = drawn if _is_plain(task, held) and learned.noise > max(drawn.noise, 1.0) else learned
    return Fitted(codes=_as_many(task, kept.codes, kept.theta, missing), theta=kept.theta, first=start)


def _fit_framed(task: Task, theta: Floats) -> Fitted:
    """Draw the frame first, then what each of its records is; where that meets everything, nothing needs fitting.

    Otherwise θ is fitted beside records that keep their frame, and what is drawn or fitted is kept, whichever misses less.
    """
    goals, records, seed = task.goals, task.records, task.seed
    drawn = draw_framed(goals, records, rng=np.random.default_rng([seed, 1]))
    start = distances(task, drawn)
    soft = bool((task.compiled.is_target & ~task.compiled.is_hard).any())
    if not (soft or goals.moments or goals.quantiles) and _is_solution(task, drawn, theta):
        return Fitted(codes=drawn, theta=theta, first=start)
    _begin_means(task, theta)
    n_chains = min(records, max(task.effort.chains, int(task.effort.share * records)))
    chains = draw_framed(goals, n_chains, rng=np.random.default_rng([seed, 2]))
    learned = _learn(task, chains, theta, _remaining(task, drawn[:0]) * (n_chains / records))
    theta, fitted = learned.theta, learned.codes
    weights = np.exp(theta)
    if records > n_chains:
        fitted = drawn.copy()
        for sweep in range(SETTLING_SWEEPS):
            sweep_all(task, fitted, weights, 1_000 + sweep)
    better = _missing(task, drawn) <= _missing(task, fitted) and not soft
    return Fitted(codes=drawn if better else fitted, theta=theta, first=start)


def _missing(task: Task, codes: Codes) -> float:
    """Records by which cells are off beyond rounding, and those in cells that are forbidden."""
    counts = count(task, codes)
    error = np.abs(counts - task.goal(counts, len(codes)))[task.compiled.is_hard]
    broken = counts[np.isneginf(task.compiled.fixed)].sum()
    return float(np.where(error >= task.effort.rounding - 1e-9, error, 0.0).sum() + broken)


def _may_be_solution(task: Task, chain: tuple[Link, ...], held: Codes) -> bool:
    """Whether every table lies within one that the records are drawn from."""
    linked = [set(task.goals.tables[link.table].projection.axes) for link in chain]
    if not _is_plain(task, held):
        return False
    return all(any(set(goal.projection.axes) <= axes for axes in linked) for goal in task.goals.tables)


def _is_plain(task: Task, held: Codes) -> bool:
    """Whether hard tables are all that the records are to meet: what the first draw has met is all there is then."""
    soft = bool((task.compiled.is_target & ~task.compiled.is_hard).any())
    return not (len(held) or soft or task.shaped or task.goals.moments or task.goals.quantiles)


def _is_solution(task: Task, codes: Codes, theta: Floats) -> bool:
    """Whether records drawn table by table meet everything already: then nothing needs fitting."""
    counts = count(task, codes)
    error = np.abs(counts - task.goal(counts))[task.compiled.is_hard]
    return bool((error < task.effort.rounding - 1e-9).all()) and not np.any(counts[np.isneginf(theta)])


def _noise(task: Task, codes: Codes, theta: Floats, open_goal: Floats) -> float:
    """Squared error of what must be met for each of its cells, in what chance explains; endless where θ forbids a record."""
    counts = count(task, codes)
    goal = task.compiled.scaled(open_goal, counts)
    told = task.compiled.is_hard & (goal > 0) & ~task.compiled.is_slack
    if np.any(counts[np.isneginf(theta)]):
        return np.inf
    return float(np.mean((counts[told] - goal[told]) ** 2 / np.maximum(goal[told], 1.0))) if told.any() else 0.0


def _learn(task: Task, codes: Codes, theta: Floats, open_goal: Floats) -> Learned:
    """Move θ until the tables of the chains are at the noise of their number; θ is an average over the sweeps."""
    compiled = task.compiled
    theta = np.where(compiled.is_target & (open_goal <= 0) & ~compiled.is_slack, NEVER, theta)
    learn = compiled.is_target & (open_goal > 0) & ~compiled.is_slack
    overlap = _overlap(task)
    least, patience = 40 if task.goals.moments else 12, PATIENCE
    average, finite, best = theta.copy(), np.isfinite(theta), np.inf
    for sweep in range(task.effort.fit_sweeps):
        sweep_all(task, codes, np.exp(theta), sweep)
        counts = count(task, codes)
        goal = compiled.scaled(open_goal, counts)
        told = learn & (goal > 0)
        step = 1.0 / overlap / (1.0 + sweep / 20.0)
        moved = theta[told] + step * np.log(goal[told] / np.maximum(counts[told], 0.5))
        theta[told] = moved / (1.0 + step * compiled.decay[told])  # an implicit step: stable however strong the decay
        _lean_between(task, theta, counts, step)
        _tilt_means(task, theta, counts, 1.0 / (1.0 + sweep / 10.0), len(codes))
        average[finite] += (theta[finite] - average[finite]) * (1.0 if sweep < 5 else 0.25)
        task.told("fit", sweep, counts, goal)
        noise = float(np.mean((counts[told] - goal[told]) ** 2 / np.maximum(goal[told], 1.0))) if told.any() else 0.0
        patience = PATIENCE if noise < 0.98 * best else patience - 1
        best = min(best, noise)
        if sweep >= least and patience <= 0:
            break
    return Learned(codes=codes, theta=average, noise=_noise(task, codes, average, open_goal))


def _overlap(task: Task) -> float:
    """How many targets share a variable: their steps add up. Rules and shapes do not move, and count for nothing."""
    goals, touching = task.goals, np.zeros(len(task.goals.grid.axes))
    parts = [*(table.projection for table in goals.tables), *(quantile.projection for quantile in goals.quantiles)]
    for projection in (*parts, *(moment.projection for moment in goals.moments)):
        touching[list(set(projection.axes))] += 1
    return max(1.0, float(np.median(touching)))


def _begin_means(task: Task, theta: Floats) -> None:
    """Begin with the tilt of the first mean of each variable as it is where nothing else is known."""
    first, begun = task.compiled.moments[1], set[int]()
    for moment in task.goals.moments:
        if moment.axis not in begun:
            theta[first : first + moment.projection.size] += moment.start
            begun.add(moment.axis)
        first += moment.projection.size


def _lean_between(task: Task, theta: Floats, counts: Counts, step: float) -> None:
    """Weigh down the side of a quantile that holds too many; what lies on the value itself needs no weight.

    The weights are the multipliers of two inequalities, at most so many below and at most so many above: never positive, and zero
    where there is room.
    """
    for first, share in task.compiled.between:
        total = float(counts[first : first + 3].sum())
        for cell, most in ((first, share * total), (first + 2, (1.0 - share) * total)):
            if total > 0:
                theta[cell] = min(0.0, theta[cell] + step * np.log(max(most, 0.5) / max(float(counts[cell]), 0.5)))


def _tilt_means(task: Task, theta: Floats, counts: Counts, step: float, records: int) -> None:
    first = task.compiled.moments[1]
    for moment in task.goals.moments:
        cells = slice(first, first + moment.projection.size)
        theta[cells] = tilt(moment, theta[cells], counts[cells].astype(np.float64), step, records)
        first = cells.stop


def _as_many(task: Task, chains: Codes, theta: Floats, records: int) -> Codes:
    if records <= len(chains):
        return chains[:records]
    copies: NDArray[np.int32] = np.resize(chains, (records, chains.shape[1]))
    weights = np.exp(theta)
    for sweep in range(SETTLING_SWEEPS):
        sweep_all(task, copies, weights, 1_000 + sweep)
    return copies


def _remaining(task: Task, held: Codes) -> Floats:
    """What the held records leave open; groups of free size keep their shares, of which only the ratios count."""
    wanted = task.compiled.shares * task.records
    counts = count(task, np.ascontiguousarray(held)).astype(np.float64)
    for first, last in task.compiled.free:
        counts[first:last] = 0
    return np.asarray(np.maximum(wanted - counts, 0.0))
