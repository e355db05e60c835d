"""The `dependencies:` section: pairs of variables by name, checked against the units."""

from collections.abc import Iterator, Sequence

from llmsynthor.errors import Problem
from llmsynthor.spec.reading.document import DependenciesPart
from llmsynthor.spec.schema import Schema
from llmsynthor.spec.specification import Dependencies, Pair

LARGEST_TRUST = 5.0

OTHERS = "others"
"""Key of `trust` under which all pairs without a number of their own are `safe` or `balanced`."""


def read_dependencies(part: DependenciesPart, schema: Schema, problems: list[Problem]) -> Dependencies:
    """Read the section; what is wrong in it is added to `problems` and left out."""
    names = {variable.name for unit in schema.units for variable in unit.coded}
    names |= {derived.name for unit in schema.units for derived in unit.derived}
    ask = [_pair(f"dependencies.ask[{k}]", entry, names, problems) for k, entry in enumerate(part.ask)]
    skip = [pair for k, entry in enumerate(part.skip) for pair in _pairs(k, entry, names, problems)]
    trust: dict[Pair, float] = {}
    said = {OTHERS: part.trust} if isinstance(part.trust, str) else part.trust
    belief = said.get(OTHERS, "balanced")
    for key, value in said.items():
        if key == OTHERS and isinstance(value, str):
            continue
        pair = _pair(f"dependencies.trust[{key}]", key, names, problems)
        if pair is not None and (isinstance(value, str) or not 0 <= value <= LARGEST_TRUST):
            what, advice = "trust is a factor on the LLM's dependence", f"give a number from 0 to {LARGEST_TRUST:g}"
            where = f"dependencies.trust[{key}]"
            problems.append(Problem(where=where, what=what, found=str(value), advice=advice))
        elif pair is not None:
            trust[pair] = float(value)
    problems += _asked_and_skipped([pair for pair in ask if pair], skip)
    asked = tuple(pair for pair in ask if pair)
    return Dependencies(
        ask=asked,
        skip=tuple(skip),
        trust=trust,
        covariates=tuple(dict.fromkeys(part.covariates)),
        belief="safe" if belief == "safe" else "balanced",
    )


def write_dependencies(dependencies: Dependencies) -> dict[str, object]:
    """Give the section in the form in which it is read; empty where nothing is said."""
    written = {
        "ask": [sorted(pair) for pair in dependencies.ask],
        "skip": [sorted(pair) for pair in dependencies.skip],
        "trust": {
            **{", ".join(sorted(pair)): value for pair, value in dependencies.trust.items()},
            **({OTHERS: dependencies.belief} if dependencies.belief != "balanced" else {}),
        },
        "covariates": list(dependencies.covariates),
    }
    return {name: value for name, value in written.items() if value}


def _pairs(number: int, entry: Sequence[str] | str, names: set[str], problems: list[Problem]) -> Iterator[Pair]:
    """A single name stands for all its pairs."""
    where, words = f"dependencies.skip[{number}]", _words(entry)
    if len(words) == 1 and words[0] in names:
        yield from (frozenset((words[0], other)) for other in sorted(names - {words[0]}))
    elif (pair := _pair(where, entry, names, problems)) is not None:
        yield pair


def _pair(where: str, entry: Sequence[str] | str, names: set[str], problems: list[Problem]) -> Pair | None:
    words = _words(entry)
    unknown = [word for word in words if word not in names]
    if unknown:
        advice = f"use names of the spec: {', '.join(sorted(names))}"
        problems.append(Problem(where=where, what="there is no such variable", found=", ".join(unknown), advice=advice))
        return None
    if len(set(words)) != 2:
        advice = 'name two different variables, as in [age, income] or "age, income"'
        problems.append(Problem(where=where, what="this is no pair", found=", ".join(words), advice=advice))
        return None
    return frozenset(words)


def _words(entry: Sequence[str] | str) -> list[str]:
    return [word.strip() for word in (entry.split(",") if isinstance(entry, str) else entry)]


def _asked_and_skipped(ask: Sequence[Pair], skip: Sequence[Pair]) -> Iterator[Problem]:
    for pair in ask:
        if pair in skip:
            found, advice = ", ".join(sorted(pair)), "leave it out of one of the two"
            yield Problem(where="dependencies", what="a pair is asked and skipped", found=found, advice=advice)
