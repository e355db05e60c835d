"""Dependency inference: which variables depend on each other (the paper's nonparametric copula, its first step)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from llmsynthor import prompts
from llmsynthor.aims.goals import Goals
from llmsynthor.aims.words import describe
from llmsynthor.llm.answers import LONGEST_REASON, ask, tidy_reason, validate
from llmsynthor.llm.backend import WriteRequest
from llmsynthor.llm.recorded import Recorded
from llmsynthor.spec.specification import Spec


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Variables that depend on each other, and who says so."""

    variables: tuple[str, ...]
    reason: str
    source: Literal["llm", "given"]


def given_groups(goals: Goals) -> tuple[Group, ...]:
    """The groups that the joint tables of the spec name themselves."""
    joint = [goal for goal in goals.tables if len(goal.table.columns) > 1]
    return tuple(
        Group(variables=goal.table.columns, reason=f'joint table "{goal.name}" is given', source="given")
        for goal in joint
    )


def infer_groups(
    spec: Spec, goals: Goals, model: Recorded, *, groups: int, temperature: float, seed: int
) -> tuple[Group, ...]:
    """Ask the LLM for groups; raises AnswerError when no answer was usable.

    Needs two variables at least; with fewer there is nothing to ask and no group.
    """
    names = [axis.name for axis in goals.grid.axes]
    if len(names) < 2:
        return ()
    tables = [", ".join(goal.table.columns) for goal in goals.tables if len(goal.table.columns) > 1]
    prompt = prompts.fill(
        "dependency",
        context=spec.context,
        scenario=spec.scenario,
        variables=describe(goals.grid),
        tables="; ".join(tables),
        groups=groups,
    )
    request = WriteRequest(
        system=prompts.text("system").strip(),
        prompt=prompt,
        json_schema=_schema(names, groups),
        temperature=temperature,
        max_tokens=100 + 100 * groups,
        seed=seed,
    )
    accept = lambda answer, _last: _read(validate(answer, request.json_schema)["groups"])  # noqa: E731  (named for what it does where it is handed on)
    return ask(model, request, accept=accept).value


def _schema(names: Sequence[str], groups: int) -> dict[str, Any]:
    group = {
        "type": "object",
        "properties": {
            "variables": {
                "type": "array",
                "items": {"enum": list(names)},
                "minItems": 2,
                "maxItems": min(3, len(names)),
            },
            "reason": {"type": "string", "maxLength": LONGEST_REASON},
        },
        "required": ["variables", "reason"],
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {"groups": {"type": "array", "items": group, "minItems": 1, "maxItems": groups}},
        "required": ["groups"],
        "additionalProperties": False,
    }


def _read(answer: Sequence[Mapping[str, Any]]) -> tuple[Group, ...]:
    """Keep each group of distinct variables once; a variable named twice within a group counts once."""
    found: dict[frozenset[str], Group] = {}
    for entry in answer:
        variables = tuple(dict.fromkeys(entry["variables"]))
        if len(variables) > 1:
            group = Group(variables=variables, reason=tidy_reason(entry["reason"]), source="llm")
            found.setdefault(frozenset(variables), group)
    if not found:
        raise ValueError("every group must name at least two different variables")
    return tuple(found.values())
