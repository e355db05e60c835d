"""The stages of nested records, behind the schedule: a valid start, weights fitted on whole top records, counts walked to tables.

Every record keeps every rule from the start on.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.aims import Aims
from llmsynthor.alignment.cells import WHOLE, Cells, noise
from llmsynthor.alignment.effort import Effort, Floats, Told
from llmsynthor.alignment.engine import Fitted
from llmsynthor.alignment.results import Aligned, Report, Start
from llmsynthor.alignment.trees.balances import balanced
from llmsynthor.alignment.trees.correct import NEARLY, Corrected, copy, correct, misses
from llmsynthor.alignment.trees.deal import Drawn, draw_first, enlarge, priors
from llmsynthor.alignment.trees.engine import CHUNK, State, Trees, most_values
from llmsynthor.alignment.trees.fit import fit
from llmsynthor.alignment.trees.flat import SPARE, most_rows, pack, unpack
from llmsynthor.alignment.trees.mending import mended
from llmsynthor.alignment.trees.pool import make_pool
from llmsynthor.alignment.trees.program import compile_aims
from llmsynthor.alignment.trees.start import ImpossibleRulesError, first_weights, forbidden, margins, repaired
from llmsynthor.alignment.trees.sums import lay_out_sums
from llmsynthor.alignment.trees.yielding import settle
from llmsynthor.alignment.trees.zoned import zoned
from llmsynthor.population.roster import NO_PROPOSAL, Roster, changed_tops
from llmsynthor.population.seating import seat

SHARE = 0.05
"""Part of the top records asked for that weights are fitted on, where that is more than the chains."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Nested:
    """Top records while they are aligned, and as they were before the correction."""

    state: State
    roster: Roster


@dataclass(frozen=True, slots=True, kw_only=True)
class TreesStages:
    """Nested records: a valid first `roster` with its log-weights; `start` are given or proposed ones."""

    trees: Trees
    roster: Roster
    weight: Floats
    records: int
    effort: Effort
    start: Start | None = None

    @property
    def cells(self) -> Cells:
        """Of all tables."""
        return self.trees.compiled

    @property
    def whole(self) -> Roster | None:
        """The records that are to stay, changed no more than they must."""
        return self.start.roster if self.start is not None and self.start.for_good else None

    def fit(self, told: Told) -> Fitted[Nested]:
        """Fit weights on the first records, copy these to the number asked for, and seat proposed ones among them."""
        trees, roster, weight = self.trees, self.roster, self.weight
        layout, chains = trees.aims.layout, len(roster)
        state = self._state(roster)
        begun = self._distances(state)
        if self.whole is None:
            weight = _fitted(trees, state, weight, told)
            roster = unpack(state.arena, layout, roster.proposal)
            if self.records > chains:
                none, rng = np.zeros(chains, dtype=np.bool_), np.random.default_rng([trees.seed, 4])
                roster = enlarge(roster, trees.aims, self.records, without=none, rng=rng)
            if self.start is not None:
                rng = np.random.default_rng([trees.seed, 11])
                roster = seat(layout, roster, self.start.roster, frame=trees.aims.own[0].frame, rng=rng)
            state = self._state(roster)
        nested = Nested(state=state, roster=roster)
        return Fitted(state=nested, weight=weight, first=begun, fitted=self._distances(state))

    def correct(self, fitted: Fitted[Nested], told: Told) -> Corrected:
        """Cool with weights that adapt; proposed records stay as they are, given ones hold on to it."""
        stay = self.start.stay if self.start is not None and self.start.for_good else 0.0
        return correct(self.trees, fitted.state.state, fitted.weight, _held(fitted), told, stay=stay)

    def settle(self, fitted: Fitted[Nested], corrected: Corrected, told: Told) -> Corrected:
        """Let go what the model said, then weigh targets by importance."""
        if self.whole is not None:
            return corrected
        return settle(self.trees, corrected, fitted.weight, _held(fitted), told)

    def final(self, corrected: Corrected) -> tuple[float, ...]:
        """The tables' distances."""
        return tuple(self.cells.distances(corrected.counts, corrected.goal).tolist())

    def aligned(self, fitted: Fitted[Nested], corrected: Corrected, report: Report) -> Aligned:
        """Hand over the records; who was let go and changed comes from no proposal."""
        compiled, layout, before = self.trees.compiled, self.trees.aims.layout, fitted.state.roster
        made = unpack(corrected.arena, layout, before.proposal)
        if corrected.let_go:
            gone = changed_tops(layout, before, made)
            made = replace(made, proposal=np.where(gone, NO_PROPOSAL, before.proposal))
        error = np.abs(corrected.counts - corrected.goal)
        names = [_name(piece.goal) for piece in compiled.pieces[: len(compiled.targets)]]
        worst = [float(error[a:b].max()) if compiled.is_hard[a:b].all() else 0.0 for a, b in compiled.targets]
        unmet = [(name, off) for name, off in zip(names, worst, strict=True) if off >= WHOLE]
        return Aligned(
            roster=made,
            unchanged=~changed_tops(layout, self.whole, made) if self.whole is not None else np.ones(0, dtype=bool),
            report=report,
            broken=int(corrected.counts[compiled.is_rule].sum()),
            unmet=tuple(name for name, _ in sorted(unmet, key=lambda entry: -entry[1])),
        )

    def _state(self, roster: Roster) -> State:
        trees = self.trees
        spare = SPARE if len(trees.compiled.program.arrays["open_unit"]) else 0.0
        arena = pack(roster, trees.aims.layout, max(1, self.effort.side_by_side(len(roster))), spare)
        if self.whole is not None:
            arena = arena._replace(changed=np.zeros(len(roster), dtype=np.bool_))
        return State(arena=arena, counts=trees.count(arena))

    def _distances(self, state: State) -> tuple[float, ...]:
        goal = self.trees.goal(state.counts, state.arena)
        return tuple(self.cells.distances(state.counts, goal).tolist())


def trees_stages(
    aims: Aims, *, records: int, seed: int, effort: Effort | None = None, start: Start | None = None
) -> TreesStages:
    """The stages that make exactly `records` top records, with all below them, that meet the aims.

    Records of `start` take the place of others of the same shape before the correction, and stay as they are; with `for_good` the
    records are those of the start, changed no more than they must. Raises `ImpossibleRulesError` where no record keeps all rules.
    """
    effort = effort or Effort()
    chains = records if aims.own[0].frame >= 0 else min(records, effort.fitted_on(SHARE, records))
    drawn = draw_first(aims, chains, seed, effort.workers)
    whole = start.roster if start is not None and start.for_good else None
    trees, weight, roster = _valid_start(aims, drawn, whole, records=records, seed=seed, effort=effort)
    return TreesStages(trees=trees, roster=roster, weight=weight, records=records, effort=effort, start=start)


def _held(fitted: Fitted[Nested]) -> NDArray[np.bool_]:
    """Top records that come from a proposal."""
    return fitted.state.roster.proposal >= 0


def _fitted(trees: Trees, state: State, weight: Floats, told: Told) -> Floats:
    """Weights fitted; where a frame is held, only if the draw leaves something to fit, and the better of draw and fit is kept."""
    if trees.aims.own[0].frame < 0:
        return fit(trees, state, weight, told)
    goal = trees.goal(state.counts, state.arena)
    before = misses(trees, state, goal)
    if before <= NEARLY * goal[trees.compiled.is_hard].sum() and _leant(trees, state, goal):
        return weight
    drawn, counts = copy(state.arena), state.counts.copy()
    weight = fit(trees, state, weight, told)
    if not trees.leans and before <= misses(trees, state, trees.goal(state.counts, state.arena)):
        state.arena, state.counts = drawn, counts
    return weight


def _leant(trees: Trees, state: State, goal: Floats) -> bool:
    """Whether the draw has what the records are to lean towards, to the noise of a draw; beliefs about relatives never are."""
    compiled = trees.compiled
    return not trees.aims.beliefs and noise(state.counts, goal, compiled.is_soft & ~compiled.is_slack) <= 1.0


def _valid_start(
    aims: Aims, drawn: Drawn, start: Roster | None, *, records: int, seed: int, effort: Effort
) -> tuple[Trees, Floats, Roster]:
    """The engine, weights to begin with, and records that keep every rule: those given or those drawn, repaired."""
    potentials = [(u, prior) for u in range(len(aims.goals)) for prior in priors(aims, u, len(drawn.roster))]
    compiled = compile_aims(aims, [*potentials, *margins(aims, drawn)])
    weights = first_weights(aims, compiled, drawn.own)
    roster = start if start is not None else balanced(aims.layout, drawn.roster)
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
            chunk=effort.chunk or CHUNK,
            workers=effort.workers,
            zoned=zoned(aims.layout, compiled, aims.own[0].frame),
        )
        try:
            sound = mended(trees, roster) if start is None and aims.own[0].frame >= 0 else roster
            return trees, weights.first, repaired(trees, sound)
        except ImpossibleRulesError:
            if not zeros:
                raise
    raise AssertionError("unreachable")


def _name(goal: object) -> str:
    return str(getattr(goal, "name", "") or getattr(getattr(goal, "target", None), "name", ""))
