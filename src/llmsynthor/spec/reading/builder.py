"""From a document that has the right shape to a Spec that makes sense; collects every problem on the way."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from llmsynthor.errors import Problem, SpecError
from llmsynthor.options import Budget, Method, changed
from llmsynthor.spec.expressions import Expression, ExpressionError, parse
from llmsynthor.spec.levels import Interval
from llmsynthor.spec.reading.absolute import number_of, said_by, with_bases
from llmsynthor.spec.reading.adjustments import read_scenario
from llmsynthor.spec.reading.dependencies import read_dependencies
from llmsynthor.spec.reading.document import (
    CategoryPart,
    ComputedPart,
    DerivedLookupPart,
    Document,
    IncludePart,
    NumericPart,
    RuleEntry,
    RulePart,
    TargetPart,
    TextPart,
    UnitPart,
    VariablePart,
)
from llmsynthor.spec.reading.from_tables import with_levels
from llmsynthor.spec.reading.geographies import read_geographies, with_places
from llmsynthor.spec.reading.given import resolve_given
from llmsynthor.spec.reading.kinds import circle_problems, condition_problems, derived_problems
from llmsynthor.spec.reading.libraries import included
from llmsynthor.spec.reading.lookups import with_lookups
from llmsynthor.spec.reading.naming import resolved
from llmsynthor.spec.reading.place import Place
from llmsynthor.spec.reading.seeds import read_seed
from llmsynthor.spec.reading.shares import as_table, condition_variable, read_condition
from llmsynthor.spec.reading.structure import structure_problems
from llmsynthor.spec.reading.tables import read_target
from llmsynthor.spec.reading.variables import text_variable
from llmsynthor.spec.rules import Rule
from llmsynthor.spec.schema import Category, Coded, Derived, Numeric, Schema, Unit, Variable
from llmsynthor.spec.specification import Settings, Spec
from llmsynthor.spec.targets import Origin, Statistic, Table, Target, stated_population

NARROWEST = 1e-12
"""Of its greater end, or of one: a range that is narrower has no room for numbers."""


@dataclass(slots=True)
class Builder:
    """Holds the problems found so far; a part that cannot be built is left out, so that the others are still checked."""

    folder: Path
    problems: list[Problem] = field(default_factory=list)

    def spec(self, document: Document) -> Spec | None:
        """Build the spec, or None where its units make no sense."""
        document = with_levels(document, self.folder, self.problems)
        units = [self.unit(name, part) for name, part in document.units.items()]
        geographies = read_geographies(document.geographies, self.folder, self.problems)
        units = with_places(units, document, geographies, self.problems)
        found = list(structure_problems(units))
        if not any(problem.severity == "error" for problem in found):
            units = with_lookups(units, document, self.folder, self.problems)
            found = list(structure_problems(units))
        self.problems += found
        if any(problem.severity == "error" for problem in found):
            return None
        schema = Schema(units=_parents_first(units))
        for unit in schema.units:
            self.problems += derived_problems(unit, schema)
        self.problems += circle_problems(schema)
        origins = tuple(Origin(name=name, **part.model_dump()) for name, part in document.sources.items())
        schema, parts = self.conditions([said_by(part, origins) for part in document.targets], schema)
        targets = self.targets(parts, schema)
        rules = tuple(rule for k, part in enumerate(document.rules) for rule in self.rules(k, part, schema))
        settings = self.settings(document.synthesis.model_dump(), targets)
        dependencies = read_dependencies(document.dependencies, schema, self.problems)
        beside = read_scenario(
            document.adjustments,
            document.instead_of,
            document.accept,
            schema=schema,
            targets=targets,
            folder=self.folder,
            problems=self.problems,
        )
        return Spec(
            name=document.name,
            context=document.context,
            schema=schema,
            targets=targets,
            rules=rules,
            scenario=document.scenario,
            beside=beside,
            dependencies=dependencies,
            seed=read_seed(document.seed, schema, self.folder, self.problems),
            settings=settings,
            geographies=geographies,
            sources=origins,
            notes=self.notes(document.notes),
        )

    def notes(self, written: Sequence[Mapping[Any, str]]) -> tuple[Problem, ...]:
        """What was found worth a look, and before it what a saved spec says was found when it was read first."""
        before = [
            Problem(
                where=note.get("where", ""),
                what=note.get("what", ""),
                found=note.get("found"),
                advice=note.get("advice", ""),
                severity="warning",
            )
            for note in written
        ]
        found = [problem for problem in self.problems if problem.severity == "warning"]
        return (*before, *(problem for problem in found if problem not in before))

    def settings(self, said: Mapping[str, Any], targets: Sequence[Target]) -> Settings:
        try:
            method, budget = changed(Method(), said), changed(Budget(), said)
        except SpecError as error:
            self.problems += [replace(problem, where=f"synthesis.{problem.where}") for problem in error.problems]
            return Settings()
        records = said["records"]
        if isinstance(records, dict):
            records = number_of(records["of"], records["share"], targets, self.problems)
        return Settings(records=records, seed=said["seed"], llm=said["llm"], method=method, budget=budget)

    def unit(self, name: str, part: UnitPart) -> Unit:
        where = f"units.{name}"
        variables = [self.variable(f"{where}.variables.{key}", key, value) for key, value in part.variables.items()]
        computed = {key: value for key, value in part.derived.items() if not isinstance(value, DerivedLookupPart)}
        derived = [self.derived(f"{where}.derived.{key}", key, value) for key, value in computed.items()]
        return Unit(
            name=name,
            variables=tuple(variable for variable in variables if variable is not None),
            derived=tuple(entry for entry in derived if entry is not None),
            parent=part.parent,
            count=part.count,
        )

    def variable(self, where: str, name: str, part: VariablePart) -> Variable | None:
        if isinstance(part, TextPart):
            return text_variable(name, part)
        return self.coded(where, name, part)

    def coded(self, where: str, name: str, part: CategoryPart | NumericPart) -> Coded | None:
        if isinstance(part, CategoryPart):
            repeated = sorted(level for level, times in Counter(part.levels).items() if times > 1)
            if repeated:
                advice = "name each level once"
                self.problem(where, "a level is listed twice", advice, ", ".join(repeated))
            about = {"label": part.label, "description": part.description, "like": part.like}
            return Category(name=name, levels=tuple(part.levels), **about)
        low, high = (float(end) for end in part.range)
        if not (low < high and abs(low) < 1e15 and abs(high) < 1e15):
            self.problem(where, "a range needs two finite ends, low < high", "correct the range", str(part.range))
            return None
        if high - low < NARROWEST * max(1.0, abs(low), abs(high)):
            self.problem(where, "the range is too narrow for numbers to lie in", "give another unit", str(part.range))
            return None
        about = {"unit": part.unit, "label": part.label, "description": part.description, "like": part.like}
        return Numeric(name=name, kind=part.kind, range=Interval(low, high), **about)

    def derived(self, where: str, name: str, part: ComputedPart) -> Derived | None:
        variable = self.coded(where, name, part)
        expression = self.expression(where, part.expression)
        return Derived(variable=variable, expression=expression) if variable and expression else None

    def rules(self, number: int, part: RuleEntry, schema: Schema) -> Iterable[Rule]:
        """One rule, or those of a library."""
        if isinstance(part, RulePart):
            return self.rule(number, part, schema)
        include = IncludePart(include=part) if isinstance(part, str) else part
        return tuple(included(include, f"rules[{number}]", schema, self.problems))

    def rule(self, number: int, part: RulePart, schema: Schema) -> tuple[Rule, ...]:
        where = f'rules[{number}] "{part.name}"' if part.name else f"rules[{number}]"
        expression = self.expression(where, part.forbid)
        if not self.known_unit(where, part.unit, schema) or expression is None:
            return ()
        found = condition_problems(where, expression, schema[part.unit], schema)
        self.problems += found
        rule = Rule(name=part.name or part.forbid, unit=part.unit, forbid=expression, sentence=part.sentence)
        return () if found else (rule,)

    def conditions(self, parts: Sequence[TargetPart], schema: Schema) -> tuple[Schema, list["_Wanted"]]:
        """Read the conditions whose shares or counts are targets, and add a hidden variable for each to its unit."""
        found, added = list[_Wanted](), dict[str, dict[str, Derived]]()
        for number, part in enumerate(parts):
            where = f'targets[{number}] "{part.name}"' if part.name else f"targets[{number}]"
            if not self.known_unit(where, part.unit, schema):
                continue
            condition = None
            if part.where is not None:
                before = len(self.problems)
                unit = schema[part.unit]
                condition = read_condition(part, where, partial(self.condition, unit=unit, schema=schema))
                if condition is None or len(self.problems) > before:
                    continue
                entry = condition_variable(condition)
                added.setdefault(unit.name, {})[entry.name] = entry
            found.append(_Wanted(number=number, where=where, part=part, condition=condition))
        units = (replace(u, derived=(*u.derived, *added.get(u.name, {}).values())) for u in schema.units)
        return Schema(units=tuple(units)), found

    def condition(self, where: str, text: str, unit: Unit, schema: Schema) -> Expression | None:
        expression = self.expression(where, text)
        found = [] if expression is None else condition_problems(where, expression, unit, schema)
        self.problems += found
        return None if found else expression

    def targets(self, wanted: Sequence["_Wanted"], schema: Schema) -> tuple[Target, ...]:
        """Read all targets; counts of conditions last, since the others say of how many."""
        found: list[Target] = []
        given: dict[int, list[str]] = {}
        places: dict[int, Place] = {}
        for entry in sorted(wanted, key=lambda entry: entry.part.where is not None):
            part: TargetPart | None = entry.part
            if entry.condition is not None:
                population = stated_population(found, entry.part.unit)
                part = as_table(entry.part, entry.condition, entry.where, population, self.problems)
            target = self.target(part, entry.where, schema, found) if part is not None else None
            if target is not None:
                text = entry.condition.text if entry.condition is not None else ""
                target = replace(target, condition=text) if isinstance(target, Table) and text else target
                found.append(replace(target, number=entry.number))
                places[entry.number] = Place(
                    where=entry.where, schema=schema, unit=entry.part.unit, problems=self.problems
                )
                if entry.part.given is not None:
                    given[entry.number] = [resolved(name, places[entry.number]) for name in entry.part.given]
        ordered = sorted(found, key=lambda target: target.number)
        counted = [entry for entry in wanted if entry.condition is None]
        of = {e.number: (e.part.of, e.part.universe) for e in counted if e.part.of is not None}
        ordered = list(with_bases(ordered, of, places))
        return tuple(resolve_given(ordered, given, places)) if given else tuple(ordered)

    def target(self, part: TargetPart, where: str, schema: Schema, others: Sequence[Target]) -> Target | None:
        if part.name and part.name in [target.name for target in others]:
            self.problem(where, "this name is given to two targets", "give each target a name of its own", part.name)
        target = read_target(part, where, schema, self.folder, self.universe(where, part, schema), self.problems)
        if target is None or part.name:
            return target
        return replace(target, name=_free_name(target, {other.name for other in others}))

    def universe(self, where: str, part: TargetPart, schema: Schema) -> Expression | None:
        if not part.universe:
            return None
        return self.condition(f"{where} universe", part.universe, schema[part.unit], schema)

    def expression(self, where: str, text: str) -> Expression | None:
        try:
            return parse(text)
        except ExpressionError as error:
            self.problem(where, str(error), "correct the expression", text[:80])
            return None

    def known_unit(self, where: str, name: str, schema: Schema) -> bool:
        names = [unit.name for unit in schema.units]
        if name not in names:
            self.problem(where, "there is no such unit", f"use one of: {', '.join(names)}", name)
        return name in names

    def problem(self, where: str, what: str, advice: str, found: str | None = None) -> None:
        self.problems.append(Problem(where=where, what=what, found=found, advice=advice))


def _free_name(target: Target, taken: Set[str]) -> str:
    """The name of a target that was given none, told apart from those before it."""
    names = [_statistic_name(target) if isinstance(target, Statistic) else target.name]
    names += [f"{names[-1]} ({number})" for number in range(2, len(taken) + 3)]
    return next(name for name in names if name not in taken)


def _statistic_name(target: Statistic) -> str:
    """What a statistic without a name is called: "mean of income by sex", "quantile 0.9 of income"."""
    which = f" {target.probability:g}" if target.probability is not None else ""
    by = f" by {', '.join(target.by)}" if target.by else ""
    return f"{target.statistic}{which} of {' and '.join(target.variables)}{by}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """A target as it is written, with the condition of which it is the share or count."""

    number: int
    where: str
    part: TargetPart
    condition: Expression | None


def _parents_first(units: list[Unit]) -> tuple[Unit, ...]:
    placed: list[Unit] = []
    while len(placed) < len(units):
        names = {unit.name for unit in placed}
        placed += [unit for unit in units if unit not in placed and (unit.parent is None or unit.parent in names)]
    return tuple(placed)
