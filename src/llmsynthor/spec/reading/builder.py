"""From a document that has the right shape to a Spec that makes sense; collects every problem on the way."""

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from llmsynthor.errors import Problem, SpecError
from llmsynthor.options import Budget, Method, changed
from llmsynthor.spec.expressions import Expression, ExpressionError, parse
from llmsynthor.spec.levels import Interval
from llmsynthor.spec.reading.dependencies import read_dependencies
from llmsynthor.spec.reading.document import (
    CategoryPart,
    DerivedPart,
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
from llmsynthor.spec.reading.given import resolve_given
from llmsynthor.spec.reading.kinds import circle_problems, condition_problems, derived_problems
from llmsynthor.spec.reading.libraries import included
from llmsynthor.spec.reading.place import Place
from llmsynthor.spec.reading.structure import structure_problems
from llmsynthor.spec.reading.tables import read_target
from llmsynthor.spec.rules import Rule
from llmsynthor.spec.schema import Category, Coded, Derived, Numeric, Schema, Text, Unit, Variable
from llmsynthor.spec.specification import Settings, Spec
from llmsynthor.spec.targets import Statistic, Target


@dataclass(slots=True)
class Builder:
    """Holds the problems found so far; a part that cannot be built is left out, so that the others are still checked."""

    folder: Path
    problems: list[Problem] = field(default_factory=list)

    def spec(self, document: Document) -> Spec | None:
        """Build the spec, or None where its units make no sense."""
        units = [self.unit(name, part) for name, part in document.units.items()]
        found = list(structure_problems(units))
        self.problems += found
        if any(problem.severity == "error" for problem in found):
            return None
        schema = Schema(units=_parents_first(units))
        for unit in schema.units:
            self.problems += derived_problems(unit, schema)
        self.problems += circle_problems(schema)
        targets = self.targets(document.targets, schema)
        rules = tuple(rule for k, part in enumerate(document.rules) for rule in self.rules(k, part, schema))
        settings = self.settings(document.synthesis.model_dump())
        return Spec(
            name=document.name,
            context=document.context,
            schema=schema,
            targets=targets,
            rules=rules,
            scenario=document.scenario,
            dependencies=read_dependencies(document.dependencies, schema, self.problems),
            settings=settings,
            notes=tuple(problem for problem in self.problems if problem.severity == "warning"),
        )

    def settings(self, said: Mapping[str, Any]) -> Settings:
        try:
            method, budget = changed(Method(), said), changed(Budget(), said)
        except SpecError as error:
            self.problems += [replace(problem, where=f"synthesis.{problem.where}") for problem in error.problems]
            return Settings()
        return Settings(records=said["records"], seed=said["seed"], llm=said["llm"], method=method, budget=budget)

    def unit(self, name: str, part: UnitPart) -> Unit:
        where = f"units.{name}"
        variables = [self.variable(f"{where}.variables.{key}", key, value) for key, value in part.variables.items()]
        derived = [self.derived(f"{where}.derived.{key}", key, value) for key, value in part.derived.items()]
        return Unit(
            name=name,
            variables=tuple(variable for variable in variables if variable is not None),
            derived=tuple(entry for entry in derived if entry is not None),
            parent=part.parent,
            count=part.count,
        )

    def variable(self, where: str, name: str, part: VariablePart | DerivedPart) -> Variable | None:
        if isinstance(part, TextPart):
            about = {"label": part.label, "description": part.description}
            return Text(name=name, prompt=part.prompt, max_words=part.max_words, **about)
        return self.coded(where, name, part)

    def coded(self, where: str, name: str, part: CategoryPart | NumericPart) -> Coded | None:
        if isinstance(part, CategoryPart):
            repeated = sorted({level for level in part.levels if part.levels.count(level) > 1})
            if repeated:
                advice = "name each level once"
                self.problem(where, "a level is listed twice", advice, ", ".join(repeated))
            return Category(name=name, levels=tuple(part.levels), label=part.label, description=part.description)
        low, high = (float(end) for end in part.range)
        if not (low < high and abs(low) < 1e15 and abs(high) < 1e15):
            self.problem(where, "a range needs two finite ends, low < high", "correct the range", str(part.range))
            return None
        about = {"unit": part.unit, "label": part.label, "description": part.description}
        return Numeric(name=name, kind=part.kind, range=Interval(low, high), **about)

    def derived(self, where: str, name: str, part: DerivedPart) -> Derived | None:
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

    def targets(self, parts: Iterable[TargetPart], schema: Schema) -> tuple[Target, ...]:
        found: list[Target] = []
        given: dict[int, list[str]] = {}
        places: dict[int, Place] = {}
        for number, part in enumerate(parts):
            name = part.name or ""
            where = f'targets[{number}] "{name}"' if name else f"targets[{number}]"
            if not self.known_unit(where, part.unit, schema):
                continue
            if name and name in [target.name for target in found]:
                self.problem(where, "this name is given to two targets", "give each target a name of its own", name)
            universe = self.universe(where, part, schema)
            target = read_target(part, where, schema, self.folder, universe, self.problems)
            if target is not None:
                own = target.name if part.name else _free_name(target, {other.name for other in found})
                found.append(replace(target, number=number, name=own))
                places[number] = Place(where=where, schema=schema, unit=part.unit, problems=self.problems)
                given |= {number: part.given} if part.given is not None else {}
        return tuple(resolve_given(found, given, places)) if given else tuple(found)

    def universe(self, where: str, part: TargetPart, schema: Schema) -> Expression | None:
        expression = self.expression(f"{where} universe", part.universe) if part.universe else None
        if expression is None:
            return None
        found = condition_problems(f"{where} universe", expression, schema[part.unit], schema)
        self.problems += found
        return None if found else expression

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
    names = [target.name]
    if isinstance(target, Statistic):
        names.append(f"{target.statistic} of {target.variable}" + (f" by {', '.join(target.by)}" if target.by else ""))
    names += [f"{names[-1]} ({number})" for number in range(2, len(taken) + 3)]
    return next(name for name in names if name not in taken)


def _parents_first(units: list[Unit]) -> tuple[Unit, ...]:
    placed: list[Unit] = []
    while len(placed) < len(units):
        names = {unit.name for unit in placed}
        placed += [unit for unit in units if unit not in placed and (unit.parent is None or unit.parent in names)]
    return tuple(placed)
