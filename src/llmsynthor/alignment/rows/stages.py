"""The stages of flat records, behind the schedule: rows drawn table by table, swept, and walked to the targets."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from llmsynthor.aims.goals import Goals
from llmsynthor.alignment.cells import Cells, Potential
from llmsynthor.alignment.effort import Codes, Effort, Floats, Told
from llmsynthor.alignment.engine import Fitted
from llmsynthor.alignment.results import Aligned, Report, Start
from llmsynthor.alignment.rows.engine import Rows
from llmsynthor.alignment.rows.fit import fit
from llmsynthor.alignment.rows.program import compile_goals
from llmsynthor.alignment.rows.yielding import Corrected, correct, settle
from llmsynthor.population.discrepancy import off_target
from llmsynthor.population.roster import NO_PROPOSAL, Roster


@dataclass(frozen=True, slots=True, kw_only=True)
class RowsStages:
    """Flat records: `held` are there already and come first, each with its log-weight in `stay` (records,)."""

    rows: Rows
    held: Codes
    stay: Floats
    start: Start | None = None

    @property
    def cells(self) -> Cells:
        """Of all tables."""
        return self.rows.compiled

    def fit(self, told: Told) -> Fitted[Codes]:
        """Draw what is missing, with fitted weights."""
        raked = fit(self.rows, self.held, told)
        codes = np.concatenate([self.held, raked.codes])
        return Fitted(state=codes, weight=raked.theta, first=raked.first, fitted=self.rows.distances(codes))

    def correct(self, fitted: Fitted[Codes], told: Told) -> Corrected:
        """Anneal the penalty of what is off."""
        return correct(self.rows, fitted.state, fitted.weight, self.stay, told)

    def settle(self, fitted: Fitted[Codes], corrected: Corrected, told: Told) -> Corrected:
        """Swap, then give up means for tables, then weigh targets by importance."""
        return settle(self.rows, corrected, fitted.weight, self.stay, told)

    def final(self, corrected: Corrected) -> tuple[float, ...]:
        """The tables' distances."""
        return self.rows.distances(corrected.state.codes)

    def aligned(self, fitted: Fitted[Codes], corrected: Corrected, report: Report) -> Aligned:
        """Hand over the records, those of the start first."""
        codes, held = corrected.state.codes, self.held
        unchanged = (codes[: len(held)] == held).all(axis=1)
        origin = np.full(len(codes), NO_PROPOSAL, dtype=np.int64)
        if self.start is not None:
            origin[: len(held)] = np.where(unchanged, self.start.roster.proposal[: len(held)], NO_PROPOSAL)
        return Aligned(
            roster=Roster.flat(codes, origin),
            unchanged=unchanged,
            report=report,
            unmet=off_target(self.rows.goals, codes),
        )


def rows_stages(
    goals: Goals,
    *,
    records: int,
    seed: int,
    potentials: Sequence[Potential] = (),
    start: Start | None = None,
    effort: Effort | None = None,
) -> RowsStages:
    """The stages that make exactly `records` records, keeping those of `start` as far as the tables allow.

    `potentials` are fixed log-weights on top of the rules' zeros.
    """
    held = start.roster.codes[0][:records] if start is not None else np.zeros((0, len(goals.grid.axes)), dtype=np.int32)
    stay = np.zeros(records)
    stay[: len(held)] = start.stay if start is not None else 0.0
    rows = Rows(
        goals=goals,
        compiled=compile_goals(goals, potentials),
        records=records,
        seed=seed,
        effort=effort or Effort(),
        shaped=any(len(potential.projection.axes) > 1 for potential in potentials),
        keep=start is not None and start.for_good,
    )
    return RowsStages(rows=rows, held=held, stay=stay, start=start)
