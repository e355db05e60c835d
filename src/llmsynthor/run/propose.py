"""Proposals of a scenario: asked for, written where a person can edit them, and applied where they were accepted."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from llmsynthor.errors import AskingEndedError, CannotScoreError, Problem, SpecError
from llmsynthor.llm.answers import ATTEMPTS
from llmsynthor.llm.ledger import Ledger
from llmsynthor.llm.opening import Choice, choose
from llmsynthor.llm.recorded import Recorded
from llmsynthor.options import Budget, Server, changed
from llmsynthor.records.run_folder import LEDGER, SCENARIO_FILE, RunFolder, refuse_foreign
from llmsynthor.run.scenario import Place, read_proposals, synthesize_scenario
from llmsynthor.run.solution import Solution
from llmsynthor.scenarios.cells import Cells, cells_of
from llmsynthor.scenarios.frames import Question, agreed_cells, planned_scores
from llmsynthor.scenarios.naming import NAMED, named_cells
from llmsynthor.scenarios.plan import TIMES, planned_cells
from llmsynthor.spec.adjustments import Adjustment
from llmsynthor.spec.reading.adjustments import adjustments_frame
from llmsynthor.spec.specification import Spec

LOG = logging.getLogger("llmsynthor")
LOCAL = "local:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposed:
    """What a scenario proposes; `neutral` is the share of cells that the model moves for a sentence without effect."""

    adjustments: tuple[Adjustment, ...]
    neutral: float | None = None
    note: str = ""


def synthesize_beside(
    spec: Spec, given: Mapping[str, Any], *, make: Callable[..., Solution], place: Place, accept: bool
) -> Solution:
    """A run whose spec says what is otherwise: proposals of before, or those that are asked for now, beside what it states."""
    proposals: Sequence[Adjustment] = ()
    if spec.beside.instead_of:
        before = read_proposals(spec, place.out) if place.out is not None else None
        proposals = before if before is not None else propose(spec, **_asking(spec, given), out=place.out).adjustments
    return synthesize_scenario(spec, given, make=make, place=place, proposals=proposals, accept=accept)


def _asking(spec: Spec, given: Mapping[str, Any]) -> dict[str, Any]:
    """How the model is reached, as the caller or the spec says."""
    server = changed(given.get("server") or Server(), {**given, "base_url": given.get("base_url")})
    budget = changed(given.get("budget") or spec.settings.budget, given)
    llm = given.get("llm") if given.get("start") is None else given.get("llm") or "none"
    return {
        "llm": llm or spec.settings.llm or "local",
        "seed": given.get("seed") or 0,
        "server": server,
        "budget": budget,
    }


def propose(
    spec: Spec,
    *,
    llm: str | Choice = "local",
    seed: int = 0,
    budget: Budget | None = None,
    server: Server | None = None,
    out: Path | None = None,
) -> Proposed:
    """Propose adjustments for the scenario of a spec; nothing is applied. With a folder they are written to its scenario.csv.

    Cells that the sentence names come first, without a model; then directions on which all frames of an embedded model agree, or
    both askings of one that writes. Raises SpecError without `scenario` and `instead_of`, LLMError where the model fails.
    """
    if not spec.scenario or not spec.beside.instead_of:
        advice = 'say both, as in scenario: "It is Sunday.", instead_of: "It is an ordinary weekday."'
        raise SpecError(
            Problem(where="scenario", what="proposals need a scenario and what it is instead of", advice=advice)
        )
    if out is not None:
        refuse_foreign(out)
    named = named_cells(spec.scenario, cells_of(spec, most=200))
    choice = llm if isinstance(llm, Choice) else choose(llm, server=server)
    made = Proposed(adjustments=named)
    if choice is not None:
        LOG.info("%s", expected_proposals(spec, choice.identity.name))
        ledger = Ledger(_ledger_path(out))
        model = Recorded(
            identity=choice.identity,
            open_model=choice.open_model,
            ledger=ledger,
            budget=budget or Budget(),
            stage="scenario",
        )
        made = _beside_named(spec, named, model, seed)
    made = replace(made, adjustments=_by_policy(made, spec.beside.accept))
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        stated = spec.beside.adjustments
        RunFolder(path=out).write_csv(SCENARIO_FILE, adjustments_frame((*stated, *made.adjustments)))
    return made


def _ledger_path(out: Path | None) -> Path | None:
    if out is None:
        return None
    out.mkdir(parents=True, exist_ok=True)
    return out / LEDGER


def _beside_named(spec: Spec, named: tuple[Adjustment, ...], model: Recorded, seed: int) -> Proposed:
    """What the model says of variables of which the sentence names nothing."""
    told = {own.where.text for own in named}
    cells = _asked(spec)
    question = Question(context=spec.context, scenario=spec.scenario, ordinary=spec.beside.instead_of, seed=seed)
    try:
        found, neutral = ask_directions(question, cells, model)
    except AskingEndedError as ended:
        return Proposed(adjustments=named, note=str(ended))
    taken = [own for own in found if not any(own.where.text in text or text in own.where.text for text in told)]
    note = ""
    if neutral > 0 and neutral * sum(len(own.levels) for own in cells) >= max(len(found), 1):
        note = "for a sentence without effect the model moves as many cells: it has no opinion"
    return Proposed(adjustments=(*named, *taken), neutral=neutral, note=note)


def _asked(spec: Spec) -> list[Cells]:
    """The variables that a model is asked about; zones are none of its business."""
    return [own for own in cells_of(spec) if own.variable.name not in spec.zone_variables]


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """Calls at most for the proposals of a scenario, and how many of them score choices; said before any is made."""

    variables: int
    calls: int
    scores: int

    def __str__(self) -> str:
        kind = "short ones that score choices" if self.scores else "plans, slips asked again included"
        return f"proposals for the scenario: at most {self.calls} calls ({kind}) about {self.variables} variables"


def expected_proposals(spec: Spec, llm: str) -> Expected:
    """What the proposals of a spec will ask of a model; nothing without `scenario` and `instead_of`, or without a model."""
    if llm == "none" or not spec.scenario or not spec.beside.instead_of:
        return Expected(variables=0, calls=0, scores=0)
    cells = _asked(spec)
    scores = planned_scores(cells) if llm.split(":", maxsplit=1)[0] == LOCAL.rstrip(":") else 0
    return Expected(variables=len(cells), calls=scores or len(cells) * TIMES * ATTEMPTS, scores=scores)


def ask_directions(question: Question, cells: Sequence[Any], model: Recorded) -> tuple[tuple[Adjustment, ...], float]:
    """By frames where the model is embedded and scores, by a plan where it is asked to write."""
    if model.identity.name.startswith(LOCAL):
        return agreed_cells(question, cells, model)
    try:
        return planned_cells(question, cells, model)
    except CannotScoreError:
        return (), 0.0


def _by_policy(made: Proposed, policy: str | None) -> tuple[Adjustment, ...]:
    """`all` accepts everything; `agreed` what the sentence names, and what a model says that has no such opinion of anything."""
    return tuple(
        replace(own, accepted=policy == "all" or (policy == "agreed" and (own.origin == NAMED or not made.note)))
        for own in made.adjustments
    )
