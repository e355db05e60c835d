"""Adjustments of a scenario, in the spec or in a file beside it, become conditions with a factor, a share or a count."""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal

import polars as pl
from pydantic import BeforeValidator, Field, ValidationError, model_validator

from llmsynthor.errors import Problem
from llmsynthor.files import OddFileError, check_regular
from llmsynthor.spec.adjustments import PERSON, Adjustment, Scenario, read_factor
from llmsynthor.spec.expressions import Expression, ExpressionError, parse
from llmsynthor.spec.inputs import base_columns, inputs
from llmsynthor.spec.levels import Level
from llmsynthor.spec.reading.cells import read_level
from llmsynthor.spec.reading.kinds import condition_problems
from llmsynthor.spec.reading.partial import condition_of
from llmsynthor.spec.reading.parts import Part
from llmsynthor.spec.schema import Category, Numeric, Schema
from llmsynthor.spec.targets import Target

KEYS = ("unit", "table", "where", "cell", "factor", "share", "count", "bounds", "keep", "reason", "origin", "accepted")
AMOUNTS = ("factor", "share", "count")
MOST_CELLS = 2_000


def _factor(value: Any) -> Any:
    try:
        return read_factor(value) if isinstance(value, str) else value
    except ValueError:
        return value


class AdjustmentPart(Part):
    """Keys that are none of these name columns: `{activity: Work, factor: 0.35}`."""

    unit: str | None = None
    table: str | None = None
    where: str | None = None
    cell: dict[str, Any] = Field(default_factory=dict)
    factor: Annotated[float | None, BeforeValidator(_factor)] = Field(default=None, ge=0)
    share: float | None = Field(default=None, ge=0, le=1)
    count: float | None = Field(default=None, ge=0)
    bounds: list[float] | None = Field(default=None, min_length=2, max_length=2)
    keep: Literal["total", "none"] = "total"
    reason: str = ""
    origin: str = PERSON
    accepted: bool = True

    @model_validator(mode="before")
    @classmethod
    def columns_as_cell(cls, said: Any) -> Any:
        if not isinstance(said, dict):
            return said
        columns = {key: value for key, value in said.items() if key not in KEYS}
        rest = {key: value for key, value in said.items() if key in KEYS}
        cell = rest.get("cell", {})
        return {**rest, "cell": {**cell, **columns}} if columns and isinstance(cell, dict) else said

    @model_validator(mode="after")
    def one_of_each(self) -> "AdjustmentPart":
        if (self.where is None) == (not self.cell):
            raise ValueError("say which records with `where` (a condition) or with levels of columns, one of the two")
        if sum(getattr(self, name) is not None for name in AMOUNTS) != 1:
            raise ValueError("give one of `factor`, `share` and `count`")
        if self.bounds is not None and not 0 <= self.bounds[0] <= self.bounds[1]:
            raise ValueError("`bounds` are the least and the most times as many as before, as in [0.5, 2]")
        return self


def _as_file(value: Any) -> Any:
    return [{"file": value}] if isinstance(value, str) else list(value) if isinstance(value, tuple) else value


AdjustmentParts = Annotated[list[dict[str, Any]], BeforeValidator(_as_file)]
"""A list of adjustments and files of such, or the name of one file."""


def read_scenario(
    said: Sequence[Mapping[str, Any]],
    instead_of: str,
    accept: Literal["agreed", "all"] | None,
    *,
    schema: Schema,
    targets: Sequence[Target],
    folder: Path,
    problems: list[Problem],
) -> Scenario:
    """Read all adjustments; what cannot be read is a problem, and left out."""
    found = list[Adjustment]()
    for number, entry in enumerate(said):
        where = f"adjustments[{number}]"
        if set(entry) == {"file"}:
            found += read_adjustments(
                folder / str(entry["file"]), schema=schema, targets=targets, problems=problems, where=where
            )
        else:
            found += _read(entry, where, schema, targets, problems)
    return Scenario(adjustments=tuple(found), instead_of=instead_of, accept=accept)


def read_adjustments(
    path: Path, *, schema: Schema, targets: Sequence[Target], problems: list[Problem], where: str = "scenario"
) -> list[Adjustment]:
    """Read a file of adjustments: a row each, columns as the keys in a spec; other columns hold levels."""
    try:
        check_regular(path)
        frame = pl.read_csv(path, infer_schema=False, null_values=[""], glob=False)
    except (OSError, OddFileError, pl.exceptions.PolarsError) as cause:
        first = (str(cause).splitlines() or [""])[0][:160]
        advice = "give a CSV file with a row per adjustment; docs/scenarios.md shows one"
        problems.append(Problem(where=where, what=f"the file cannot be read ({first})", found=str(path), advice=advice))
        return []
    found = list[Adjustment]()
    for row, values in enumerate(frame.to_dicts()):
        said = {key: value.strip() for key, value in values.items() if value is not None and value.strip()}
        place = f"{where} {path.name} row {row + 1}"
        try:
            typed = dict(_typed(said))
        except ValueError as cause:
            advice = "give a number, bounds as [0.5, 2], accepted as yes or no"
            problems.append(Problem(where=place, what="a value cannot be read", found=str(cause), advice=advice))
            continue
        found += _read(typed, place, schema, targets, problems)
    return found


def _typed(said: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
    for key, text in said.items():
        if key in ("share", "count"):
            yield key, float(text)
        elif key == "factor":
            yield key, read_factor(text)
        elif key in ("bounds", "cell"):
            yield key, json.loads(text)
        elif key == "accepted":
            if text.casefold() not in YES | NO:
                raise ValueError(text)
            yield key, text.casefold() in YES
        else:
            yield key, text


YES, NO = {"yes", "true", "1"}, {"no", "false", "0"}


def _read(
    said: Mapping[str, Any], where: str, schema: Schema, targets: Sequence[Target], problems: list[Problem]
) -> list[Adjustment]:
    say = partial(Problem, where=where)
    try:
        part = AdjustmentPart.model_validate(dict(said))
    except ValidationError as cause:
        for error in cause.errors(include_url=False):
            place = ".".join(str(name) for name in (where, *error["loc"]))
            advice = "docs/scenarios.md lists what may stand here"
            problems.append(Problem(where=place, what=str(error["msg"]), advice=advice))
        return []
    unit = _unit(part, schema, targets)
    if unit is None:
        names = ", ".join(unit.name for unit in schema.units)
        advice = f"name its unit, one of: {names}; or the table that it is about"
        problems.append(
            say(what="it is not clear which records are meant", found=part.unit or part.table, advice=advice)
        )
        return []
    expression = _condition(part, unit, schema, say, problems)
    if expression is None:
        return []
    odd = condition_problems(where, expression, schema[unit], schema) or list(_too_wide(expression, unit, schema, say))
    problems += odd
    bounds = (part.bounds[0], part.bounds[1]) if part.bounds is not None else None
    about: dict[str, Any] = {name: getattr(part, name) for name in (*AMOUNTS, "keep", "reason", "origin", "accepted")}
    return [] if odd else [Adjustment(unit=unit, where=expression, bounds=bounds, **about)]


def _unit(part: AdjustmentPart, schema: Schema, targets: Sequence[Target]) -> str | None:
    names = [unit.name for unit in schema.units]
    if part.unit is not None:
        return part.unit if part.unit in names else None
    if part.table is not None:
        return next((target.unit for target in targets if target.name == part.table), None)
    return names[0] if len(names) == 1 else None


def _condition(part: AdjustmentPart, unit: str, schema: Schema, say: Any, problems: list[Problem]) -> Expression | None:
    text = part.where if part.where is not None else _cell_condition(part.cell, unit, schema, say, problems)
    if text is None:
        return None
    try:
        return parse(text)
    except ExpressionError as error:
        problems.append(say(what=str(error), found=text[:80], advice="correct the condition"))
        return None


def _cell_condition(
    cell: Mapping[str, Any], unit: str, schema: Schema, say: Any, problems: list[Problem]
) -> str | None:
    """Levels of columns as a condition; None where one cannot be read, which is a problem."""
    levels, variables = dict[str, list[Level]](), dict[str, Category | Numeric]()
    for name, value in cell.items():
        try:
            _, variable = schema.find(unit, name)
            assert isinstance(variable, Category | Numeric)
        except (KeyError, AssertionError):
            own = schema[unit]
            known = ", ".join((*(v.name for v in own.coded), *(d.name for d in own.derived if not d.hidden)))
            advice = f"{unit} has: {known}; keys of an adjustment are: {', '.join(KEYS)}"
            problems.append(say(what="there is no such variable", found=name, advice=advice))
            return None
        texts = value if isinstance(value, list) and not _is_pair(value, variable) else [value]
        try:
            levels[name] = [read_level(_text(text), variable) for text in texts]
        except ValueError as error:
            problems.append(say(what=f"{name} {error}", found=str(value)[:80], advice="name levels of the variable"))
            return None
        variables[name] = variable
    cells = list(product(*levels.values()))
    if len(cells) > MOST_CELLS:
        problems.append(say(what="it names too many cells", found=f"{len(cells):,}", advice="say it with `where`"))
        return None
    return condition_of(cells, list(levels), variables)


def _is_pair(value: list[Any], variable: Category | Numeric) -> bool:
    """Whether a list is an interval: `hour: [20, 24]`."""
    return isinstance(variable, Numeric) and len(value) == 2 and all(isinstance(end, int | float) for end in value)


def _text(value: Any) -> str:
    return f"[{value[0]}, {value[1]})" if isinstance(value, list) else str(value)


def _too_wide(expression: Expression, unit: str, schema: Schema, say: Any) -> Iterator[Problem]:
    """A condition must be about what a record of its unit can change by itself."""
    needed = [base_columns(entry, schema) for entry in inputs(expression, unit) if entry[1] in _names(entry[0], schema)]
    units = {owner for columns in needed for owner, _ in columns}
    below = {other.name for other in schema.units if unit in {above.name for above in schema.ancestors(other.name)}}
    if units & below:
        advice = f"adjust {', '.join(sorted(units & below))} instead, or the variable that says it"
        yield say(what=f"the condition looks at records below {unit}", found=expression.text[:80], advice=advice)
    elif unit not in units:
        advice = f"adjust {', '.join(sorted(units)) or 'a variable'} instead"
        yield say(what=f"nothing in the condition belongs to {unit}", found=expression.text[:80], advice=advice)


def _names(unit: str, schema: Schema) -> set[str]:
    own = schema[unit]
    return {v.name for v in own.variables} | {d.name for d in own.derived}


def adjustment_row(adjustment: Adjustment) -> dict[str, Any]:
    """An adjustment as a row of a spec: reading it gives an equal one."""
    bounds = list(adjustment.bounds) if adjustment.bounds is not None else None
    row: dict[str, Any] = {"unit": adjustment.unit, "where": adjustment.where.text}
    row |= {name: getattr(adjustment, name) for name in AMOUNTS if getattr(adjustment, name) is not None}
    row |= {"bounds": bounds} if bounds is not None else {}
    return row | {name: getattr(adjustment, name) for name in ("keep", "reason", "origin", "accepted")}


def adjustments_frame(adjustments: Sequence[Adjustment]) -> pl.DataFrame:
    """Lay out `scenario.csv`: a row per adjustment, as it is read."""
    rows = [
        {
            "unit": entry.unit,
            "where": entry.where.text,
            **{name: getattr(entry, name) for name in AMOUNTS},
            "bounds": json.dumps(list(entry.bounds)) if entry.bounds is not None else None,
            "keep": entry.keep,
            "accepted": "yes" if entry.accepted else "no",
            "origin": entry.origin,
            "reason": entry.reason,
        }
        for entry in adjustments
    ]
    texts = dict.fromkeys(("unit", "where", "bounds", "keep", "accepted", "origin", "reason"), pl.String)
    schema = {name: texts.get(name, pl.Float64) for name in ("unit", "where", *AMOUNTS, *list(texts)[2:])}
    return pl.DataFrame(rows, schema=schema)


def write_scenario(text: str, scenario: Scenario) -> dict[str, Any]:
    """The part of a document that says what a scenario is."""
    written: dict[str, Any] = {"scenario": text}
    written |= {"instead_of": scenario.instead_of} if scenario.instead_of else {}
    written |= {"accept": scenario.accept} if scenario.accept is not None else {}
    rows = [adjustment_row(entry) for entry in scenario.adjustments]
    return written | ({"adjustments": rows} if rows else {})
