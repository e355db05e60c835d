"""The loop with a scripted model: the paper's mode, bounded counts, hostile answers."""

from typing import Any

import numpy as np
import pytest

from llmsynthor.llm.ledger import Ledger
from llmsynthor.llm.recorded import Recorded
from llmsynthor.llm.scripted import Scripted
from llmsynthor.options import Budget
from llmsynthor.spec.specification import Spec
from llmsynthor.synthesis.loop import synthesize
from llmsynthor.synthesis.outcome import Options, Outcome, expected_calls

GROUPS = {"groups": [{"variables": ["age", "employment"], "reason": "children do not work"}]}


def proposal(**changes: Any) -> dict[str, Any]:
    base = {
        "age": "[16, 65)",
        "sex": "Male",
        "employment": "Employed",
        "count": 100,
        "reason": "men of working age work",
    }
    return {**base, **changes}


def plan(*proposals: Any) -> dict[str, Any]:
    return {f"proposal_{k + 1}": entry for k, entry in enumerate(proposals)}


def run(spec: Spec, answers: list[Any], *, budget: Budget | None = None, **options: Any) -> tuple[Outcome, Recorded]:
    script = Scripted({"answers": answers, "repeat": True})
    model = Recorded(
        identity=script.identity, open_model=lambda: script, ledger=Ledger(None), budget=budget or Budget()
    )
    settings = Options(**{"records": 1_000, "seed": 1, "proposals": 1, "workers": 1, "estimate": False, **options})
    outcome = synthesize(spec, settings, model, notify=lambda _: None)
    model.ledger.close()
    return outcome, model


VARIED = [
    plan(proposal(count=240)),
    plan(proposal(sex="Female", count=220, reason="women work as well")),
    plan(proposal(age="65+", employment="Not employed", count=100, reason="the old rest")),
    plan(proposal(age="under 16", employment="Under 16", count=100, reason="boys go to school")),
]


def test_papers_loop_only_adds(spec: Spec) -> None:
    """With align none records are only added, never beyond what is missing, and the distance falls."""
    outcome, _ = run(spec, [GROUPS, *VARIED], align="none", iterations=4)
    sizes = [step.records for step in outcome.history]
    assert sizes == sorted(sizes)
    assert sizes[-1] <= 1_000
    assert outcome.history[-1].tvd < outcome.history[0].tvd
    assert outcome.report is None
    assert "4 iterations" in outcome.stop_reason


def test_proposals_lead_to_records_that_are_kept(spec: Spec) -> None:
    """With alignment the records of proposals stay, the rest is filled up, and exactly n records are made."""
    outcome, _ = run(spec, [GROUPS, *VARIED], iterations=4)
    kept = np.bincount(outcome.roster.proposal[outcome.roster.proposal >= 0], minlength=4)
    assert len(outcome.roster) == 1_000
    assert (kept == [p.count for p in outcome.proposals]).all()
    assert 0 < kept.sum() <= 100
    assert outcome.report is not None
    assert max(outcome.report.final) < 0.001


def test_count_is_bounded_by_what_is_missing(spec: Spec) -> None:
    """A count of a thousand million adds no more than the tables still miss."""
    outcome, _ = run(spec, [GROUPS, plan(proposal(count=10**9))], align="none", iterations=1)
    assert outcome.proposals[0].count == 240
    assert len(outcome.roster) <= 240


HOSTILE = {
    "prose": "I would propose many young men, because they are young.",
    "half a JSON": '{"proposal_1": {"age": "[16, 65)", "sex": ',
    "a wrong level": plan(proposal(sex="Robot")),
    "an inverted range": plan(proposal(age="[65, 16)")),
    "a range outside": plan(proposal(age="[16, 650)")),
    "a negative count": plan(proposal(count=-3)),
    "a text for a count": plan(proposal(count="many")),
    "a missing field": {"proposal_1": {"age": "[16, 65)"}},
    "a list": [1, 2, 3],
    "another object": {"answer": 42},
    "nested deep": "{" * 5_000,
    "an object for a level": plan(proposal(sex={"a": 1})),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_answers_cost_nothing(spec: Spec, kind: str) -> None:
    """A broken answer is asked for again, then dropped and counted; the population is made all the same."""
    outcome, model = run(spec, [GROUPS, HOSTILE[kind]], iterations=1)
    assert len(outcome.roster) == 1_000
    assert outcome.proposals == ()
    assert model.spent.dropped == 1
    assert model.spent.calls == 1 + 3


def test_good_part_of_a_bad_plan_is_used(spec: Spec) -> None:
    """Of a plan that stays partly bad the good proposals are used, the bad one is kept with the reason why it was dropped."""
    answer = plan(proposal(), proposal(sex="Robot"))
    outcome, _ = run(spec, [GROUPS, answer], iterations=1, proposals=2)
    assert [p.status == "used" for p in outcome.proposals] == [True, False]
    assert "Robot" in outcome.proposals[1].status


def test_repaired_answer_is_used(spec: Spec) -> None:
    """When the second attempt is right it is used, and counted as repaired."""
    outcome, model = run(spec, [GROUPS, "no", plan(proposal())], iterations=1)
    assert outcome.proposals[0].status == "used"
    assert model.spent.repaired == 1


@pytest.mark.slow
def test_calls_do_not_grow_with_records(spec: Spec) -> None:
    """A hundred times as many records take the same questions."""
    answers = [GROUPS, *VARIED]
    few, many = (run(spec, answers, records=records, iterations=2)[1].spent.calls for records in (1_000, 100_000))
    assert few == many == expected_calls(spec, Options(records=1, iterations=2), llm=True, questions=0)


def test_spent_budget_is_a_stop_reason(spec: Spec) -> None:
    """When the calls are used up the run goes on without the model and says so."""
    outcome, model = run(spec, [GROUPS, *VARIED], iterations=4, budget=Budget(calls=2))
    assert model.spent.calls == 2
    assert "budget of 2 calls" in outcome.stop_reason
    assert len(outcome.roster) == 1_000


def test_groups_come_from_tables_and_model(spec: Spec) -> None:
    """Dependency groups name who says so: the given tables first, then the model."""
    outcome, _ = run(spec, [GROUPS, plan(proposal())], iterations=1)
    assert [(g.variables, g.source) for g in outcome.groups] == [
        (("employment", "sex"), "given"),
        (("age", "employment"), "llm"),
    ]


def test_same_question_for_any_number_of_records(spec: Spec) -> None:
    """The first plan is asked for in the same words for a thousand and a million records: counts are out of 1,000."""
    said = []
    for records in (1_000, 1_000_000):
        _, model = run(spec, [GROUPS, plan(proposal())], iterations=1, records=records if records < 10**6 else 50_000)
        said.append(model.last_call)
    assert said[0] == said[1]
