"""Correction: sweeps with an added, annealed penalty on the squared error of the counts walk them to the targets."""

from dataclasses import dataclass

import numpy as np

from llmsynthor.aims.reach import Reach
from llmsynthor.alignment.cells import WHOLE
from llmsynthor.alignment.effort import Counts, Floats, Told
from llmsynthor.alignment.parallel import in_parallel
from llmsynthor.alignment.rows import kernels
from llmsynthor.alignment.rows.engine import Rows, State
from llmsynthor.alignment.rows.program import Program
from llmsynthor.alignment.schedule import STUCK

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

SWEEPS = 60
"""Sweeps at most."""

USED_UP = "the sweeps set for correction are used up"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pressure:
    """What weighs on the rows: log-weights (cells,), how they hold on to what they are (records,), what errors weigh (cells,)."""

    theta: Floats
    stay: Floats
    weight: Floats


class Annealing:
    """Sweeps under a penalty that grows, a cycle each; at full strength (`strong` ones begin so) until nothing is gained."""

    def __init__(self, rows: Rows, state: State, pressure: Pressure, told: Told, *, strong: bool = False) -> None:
        weight = pressure.weight
        self.rows, self.state, self.pressure, self.told = rows, state, pressure, told
        self.hard = rows.compiled.is_hard & (weight > 0)
        lightest = float(weight[self.hard].min()) if self.hard.any() else 1.0
        full = KEEPING_STRENGTH if rows.keep else FULL_STRENGTH
        self.final = full / lightest if strong else full
        self.cheap = _cost(rows.compiled.program, len(state.codes), rows.compiled.program.sweep_moves) < CHEAP
        weak, self.growth = PATIENT if self.cheap else BRISK
        self.begin = full if strong else weak
        self.gain = 1.0 if self.cheap else WORTHWHILE
        self.kept, self.sweeps, self.stalled, self.warm = state.codes.copy(), 0, 0, True

    def look(self) -> tuple[float, bool]:
        """The squared error of cells and sums, each at its weight."""
        if not self.sweeps:
            return np.inf, False
        state, hard = self.state, self.hard
        goal = self.rows.goal(state.counts)
        error, off = (state.counts - goal)[hard], state.pull * state.means.missing()
        self.told("correct", self.sweeps - 1, state.counts, goal)
        met = (error.size == 0 or np.abs(error).max() < WHOLE) and not off.any()
        return float((self.pressure.weight[hard] * error**2).sum() + (off**2).sum()), bool(met)

    def keep(self) -> None:
        """Remember the records."""
        self.kept[:] = self.state.codes

    def back(self) -> None:
        """Return to the records that were kept."""
        self.state.codes, self.state.counts = self.kept, self.rows.count(self.kept)

    def is_over(self) -> bool:
        """Every sweep is a cycle."""
        return self.sweeps > 0

    def turn(self, stalled: int, least: float) -> str:
        """Go on until so many sweeps at full strength have gained nothing."""
        self.stalled = stalled
        if stalled >= (GIVE_UP if self.cheap else SETTLED):
            return STUCK
        return USED_UP if self.sweeps >= SWEEPS else ""

    def step(self, number: int) -> None:
        """One sweep, its penalty stronger than the last; held records are let go, and sums pulled harder, as it stalls.

        In the first, groups whose size is free are left to θ: the size that chance gave them would be held beside the tables.
        """
        strength = min(self.final, self.begin * self.growth**self.sweeps)
        strong, weight, stay = strength >= self.final, self.pressure.weight, self.pressure.stay
        weight = weight if self.sweeps or strong else np.where(self.rows.compiled.is_free, 0.0, weight)
        hold = stay if self.rows.keep or self.stalled < LET_GO else np.zeros_like(stay)
        pull = (
            strength
            * (float(self.pressure.weight.max()) if self.hard.any() else 1.0)
            * (1.0 + PULL_HARDER * self.stalled)
        )
        way = Way(sweep=number, strong=strong, stalled=self.stalled, pull=pull)
        step(self.rows, self.state, self.pressure.theta, hold, strength * weight, way)
        self.sweeps, self.warm = self.sweeps + 1, not strong


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How a sweep goes: its number, whether the penalty has its full strength, how long nothing was gained, the pull of means.

    `wall` is what every whole record of error costs beside the penalty.
    """

    sweep: int
    strong: bool
    stalled: int
    pull: float
    wall: float = 0.0


def step(rows: Rows, state: State, theta: Floats, stay: Floats, penalty: Floats, way: Way) -> None:
    """One sweep of the correction, in place: side by side in blocks while there is much to do, then one record at a time."""
    program, n_records = rows.compiled.program, len(state.codes)
    blocks = rows.effort.side_by_side(n_records)
    if blocks > 1 and not way.strong:
        return _in_blocks(rows, state, theta, stay, penalty, way, blocks)
    focus = way.strong and not (state.pull * state.means.missing()).any() and way.stalled > 0
    n_moves = program.move_size.size if focus and way.stalled % 3 == 2 else program.sweep_moves
    order = np.arange(n_records)
    if n_moves > program.sweep_moves:
        order = np.random.default_rng([rows.seed, 2, way.sweep]).permutation(order)[: _affordable(program, n_moves)]
    pulled = state.means._replace(penalty=state.pull * way.pull * state.means.penalty)
    goal = rows.goal(state.counts)
    gain = theta - penalty * (2.0 * (state.counts - goal) + 1.0)
    if way.wall > 0:
        error = state.counts - goal
        gain -= np.where(penalty > 0, way.wall * (kernels.whole(error + 1.0) - kernels.whole(error)), 0.0)
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
        way.wall,
        pulled,
        focus,
        rows.seed,
        1_000_000 + way.sweep,
    )
    return None


def _in_blocks(rows: Rows, state: State, theta: Floats, stay: Floats, penalty: Floats, way: Way, blocks: int) -> None:
    """Let each block of records make up its part of what is missing; their number, not that of workers, is fixed."""
    program, goal = rows.compiled.program, rows.goal(state.counts)
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
        end = (False, rows.seed, 1_000_000 + way.sweep)
        made = kernels.correct(
            state.codes, order, program, program.sweep_moves, gain, counts, wanted, stay, penalty, 0.0, share, *end
        )
        return counts, share, made

    done = in_parallel(part, range(blocks), rows.effort.workers)
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
