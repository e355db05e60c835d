"""All that `llmsynthor check` finds before any call: contradictions, disagreements of sources, and what a run will ask."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from llmsynthor.aims.aims import set_aims
from llmsynthor.aims.feasibility import Contradiction, find_across, find_contradictions
from llmsynthor.aims.goals import Goals, bring_to_grid
from llmsynthor.aims.grid import build_grid
from llmsynthor.aims.reconcile import Disagreement, say_entry
from llmsynthor.aims.reconcile_moments import reconcile_sources
from llmsynthor.dependence.estimation import planned_questions
from llmsynthor.dependence.kin.beliefs import planned_composition
from llmsynthor.dependence.related import planned_nested
from llmsynthor.errors import Problem, SpecError
from llmsynthor.llm.models import DEFAULT
from llmsynthor.llm.speed import expected_seconds
from llmsynthor.spec.checks.checks import forbidden_targets, warnings
from llmsynthor.spec.specification import Spec
from llmsynthor.synthesis.loop import unsupported
from llmsynthor.synthesis.outcome import Options, expected_calls


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """What is allowed but worth a look, what this version does not make, and the calls that a run will make.

    `questions` of the `calls` score choices; `seconds` are what the model takes for all of them on this machine, as measured in
    earlier runs, None before the first.
    """

    warnings: tuple[Problem, ...]
    unsupported: tuple[Problem, ...]
    calls: int
    questions: int
    model: str
    seconds: float | None


def examine(spec: Spec, llm: str | None = None) -> Examined:
    """Look through a spec; raises SpecError for what cannot be."""
    contradictions = forbidden_targets(spec)
    if contradictions:
        raise SpecError(*contradictions)
    missing = unsupported(spec)
    found = list(warnings(spec))
    every: tuple[Goals, ...] = ()
    if not missing:
        every, disagreements = _goals(spec)
        found += _disagreements(disagreements)
        found += [
            _contradiction(contradiction)
            for contradiction in _contradictions(spec, every)
        ]
    settings, words = spec.settings, llm or spec.settings.llm or "local"
    options = Options(
        records=settings.records or 1,
        align=settings.align or "exact",
        iterations=settings.iterations,
        estimate=settings.estimate is not False,
    )
    questions = _questions(spec, every) if options.estimates else 0
    calls = expected_calls(spec, options, llm=words != "none", questions=questions)
    model = f"local:{DEFAULT}" if words == "local" else words
    seconds = expected_seconds(model, writes=calls - questions, scores=questions) if calls else 0.0
    return Examined(
        warnings=tuple(found),
        unsupported=missing,
        calls=calls,
        questions=questions if calls else 0,
        model=model,
        seconds=seconds,
    )


def _questions(spec: Spec, every: Sequence[Goals]) -> int:
    """Scoring calls at most."""
    if spec.schema.is_nested:
        aims = set_aims(spec)
        return planned_nested(aims) + planned_composition(aims) if every else 0
    return sum(planned_questions(goals, spec) for goals in every)


def _goals(spec: Spec) -> tuple[tuple[Goals, ...], tuple[Disagreement, ...]]:
    """What the own variables of each unit must meet, and where tables disagree."""
    if spec.schema.is_nested:
        aims = set_aims(spec)
        return aims.own, aims.disagreements
    goals, disagreements = reconcile_sources(bring_to_grid(spec, build_grid(spec, spec.schema.top)))
    return (goals,), disagreements


def _contradictions(spec: Spec, every: Sequence[Goals]) -> Sequence[Contradiction]:
    if spec.schema.is_nested:
        return find_across(set_aims(spec))
    return [
        found for goals in every for found in find_contradictions(goals, goals.names, records=spec.settings.records)
    ]


def _contradiction(found: Contradiction) -> Problem:
    advice = "correct one of them; a run comes as near to all as it can and ends with exit code 1"
    if found.by_number:
        advice = (
            "correct one of them: a run keeps the distributions and makes another number of records than the counts say"
        )
    return Problem(where="targets and rules", what=str(found), advice=advice, severity="warning")


def _disagreements(disagreements: Sequence[Disagreement]) -> Iterator[Problem]:
    """Say for each pair of tables where they are furthest apart."""
    worst: dict[tuple[str, ...], Disagreement] = {}
    for entry in disagreements:
        key = (*sorted((entry.table, entry.others[0])), entry.statistic, *entry.columns)
        if entry.kind != "rounding" and _apart(entry) > _apart(worst.get(key)):
            worst[key] = entry
    for entry in worst.values():
        explained = " (their margins of error explain it)" if entry.kind == "margin of error" else ""
        yield Problem(
            where=f'targets "{entry.table}" and "{entry.others[0]}"',
            what=f"they disagree about {entry.statistic or ', '.join(entry.columns)}{explained}",
            found=f"{say_entry(entry)}: {entry.stated:.6g} against {entry.others_stated[0]:.6g}, {entry.used:.6g} is used",
            advice="importance and margin_of_error decide who yields; correct one, or leave it so",
            severity="warning",
        )


def _apart(entry: Disagreement | None) -> float:
    return max(abs(entry.stated - other) for other in entry.others_stated) if entry is not None else -1.0
