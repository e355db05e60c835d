"""What the schedule asks of an engine: it knows no more of how records are counted and changed."""

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from llmsynthor.alignment.cells import Cells
from llmsynthor.alignment.effort import Counts, Floats, Told
from llmsynthor.alignment.results import Aligned, Report


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How weights are fitted: in so many `sweeps` at most and `least` at least.

    A sweep is a gain if the noise falls below `gain` of the least so far. Weights are averaged over the sweeps from `averaged` on.
    """

    sweeps: int
    least: int
    gain: float
    averaged: int


class Fitting(Protocol):
    """Records of an engine while weights are fitted on them."""

    pace: Pace

    def sweep(self, weight: Floats, number: int) -> tuple[Counts, Floats]:
        """Change the records under fixed weights; returns the counts of all cells, and what they should be."""

    def rake(self, weight: Floats, counts: Counts, goal: Floats, number: int) -> NDArray[np.bool_]:
        """Move the weights towards the goal, in place; returns the cells by whose noise the sweep is judged."""


class Course(Protocol):
    """One correction of an engine's records: how its steps go, and what they cost while they miss.

    Steps come in cycles, and a cycle counts as one without a gain if what is missing has not fallen below `gain` of the least.
    """

    gain: float
    warm: bool
    """Cycles without a gain do not count while the course warms up."""

    def look(self) -> tuple[float, bool]:
        """What is missing, at its price, and whether everything is met."""

    def keep(self) -> None:
        """Remember the records: they are the best so far."""

    def back(self) -> None:
        """Return to the records that were kept."""

    def is_over(self) -> bool:
        """Whether a cycle has ended."""

    def turn(self, stalled: int, least: float) -> str:
        """Lay out the next cycle; returns why there is none. `stalled` are the last cycles without a gain."""

    def step(self, number: int) -> None:
        """Change the records under counts that are kept current, and adapt what errors cost."""


class Ended(Protocol):
    """Corrected records: why the correction ended, and how many moves it made."""

    @property
    def sentence(self) -> str: ...
    @property
    def moved(self) -> int: ...


State = TypeVar("State")
End = TypeVar("End", bound=Ended)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted(Generic[State]):
    """Records, as many as asked for, and the log-weights (cells,) that they were fitted with; the tables' distances on the way."""

    state: State
    weight: Floats
    first: tuple[float, ...]
    fitted: tuple[float, ...]


class Engine(Protocol[State, End]):
    """An engine: what each stage of the schedule is, for its kind of records."""

    @property
    def cells(self) -> Cells:
        """The cells of all its tables."""

    def fit(self, told: Told) -> Fitted[State]:
        """A first population with fitted weights, as many records as asked for."""

    def correct(self, fitted: Fitted[State], told: Told) -> End:
        """Walk the counts to all targets, as if all weighed the same."""

    def settle(self, fitted: Fitted[State], corrected: End, told: Told) -> End:
        """Go on from a correction that has not met everything: who yields."""

    def aligned(self, fitted: Fitted[State], corrected: End, report: Report) -> Aligned:
        """Hand over the records."""

    def final(self, corrected: End) -> tuple[float, ...]:
        """The tables' distances in the end."""
