"""The bench tells a model that knows from one that does not."""

from collections.abc import Sequence

import numpy as np

from llmsynthor.scenarios.bench import Case, judge, read_cases
from llmsynthor.scenarios.cells import Cells, tilted
from llmsynthor.scenarios.frames import Question
from llmsynthor.spec.adjustments import Adjustment
from llmsynthor.spec.expressions import parse

CASES = read_cases()


def knowing(case: Case) -> tuple[Adjustment, ...]:
    """The true directions of a case, where it changed by more than a tenth, all at a factor of 1.35."""
    before, after = case.before / case.before.sum(), case.after / case.after.sum()
    signs = np.where(np.abs(after / before - 1) > 0.1, np.sign(after - before), 0.0)
    factors, named = tilted(before, 1.35**signs)
    return tuple(
        Adjustment(unit="trip", where=parse(case.cells.condition((case.cells.levels[k],))), factor=float(factors[k]))
        for k in np.flatnonzero(named)
    )


def test_there_are_26_cases_of_some_size() -> None:
    """Thirteen tables under two changes each, of 5 to 24 cells."""
    assert len(CASES) == 26
    assert len({(case.change, case.table) for case in CASES}) == 26
    assert all(5 <= len(case.cells.levels) <= 24 for case in CASES)


def test_true_directions_close_at_least_two_fifths() -> None:
    """Whoever knows the directions alone takes 40 % of the change away at one factor, and may be trusted."""

    def ask(question: Question, cells: Sequence[Cells]) -> tuple[tuple[Adjustment, ...], float]:
        return knowing(next(case for case in CASES if case.cells is cells[0])), 0.0

    found = judge(CASES, ask)
    assert found.summary["closed"] >= 0.40
    assert found.summary["signs_right_share"] >= 0.95
    assert "may be trusted" in found.verdict


def test_no_change_closes_nothing_and_chance_is_not_trusted() -> None:
    """Nothing proposed closes nothing; signs by chance, proposed for no reason too, are refused with both reasons."""
    nothing = judge(CASES, lambda _question, _cells: ((), 0.0))
    assert nothing.summary["closed"] == 0
    rng = np.random.default_rng(1)

    def ask(_question: Question, cells: Sequence[Cells]) -> tuple[tuple[Adjustment, ...], float]:
        where = [parse(cells[0].condition((level,))) for level in cells[0].levels]
        return tuple(Adjustment(unit="trip", where=own, factor=float(rng.choice([0.8, 1.25]))) for own in where), 0.5

    found = judge(CASES, ask)
    assert found.summary["closed"] < 0.1
    assert "Not to be accepted" in found.verdict
    assert "for no reason" in found.verdict
