"""Alignment of nested records: a valid start, weights fitted on whole top records, counts walked to all tables.

`align_nested` is to nested units what `alignment.align.align` is to one. Every record keeps every rule from the start on.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from llmsynthor.aims.aims import Aims
from llmsynthor.aims.layout import Roster
from llmsynthor.alignment.align import Report
from llmsynthor.alignment.deal import Drawn, draw_first, enlarge, priors
from llmsynthor.alignment.effort import table_distances
from llmsynthor.alignment.trees.correct import Corrected, correct
from llmsynthor.alignment.trees.engine import State, Trees, most_values
from llmsynthor.alignment.trees.fit import fit
from llmsynthor.alignment.trees.flat import SPARE, Counts, Floats, most_rows, pack, unpack
from llmsynthor.alignment.trees.pool import make_pool
from llmsynthor.alignment.trees.program import compile_aims
from llmsynthor.alignment.trees.start import ImpossibleRulesError, first_weights, forbidden, margins, repaired
from llmsynthor.alignment.trees.sums import lay_out_sums

__all__ = ["AlignedRoster", "Effort", "align_nested"]

Notify = Callable[[str, int, Floats], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How long the stages may work. No clock decides: only counts and what is left to gain.

    Weights are fitted on `chains` top records or the `share` of those asked for, whichever is more; at most `blocks` of at least
    `block_records` top records are changed side by side, and the number of workers changes nothing.
    """

    chains: int = 20_000
    share: float = 0.05
    fit_sweeps: int = 50
    settle_sweeps: int = 1
    chunk: int = 2_048
    blocks: int = 8
    block_records: int = 25_000
    workers: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlignedRoster:
    """The records of all units, how far the tables were off on the way, and how many records break a rule.

    `unmet` names the tables with a cell that is a record or more off, `errors` says by how many, in the same order.
    """

    roster: Roster
    report: Report
    broken: int
    unmet: tuple[str, ...]
    errors: tuple[float, ...] = ()


def align_nested(
    aims: Aims,
    *,
    records: int,
    seed: int,
    effort: Effort | None = None,
    notify: Notify | None = None,
    settle_in: Callable[[Roster], Roster] | None = None,
    start: Roster | None = None,
) -> AlignedRoster:
    """Make exactly `records` top records, with all below them, that meet the aims.

    `settle_in` may exchange top records for others of the same shape before the correction, and mark them in `proposal`: those
    stay as they are. With `start` the records are those given, changed no more than they must. Raises `ImpossibleRulesError`
    where no record keeps all rules.
    """
    effort = effort or Effort()
    tell = notify or (lambda stage, sweep, distances: None)
    chains = min(records, max(effort.chains, int(effort.share * records)))
    drawn = draw_first(aims, chains, seed, effort.workers)
    trees, weight, roster = _valid_start(aims, drawn, start, records=records, seed=seed, effort=effort)
    layout, compiled = aims.layout, trees.compiled

    def told(stage: str, sweep: int, counts: Counts, goal: Floats) -> None:
        tell(stage, sweep, table_distances(compiled.tables, counts, goal))

    def state_of(roster: Roster) -> State:
        arena = pack(roster, layout, _blocks(len(roster), effort), SPARE if compiled.program.n_open else 0.0)
        return State(arena=arena, counts=trees.count(arena))

    state = state_of(roster)
    begun = table_distances(compiled.tables, state.counts, trees.goal(state.counts, state.arena))
    if start is None:
        weight = fit(trees, state, weight, told, sweeps=effort.fit_sweeps).weight
        roster = unpack(state.arena, layout, roster.proposal)
        if records > chains:
            none = np.zeros(chains, dtype=np.bool_)
            roster = enlarge(roster, aims, records, without=none, rng=np.random.default_rng([seed, 4]))
        if settle_in is not None:
            roster = settle_in(roster)
        state = state_of(roster)
    after = table_distances(compiled.tables, state.counts, trees.goal(state.counts, state.arena))
    corrected = correct(trees, state, weight, roster.proposal >= 0, told)
    return _aligned(trees, corrected, roster, (begun, after))


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
            return trees, weights.first, repaired(trees, roster)
        except ImpossibleRulesError:
            if not zeros:
                raise
    raise AssertionError("unreachable")


def _aligned(trees: Trees, corrected: Corrected, roster: Roster, before: tuple[Floats, Floats]) -> AlignedRoster:
    compiled, n_tables = trees.compiled, len(trees.compiled.tables)
    report = Report(
        start=tuple(before[0].tolist()),
        fitted=tuple(before[1].tolist()),
        final=tuple(table_distances(compiled.tables, corrected.counts, corrected.goal).tolist()),
        sentence=corrected.sentence,
        moved=corrected.moved,
    )
    error = np.abs(corrected.counts - corrected.goal)
    names = [_name(piece.goal) for piece in compiled.pieces[:n_tables]]
    worst = [
        float(error[a:b].max()) if compiled.is_hard[a:b].all() else 0.0 for a, b in compiled.tables
    ]
    unmet = [(name, off) for name, off in zip(names, worst, strict=True) if off >= 1.0 - 1e-9]
    return AlignedRoster(
        roster=unpack(corrected.arena, trees.aims.layout, roster.proposal),
        report=report,
        broken=int(corrected.counts[compiled.is_rule].sum()),
        unmet=tuple(name for name, _ in unmet),
        errors=tuple(off for _, off in unmet),
    )


def _name(goal: object) -> str:
    return str(getattr(goal, "name", "") or getattr(getattr(goal, "target", None), "name", ""))
