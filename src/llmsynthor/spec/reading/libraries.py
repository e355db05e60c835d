"""Rules that come with the package and are included by name, said in the variables and levels of the spec."""

import ast
from collections.abc import Iterable, Iterator, Mapping
from importlib.resources import files

from llmsynthor.errors import Problem
from llmsynthor.spec.expressions import Expression, parse
from llmsynthor.spec.reading.document import IncludePart, LibraryPart, LibraryRulePart
from llmsynthor.spec.reading.kinds import condition_problems
from llmsynthor.spec.reading.yaml_text import read_yaml
from llmsynthor.spec.rules import Rule
from llmsynthor.spec.schema import Schema

PREFIX = "library/"
NAMES = ("households", "diaries")


def read_library(name: str) -> LibraryPart:
    """Read a library that comes with the package."""
    text = files(__package__).joinpath("library", f"{name}.yaml").read_text(encoding="utf-8")
    return LibraryPart.model_validate(read_yaml(text, where=f"{PREFIX}{name}"))


def included(part: IncludePart, where: str, schema: Schema, problems: list[Problem]) -> Iterator[Rule]:
    """Yield the rules of a library that the spec can keep; adds a warning for each that it cannot, an error when there is none."""
    name = part.include.removeprefix(PREFIX)
    if not part.include.startswith(PREFIX) or name not in NAMES:
        advice = f"use one of: {', '.join(PREFIX + known for known in NAMES)}; a rule of your own has unit and forbid"
        problems.append(
            Problem(where=where, what="there is no such library of rules", found=part.include, advice=advice)
        )
        return
    library = read_library(name)
    where = f"{where} {part.include}"
    wrong = list(_unknown_entries(part, library, where))
    problems += wrong
    chosen = [
        rule for rule in library.rules if rule.name not in part.without and (not part.only or rule.name in part.only)
    ]
    found = [(rule, _fitting(rule, part, library, schema)) for rule in chosen]
    if found and not wrong and not any(isinstance(said, Rule) for _, said in found):
        advice = f"say under `names` how the spec calls {', '.join(library.names)}, or leave the library out"
        problems.append(
            Problem(where=where, what="no rule of it fits the spec", found=_reason(found[0][1]), advice=advice)
        )
        return
    for rule, said in found:
        if isinstance(said, Rule):
            yield said
        elif not wrong:
            what = f'the rule "{rule.name}" is left out'
            advice = "say under `names` or `levels` how the spec calls it, or list the rule under `without`"
            problems.append(Problem(where=where, what=what, found=_reason(said), advice=advice, severity="warning"))


def _reason(said: Rule | Problem) -> str:
    return f"{said.what}: {said.found}" if isinstance(said, Problem) else said.name


def _unknown_entries(part: IncludePart, library: LibraryPart, where: str) -> Iterator[Problem]:
    units = {column.partition(".")[0] for column in library.names}
    plain = {column.partition(".")[2] for column in library.names}
    texts = {str(node.value) for rule in library.rules for said in rule.forbid for node in _texts(said)}
    rules = [rule.name for rule in library.rules]
    known: list[tuple[str, Iterable[str], Iterable[str]]] = [
        ("names", part.names, (*library.names, *sorted(units), *sorted(plain))),
        ("levels", part.levels, sorted(texts)),
        ("without", part.without, rules),
        ("only", part.only, rules),
    ]
    for key, entries, allowed in known:
        for entry in entries:
            if entry not in allowed:
                advice = f"use one of: {'; '.join(allowed)}"
                yield Problem(
                    where=f"{where} {key}", what="the library has nothing of this name", found=entry, advice=advice
                )


def _texts(said: str) -> Iterator[ast.Constant]:
    for node in ast.walk(ast.parse(said, mode="eval")):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node


def _fitting(rule: LibraryRulePart, part: IncludePart, library: LibraryPart, schema: Schema) -> Rule | Problem:
    """Say a rule in the spec's words, in the first way that the spec has all words for, or say what is missing for the first."""
    renaming = _Renaming(rule.unit, part.names, part.levels, library.names)
    unit = renaming.unit(rule.unit)
    if unit not in [own.name for own in schema.units]:
        return Problem(where="", what="the spec has no unit", found=unit, advice="")
    problems: list[Problem] = []
    for said in rule.forbid:
        forbid = renaming.expression(said)
        found = condition_problems("", forbid, schema[unit], schema)
        if not found:
            return Rule(name=rule.name, unit=unit, forbid=forbid, sentence=rule.sentence)
        problems += found
    return problems[0]


class _Renaming(ast.NodeTransformer):
    """Puts the spec's names and levels in the place of the library's."""

    def __init__(self, home: str, names: Mapping[str, str], levels: Mapping[str, str], known: Iterable[str]) -> None:
        self.home, self.names, self.levels, self.units = home, names, levels, {name.partition(".")[0] for name in known}

    def unit(self, name: str) -> str:
        return self.names.get(name, name)

    def variable(self, unit: str, name: str) -> str:
        said = self.names.get(f"{unit}.{name}", self.names.get(name, name))
        return said.rpartition(".")[2]

    def expression(self, text: str) -> Expression:
        if not self.names and not self.levels:
            return parse(text)
        return parse(ast.unparse(self.visit(ast.parse(text, mode="eval"))))

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.Name(id=self.variable(self.home, node.id), ctx=node.ctx)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        assert isinstance(node.value, ast.Name)
        owner = node.value.id
        return ast.Attribute(
            value=ast.Name(id=self.unit(owner), ctx=node.value.ctx), attr=self.variable(owner, node.attr), ctx=node.ctx
        )

    def visit_Call(self, node: ast.Call) -> ast.AST:
        return ast.Call(func=node.func, args=[self.visit(argument) for argument in node.args], keywords=[])

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        return ast.Constant(self.levels.get(node.value, node.value)) if isinstance(node.value, str) else node
