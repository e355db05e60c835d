"""Planning: the LLM writes a plan of proposals for what is missing (the paper's LLM Proposal Sampling)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from llmsynthor import prompts
from llmsynthor.aims.goals import Goals
from llmsynthor.aims.grid import Axis
from llmsynthor.aims.words import describe
from llmsynthor.dependence.groups import Group
from llmsynthor.llm.answers import LONGEST_REASON, Answer, ask, tidy_reason
from llmsynthor.llm.backend import WriteRequest
from llmsynthor.llm.recorded import Recorded
from llmsynthor.population.discrepancy import Discrepancy
from llmsynthor.proposals.guidance import Missing, joint_guidance, main_bins, marginal_guidance
from llmsynthor.proposals.proposal import read_values
from llmsynthor.spec.levels import Level
from llmsynthor.spec.specification import Spec

MOST_FIELDS = 12
"""Variables asked for in one proposal; of a longer record the guidance's and the groups' variables are asked first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What the planner knows: the world, what is missing, how to ask.

    Counts are asked for out of `scale` records, so that the same question is put for any number of records. With `guided`
    the values of a missing cell are fixed in the schema, a proposal for each; without, the LLM chooses freely (the paper).
    """

    spec: Spec
    goals: Goals
    groups: tuple[Group, ...]
    discrepancies: tuple[Discrepancy, ...]
    records: int
    scale: int
    proposals: int
    temperature: float
    guided: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A proposal as the LLM wrote it and after its values were checked; `problem` says why it cannot be used."""

    values: Mapping[str, Level]
    asked: int
    reason: str
    guidance: str
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """The place of one proposal in the plan: which variables are asked for, which values each may take."""

    key: str
    choices: Mapping[str, tuple[Level, ...]]
    guidance: str


def plan(situation: Situation, model: Recorded, *, seed: int, rng: np.random.Generator) -> Answer[tuple[Draft, ...]]:
    """Ask for a plan; returns a draft per slot. Raises AnswerError when no answer was usable.

    A plan with a bad proposal in it is asked for again; of the last attempt the good proposals are kept.
    """
    per_scale = situation.scale / situation.records
    joint = joint_guidance(situation.discrepancies, situation.groups, most=situation.proposals)
    marginal = marginal_guidance(situation.discrepancies, situation.goals.grid.axes, most=2 * situation.proposals)
    slots = _slots(situation, joint, marginal, rng)
    request = WriteRequest(
        system=prompts.text("system").strip(),
        prompt=_prompt(situation, [m.sentence(per_scale) for m in joint], [m.sentence(per_scale) for m in marginal]),
        json_schema=_schema(slots, situation.scale),
        temperature=situation.temperature,
        max_tokens=sum(110 + 40 * len(slot.choices) for slot in slots),
        seed=seed,
    )
    return ask(model, request, accept=lambda answer, last: _read(answer, slots, situation, last=last))


def _prompt(situation: Situation, joint: Sequence[str], marginal: Sequence[str]) -> str:
    return prompts.fill(
        "plan",
        context=situation.spec.context,
        scenario=situation.spec.scenario,
        variables=describe(situation.goals.grid),
        groups=situation.groups,
        joint=joint,
        marginal=marginal,
        scale=situation.scale,
        proposals=situation.proposals,
    )


def _slots(
    situation: Situation, joint: Sequence[Missing], marginal: Sequence[Missing], rng: np.random.Generator
) -> list[Slot]:
    guides = [*joint, *marginal]
    return [
        _slot(situation, f"proposal_{k + 1}", guides[k] if situation.guided and k < len(guides) else None, rng)
        for k in range(situation.proposals)
    ]


def _slot(situation: Situation, key: str, guide: Missing | None, rng: np.random.Generator) -> Slot:
    zones = situation.goals.grid.unit.zones
    fixed = {name: level for name, level in guide.values.items() if name not in zones} if guide is not None else {}
    margins = situation.goals.margins()
    axes = {axis.name: (axis, margins[k]) for k, axis in enumerate(situation.goals.grid.axes)}
    choices: dict[str, tuple[Level, ...]] = {name: (level,) for name, level in fixed.items()}
    for name in _fields(situation, fixed):
        if name not in choices:
            levels = _shuffled(*axes[name], rng)
            choices[name] = levels
    sentence = guide.sentence(1.0) if guide is not None else ""
    return Slot(key=key, choices=choices, guidance=sentence)


def _shuffled(axis: Axis, margin: Any, rng: np.random.Generator) -> tuple[Level, ...]:
    """Levels in random order, since small models favour the first; levels that the tables give no share are not offered."""
    levels = main_bins(axis, margin)
    offered = [level for level in levels if margin[axis.within(level)].sum() > 0] or list(levels)
    return tuple(offered[k] for k in rng.permutation(len(offered)))


def _fields(situation: Situation, fixed: Mapping[str, Level]) -> list[str]:
    """What a proposal says, but for zones: a model is not asked about those."""
    zones = situation.goals.grid.unit.zones
    names = [axis.name for axis in situation.goals.grid.axes]
    wanted = [*fixed, *(name for group in situation.groups for name in group.variables), *names]
    return [name for name in dict.fromkeys(wanted) if name not in zones][:MOST_FIELDS]


def _schema(slots: Sequence[Slot], scale: int) -> dict[str, Any]:
    def proposal(slot: Slot) -> dict[str, Any]:
        values = {name: {"enum": [str(level) for level in levels]} for name, levels in slot.choices.items()}
        count = {"type": "integer", "minimum": 1, "maximum": scale}
        fields = {**values, "count": count, "reason": {"type": "string", "minLength": 10, "maxLength": LONGEST_REASON}}
        return {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}

    properties = {slot.key: proposal(slot) for slot in slots}
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _read(answer: Any, slots: Sequence[Slot], situation: Situation, *, last: bool) -> tuple[Draft, ...]:
    drafts = tuple(_read_one(answer.get(slot.key), slot, situation) for slot in slots)
    problems = [f"{slot.key}: {draft.problem}" for slot, draft in zip(slots, drafts, strict=True) if draft.problem]
    if problems and (not last or len(problems) == len(drafts)):
        raise ValueError("; ".join(problems))
    return drafts


def _read_one(entry: Any, slot: Slot, situation: Situation) -> Draft:
    """Read one proposal; a value outside the domain makes it unusable, a count that is too high is bounded later."""
    try:
        if not isinstance(entry, Mapping):
            raise ValueError("it is missing or no object")
        missing = [name for name in (*slot.choices, "count", "reason") if name not in entry]
        if missing:
            raise ValueError(f"it lacks {', '.join(missing)}")
        values = read_values(situation.goals.grid, {name: entry[name] for name in slot.choices})
        count = entry["count"]
        if isinstance(count, bool) or not isinstance(count, int) or count < 0:
            raise ValueError(f"count must be a whole number of 0 or more, not {str(count)[:40]}")
    except ValueError as problem:
        return Draft(values={}, asked=0, reason="", guidance=slot.guidance, problem=str(problem))
    asked = min(round(count * situation.records / situation.scale), situation.records)
    return Draft(values=values, asked=asked, reason=tidy_reason(str(entry["reason"])), guidance=slot.guidance)
