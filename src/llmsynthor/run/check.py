"""All that `llmsynthor check` finds before any call: contradictions, disagreements of sources, and what a run will ask."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from llmsynthor.aims.aims import set_aims
from llmsynthor.aims.counted import assumed_ends
from llmsynthor.aims.feasibility import Contradiction, find_across, find_broken_rules
from llmsynthor.aims.levels import gaps
from llmsynthor.aims.reconcile import Disagreement, say_entry
from llmsynthor.aims.zones import unmet_rooms
from llmsynthor.dependence.measuring import planned_measuring
from llmsynthor.errors import LLMSynthorError, Problem, SpecError
from llmsynthor.llm.backend import Identity
from llmsynthor.llm.models import DEFAULT
from llmsynthor.llm.opening import choose
from llmsynthor.llm.speed import expected_seconds
from llmsynthor.run.library import proposed_library
from llmsynthor.run.propose import expected_proposals
from llmsynthor.run.size import Size, measure_size, refuse_too_large
from llmsynthor.run.texts import expected_texts
from llmsynthor.run.zones import gap_problem, zone_problem
from llmsynthor.spec.checks.checks import forbidden_targets, warnings
from llmsynthor.spec.levels import Interval
from llmsynthor.spec.specification import Spec
from llmsynthor.spec.targets import Table
from llmsynthor.synthesis.believing import questions as most_questions
from llmsynthor.synthesis.outcome import Options, expected_calls


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """What is allowed but worth a look, and the calls that a run will make.

    `questions` of the `calls` score choices; `seconds` are what the model takes for all of them on this machine, as measured in
    earlier runs, None before the first. `texts` say how each text is written, `scenario` what its proposals ask, `measuring` how
    many of the questions are about known tables, to a model that was never seen before.
    """

    warnings: tuple[Problem, ...]
    calls: int
    questions: int
    model: str
    seconds: float | None
    size: Size
    texts: tuple[str, ...] = ()
    library: str = ""
    scenario: str = ""
    measuring: int = 0


def examine(spec: Spec, llm: str | None = None) -> Examined:
    """Look through a spec; raises SpecError for what cannot be, and for what is too large."""
    size = measure_size(spec, spec.settings.records)
    refuse_too_large(size, calls=0, has_budget=True)
    refuse_impossible(spec)
    aims = set_aims(spec)
    rooms = unmet_rooms(spec)
    unmet = [room for room in rooms if (room.excess + room.lacking).any()]
    told = {(room.table.name, (room.column,)) for room in rooms}
    others = [entry for entry in aims.disagreements if (entry.table, entry.columns) not in told]
    found = [
        *warnings(spec),
        *assumed_ends(spec),
        *map(zone_problem, unmet),
        *map(gap_problem, gaps(spec)),
        *_disagreements(others),
    ]
    found += [_contradiction(contradiction) for contradiction in find_across(aims)]
    settings, words = spec.settings, llm or spec.settings.llm or "local"
    options = Options(records=settings.records or 1, **asdict(settings.method))
    identity = _identity(words)
    measuring = planned_measuring(identity) if options.estimates and words != "none" else 0
    questions = most_questions(aims, options.library, identity) if options.estimates else 0
    measuring = min(measuring, questions)
    texts = expected_texts(spec, settings.records or 1) if words != "none" else ()
    proposals = expected_proposals(spec, words)
    calls = expected_calls(spec, options, llm=words != "none", questions=questions) + sum(t.expected for t in texts)
    calls, questions = calls + proposals.calls, questions + proposals.scores
    model = f"local:{DEFAULT}" if words == "local" else words
    writes, tokens = calls - questions - sum(t.expected for t in texts), sum(t.tokens for t in texts)
    seconds = expected_seconds(model, writes=writes, scores=questions, tokens=tokens) if calls else 0.0
    return Examined(
        warnings=tuple(found),
        calls=calls,
        questions=questions if calls else 0,
        model=model,
        seconds=seconds,
        size=size,
        texts=tuple(map(str, texts)),
        library=proposed_library(spec, aims),
        scenario=str(proposals) if proposals.calls else "",
        measuring=measuring,
    )


def _identity(words: str) -> Identity | None:
    """Who will be asked; None where that cannot be said before a run."""
    try:
        choice = choose(words)
    except LLMSynthorError:
        return None
    return choice.identity if choice is not None else None


def refuse_impossible(spec: Spec) -> None:
    """Raise SpecError for what no records can be: cells that a rule forbids, rules that no record keeps, totals without a base."""
    problems = list(forbidden_targets(spec))
    for found in find_broken_rules(spec):
        if all(_is_absent(rule.unit, spec) for rule in spec.rules if rule.name in found.rules):
            continue  # nobody breaks a rule where nobody is
        advice = "correct one of them: no record can keep them all"
        problems.append(Problem(where="rules", what=str(found), advice=advice))
    if problems:
        raise SpecError(*problems)


def _is_absent(unit: str, spec: Spec) -> bool:
    """Whether a table says that there are no records of a unit: that a count on the way down to it is zero for all."""
    lines = (spec.schema[unit], *spec.schema.ancestors(unit))
    counts = {(own.parent, own.count) for own in lines if own.parent is not None}
    return any(
        isinstance(target, Table) and target.universe is None and _all_zero(target, column)
        for target in spec.targets
        for column, name in enumerate(target.columns if isinstance(target, Table) else ())
        if (target.unit, name) in counts
    )


def _all_zero(table: Table, column: int) -> bool:
    """Whether all records of a table have a zero in a column."""
    held = [cell[column] for cell, value in zip(table.cells, table.values, strict=True) if value > 0]
    return bool(held) and all(isinstance(level, Interval) and level.low >= 0 and level.high <= 1 for level in held)


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
