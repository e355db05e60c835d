"""Kinds of expressions against the schema: unknown names, a text compared with a number, a level that does not exist."""

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Literal as Kind

from llmsynthor.errors import Problem
from llmsynthor.spec.expressions import (
    AGGREGATES,
    Aggregate,
    Choices,
    Expression,
    Literal,
    Lookup,
    Node,
    Operation,
    Reference,
    references,
    walk,
)
from llmsynthor.spec.inputs import POSITION, is_position, on_circles
from llmsynthor.spec.levels import Interval
from llmsynthor.spec.schema import Category, Numeric, Schema, Text, Unit, Variable

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


def derived_problems(unit: Unit, schema: Schema) -> Iterator[Problem]:
    """Check the derived variables of a unit: that their expressions give values of their kind and levels that exist."""
    for derived in unit.derived:
        where = f"units.{unit.name}.derived.{derived.name}"
        wanted = "text" if isinstance(derived.variable, Category) else "number"
        checker = _Checker(unit, schema)
        try:
            kind = checker.kind(derived.expression.tree)
            if kind != wanted:
                advice = f"let the expression give a {wanted}"
                raise _KindError(f"the expression gives a {kind}, not a {wanted}", str(derived.expression), advice)
            if isinstance(derived.variable, Category):
                checker.expect_levels(derived.expression.tree, derived.variable)
        except _KindError as error:
            yield Problem(where=where, what=error.what, found=error.found, advice=error.advice)


def circle_problems(schema: Schema) -> Iterator[Problem]:
    """Name every derived variable that depends on itself, directly or round about, across units too."""
    for unit, name in on_circles(schema):
        where = f"units.{unit}.derived.{name}"
        yield Problem(where=where, what="a derived variable depends on itself", found=name, advice="break the circle")


class _Checker:
    """Finds the kind of a node, or raises _KindError."""

    def __init__(self, unit: Unit, schema: Schema) -> None:
        self.unit, self.schema = unit, schema
        self.at = unit  # whose records the node is about: the unit, or inside a function over children the child unit

    def kind(self, node: Node) -> Kinds:
        if isinstance(node, Reference):
            return "text" if isinstance(self.variable(node), Category) else "number"
        if isinstance(node, Literal):
            return "condition" if isinstance(node.value, bool) else "text" if isinstance(node.value, str) else "number"
        if isinstance(node, Aggregate):
            return self.aggregate(node)
        if isinstance(node, Lookup):
            return "text" if node.texts else "number"
        assert isinstance(node, Operation)
        return self.operation(node)

    def variable(self, reference: Reference) -> Variable:
        owner = reference.unit or self.unit.name
        known = {unit.name: unit for unit in self.schema.units}
        if owner not in known:
            raise _KindError("there is no such unit", str(reference), f"use one of: {', '.join(known)}")
        within = [self.at.name, *(unit.name for unit in self.schema.ancestors(self.at.name))]
        if owner not in within:
            what = f"a record of {self.at.name} has no single {owner}"
            raise _KindError(what, str(reference), f"put it into a function: {', '.join(AGGREGATES)}")
        if is_position(known[owner], reference.name):
            return Numeric(name=POSITION, kind="integer", range=Interval(1, 1e9))
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
        if node.function == "previous":
            return self.previous(node)
        outer = self.at
        below = {unit.name: unit for unit in self.schema.children(outer.name)}
        used = {r.unit for r in walk(node.operand)} & below.keys()
        if len(used) != 1:
            advice = f"name a variable of one child unit ({', '.join(sorted(below)) or f'{outer.name} has none'})"
            raise _KindError(f"{node.function} needs child records", node.function, advice)
        self.at = below[str(used.pop())]
        kind = self.kind(node.operand)
        self.at = outer
        if node.function in ("count", "any", "all"):
            self.expect(node.operand, kind, "condition")
            return "number" if node.function == "count" else "condition"
        if node.function in ("sum", "mean", "min", "max"):
            self.expect(node.operand, kind, "number")
        return kind

    def previous(self, node: Aggregate) -> Kinds:
        kind = self.kind(node.operand)
        if self.at.parent is None:
            raise _KindError("records of the top unit have no order", "previous", "use it in a child unit")
        if self.at.name not in {r.unit or self.unit.name for r in walk(node.operand)}:
            raise _KindError("previous needs the unit's own variable", "previous", f"name one of {self.at.name}")
        return kind

    def expect_levels(self, node: Node, variable: Category) -> None:
        """Every text that a derived category can be must be a level of it."""
        if isinstance(node, Operation):
            for operand in node.operands[1:]:  # the sides of x if c else y
                self.expect_levels(operand, variable)
            return
        texts = [str(node.value)] if isinstance(node, Literal) else []
        if isinstance(node, Reference | Aggregate):
            source = self.source(node)
            texts = list(source.levels) if isinstance(source, Category) else []
        strange = [text for text in texts if text not in variable.levels]
        if strange:
            advice = f"list it, or use one of: {'; '.join(variable.levels)}"
            raise _KindError("the expression gives what is no level of the variable", "; ".join(strange[:5]), advice)

    def source(self, node: Node) -> Variable | None:
        """The variable whose values a reference, or `first` or `previous` of one, gives."""
        owner = self.at
        while isinstance(node, Aggregate):
            used = {r.unit for r in walk(node.operand)}
            self.at = next((unit for unit in self.schema.children(self.at.name) if unit.name in used), self.at)
            node = node.operand
        found = self.variable(node) if isinstance(node, Reference) else None
        self.at = owner
        return found

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
        if not (isinstance(literal, Literal) and isinstance(literal.value, str)):
            return
        variable = self.source(node)
        if isinstance(variable, Category) and literal.value not in variable.levels:
            close = get_close_matches(literal.value, variable.levels, 1)
            advice = f'did you mean "{close[0]}"?' if close else f"use one of: {'; '.join(variable.levels)}"
            raise _KindError(f"{variable.name} has no such level", literal.value, advice)


def _shown(node: Node) -> str:
    return (
        str(node.value) if isinstance(node, Literal) else str(node) if isinstance(node, Reference) else "an expression"
    )
