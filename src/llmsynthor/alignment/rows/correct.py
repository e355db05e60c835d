"""Correction: sweeps with an added, annealed penalty on the squared error of the counts walk them to the targets."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.reach import Reach, reach
from llmsynthor.alignment.parallel import in_parallel
from llmsynthor.alignment.results import DONE
from llmsynthor.alignment.rows import kernels
from llmsynthor.alignment.rows.effort import Codes, Counts, Floats, Task
from llmsynthor.alignment.rows.engine import count
from llmsynthor.alignment.rows.program import Program
from llmsynthor.alignment.rows.swap import swap

FULL_STRENGTH = 4.0
PATIENT, BRISK = (0.1, 1.6), (0.3, 2.0)
"""The penalty of a squared error of one record begins with the first and grows by the second from sweep to sweep, until a single
record too many weighs heavily; brisk where sweeps are dear."""

KEEPING_STRENGTH = 32.0
"""Where records hold on to what they are, a single record too many must weigh more than that."""

PULL_HARDER = 1.0
"""How much more a sum out of reach costs for every sweep without a gain: of a last whole number hardly half a unit is missing."""

LET_GO, GIVE_UP = 4, 12
"""Sweeps without gain after which held records may be changed too, and after which the correction ends."""

CHEAP = 50_000_000
"""Sweeps that look up fewer cells than this are cheap: they go on for the smallest gain."""

WORTHWHILE, SETTLED = 0.9, 2
"""Where sweeps are dear, one is a gain when the squared error falls below this part of the best so far; after so many without
the correction ends."""

SWAP_ROUNDS = 10
GENTLE = 0.01
"""Pull of means beside tables that are to stay as they are."""

YIELDED = "the tables went before means, totals and quantiles"

LEAST_WEIGHT = 1e-4
DEAR = 2.0
"""Errors of so many records in a cell are no rounding: from there on importance decides who yields."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Corrected:
    """The best population found, why the correction ended, and how many moves it made."""

    codes: Codes
    sentence: str
    moved: int


@dataclass(slots=True)
class _State:
    """The population as it is, with its counts and sums of means kept current; `pull` 0 says that means are given up."""

    codes: Codes
    counts: Counts
    means: Reach
    moved: int = 0
    pull: float = 1.0


def correct(task: Task, codes: Codes, theta: Floats, stay: Floats) -> Corrected:
    """Anneal the penalty until every cell is within rounding, or nothing more is gained.

    `stay` (records,) is the log-weight with which a record holds on to what it is. All targets weigh the same at first; where
    they cannot all be met, importance and margins of error decide.
    """
    state = _state(task, np.ascontiguousarray(codes))
    if _worst(task, state) < task.effort.rounding - 1e-9 and not state.means.missing().any():
        return Corrected(codes=state.codes, sentence=DONE, moved=0)
    weight = np.where(task.compiled.is_hard, 1.0, 0.0)
    sentence = _anneal(task, state, theta, stay, weight, first_sweep=0)
    if _swap_rounds(task, state, (stay == 0) | task.keep):
        sentence = DONE
    elif _spare_tables(task, state, theta, stay):
        return Corrected(codes=state.codes, sentence=f"{DONE}; {YIELDED}", moved=state.moved)
    dearer = task.compiled.weight[task.compiled.is_hard]
    if dearer.size and np.ptp(dearer) > 0 and _worst(task, state) >= DEAR:
        weight = weight * np.clip(task.compiled.weight / dearer.max(), LEAST_WEIGHT, 1.0)
        sentence = _anneal(task, state, theta, stay, weight, first_sweep=1_000)
        sentence += "; then the more important targets were brought nearer first"
    return Corrected(codes=state.codes, sentence=sentence, moved=state.moved)


def _spare_tables(task: Task, state: _State, theta: Floats, stay: Floats) -> bool:
    """Where means, totals and quantiles are out of the tables' reach, give up those; says whether all tables are met then."""
    last = task.compiled.tables[-1][1] if task.compiled.tables else 0
    of_tables = task.compiled.is_hard & (np.arange(len(state.counts)) < last)
    numeric = bool(task.goals.moments or task.goals.quantiles)
    if not numeric or not of_tables.any() or _worst(task, state, of_tables) < task.effort.rounding - 1e-9:
        return False
    weight, met = np.where(of_tables, 1.0, 0.0), False
    for stage, pull in enumerate((0.0, GENTLE)):
        before, state.pull = state.codes.copy(), pull
        _anneal(task, state, theta, stay, weight, first_sweep=2_000 + 1_000 * stage)
        if _worst(task, state, of_tables) >= task.effort.rounding - 1e-9:
            again = _state(task, before)
            state.codes, state.counts, state.means = again.codes, again.counts, again.means
            break
        met = True
    state.pull = 1.0
    return met


def _state(task: Task, codes: Codes) -> _State:
    counts = count(task, codes)
    means = reach(task.goals.moments, *task.compiled.moments, counts, task.records)
    return _State(codes=codes, counts=counts, means=means)


def _worst(task: Task, state: _State, cells: NDArray[np.bool_] | None = None) -> float:
    error = np.abs(state.counts - task.goal(state.counts))[task.compiled.is_hard if cells is None else cells]
    return float(error.max()) if error.size else 0.0


def _swap_rounds(task: Task, state: _State, free: NDArray[np.bool_]) -> bool:
    """Swap until every cell is within rounding, or no swap helps; says whether all are."""
    for _ in range(SWAP_ROUNDS):
        if _worst(task, state) < task.effort.rounding - 1e-9:
            return not state.means.missing().any()
        made = swap(task, state.codes, state.counts, task.goal(state.counts), free)
        state.moved += 2 * made
        state.means = reach(task.goals.moments, *task.compiled.moments, count(task, state.codes), task.records)
        if not made:
            return False
    return False


def _anneal(task: Task, state: _State, theta: Floats, stay: Floats, weight: Floats, first_sweep: int) -> str:
    """Sweep until done; leaves the best population in `state` and says why it ended."""
    hard, program, effort = task.compiled.is_hard & (weight > 0), task.compiled.program, task.effort
    again = first_sweep > 0
    lightest = float(weight[hard].min()) if hard.any() else 1.0
    full = KEEPING_STRENGTH if task.keep else FULL_STRENGTH
    final = full / lightest if again else full
    cheap = _cost(program, len(state.codes), program.sweep_moves) < CHEAP
    weak, growth = PATIENT if cheap else BRISK
    stalled, best, kept = 0, np.inf, state.codes.copy()
    reason = "the sweeps set for correction are used up"
    for sweep in range(effort.correct_sweeps):
        strength = min(final, (full if again else weak) * growth**sweep)
        strong = strength >= final
        hold = stay if task.keep or stalled < LET_GO else np.zeros_like(stay)
        pull = strength * (float(weight.max()) if hard.any() else 1.0) * (1.0 + PULL_HARDER * stalled)
        way = _Way(sweep=first_sweep + sweep, strong=strong, stalled=stalled, pull=pull)
        _step(task, state, theta, hold, strength * weight, way)
        goal = task.goal(state.counts)
        error, off = (state.counts - goal)[hard], state.pull * state.means.missing()
        task.told("correct", sweep, state.counts, goal)
        if (error.size == 0 or np.abs(error).max() < effort.rounding - 1e-9) and not off.any():
            return DONE
        total = float((weight[hard] * error**2).sum() + (off**2).sum())
        gained = total < best * (1.0 if cheap else WORTHWHILE) - 1e-9
        stalled = 0 if gained else stalled + strong
        if total < best:
            best = total
            kept[:] = state.codes
        if stalled >= (GIVE_UP if cheap else SETTLED):
            reason = "the last sweeps brought no cell nearer to its target"
            break
    state.codes = kept
    state.counts = count(task, kept)
    return reason


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """How a sweep goes: its number, whether the penalty has its full strength, how long nothing was gained, the pull of means."""

    sweep: int
    strong: bool
    stalled: int
    pull: float


def _step(task: Task, state: _State, theta: Floats, stay: Floats, penalty: Floats, way: _Way) -> None:
    """One sweep of the correction, in place: side by side in blocks while there is much to do, then one record at a time."""
    program, n_records = task.compiled.program, len(state.codes)
    blocks = min(task.effort.blocks, n_records // task.effort.block_records)
    if blocks > 1 and not way.strong:
        return _in_blocks(task, state, theta, stay, penalty, way, blocks)
    focus = way.strong and not (state.pull * state.means.missing()).any() and way.stalled > 0
    n_moves = program.move_size.size if focus and way.stalled % 3 == 2 else program.sweep_moves
    order = np.arange(n_records)
    if n_moves > program.sweep_moves:
        order = np.random.default_rng([task.seed, 2, way.sweep]).permutation(order)[: _affordable(program, n_moves)]
    pulled = state.means._replace(penalty=state.pull * way.pull * state.means.penalty)
    goal = task.goal(state.counts)
    gain = theta - penalty * (2.0 * (state.counts - goal) + 1.0)
    state.moved += kernels.correct(
        state.codes,
        order,
        program,
        n_moves,
        gain,
        state.counts,
        goal,
        stay,
        penalty,
        pulled,
        focus,
        task.seed,
        1_000_000 + way.sweep,
    )
    return None


def _in_blocks(task: Task, state: _State, theta: Floats, stay: Floats, penalty: Floats, way: _Way, blocks: int) -> None:
    """Let each block of records make up its part of what is missing; their number, not that of workers, is fixed."""
    program, goal = task.compiled.program, task.goal(state.counts)
    ends = np.linspace(0, len(state.codes), blocks + 1).astype(np.int64)
    missing = (goal - state.counts) / blocks
    strength = state.pull * way.pull

    def part(block: int) -> tuple[Counts, Reach, int]:
        counts = np.zeros_like(state.counts)
        share = state.means._replace(
            lowest=state.means.lowest / blocks,
            highest=state.means.highest / blocks,
            penalty=strength * state.means.penalty,
            slack=state.means.slack / blocks,
        )
        order = np.arange(ends[block], ends[block + 1])
        wanted = counts + missing
        gain = theta - penalty * (2.0 * (counts - wanted) + 1.0)
        end = (False, task.seed, 1_000_000 + way.sweep)
        made = kernels.correct(
            state.codes, order, program, program.sweep_moves, gain, counts, wanted, stay, penalty, share, *end
        )
        return counts, share, made

    done = in_parallel(part, range(blocks), task.effort.workers)
    lowest, highest = state.means.lowest.copy(), state.means.highest.copy()
    for counts, share, made in done:
        state.counts += counts
        lowest += share.lowest - state.means.lowest / blocks
        highest += share.highest - state.means.highest / blocks
        state.moved += made
    state.means = state.means._replace(lowest=lowest, highest=highest)


def _cost(program: Program, records: int, n_moves: int) -> float:
    """Look-ups of a sweep: for every record and move, one for each level in each table."""
    tried = program.move_chance > 0
    return float(records * (np.diff(program.move_ptr) * program.move_size * tried)[:n_moves].sum())


def _affordable(program: Program, n_moves: int) -> int:
    """Number of records for which the joint moves cost about as much as a sweep over 100,000 records by single ones."""
    return max(100, int(_cost(program, 100_000, program.sweep_moves) / _cost(program, 1, n_moves)))
