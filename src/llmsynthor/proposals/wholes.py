"""Proposals of whole records: a household with its members, a person with the trips of a day, as a model writes them.

Each is asked for by itself, for a combination that the tables of the top unit have, with so many members as that says. Records
drawn from it join the population as a start, and the correction leaves them as they are.
"""

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmsynthor import prompts
from llmsynthor.aims.aims import Aims
from llmsynthor.aims.grid import Grid
from llmsynthor.aims.words import describe
from llmsynthor.errors import AnswerError, AskingEndedError
from llmsynthor.llm.answers import LONGEST_REASON, ask, tidy_reason
from llmsynthor.llm.backend import WriteRequest
from llmsynthor.llm.recorded import Recorded
from llmsynthor.population.discrepancy import Discrepancy
from llmsynthor.proposals.guidance import main_bins
from llmsynthor.proposals.proposal import Proposal, read_values
from llmsynthor.spec.levels import Interval, Level

SCALE = 1_000
"""Records out of which a model is asked for a count."""

MOST_RULES = 20
"""Rules that a prompt names, the first of the spec."""

MOST_BELOW = 4
"""Records below another that is no top record, such as trips of a person: the answer gets no longer."""


Codes = NDArray[np.int32]
Rows = NDArray[np.int64]
Full = Set[tuple[int, str, Level]]
Cell = tuple[Mapping[str, Level], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One record of a proposal: its unit's number, a level or range for each variable, and the records below it."""

    unit: int
    values: Mapping[str, Level]
    below: tuple["Member", ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How whole records are asked for: of so many records, with which temperature and seed."""

    records: int
    seed: int
    temperature: float
    missing: tuple[str, ...] = ()
    full: Full = frozenset()
    """What units below still miss, in words; and levels (unit, variable, level) of which nothing is missing: not offered."""

    cells: Mapping[int, tuple[Cell, ...]] = field(default_factory=dict)
    """By unit the cells of a joint table that miss records, with how many: each member is asked for one of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """A proposal of a whole record; `member` is None where no answer was usable."""

    proposal: Proposal
    member: Member | None


def propose_wholes(
    aims: Aims,
    model: Recorded,
    cells: Sequence[Mapping[str, Level]],
    *,
    first: int,
    iteration: int,
    asked: Asked,
) -> tuple[Whole, ...]:
    """Ask for a whole record for each of `cells`, one by one, numbered from `first`.

    Those that the budget leaves no room for are told as dropped.
    """
    found: list[Whole] = []
    for number, fixed in enumerate(cells, start=first):
        rng = np.random.default_rng([asked.seed, 10, number])
        schema, size = _object(aims, 0, fixed, asked, rng)
        guidance = ", ".join(f"{name} {level}" for name, level in fixed.items())
        request = WriteRequest(
            system=prompts.text("system").strip(),
            prompt=_prompt(aims, guidance, asked.missing),
            json_schema=_with_reason(schema),
            temperature=asked.temperature,
            max_tokens=160 + 24 * size,
            seed=asked.seed * 1_000 + number,
        )
        draft = Proposal(
            number=number,
            iteration=iteration,
            values=dict(fixed),
            asked=0,
            count=0,
            reason="",
            guidance=guidance,
            call_id="",
        )
        try:
            answer = ask(model, request, accept=lambda answer, _last: (_member(aims, 0, _listed(aims, answer)), answer))
        except (AnswerError, AskingEndedError) as problem:
            found.append(Whole(proposal=replace(draft, status=f"dropped: {problem}"), member=None))
            continue
        member, raw = answer.value
        used = replace(
            draft,
            values=dict(_flat(aims, member)),
            asked=_asked(raw, asked.records),
            reason=tidy_reason(str(raw.get("reason", ""))),
            call_id=answer.call_id,
        )
        found.append(Whole(proposal=used, member=member))
    return tuple(found)


def _asked(raw: Mapping[str, Any], records: int) -> int:
    count = raw.get("count", 1)
    count = count if isinstance(count, int) and not isinstance(count, bool) else 1
    return int(np.clip(round(count * records / SCALE), 1, records))


def missing_cells(aims: Aims, found: Sequence[Discrepancy], most: int) -> list[dict[str, Level]]:
    """The cells of the top unit's own joint tables that miss most, table by table in turn; each with a number of members."""
    own = {axis.name for axis in aims.own[0].grid.axes}
    joint = [
        d for d in found if d.goal.trust >= 1 and set(d.goal.table.columns) <= own and d.goal.table.universe is None
    ]
    cells: list[dict[str, Level]] = []
    for rank in range(most if joint else 0):
        discrepancy = joint[rank % len(joint)]
        order = np.argsort(-discrepancy.missing, kind="stable")
        cell = discrepancy.goal.cell(int(order[rank // len(joint) % len(order)]))
        cells.append(dict(zip(discrepancy.goal.table.columns, cell, strict=True)))
    cells = cells or [{} for _ in range(most)]
    return [_counted(aims, entry, rank) for rank, entry in enumerate(cells)]


def _counted(aims: Aims, fixed: Mapping[str, Level], rank: int) -> dict[str, Level]:
    """Fix how many records lie below: the rank-th most frequent number where the cell does not say it."""
    margins, grid = aims.own[0].margins(), aims.own[0].grid
    found = dict(fixed)
    for axis in aims.layout.counting(0):
        levels, name = grid.axes[axis].levels, grid.axes[axis].name
        inside = [k for k in range(len(levels)) if name not in found or _holds(found[name], levels[k])]
        order = sorted(inside, key=lambda k: -margins[axis][k])
        found[name] = levels[order[rank % min(3, len(order))]]
    return found


def _holds(whole: Level, level: Level) -> bool:
    return isinstance(whole, Interval) and isinstance(level, Interval) and whole.low <= level.low < whole.high


def _prompt(aims: Aims, guidance: str, missing: Sequence[str]) -> str:
    layout = aims.layout
    units = [
        {"name": unit.name, "parent": unit.parent, "variables": describe(_asked_grid(aims, number))}
        for number, unit in enumerate(layout.units)
    ]
    top = layout.units[0].name
    said = f"there are {top}s with {guidance}" if guidance else f"there are many kinds of {top}s"
    return prompts.fill(
        "plan-whole",
        context=aims.spec.context,
        scenario=aims.spec.scenario,
        units=units,
        rules=aims.spec.rules[:MOST_RULES],
        missing=missing,
        guidance=said,
        top=top,
        scale=SCALE,
    )


def _asked_grid(aims: Aims, unit: int) -> Grid:
    """A unit's variables without the numbers of records below, which the answer's lists show, and without zones."""
    grid, counting = aims.own[unit].grid, aims.layout.counting(unit)
    asked = (axis for k, axis in enumerate(grid.axes) if k not in counting and axis.name not in grid.unit.zones)
    return replace(grid, axes=tuple(asked))


def children_of(aims: Aims, unit: int) -> list[int]:
    return [k for k in range(len(aims.layout.units)) if aims.layout.parent(k) == unit]


def _object(
    aims: Aims, unit: int, fixed: Mapping[str, Level], asked: Asked, rng: np.random.Generator
) -> tuple[dict[str, Any], int]:
    """The JSON schema of one record, levels in random order since small models favour the first; and its fields.

    Where the number of records below is fixed each has a name and an order of levels of its own; otherwise they are a list.
    """
    margins, grid = aims.own[unit].margins(), aims.own[unit].grid
    properties: dict[str, Any] = {}
    for axis in _asked_grid(aims, unit).axes:
        margin = margins[grid.position(axis.name)]
        levels = [fixed[axis.name]] if axis.name in fixed else list(main_bins(axis, margin))
        offered = [level for level in levels if margin[axis.within(level)].sum() > 0] or levels
        offered = [level for level in offered if (unit, axis.name, level) not in asked.full] or offered
        properties[axis.name] = {"enum": [str(offered[k]) for k in rng.permutation(len(offered))]}
    fields = len(properties)
    for child in children_of(aims, unit):
        level, name = fixed.get(str(aims.layout.units[child].count)), aims.layout.units[child].name
        if isinstance(level, Interval):
            for rank in range(1, int(level.low) + 1):
                properties[_nth(name, rank)], size = _object(aims, child, _missing_cell(asked, child, rng), asked, rng)
                fields += size
            continue
        inner, size = _object(aims, child, {}, asked, rng)
        properties[f"{name}s"] = {"type": "array", "items": inner, "minItems": 0, "maxItems": MOST_BELOW}
        fields += size * MOST_BELOW
    schema = {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
    return schema, fields


def _missing_cell(asked: Asked, unit: int, rng: np.random.Generator) -> Mapping[str, Level]:
    """Draw a cell of a unit in proportion to what it misses; no wish where none is known."""
    cells = asked.cells.get(unit, ())
    if not cells:
        return {}
    missing = np.array([amount for _, amount in cells])
    return cells[int(rng.choice(len(cells), p=missing / missing.sum()))][0]


def _nth(name: str, rank: int) -> str:
    """The name of one of several records below.

    >>> _nth("person", 2)
    'person 2'
    """
    return f"{name} {rank}"


def _listed(aims: Aims, answer: Any) -> Any:
    """An answer with the records that have names of their own as a list."""
    if not isinstance(answer, Mapping):
        return answer
    found = dict(answer)
    for child in children_of(aims, 0):
        name, rank = aims.layout.units[child].name, 1
        while _nth(name, rank) in found:
            found.setdefault(f"{name}s", []).append(found.pop(_nth(name, rank)))
            rank += 1
    return found


def _with_reason(schema: Mapping[str, Any]) -> dict[str, Any]:
    more = {
        "count": {"type": "integer", "minimum": 1, "maximum": SCALE},
        "reason": {"type": "string", "minLength": 10, "maxLength": LONGEST_REASON},
    }
    properties = {**schema["properties"], **more}
    return {**schema, "properties": properties, "required": list(properties)}


def _member(aims: Aims, unit: int, answer: Any) -> Member:
    """Read one record of an answer and all below it; raises ValueError that says what cannot be used."""
    if not isinstance(answer, Mapping):
        raise ValueError(f"a {aims.layout.units[unit].name} must be an object, not {str(answer)[:40]}")
    grid = _asked_grid(aims, unit)
    missing = [axis.name for axis in grid.axes if axis.name not in answer]
    if missing:
        raise ValueError(f"a {aims.layout.units[unit].name} lacks {', '.join(missing)}")
    below = []
    for child in children_of(aims, unit):
        entries = answer.get(f"{aims.layout.units[child].name}s", [])
        column = aims.layout.count_column(child)
        if not isinstance(entries, list) or len(entries) not in aims.layout.values[column]:
            raise ValueError(
                f"there cannot be {len(entries) if isinstance(entries, list) else entries} {aims.layout.units[child].name}s"
            )
        below += [_member(aims, child, entry) for entry in entries]
    return Member(unit=unit, values=read_values(grid, answer), below=tuple(below))


def _flat(aims: Aims, member: Member, prefix: str = "") -> Iterator[tuple[str, Level]]:
    """Values under names such as `person 2 trip 1 mode`."""
    yield from ((prefix + name, level) for name, level in member.values.items())
    ranks: dict[int, int] = {}
    for child in member.below:
        ranks[child.unit] = ranks.get(child.unit, 0) + 1
        yield from _flat(aims, child, f"{prefix}{aims.layout.units[child.unit].name} {ranks[child.unit]} ")
