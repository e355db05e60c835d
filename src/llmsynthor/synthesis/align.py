"""Alignment: the information projection of a population onto the tables, done on the records themselves.

Two stages. *Fit*: each table has log-weights θ; a Gibbs sweep redraws every variable of every record from its
conditional, then θ moves by a step times log(target / current): stochastic dual ascent with persistent chains
(Tieleman 2008; Younes 1999). *Correct*: sweeps with an added, annealed penalty on the squared error of the current
counts walk them to the targets in whole records.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from llmsynthor.synthesis import kernels
from llmsynthor.synthesis.goals import Goals
from llmsynthor.synthesis.moments import reach, tilt
from llmsynthor.synthesis.program import Compiled, Potential, Program, compile_goals

Codes = NDArray[np.int32]
Floats = NDArray[np.float64]
T = TypeVar("T")

PATIENCE = 4
"""Sweeps of the fit without gain after which θ has settled."""

LET_GO, GIVE_UP = 4, 12
"""Sweeps without gain after which held records may be changed too, and after which the correction ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How long the two stages may work. No clock decides: only counts and what is left to gain."""

    chains: int = 20_000
    fit_sweeps: int = 60
    correct_sweeps: int = 60
    chunk: int = 16_384
    workers: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Records that are there already, shape (records, variables), and how strongly each holds on to what it is.

    `stay` is a log-weight; it is given up only when the tables cannot be met otherwise.
    """

    codes: Codes
    stay: float = 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What alignment did: the tables' TVD at the start, after fitting and in the end, and why it stopped."""

    start: tuple[float, ...]
    fitted: tuple[float, ...]
    final: tuple[float, ...]
    sentence: str
    moved: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Aligned:
    """`codes` (records, variables); the first rows are those of the start, `unchanged` says which of them stayed."""

    codes: Codes
    unchanged: NDArray[np.bool_]
    report: Report


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What stays the same through an alignment."""

    compiled: Compiled
    records: int
    seed: int
    effort: Effort
    notify: Callable[[str, int, Floats], None] = field(default=lambda stage, sweep, tvd: None)


def align(
    goals: Goals,
    *,
    records: int,
    seed: int,
    potentials: tuple[Potential, ...] = (),
    start: Start | None = None,
    effort: Effort | None = None,
    notify: Callable[[str, int, Floats], None] | None = None,
) -> Aligned:
    """Make exactly `records` records that meet the goals, keeping those of `start` as far as the tables allow.

    `potentials` are fixed log-weights on top of the rules' zeros. `notify(stage, sweep, tvd per table)` is told how it goes.
    """
    held = start.codes[:records] if start is not None else np.zeros((0, len(goals.grid.axes)), dtype=np.int32)
    zeros = tuple(Potential(projection=z.projection, values=np.where(z.forbidden, -np.inf, 0.0)) for z in goals.zeros)
    tilts = tuple(Potential(projection=m.projection, values=np.zeros(m.projection.size)) for m in goals.moments)
    compiled = compile_goals(goals, (*tilts, *zeros, *potentials))
    silent = Task(compiled=compiled, records=records, seed=seed, effort=effort or Effort())
    task = (
        silent
        if notify is None
        else Task(compiled=compiled, records=records, seed=seed, effort=silent.effort, notify=notify)
    )
    fill, theta, first = fit(goals, task, held)
    codes = np.concatenate([held, fill[: records - len(held)]])
    fitted = distances(task, codes)
    stay = np.zeros(records)
    stay[: len(held)] = start.stay if start is not None else 0.0
    codes, sentence, moved = correct(goals, task, codes, theta, stay)
    unchanged = (codes[: len(held)] == held).all(axis=1)
    report = Report(start=first, fitted=fitted, final=distances(task, codes), sentence=sentence, moved=moved)
    return Aligned(codes=codes, unchanged=unchanged, report=report)


def fit(goals: Goals, task: Task, held: Codes) -> tuple[Codes, Floats, tuple[float, ...]]:
    """Fit θ to what the held records leave open; returns chains, θ (cells,) and the tables' distances before the first sweep."""
    chains = max(task.records - len(held), task.effort.chains)
    codes = independent(goals, chains, np.random.default_rng([task.seed, 1]))
    first = distances(task, codes)
    if task.records == len(held):
        return codes, task.compiled.fixed.copy(), first
    open_goal = _remaining(task, held) * (chains / (task.records - len(held)))
    goal = open_goal.copy()
    theta = np.where(task.compiled.is_target & (goal <= 0), -30.0, task.compiled.fixed)
    learn = task.compiled.is_target & (goal > 0)
    overlap = max(1.0, float(np.median(np.diff(task.compiled.program.move_ptr[: len(goals.grid.axes) + 1]))))
    least, patience = 40 if goals.moments else 12, PATIENCE
    average, finite, best = theta.copy(), np.isfinite(theta), np.inf
    for sweep in range(task.effort.fit_sweeps):
        _sweep(task, codes, np.exp(theta), sweep)
        counts = count(task, codes)
        goal = _scale_universes(task, open_goal, counts)
        step = 1.0 / overlap / (1.0 + sweep / 20.0)
        told = learn & (goal > 0)
        theta[told] += step * np.log(goal[told] / np.maximum(counts[told], 0.5))
        _tilt_means(goals, task, theta, counts, 1.0 / (1.0 + sweep / 10.0))
        average[finite] += (theta[finite] - average[finite]) * (1.0 if sweep < 5 else 0.25)
        task.notify("fit", sweep, _tvd(task, counts, goal))
        noise = (
            float(np.mean((counts[learn] - goal[learn]) ** 2 / np.maximum(goal[learn], 1.0))) if learn.any() else 0.0
        )
        patience = PATIENCE if noise < 0.98 * best else patience - 1
        best = min(best, noise)
        if sweep >= least and patience <= 0:
            break
    return codes, average, first


def _tilt_means(goals: Goals, task: Task, theta: Floats, counts: NDArray[np.int64], step: float) -> None:
    first = 1 + sum(goal.projection.size for goal in goals.tables)
    for moment in goals.moments:
        cells = slice(first, first + moment.projection.size)
        theta[cells] = tilt(moment, theta[cells], counts[cells].astype(np.float64), step)
        first = cells.stop


def correct(goals: Goals, task: Task, codes: Codes, theta: Floats, stay: Floats) -> tuple[Codes, str, int]:
    """Anneal the penalty until every cell is within rounding, or nothing more is gained; returns codes, why, moves made."""
    codes = np.ascontiguousarray(codes)
    compiled, program = task.compiled, task.compiled.program
    counts = count(task, codes)
    means = reach(goals.moments, len(goals.tables), 1 + sum(g.projection.size for g in goals.tables), counts)
    moved, stalled, best, kept = 0, 0, np.inf, codes.copy()
    off = np.ones(1)
    for sweep in range(task.effort.correct_sweeps):
        strength = min(4.0, 0.02 * 1.6**sweep)
        focus = strength >= 4.0 and not off.any()
        n_moves = program.move_size.size if focus and stalled % 3 == 2 else program.sweep_moves
        order = np.random.default_rng([task.seed, 2, sweep]).permutation(len(codes))
        order = order[: _affordable(program, n_moves)] if n_moves > program.sweep_moves else order
        penalty = np.where(compiled.is_target, strength, 0.0)
        goal = _scale_universes(task, compiled.shares * task.records, counts)
        pulled = means._replace(penalty=strength * means.penalty)
        hold = stay if stalled < LET_GO else np.zeros_like(stay)
        stream = (task.seed, 1_000_000 + sweep)
        moved += kernels.correct(
            codes, order, program, n_moves, theta, counts, goal, hold, penalty, pulled, focus, *stream
        )
        error = np.abs(counts - goal)[compiled.is_target]
        task.notify("correct", sweep, _tvd(task, counts, goal))
        off = means.missing()
        if (error.size == 0 or error.max() < 1.0 - 1e-9) and not off.any():
            return codes, "every cell of every table is within one record of its target", moved
        total = float((error**2).sum() + (off**2).sum())
        stalled = 0 if total < best - 1e-9 else stalled + (strength >= 4.0)
        if total < best:
            best, kept = total, codes.copy()
        if stalled >= GIVE_UP:
            return kept, "the last sweeps brought no cell nearer to its target", moved
    return kept, "the sweeps set for correction are used up", moved


def _affordable(program: Program, n_moves: int) -> int:
    """Number of records for which the joint moves cost about as much as a sweep over 100,000 records by single ones."""
    cost = np.diff(program.move_ptr) * program.move_size
    return max(100, int(100_000 * cost[: program.sweep_moves].sum() / cost[:n_moves].sum()))


def independent(goals: Goals, records: int, rng: np.random.Generator) -> Codes:
    """Draw records whose variables are independent, each from its one-way shares; shape (records, variables)."""
    columns = [_stratified(shares, records, rng) for shares in goals.margins()]
    return np.ascontiguousarray(np.stack(columns, axis=1).astype(np.int32))


def _stratified(shares: Floats, records: int, rng: np.random.Generator) -> NDArray[np.int64]:
    points = (np.arange(records) + rng.random(records)) / records
    codes = np.minimum(np.searchsorted(np.cumsum(shares), points, side="right"), len(shares) - 1)
    return rng.permutation(codes)


def count(task: Task, codes: Codes) -> NDArray[np.int64]:
    """Count the records in every cell of every table, shape (cells,)."""
    program = task.compiled.program

    def part(first: int) -> NDArray[np.int64]:
        counts = np.zeros(len(task.compiled.fixed), dtype=np.int64)
        kernels.count_chunk(codes, first, min(first + task.effort.chunk, len(codes)), program, counts)
        return counts

    total = np.zeros(len(task.compiled.fixed), dtype=np.int64)
    for counts in _in_chunks(part, len(codes), task.effort):
        total += counts
    return total


def distances(task: Task, codes: Codes) -> tuple[float, ...]:
    """Total variation distance of each table from its target."""
    counts = count(task, codes)
    return tuple(
        float(x) for x in _tvd(task, counts, _scale_universes(task, task.compiled.shares * len(codes), counts))
    )


def _tvd(task: Task, counts: NDArray[np.int64], goal: Floats) -> Floats:
    ends = (
        [*task.compiled.starts[1:], int(np.flatnonzero(task.compiled.is_target)[-1]) + 1]
        if task.compiled.starts
        else []
    )
    pairs = zip(task.compiled.starts, ends, strict=True)
    return np.array([np.abs(counts[a:b] - goal[a:b]).sum() / (2 * max(goal[a:b].sum(), 1e-300)) for a, b in pairs])


def _scale_universes(task: Task, goal: Floats, counts: NDArray[np.int64]) -> Floats:
    """A table about a part of the records wants its shares of as many records as that part holds now."""
    scaled = goal.copy()
    for first, last in task.compiled.partial:
        total = goal[first:last].sum()
        scaled[first:last] *= counts[first:last].sum() / total if total > 0 else 1.0
    return scaled


def _remaining(task: Task, held: Codes) -> Floats:
    counts = count(task, np.ascontiguousarray(held))
    return np.asarray(np.maximum(task.compiled.shares * task.records - counts, 0.0))


def _sweep(task: Task, codes: Codes, weights: Floats, sweep: int) -> None:
    def part(first: int) -> None:
        last = min(first + task.effort.chunk, len(codes))
        kernels.sweep_chunk(codes, first, last, task.compiled.program, weights, task.seed, sweep)

    for _ in _in_chunks(part, len(codes), task.effort):
        pass


def _in_chunks(work: Callable[[int], T], records: int, effort: Effort) -> list[T]:
    firsts = range(0, records, effort.chunk)
    workers = effort.workers or os.cpu_count() or 1
    if len(firsts) < 2 or workers < 2:
        return [work(first) for first in firsts]
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(work, firsts))
