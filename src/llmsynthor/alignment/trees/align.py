"""Alignment of nested records: a valid start, weights fitted on whole top records, counts walked to all tables.

`align_trees` is to nested units what `align_rows` is to one. Every record keeps every rule from the start on.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from llmsynthor.aims.aims import Aims
from llmsynthor.aims.goals import Goal
from llmsynthor.alignment.cells import table_distances
from llmsynthor.alignment.results import Aligned, Report, Start
from llmsynthor.alignment.trees.correct import NEARLY, Corrected, copy, correct, misses
from llmsynthor.alignment.trees.deal import Drawn, draw_first, enlarge, priors
from llmsynthor.alignment.trees.engine import State, Trees, most_values
from llmsynthor.alignment.trees.fit import Told, fit
from llmsynthor.alignment.trees.flat import SPARE, Counts, Floats, most_rows, pack, unpack
from llmsynthor.alignment.trees.mending import mended
from llmsynthor.alignment.trees.pool import make_pool
from llmsynthor.alignment.trees.program import Compiled, compile_aims
from llmsynthor.alignment.trees.start import ImpossibleRulesError, first_weights, forbidden, margins, repaired
from llmsynthor.alignment.trees.sums import lay_out_sums
from llmsynthor.alignment.trees.yielding import settle
from llmsynthor.population.roster import NO_PROPOSAL, Roster, changed_tops
from llmsynthor.population.seating import seat

Notify = Callable[[str, int, Floats], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How long the stages may work. No clock decides: only counts and what is left to gain.

    Weights are fitted on `chains` top records or the `share` of those asked for, whichever is more; at most `blocks` of at least
    `block_records` top records are changed side by side, and the number of workers changes nothing.
    """

    chains: int = 20_000
    share: float = 0.05
    fit_sweeps: int = 25
    chunk: int = 2_048
    blocks: int = 8
    block_records: int = 25_000
    workers: int | None = None


def align_trees(
    aims: Aims,
    *,
    records: int,
    seed: int,
    effort: Effort | None = None,
    notify: Notify | None = None,
    start: Start | None = None,
) -> Aligned:
    """Make exactly `records` top records, with all below them, that meet the aims.

    Records of `start` take the place of others of the same shape before the correction, and stay as they are; with `for_good` the
    records are those of the start, changed no more than they must. Raises `ImpossibleRulesError` where no record keeps all rules.
    """
    effort = effort or Effort()
    tell = notify or (lambda stage, sweep, distances: None)
    framed = aims.own[0].frame >= 0
    chains = records if framed else min(records, max(effort.chains, int(effort.share * records)))
    drawn = draw_first(aims, chains, seed, effort.workers)
    whole = start.roster if start is not None and start.for_good else None
    trees, weight, roster = _valid_start(aims, drawn, whole, records=records, seed=seed, effort=effort)
    layout, compiled = aims.layout, trees.compiled

    def told(stage: str, sweep: int, counts: Counts, goal: Floats) -> None:
        tell(stage, sweep, distances(compiled, counts, goal))

    def state_of(roster: Roster) -> State:
        arena = pack(
            roster, layout, _blocks(len(roster), effort), SPARE if len(compiled.program.arrays["open_unit"]) else 0.0
        )
        if whole is not None:
            arena = arena._replace(changed=np.zeros(len(roster), dtype=np.bool_))
        return State(arena=arena, counts=trees.count(arena))

    state = state_of(roster)
    begun = distances(compiled, state.counts, trees.goal(state.counts, state.arena))
    if whole is None:
        weight = _fitted(trees, state, weight, told, effort)
        roster = unpack(state.arena, layout, roster.proposal)
        if records > chains:
            none = np.zeros(chains, dtype=np.bool_)
            roster = enlarge(roster, aims, records, without=none, rng=np.random.default_rng([seed, 4]))
        if start is not None:
            roster = seat(layout, roster, start.roster, frame=aims.own[0].frame, rng=np.random.default_rng([seed, 11]))
        state = state_of(roster)
    after = distances(compiled, state.counts, trees.goal(state.counts, state.arena))
    stay = start.stay if start is not None and whole is not None else 0.0
    held = roster.proposal >= 0
    corrected = correct(trees, state, weight, held, told, stay=stay)
    if whole is None:
        corrected, let_go = settle(trees, corrected, weight, held, told)
        if let_go:
            made = unpack(corrected.arena, layout, roster.proposal)
            roster = replace(roster, proposal=np.where(changed_tops(layout, roster, made), NO_PROPOSAL, made.proposal))
    return _aligned(trees, corrected, roster, (begun, after), whole)


def _fitted(trees: Trees, state: State, weight: Floats, told: Told, effort: Effort) -> Floats:
    """Weights fitted; where a frame is held, only if the draw leaves something to fit, and the better of draw and fit is kept."""
    if trees.aims.own[0].frame < 0:
        return fit(trees, state, weight, told, sweeps=effort.fit_sweeps).weight
    leaning = bool(trees.aims.beliefs) or bool((trees.compiled.is_target & ~trees.compiled.is_hard).any())
    goal = trees.goal(state.counts, state.arena)
    before = misses(trees, state, goal)
    if before <= NEARLY * goal[trees.compiled.is_hard].sum() and not leaning:
        return weight
    drawn, counts = copy(state.arena), state.counts.copy()
    weight = fit(trees, state, weight, told, sweeps=effort.fit_sweeps).weight
    if not leaning and before <= misses(trees, state, trees.goal(state.counts, state.arena)):
        state.arena, state.counts = drawn, counts
    return weight


def distances(compiled: Compiled, counts: Counts, goal: Floats) -> Floats:
    """Total variation distance of each table from its goal, unit by unit; quantiles are no tables. Shape (tables,)."""
    blocks = [b for b, piece in zip(compiled.tables, compiled.pieces, strict=False) if isinstance(piece.goal, Goal)]
    return table_distances(blocks, counts, goal)


def _blocks(records: int, effort: Effort) -> int:
    return max(1, min(effort.blocks, records // effort.block_records))


def _valid_start(
    aims: Aims, drawn: Drawn, start: Roster | None, *, records: int, seed: int, effort: Effort
) -> tuple[Trees, Floats, Roster]:
    """The engine, weights to begin with, and records that keep every rule: those given or those drawn, repaired."""
    potentials = [(u, prior) for u in range(len(aims.goals)) for prior in priors(aims, u, len(drawn.roster))]
    compiled = compile_aims(aims, [*potentials, *margins(aims, drawn)])
    weights = first_weights(aims, compiled, drawn.own)
    roster = start if start is not None else drawn.roster
    per_top = [size / len(drawn.roster) for size in drawn.roster.sizes]
    for zeros in (True, False):
        bad = forbidden(compiled, zeros=zeros)
        trees = Trees(
            aims=aims,
            compiled=compiled,
            pool=make_pool(aims.layout, drawn.rows, weights.own, {}),
            sums=lay_out_sums(aims, compiled, compiled.moments, records, per_top),
            bad=bad,
            seed=seed,
            rows=most_rows(compiled, roster, aims.layout),
            line=most_values(compiled),
            chunk=effort.chunk,
            workers=effort.workers,
        )
        try:
            sound = mended(trees, roster) if start is None and aims.own[0].frame >= 0 else roster
            return trees, weights.first, repaired(trees, sound)
        except ImpossibleRulesError:
            if not zeros:
                raise
    raise AssertionError("unreachable")


def _aligned(
    trees: Trees, corrected: Corrected, roster: Roster, before: tuple[Floats, Floats], whole: Roster | None
) -> Aligned:
    compiled, n_tables = trees.compiled, len(trees.compiled.tables)
    report = Report(
        start=tuple(before[0].tolist()),
        fitted=tuple(before[1].tolist()),
        final=tuple(distances(compiled, corrected.counts, corrected.goal).tolist()),
        sentence=corrected.sentence,
        moved=corrected.moved,
    )
    error = np.abs(corrected.counts - corrected.goal)
    names = [_name(piece.goal) for piece in compiled.pieces[:n_tables]]
    worst = [float(error[a:b].max()) if compiled.is_hard[a:b].all() else 0.0 for a, b in compiled.tables]
    unmet = [(name, off) for name, off in zip(names, worst, strict=True) if off >= 1.0 - 1e-9]
    layout, made = trees.aims.layout, unpack(corrected.arena, trees.aims.layout, roster.proposal)
    return Aligned(
        roster=made,
        unchanged=~changed_tops(layout, whole, made) if whole is not None else np.ones(0, dtype=bool),
        report=report,
        broken=int(corrected.counts[compiled.is_rule].sum()),
        unmet=tuple(name for name, _ in sorted(unmet, key=lambda entry: -entry[1])),
    )


def _name(goal: object) -> str:
    return str(getattr(goal, "name", "") or getattr(getattr(goal, "target", None), "name", ""))
