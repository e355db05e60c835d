"""Kinds of expressions against the schema: unknown names, a text compared with a number, a level that does not exist."""

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Literal as Kind

from llmsynthor.errors import Problem
from llmsynthor.spec.expressions import Aggregate, Choices, Expression, Literal, Node, Operation, Reference, references
from llmsynthor.spec.schema import Category, Schema, Text, Unit, Variable

Kinds = Kind["number", "text", "condition"]
COMPARING = ("<", "<=", ">", ">=", "==", "!=")


class _KindError(ValueError):
    """What does not fit, the value found and what to do."""

    def __init__(self, what: str, found: str, advice: str) -> None:
        self.what, self.found, self.advice = what, found, advice
        super().__init__(what)


def condition_problems(where: str, expression: Expression, unit: Unit, schema: Schema) -> list[Problem]:
    """Check that an expression is a condition on records of `unit`."""
    try:
        kind = _Checker(unit, schema).kind(expression.tree)
        if kind != "condition":
            raise _KindError("this is no condition", str(expression), "write something that is true or false")
        if not references(expression):
            advice = f"name a variable of {unit.name}, or leave it out"
            raise _KindError("this is the same for every record", str(expression), advice)
    except _KindError as error:
        return [Problem(where=where, what=error.what, found=error.found, advice=error.advice)]
    return []


def derived_problems(unit: Unit, schema: Schema) -> list[Problem]:
    """Check the derived variables of a unit: kinds, and that none depends on itself, directly or round about."""
    return [*_kind_problems(unit, schema), *_circle_problems(unit)]


def _kind_problems(unit: Unit, schema: Schema) -> Iterator[Problem]:
    for derived in unit.derived:
        where = f"units.{unit.name}.derived.{derived.name}"
        wanted = "text" if isinstance(derived.variable, Category) else "number"
        try:
            kind = _Checker(unit, schema).kind(derived.expression.tree)
            if kind != wanted:
                advice = f"let the expression give a {wanted}"
                raise _KindError(f"the expression gives a {kind}, not a {wanted}", str(derived.expression), advice)
        except _KindError as error:
            yield Problem(where=where, what=error.what, found=error.found, advice=error.advice)


def _circle_problems(unit: Unit) -> Iterator[Problem]:
    uses = {d.name: {r.name for r in references(d.expression) if r.unit in (None, unit.name)} for d in unit.derived}
    for name, used_by_it in uses.items():
        reached, frontier = set[str](), set(used_by_it)
        while frontier:
            reached |= frontier
            frontier = {other for used in frontier for other in uses.get(used, set())} - reached
        if name in reached:
            where = f"units.{unit.name}.derived.{name}"
            yield Problem(
                where=where, what="a derived variable depends on itself", found=name, advice="break the circle"
            )


class _Checker:
    """Finds the kind of a node, or raises _KindError."""

    def __init__(self, unit: Unit, schema: Schema) -> None:
        self.unit, self.schema = unit, schema

    def kind(self, node: Node) -> Kinds:
        if isinstance(node, Reference):
            return "text" if isinstance(self.variable(node), Category) else "number"
        if isinstance(node, Literal):
            return "condition" if isinstance(node.value, bool) else "text" if isinstance(node.value, str) else "number"
        if isinstance(node, Aggregate):
            return self.aggregate(node)
        assert isinstance(node, Operation)
        return self.operation(node)

    def variable(self, reference: Reference) -> Variable:
        owner = reference.unit or self.unit.name
        known = {unit.name: unit for unit in self.schema.units}
        if owner not in known:
            raise _KindError("there is no such unit", str(reference), f"use one of: {', '.join(known)}")
        names = [v.name for v in (*known[owner].variables, *(d.variable for d in known[owner].derived))]
        if reference.name not in names:
            raise _KindError(
                f"unknown name: {owner} has no such variable", str(reference), f"use one of: {', '.join(names)}"
            )
        variable = known[owner].variable(reference.name)
        if isinstance(variable, Text):
            raise _KindError("a text variable cannot be used in expressions", str(reference), "use another variable")
        return variable

    def aggregate(self, node: Aggregate) -> Kinds:
        kind = self.kind(node.operand)
        children = {unit.name for unit in self.schema.children(self.unit.name)}
        used = {r.unit for r in _outer(node.operand)} - {None, self.unit.name}
        if node.function != "previous" and not used & children:
            advice = f"name a variable of a child unit ({', '.join(sorted(children)) or 'this unit has none'})"
            raise _KindError(f"{node.function} needs child records", node.function, advice)
        if node.function in ("count", "any", "all"):
            self.expect(node.operand, kind, "condition")
            return "number" if node.function == "count" else "condition"
        if node.function in ("sum", "mean", "min", "max"):
            self.expect(node.operand, kind, "number")
        return kind

    def operation(self, node: Operation) -> Kinds:
        if node.symbol in ("in", "not in"):
            return self.membership(node)
        if node.symbol in COMPARING:
            return self.comparison(node)
        kinds = [self.kind(operand) for operand in node.operands]
        if node.symbol in ("and", "or", "not"):
            for operand, kind in zip(node.operands, kinds, strict=True):
                self.expect(operand, kind, "condition")
            return "condition"
        if node.symbol == "if":
            self.expect(node.operands[0], kinds[0], "condition")
            self.expect(node.operands[2], kinds[2], kinds[1])
            return kinds[1]
        for operand, kind in zip(node.operands, kinds, strict=True):
            self.expect(operand, kind, "number")
        return "number"

    def expect(self, node: Node, kind: Kinds, wanted: Kinds) -> None:
        if kind != wanted:
            raise _KindError(f"a {wanted} is needed here, not a {kind}", _shown(node), f"write a {wanted}")

    def membership(self, node: Operation) -> Kinds:
        kind, choices = self.kind(node.operands[0]), node.operands[1]
        for value in choices.values if isinstance(choices, Choices) else ():
            self.expect(Literal(value), self.kind(Literal(value)), kind)
            self.level(node.operands[0], Literal(value))
        return "condition"

    def comparison(self, node: Operation) -> Kinds:
        left, right = node.operands
        first, second = self.kind(left), self.kind(right)
        self.expect(right, second, first)
        if first != "number" and node.symbol not in ("==", "!="):
            raise _KindError(f"a {first} has no order", _shown(left), "compare it with == or !=")
        self.level(left, right)
        self.level(right, left)
        return "condition"

    def level(self, node: Node, literal: Node) -> None:
        node = node.operand if isinstance(node, Aggregate) else node
        if not (isinstance(node, Reference) and isinstance(literal, Literal) and isinstance(literal.value, str)):
            return
        variable = self.variable(node)
        if isinstance(variable, Category) and literal.value not in variable.levels:
            close = get_close_matches(literal.value, variable.levels, 1)
            advice = f'did you mean "{close[0]}"?' if close else f"use one of: {'; '.join(variable.levels)}"
            raise _KindError(f"{node} has no such level", literal.value, advice)


def _outer(node: Node) -> Iterator[Reference]:
    if isinstance(node, Reference):
        yield node
    elif isinstance(node, Aggregate):
        yield from _outer(node.operand)
    elif isinstance(node, Operation):
        for operand in node.operands:
            yield from _outer(operand)


def _shown(node: Node) -> str:
    return (
        str(node.value) if isinstance(node, Literal) else str(node) if isinstance(node, Reference) else "an expression"
    )
