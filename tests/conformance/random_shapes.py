"""Random small specs, first half: units of one to three levels, hidden populations, and rules that these keep."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from random import Random
from typing import Any

from .oracle import Column, Condition, Population, Record, Shape

UNITS = ("home", "person", "trip")
CLASSES = 3
"""Hidden classes of top records: whatever depends on whatever does so through these, and through the record above."""

LEAST_KEPT = 0.03
"""Rules are taken as long as so many of the drawn top records keep all of them."""

Test = Callable[[Record], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """A variable of a unit: its levels, or the ends of its range; `children` says that it counts them."""

    unit: str
    name: str
    kind: str
    levels: tuple[str, ...] = ()
    low: int = 0
    high: int = 0
    children: bool = False
    missing: bool = False

    @property
    def is_number(self) -> bool:
        return not self.levels

    @property
    def part(self) -> dict[str, Any]:
        return (
            {"kind": self.kind, "levels": list(self.levels)}
            if self.levels
            else {"kind": self.kind, "range": [self.low, self.high]}
        )

    def column(self, rng: Random, seen_from: str, most: int = 6) -> Column:
        """Cut the variable as a table may: levels as they are, small ranges value by value, large ones at a few places."""
        name = self.name if seen_from == self.unit else f"{self.unit}.{self.name}"
        if self.levels:
            return Column(name=name, levels=self.levels)
        if self.kind == "integer" and self.high - self.low <= most and rng.random() < 0.7:
            return Column(name=name, levels=tuple((k, k + 1) for k in range(self.low, self.high)))
        inner = range(self.low + 1, self.high)
        ends = sorted(rng.sample(inner, min(len(inner), rng.randint(1, min(4, most - 1)))))
        return Column(name=name, levels=tuple(pairwise([self.low, *ends, self.high])))


@dataclass(frozen=True, slots=True, kw_only=True)
class Making:
    """A shape with its variables (derived ones apart), and a draw of one top record."""

    shape: Shape
    variables: tuple[Variable, ...]
    derived: tuple[Variable, ...]
    draw: Callable[[Random], Record]

    def seen_from(self, unit: str) -> Iterator[Variable]:
        """Give the variables that a column of a unit's table may name: its own and those of the units above."""
        above = UNITS[: UNITS.index(unit) + 1]
        yield from (v for v in (*self.variables, *self.derived) if v.unit in above)


def draw_shape(rng: Random) -> Making:
    """Draw units with two to four variables, a few derived ones, and how their values are distributed."""
    levels = rng.choice((1, 2, 2, 2, 3, 3))
    variables: list[Variable] = []
    for number, unit in enumerate(UNITS[:levels]):
        if number < levels - 1:
            least = rng.choice((0, 1, 1))
            variables.append(
                Variable(
                    unit=unit,
                    name=f"n{number}",
                    kind="integer",
                    low=least,
                    high=least + rng.randint(1, 5 if levels == 2 else 3),
                    children=True,
                )
            )
        variables += [_variable(rng, unit, f"{'abc'[number]}{k}") for k in range(rng.randint(2, 3))]
    derived, computed = _derived(rng, variables, UNITS[:levels])
    units: dict[str, dict[str, Any]] = {}
    for number, unit in enumerate(UNITS[:levels]):
        own = {v.name: v.part for v in variables if v.unit == unit}
        units[unit] = {"variables": own}
        if number:
            units[unit] |= {"parent": UNITS[number - 1], "count": f"n{number - 1}"}
        if parts := {v.name: {**v.part, "expression": text} for v, text, _ in derived if v.unit == unit}:
            units[unit]["derived"] = parts
    shape = Shape(units=units, derived=computed)
    weights = {(v.unit, v.name): _weights(rng, v) for v in variables}
    return Making(
        shape=shape,
        variables=tuple(variables),
        derived=tuple(v for v, _, _ in derived),
        draw=lambda draws: _draw(shape, variables, weights, draws),
    )


def _variable(rng: Random, unit: str, name: str) -> Variable:
    kind = rng.choice(("category", "category", "small", "large", "real"))
    if kind == "category":
        return Variable(
            unit=unit,
            name=name,
            kind="category",
            levels=tuple(f"{name}{'uvwxyz'[k]}" for k in range(rng.randint(2, 6))),
        )
    if kind == "small":
        return Variable(unit=unit, name=name, kind="integer", low=0, high=rng.randint(2, 6))
    return Variable(unit=unit, name=name, kind="integer" if kind == "large" else "number", low=0, high=100)


def _weights(rng: Random, variable: Variable) -> list[list[float]]:
    """Weights of the levels (of a number: of at most ten parts of its range) in each hidden class."""
    size = len(variable.levels) or min(10, variable.high - variable.low)
    return [[rng.random() ** 2 + 0.03 for _ in range(size)] for _ in range(CLASSES)]


def _draw(
    shape: Shape, variables: list[Variable], weights: dict[tuple[str, str], list[list[float]]], rng: Random
) -> Record:
    def grow(unit: str, hidden: int) -> Record:
        if rng.random() < 0.3:
            hidden = rng.randrange(CLASSES)
        record = shape.record(
            unit, {v.name: _value(v, weights[unit, v.name][hidden], rng) for v in variables if v.unit == unit}
        )
        for child, part in shape.units.items():
            if part.get("parent") == unit:
                for _ in range(record[part["count"]]):
                    record.adopt(grow(child, hidden))
        return record

    return grow(shape.top, rng.randrange(CLASSES))


def _value(variable: Variable, weights: list[float], rng: Random) -> Any:
    if variable.levels:
        return rng.choices(variable.levels, weights)[0]
    part = rng.choices(range(len(weights)), weights)[0]
    width = (variable.high - variable.low) / len(weights)
    value = variable.low + (part + rng.random()) * width
    return int(value) if variable.kind == "integer" else value


def condition(rng: Random, variable: Variable, prefix: str = "") -> tuple[str, Test]:
    """Draw a condition on one variable of a record, written with a prefix such as `person.`; its function reads that record."""
    name = variable.name
    if variable.levels:
        level = rng.choice(variable.levels)
        if rng.random() < 0.25:
            return f"{prefix}{name} != '{level}'", lambda r: r[name] != level
        return f"{prefix}{name} == '{level}'", lambda r: r[name] == level
    value = rng.randint(variable.low + 1, variable.high - 1) if variable.high - variable.low > 1 else variable.low
    if rng.random() < 0.5:
        return f"{prefix}{name} >= {value}", lambda r: r[name] >= value
    return f"{prefix}{name} < {value}", lambda r: r[name] < value


def _derived(
    rng: Random, variables: list[Variable], units: tuple[str, ...]
) -> tuple[list[tuple[Variable, str, Test]], dict[str, dict[str, Any]]]:
    """Draw derived variables, the lowest units first: of children (counts, sums, any, largest, first) and of the record itself."""
    found: list[tuple[Variable, str, Any]] = []
    for number in range(len(units) - 1, -1, -1):
        unit = units[number]
        for k in range(rng.choice((0, 1, 1, 2))):
            child = units[number + 1] if number + 1 < len(units) else None
            counting = next((v for v in variables if v.unit == unit and v.children), None)
            name = f"d{number}{k}"
            if child is None or counting is None or rng.random() < 0.2:
                entry = _own_derived(rng, unit, name, [v for v in variables if v.unit == unit])
            else:
                below = [v for v in (*variables, *(v for v, _, _ in found)) if v.unit == child]
                entry = _child_derived(rng, unit, name, child, below, counting)
            found += [entry] if entry is not None else []
    computed: dict[str, dict[str, Any]] = {}
    for variable, _, function in found:
        computed.setdefault(variable.unit, {})[variable.name] = function
    return found, computed


def _own_derived(rng: Random, unit: str, name: str, own: list[Variable]) -> tuple[Variable, str, Any] | None:
    numbers = [v for v in own if v.kind == "integer" and v.high <= 10]
    if numbers and rng.random() < 0.5:
        one, (text, test) = rng.choice(numbers), condition(rng, rng.choice(own))
        variable = Variable(unit=unit, name=name, kind="integer", low=2 * one.low, high=2 * one.high + 1)
        return variable, f"2 * {one.name} + (1 if {text} else 0)", lambda r: 2 * r[one.name] + bool(test(r))
    text, test = condition(rng, rng.choice(own))
    return (
        Variable(unit=unit, name=name, kind="category", levels=("yes", "no")),
        f"'yes' if {text} else 'no'",
        lambda r: "yes" if test(r) else "no",
    )


def _child_derived(
    rng: Random, unit: str, name: str, child: str, below: list[Variable], counting: Variable
) -> tuple[Variable, str, Any]:
    most = counting.high - 1
    numbers = [v for v in below if v.is_number]
    function = rng.choice(
        ("count", "any", "sum", "largest", "first")
        if numbers and counting.low
        else ("count", "any", "sum")
        if numbers
        else ("count", "any")
    )
    if function in ("count", "any"):
        text, test = condition(rng, rng.choice(below), f"{child}.")
        if function == "count":
            return (
                Variable(unit=unit, name=name, kind="integer", low=0, high=most + 1),
                f"count({text})",
                lambda r: sum(map(test, r.children)),
            )
        levels = ("yes", "no")
        return (
            Variable(unit=unit, name=name, kind="category", levels=levels),
            f"'yes' if any({text}) else 'no'",
            lambda r: "yes" if any(map(test, r.children)) else "no",
        )
    other = rng.choice(below) if function == "first" else rng.choice(numbers)
    source = f"{child}.{other.name}"
    if function == "first":
        return (
            Variable(unit=unit, name=name, kind=other.kind, levels=other.levels, low=other.low, high=other.high),
            f"first({source})",
            lambda r: r.children[0][other.name],
        )
    if function == "sum":
        high = max(1, most) * other.high
        return (
            Variable(unit=unit, name=name, kind=other.kind, low=0, high=high),
            f"sum({source})",
            lambda r: sum(c[other.name] for c in r.children),
        )
    return (
        Variable(unit=unit, name=name, kind=other.kind, low=other.low, high=other.high),
        f"max({source})",
        lambda r: max(c[other.name] for c in r.children),
    )


def draw_rules(rng: Random, making: Making, sample: list[Record]) -> list[Condition]:
    """Draw up to four rules, of those that enough of the sample keep."""
    rules: list[Condition] = []
    kept = list(sample)
    for _ in range(rng.choice((0, 1, 2, 2, 3, 4, 4))):
        rule = _rule(rng, making)
        left = [top for top in kept if not any(rule.holds(r) for r in top.walk(rule.unit))]
        if rule.text not in [r.text for r in rules] and len(left) >= LEAST_KEPT * len(sample):
            rules.append(rule)
            kept = left
    return rules


def _rule(rng: Random, making: Making) -> Condition:
    units = tuple(making.shape.units)
    number = rng.randrange(len(units))
    unit = units[number]
    own = [v for v in (*making.variables, *making.derived) if v.unit == unit]
    kinds: list[Callable[[], tuple[str, Test]]] = [lambda: _both(*(condition(rng, v) for v in rng.sample(own, 2)))]
    if number:
        above = [v for v in making.seen_from(unit) if v.unit != unit]
        kinds += [lambda: _against(rng, own, above), lambda: _order(rng, own), lambda: _place(rng, own)]
    if number + 1 < len(units):
        below = [v for v in (*making.variables, *making.derived) if v.unit == units[number + 1]]
        kinds += [lambda: _children(rng, own, below, units[number + 1])] * 2
    text, holds = rng.choice(kinds)()
    return Condition(unit=unit, text=text, holds=holds)


def _both(one: tuple[str, Test], other: tuple[str, Test]) -> tuple[str, Test]:
    return f"{one[0]} and {other[0]}", lambda r: one[1](r) and other[1](r)


def _against(rng: Random, own: list[Variable], above: list[Variable]) -> tuple[str, Test]:
    """A record against one above it."""
    other = rng.choice(above)
    text, test = condition(rng, other, f"{other.unit}.")

    def up(record: Record) -> bool:
        found: Record | None = record
        while found is not None and found.unit != other.unit:
            found = found.parent
        return found is not None and test(found)

    return _both((text, up), condition(rng, rng.choice(own)))


def _order(rng: Random, own: list[Variable]) -> tuple[str, Test]:
    """A record against the one before it."""
    v = rng.choice(own)
    if v.levels:
        return f"{v.name} == previous({v.name})", lambda r: r.before is not None and r[v.name] == r.before[v.name]
    return f"{v.name} < previous({v.name})", lambda r: r.before is not None and r[v.name] < r.before[v.name]


def _place(rng: Random, own: list[Variable]) -> tuple[str, Test]:
    """The first of its parent, and it alone, is so."""
    text, test = condition(rng, rng.choice(own))
    if rng.random() < 0.5:
        return f"position == 1 and {text}", lambda r: r.position == 1 and test(r)
    return f"(position == 1) != ({text})", lambda r: (r.position == 1) != bool(test(r))


def _children(rng: Random, own: list[Variable], below: list[Variable], child: str) -> tuple[str, Test]:
    """A record against its children."""
    text, test = condition(rng, rng.choice(below), f"{child}.")
    kind, most = rng.choice(("any", "none", "many", "first")), rng.randint(1, 2)
    if kind == "any":
        return _both((f"any({text})", lambda r: any(map(test, r.children))), condition(rng, rng.choice(own)))
    if kind == "none":
        return f"count({text}) < 1", lambda r: not any(map(test, r.children))
    if kind == "many":
        return f"count({text}) > {most}", lambda r: sum(map(test, r.children)) > most
    v = rng.choice(below)
    if v.levels:
        level = rng.choice(v.levels)
        return f"first({child}.{v.name}) == '{level}'", lambda r: bool(r.children) and r.children[0][v.name] == level
    value = rng.randint(v.low, v.high - 1)
    return f"first({child}.{v.name}) < {value}", lambda r: bool(r.children) and r.children[0][v.name] < value


def draw_population(making: Making, rules: list[Condition], records: int, rng: Random) -> Population:
    """Draw top records until so many keep the rules."""
    tops: list[Record] = []
    while len(tops) < records:
        tops += Population((making.draw(rng),)).without(rules).tops
    return Population(tuple(tops))
