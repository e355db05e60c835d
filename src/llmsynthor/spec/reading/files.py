"""spec.yaml and long tables ⇄ one frozen Spec. All problems of a spec are reported at once."""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import ValidationError

from llmsynthor.errors import Problem, SpecError
from llmsynthor.files import read_text, write_beside
from llmsynthor.options import written
from llmsynthor.spec.coded import coded_columns
from llmsynthor.spec.expressions import Lookup
from llmsynthor.spec.reading.adjustments import write_scenario
from llmsynthor.spec.reading.builder import Builder
from llmsynthor.spec.reading.dependencies import write_dependencies
from llmsynthor.spec.reading.document import FROM_TABLES, Document
from llmsynthor.spec.reading.drafts import RuleDraft, TargetDraft, UnitDraft
from llmsynthor.spec.reading.filled import filled
from llmsynthor.spec.reading.geographies import (
    crosswalk_file,
    crosswalk_frame,
    outline_file,
    write_geographies,
    write_places,
)
from llmsynthor.spec.reading.lookups import lookup_frame
from llmsynthor.spec.reading.plain_texts import odd_texts
from llmsynthor.spec.reading.refusals import refusal
from llmsynthor.spec.reading.seeds import save_seed, write_seed
from llmsynthor.spec.reading.variables import write_variable
from llmsynthor.spec.reading.yaml_text import read_yaml, write_yaml
from llmsynthor.spec.rules import Rule
from llmsynthor.spec.schema import Derived, Unit
from llmsynthor.spec.specification import Spec
from llmsynthor.spec.targets import EXACT, Statistic, Table, Target

LISTS = ("targets", "rules")


def load(source: str | os.PathLike[str] | Mapping[str, Any] | Spec) -> Spec:
    """Read a spec from a YAML file, or from a mapping whose tables may be data frames.

    Raises SpecError that holds every problem found, each with its place, the value found and what to do.

    >>> load({"llmsynthor": 1, "units": {"toss": {"variables": {"side": {"kind": "category", "levels": ["head", "tail"]}}}}})
    <Spec "": 1 unit (toss), 0 targets, 0 rules>
    """
    if isinstance(source, Spec):
        return source
    if isinstance(source, Mapping):
        return build(dict(source), Path(), "spec")
    path = Path(source)
    if path.is_dir():
        path = path / "spec.yaml"
    try:
        text = read_text(path)
    except (OSError, ValueError) as cause:
        problem = Problem(
            where=str(path), what=f"the spec cannot be read ({cause})", advice="give the path of a spec.yaml"
        )
        raise SpecError(problem) from cause
    return build(read_yaml(text, where=str(path)), path.parent, str(path))


def load_drafts(said: Mapping[str, Any]) -> Spec:
    """Build a spec of the drafts that Python code says; raises SpecError that holds every problem.

    What is no draft where one should be goes on as it is: the checks say so, under its number.
    """
    drafts = list(said.get("units", ()))
    units = {getattr(draft, "name", f"[{k}]"): _said(draft, UnitDraft) for k, draft in enumerate(drafts)}
    names = [getattr(draft, "name", None) for draft in drafts]
    advice = "give each unit a name of its own"
    problems = [
        Problem(where=f"units.{name}", what="a unit is given twice", advice=advice)
        for name in units
        if names.count(name) > 1
    ]
    lists = {
        "targets": [_said(draft, TargetDraft) for draft in said.get("targets", ())],
        "rules": [_said(draft, RuleDraft) for draft in said.get("rules", ())],
    }
    rest = {key: part for key, part in said.items() if key not in ("units", *LISTS) and part is not None}
    try:
        spec = build({"llmsynthor": 1, **rest, "units": units, **lists}, Path(), "spec")
    except SpecError as error:
        raise SpecError(*problems, *error.problems) from error
    if problems:
        raise SpecError(*problems)
    return spec


def _said(draft: Any, kind: type[UnitDraft] | type[TargetDraft] | type[RuleDraft]) -> Any:
    return dict(draft.document) if isinstance(draft, kind) else draft


def build(raw: Any, folder: Path, where: str) -> Spec:
    """Make the spec of what was read; its files are looked for from `folder`, and `where` names it in errors. Raises SpecError."""
    if not isinstance(raw, dict):
        raise SpecError(
            Problem(where=where, what="a spec is a mapping", found=type(raw).__name__, advice="see docs/spec.md")
        )
    odd = odd_texts(raw)
    if odd:
        raise SpecError(*odd)
    raw, assumed = filled(raw, folder)
    try:
        document = Document.model_validate(raw)
    except ValidationError as cause:
        errors = cause.errors(include_url=False)
        told = [error for error in errors if str(error["loc"][-1]) != f"literal[{FROM_TABLES!r}]" or len(errors) == 1]
        raise SpecError(*(refusal(error) for error in told), *_elsewhere(raw, errors, folder)) from cause
    builder = Builder(folder=folder, problems=assumed)
    spec = builder.spec(document)
    wrong = [problem for problem in builder.problems if problem.severity == "error"]
    if spec is None or wrong:
        raise SpecError(*wrong)
    return spec


def _elsewhere(raw: dict[str, Any], errors: Sequence[Any], folder: Path) -> Iterator[Problem]:
    """Find what is wrong with targets and rules other than those of a wrong shape, under their own numbers."""
    left = dict(raw)
    numbers: dict[str, list[int]] = {}
    for name in {str(error["loc"][0]) for error in errors if error["loc"]}:
        bad = {error["loc"][1] for error in errors if len(error["loc"]) > 1 and error["loc"][0] == name}
        if name in LISTS and isinstance(raw.get(name), list):
            numbers[name] = [number for number in range(len(raw[name])) if number not in bad]
            left[name] = [raw[name][number] for number in numbers[name]]
        else:
            left.pop(name, None)
    try:
        document = Document.model_validate(left)
    except ValidationError:  # the units themselves: what is said of them stands for all that hangs on them
        return
    builder = Builder(folder=folder)
    builder.spec(document)
    for problem in builder.problems:
        if problem.severity != "error":
            continue
        match = re.match(r"(\w+)\[(\d+)\]", problem.where)
        if match and match[1] in numbers:
            place = f"{match[1]}[{numbers[match[1]][int(match[2])]}]"
            problem = replace(problem, where=place + problem.where[match.end() :])  # noqa: PLW2901  (the same, renumbered)
        yield problem


def save(spec: Spec, folder: Path) -> Path:
    """Write a self-contained spec: `spec.yaml` and `tables/*.csv`; reading it again gives an equal Spec, with its notes."""
    tables = folder / "tables"
    tables.mkdir(parents=True, exist_ok=True)
    for number, target in enumerate(spec.targets):
        if isinstance(target, Table) and target.condition:
            continue
        write_beside(tables / _table_file(number, target), table_frame(target).write_csv)
    for unit, derived, frame in _lookups(spec):
        write_beside(tables / _lookup_file(unit, derived), frame.write_csv)
    for geography in spec.geographies:
        write_beside(tables / crosswalk_file(geography), crosswalk_frame(geography).write_csv)
        for level, outline in geography.outlines.items():
            copied = tables / outline_file(geography, level)
            if Path(outline.file).resolve() != copied.resolve():
                write_beside(copied, partial(shutil.copyfile, outline.file))
    save_seed(spec.seed, folder)
    path = folder / "spec.yaml"
    notes = [{key: said for key, said in asdict(note).items() if said is not None} for note in spec.notes]
    for note in notes:
        del note["severity"]
    text = write_yaml({**_document(spec), **({"notes": notes} if notes else {})})
    write_beside(path, lambda beside: beside.write_text(text, encoding="utf-8"))
    return path


def digest(spec: Spec) -> str:
    """SHA-256 over all that the spec says, tables included; where its files lie does not matter."""
    content = {"document": _document(spec), "tables": [table_frame(t).write_csv() for t in spec.targets]}
    looked_up = [frame.write_csv() for _, _, frame in _lookups(spec)]
    content |= {"lookups": looked_up} if looked_up else {}
    content |= {"seed": spec.seed.digest} if spec.seed is not None else {}
    crosswalks = [crosswalk_frame(geography).write_csv() for geography in spec.geographies]
    content |= {"crosswalks": crosswalks} if crosswalks else {}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def table_frame(target: Target) -> pl.DataFrame:
    """Give a target in the long format: a column per variable, one value column, the margins of error behind."""
    columns = target.columns if isinstance(target, Table) else target.by
    data: dict[str, Any] = {
        name: pl.Series([str(level) for level in levels], dtype=pl.String).gather(codes)
        for name, (levels, codes) in zip(columns, coded_columns(target), strict=True)
    }
    data[_value_column(target)] = pl.Series(target.values, dtype=pl.Float64)
    if target.margins_of_error is not None:
        data["margin_of_error"] = pl.Series(target.margins_of_error, dtype=pl.Float64)
    return pl.DataFrame(data)


def _value_column(target: Target) -> str:
    return target.value if isinstance(target, Table) else target.statistic


def _table_file(number: int, target: Target) -> str:
    plain = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in target.name.lower())
    return f"{number:03d}-{plain.strip('-')[:60]}.csv"


def _document(spec: Spec) -> dict[str, Any]:
    said = {name: getattr(spec.settings, name) for name in ("records", "seed", "llm")}
    said |= written(spec.settings.method, spec.settings.budget)
    dependencies = write_dependencies(spec.dependencies)
    return {
        "llmsynthor": 1,
        "name": spec.name,
        "context": spec.context,
        "units": {unit.name: _unit(unit) for unit in spec.schema.units},
        "targets": [_target(number, target) for number, target in enumerate(spec.targets)],
        "rules": [_rule(rule) for rule in spec.rules],
        **write_scenario(spec.scenario, spec.beside),
        **({"dependencies": dependencies} if dependencies else {}),
        **write_seed(spec.seed),
        **write_geographies(spec),
        "synthesis": {key: value for key, value in said.items() if value is not None},
    }


def _rule(rule: Rule) -> dict[str, str]:
    written = {"name": rule.name, "unit": rule.unit, "forbid": rule.forbid.text}
    return {**written, "sentence": rule.sentence} if rule.sentence else written


def _unit(unit: Unit) -> dict[str, Any]:
    written: dict[str, Any] = {
        "variables": {v.name: write_variable(v) for v in unit.variables if v.name not in unit.zones}
    }
    written |= write_places(unit)
    shown = [derived for derived in unit.derived if not derived.hidden and derived.name not in unit.zones]
    if shown:
        written["derived"] = {derived.name: _derived(unit, derived) for derived in shown}
    if unit.parent is not None:
        written |= {"parent": unit.parent, "count": unit.count}
    return written


def _lookups(spec: Spec) -> Iterator[tuple[Unit, Derived, pl.DataFrame]]:
    for unit in spec.schema.units:
        for derived in unit.derived:
            frame = lookup_frame(derived)
            if frame is not None and derived.name not in unit.zones:
                yield unit, derived, frame


def _lookup_file(unit: Unit, derived: Derived) -> str:
    return f"lookup-{unit.name}-{derived.name}.csv"


def _derived(unit: Unit, derived: Derived) -> dict[str, Any]:
    table = derived.expression.tree
    if isinstance(table, Lookup):
        keys = [str(key) for key in table.keys]
        lookup = {"table": f"tables/{_lookup_file(unit, derived)}", "by": keys, "value": derived.name}
        return {**write_variable(derived.variable), "lookup": lookup}
    return {**write_variable(derived.variable), "expression": derived.expression.text}


def _condition(table: Table) -> dict[str, Any]:
    """A share or count of a condition, as it is read."""
    written: dict[str, Any] = {"where": table.condition, table.value: table.values[0]}
    written |= {"of": table.universe.text} if table.universe is not None else {}
    written |= {"zeros": table.zeros, "trust": table.trust}
    return written | _weighed(table)


def _weighed(target: Target) -> dict[str, Any]:
    """Who says a target, and how exactly."""
    both = {"records": target.tolerance_records, "relative": target.tolerance}
    tolerance = {name: value for name, value in both.items() if value} if target.tolerance_records else target.tolerance
    importance = "exact" if target.importance == EXACT else target.importance
    written = {"source": target.source, "tolerance": tolerance, "importance": importance}
    return written | ({"rounding": target.rounding} if target.rounding is not None else {})


def _target(number: int, target: Target) -> dict[str, Any]:
    written: dict[str, Any] = {"name": target.name, "unit": target.unit}
    if isinstance(target, Table) and target.condition:
        return {**written, **_condition(target)}
    written |= {"table": f"tables/{_table_file(number, target)}", "value": _value_column(target)}
    if isinstance(target, Statistic):
        named = list(target.variables) if target.other else target.variable
        written |= {target.statistic: named, "by": list(target.by)}
        written |= {"probability": target.probability} if target.probability is not None else {}
        written |= {"base": target.base} if target.base is not None else {}
    else:
        written |= {"zeros": target.zeros, "trust": target.trust}
    written |= _weighed(target)
    base = target.base if isinstance(target, Table) else None
    universe = target.universe if base is None else base.universe
    written |= {"of": base.target} if base is not None else {}
    written |= {"universe": universe.text} if universe is not None else {}
    written |= {"margin_of_error": "margin_of_error"} if target.margins_of_error is not None else {}
    return written
