"""The loop of the paper: aggregate → discrepancy → propose → draw → merge, over rows or over whole records.

Records are only added, until nothing is missing or the iterations are used up.
"""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.aims import Aims
from llmsynthor.alignment.align import computed_codes
from llmsynthor.errors import AnswerError, AskingEndedError, Problem
from llmsynthor.llm.recorded import Recorded
from llmsynthor.population.aggregate import wide_codes
from llmsynthor.population.discrepancy import Discrepancy, discrepancies, total_variation
from llmsynthor.population.roster import Roster, joined
from llmsynthor.proposals.guidance import joint_guidance, main_bins
from llmsynthor.proposals.plan import Draft, Situation, plan
from llmsynthor.proposals.proposal import Proposal, admit, bound_count, draw, missing_within
from llmsynthor.proposals.settle import NOTHING_MISSING, draw_whole
from llmsynthor.proposals.wholes import Asked, Cell, Whole, missing_cells, propose_wholes
from llmsynthor.spec.levels import Level
from llmsynthor.synthesis.believing import Believed
from llmsynthor.synthesis.journal import Journal, mean
from llmsynthor.synthesis.outcome import Options
from llmsynthor.synthesis.stop import StopReason

ALIGNED = 0.005
"""The paper's loop ends when on average less than this share of a table's records is missing."""

MOST_DROPPED = 3
MOST_IDLE = 20
"""The paper's loop ends after so many iterations in a row that added no record."""

PROPOSED_SHARE = 0.02
"""At most this share of an aligned population comes from proposals: they shape what no table says, and are few and alike."""

WHOLE_SHARE = 0.005
"""Part of the records of an aligned population that all proposals of whole records together may bring."""

SCALE = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposed:
    """Records drawn from proposals, what became of each proposal, and why the loop ended before its iterations did."""

    roster: Roster
    proposals: tuple[Proposal, ...] = ()
    ended: str = ""
    stop: StopReason | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Loop:
    """What stays the same through the iterations."""

    believed: Believed
    options: Options
    model: Recorded
    journal: Journal

    @property
    def aims(self) -> Aims:
        return self.believed.aims

    @property
    def exact(self) -> bool:
        return self.options.align == "exact"


def propose(believed: Believed, options: Options, model: Recorded | None, journal: Journal) -> Proposed:
    """Ask, draw and merge, iteration by iteration."""
    state = Proposed(roster=Roster.empty(believed.aims.layout), ended=believed.ended, stop=believed.stop)
    if model is None or believed.ended:
        return state
    loop, dropped, idle = _Loop(believed=believed, options=options, model=model, journal=journal), 0, 0
    rounds = min(options.rounds, 1) if believed.aims.needs_trees and loop.exact else options.rounds
    for iteration in range(1, rounds + 1):
        found = _missing(loop, state.roster)
        missing = mean([d.share_missing for _, d in found])
        if not found:
            break
        if missing < ALIGNED or len(state.roster) >= options.records:
            said = f"after {iteration - 1} iterations nothing is missing any more ({missing:.1%} of the records)"
            return replace(state, ended=said, stop=StopReason.NOTHING_MISSING)
        journal.tell("proposals", iteration, missing)
        before = len(state.roster)
        try:
            state = _added(loop, state, iteration, found)
            dropped, idle = 0, idle + 1 if len(state.roster) == before else 0
            if idle >= MOST_IDLE:
                said = (
                    f"{idle} plans in a row added no record (proposals.parquet says why); a larger model may do better"
                )
                state = replace(state, ended=said, stop=StopReason.ANSWERS_UNUSABLE)
        except AnswerError:
            dropped += 1
            if dropped >= MOST_DROPPED:
                said = f"{dropped} plans in a row were unusable; a larger model may do better"
                state = replace(state, ended=said, stop=StopReason.ANSWERS_UNUSABLE)
        except AskingEndedError as spent:
            state = replace(state, ended=str(spent), stop=StopReason.of(spent))
        _note(loop, state, iteration)
        if state.ended:
            break
    return state


def _missing(loop: _Loop, roster: Roster) -> tuple[tuple[int, Discrepancy], ...]:
    """What the tables of every unit miss, with the number of the unit."""
    aims, wanted, found = loop.aims, _sizes(loop.aims, loop.options.records), list[tuple[int, Discrepancy]]()
    computed = computed_codes(aims, roster)
    for unit, goals in enumerate(aims.goals):
        codes = wide_codes(aims.layout, roster, computed, unit)
        found += [(unit, d) for d in discrepancies(goals.tables, codes, records=wanted[unit])]
    return tuple(found)


def _sizes(aims: Aims, records: int) -> list[int]:
    """Records of each unit that so many top records will have, as the counting variables' margins say."""
    sizes = [records]
    for unit in range(1, len(aims.layout.units)):
        parent, column = aims.layout.count_column(unit)
        per = aims.goals[parent].margins()[column] @ aims.layout.values[parent, column]
        sizes.append(round(sizes[parent] * float(per)))
    return sizes


def _note(loop: _Loop, state: Proposed, iteration: int) -> None:
    """A line of the history: how far the records are after an iteration."""
    computed, distances, missing = computed_codes(loop.aims, state.roster), list[float](), list[float]()
    missing = [d.share_missing for _, d in _missing(loop, state.roster)]
    for unit, goals in enumerate(loop.aims.goals):
        codes = wide_codes(loop.aims.layout, state.roster, computed, unit)
        distances += [total_variation(goal, codes) for goal in goals.given]
    loop.journal.step("proposals", iteration, mean(missing), distances, len(state.roster))


def _added(loop: _Loop, state: Proposed, iteration: int, found: tuple[tuple[int, Discrepancy], ...]) -> Proposed:
    """Ask for one plan and merge the records drawn from it."""
    if loop.aims.needs_trees:
        return _added_wholes(loop, state, iteration, found)
    rng = np.random.default_rng([loop.options.seed, 10, iteration])
    own = tuple(discrepancy for _, discrepancy in found)
    answer = plan(_situation(loop, own), loop.model, seed=loop.options.seed * 1_000 + iteration, rng=rng)
    for draft in answer.value:
        proposal = _bounded(loop, state, draft, iteration, answer.call_id)
        drawn = _drawn(loop, state, proposal, rng) if proposal.status == "used" else None
        if drawn is not None and not len(drawn):
            proposal = replace(proposal, status="dropped: none of its records fits what is still missing")
        merged = state.roster if drawn is None else joined([state.roster, drawn])
        state = replace(state, roster=merged, proposals=(*state.proposals, proposal))
    return state


def _situation(loop: _Loop, found: tuple[Discrepancy, ...]) -> Situation:
    return Situation(
        spec=loop.aims.spec,
        goals=loop.aims.goals[0],
        groups=loop.believed.groups,
        discrepancies=found,
        records=loop.options.records,
        scale=SCALE if loop.exact else loop.options.records,
        proposals=loop.options.proposals,
        temperature=loop.options.temperature,
        guided=loop.exact,
    )


def _bounded(loop: _Loop, state: Proposed, draft: Draft, iteration: int, call_id: str) -> Proposal:
    """Bound the count by what is missing at this moment, and in an aligned population by its share."""
    options = loop.options
    found = discrepancies(loop.aims.goals[0].tables, state.roster.codes[0], records=options.records)
    count = bound_count(draft.asked, draft.values, found) if not draft.problem else 0
    if loop.exact and count:
        count = min(count, max(1, int(PROPOSED_SHARE * options.records / (options.rounds * options.proposals))))
    status = "used" if count else NOTHING_MISSING
    return Proposal(
        number=len(state.proposals),
        iteration=iteration,
        values=draft.values,
        asked=draft.asked,
        count=count,
        reason=draft.reason,
        guidance=draft.guidance,
        call_id=call_id,
        status=f"dropped: {draft.problem}" if draft.problem else status,
    )


def _drawn(loop: _Loop, state: Proposed, proposal: Proposal, rng: np.random.Generator) -> Roster:
    """Draw the records; before alignment only those that overshoot no table are let in."""
    goals = loop.aims.goals[0]
    if not loop.exact:
        return draw(proposal, goals, proposal.count, evenly=True, rng=rng)
    found = discrepancies(goals.tables, state.roster.codes[0], records=loop.options.records)
    tried = admit(draw(proposal, goals, 4 * proposal.count, evenly=False, rng=rng), found)
    return Roster.flat(tried.codes[0][: proposal.count], tried.proposal[: proposal.count])


def _added_wholes(loop: _Loop, state: Proposed, iteration: int, found: tuple[tuple[int, Discrepancy], ...]) -> Proposed:
    """Ask for whole records, one by one, for the cells of the top unit that miss most, and merge what is drawn from them."""
    options, aims = loop.options, loop.aims
    of_top = tuple(discrepancy for unit, discrepancy in found if unit == 0)
    asked = Asked(
        records=options.records,
        seed=options.seed,
        temperature=options.temperature,
        missing=() if loop.exact else _missing_below(loop, found),
        full=frozenset() if loop.exact else _full(loop, found),
        cells={} if loop.exact else _cells_below(loop, found),
    )
    cells = missing_cells(aims, of_top, options.proposals)
    wholes = propose_wholes(aims, loop.model, cells, first=len(state.proposals), iteration=iteration, asked=asked)
    if not any(whole.member is not None for whole in wholes) and not loop.exact:
        advice = "a larger model may do better"
        raise AnswerError(Problem(where="proposals", what="none of them was usable", advice=advice))
    rng = np.random.default_rng([options.seed, 11, iteration])
    compute = partial(computed_codes, aims)
    for whole in wholes:
        room = None if loop.exact else partial(_room, loop, state.roster)
        roster, told = draw_whole(aims, _counted(loop, whole, state.roster), compute, rng=rng, room=room)
        state = replace(state, roster=joined([state.roster, roster]), proposals=(*state.proposals, told))
    return state


def _missing_below(loop: _Loop, found: tuple[tuple[int, Discrepancy], ...]) -> tuple[str, ...]:
    """What units below the top one miss most, in words."""
    said = []
    for unit, owner in enumerate(loop.aims.layout.units):
        own = [d for number, d in found if number == unit and unit > 0 and d.goal.trust >= 1]
        guides = joint_guidance(own, (), most=loop.options.proposals)
        said += [f"{owner.name}s with {guide.sentence(1.0)}" for guide in guides]
    return tuple(said)


def _cells_below(loop: _Loop, found: tuple[tuple[int, Discrepancy], ...]) -> dict[int, tuple[Cell, ...]]:
    """Of each unit below the top one the cells that miss records, of the table that has most of its own variables."""
    cells: dict[int, tuple[Cell, ...]] = {}
    for unit, own in enumerate(loop.aims.own):
        names = {axis.name for axis in own.grid.axes}
        joint = [
            d
            for number, d in found
            if number == unit > 0 and d.goal.table.universe is None and names.issuperset(d.goal.table.columns)
        ]
        if joint:
            widest = max(joint, key=lambda d: len(d.goal.table.columns))
            columns = widest.goal.table.columns
            cells[unit] = tuple(
                (dict(zip(columns, widest.goal.cell(int(k)), strict=True)), float(widest.missing[k]))
                for k in np.flatnonzero(widest.missing >= 1)
            )
    return cells


def _full(loop: _Loop, found: tuple[tuple[int, Discrepancy], ...]) -> frozenset[tuple[int, str, Level]]:
    """Levels of own variables of which a table without a universe misses no record."""
    full = list[tuple[int, str, Level]]()
    for unit, own in enumerate(loop.aims.own):
        of_unit = [d for number, d in found if number == unit and d.goal.table.universe is None]
        for axis, margin in zip(own.grid.axes, own.margins(), strict=True):
            speaking = [d for d in of_unit if axis.name in d.goal.table.columns]
            levels = main_bins(axis, margin)
            gone = [k for k in levels if any(missing_within({axis.name: k}, d) < 1 for d in speaking)]
            full += [(unit, axis.name, level) for level in gone]
    return frozenset(full)


def _counted(loop: _Loop, whole: Whole, roster: Roster) -> Whole:
    """Bound the count of a whole record: by its share of an aligned population, or by the records that are not there yet."""
    options, proposal = loop.options, whole.proposal
    if whole.member is None:
        return whole
    most = options.records - len(roster)
    if loop.exact:
        most = max(1, int(WHOLE_SHARE * options.records / options.proposals))
    count = max(0, min(proposal.asked, most))
    status = proposal.status if count else NOTHING_MISSING
    return replace(whole, proposal=replace(proposal, count=count, status=status))


def _room(loop: _Loop, roster: Roster, candidates: Roster) -> int:
    """For how many records like the candidates every table of every unit has room."""
    aims, least = loop.aims, float(len(candidates))
    computed = computed_codes(aims, candidates)
    for unit, discrepancy in _missing(loop, roster):
        cells = discrepancy.goal.projection.of(wide_codes(aims.layout, candidates, computed, unit))
        if len(cells):
            least = min(least, _room_in(discrepancy, cells.reshape(len(candidates), -1)))
    return int(least + 1e-9)


def _room_in(discrepancy: Discrepancy, cells: NDArray[np.int64]) -> float:
    """For how many more records a table has room: what the cells still miss that each member, a column of `cells`, touches."""
    touched = [tuple(np.unique(column[column >= 0])) for column in cells.T]
    least = float(len(cells))
    for own in dict.fromkeys(touched):
        alike = cells[:, [k for k, other in enumerate(touched) if other == own]]
        hits = float((alike >= 0).sum()) / len(cells)
        if hits:
            least = min(least, float(np.maximum(discrepancy.missing[list(own)], 0).sum()) / hits)
    return least
