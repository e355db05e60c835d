"""Expressions in the kernels against plain Python on records as dictionaries."""

from typing import Any

import numpy as np
import pytest

from llmsynthor.aims.aims import Aims, set_aims
from llmsynthor.alignment.trees.flat import computed_codes
from llmsynthor.population.roster import Roster
from llmsynthor.spec.expressions import Aggregate, Choices, Literal, Node, Operation, Reference, parse
from llmsynthor.spec.specification import Spec

UNITS: dict[str, Any] = {
    "home": {
        "variables": {
            "size": {"kind": "integer", "range": [0, 4]},
            "color": {"kind": "category", "levels": ["red", "blue"]},
        }
    },
    "person": {
        "parent": "home",
        "count": "size",
        "variables": {
            "age": {"kind": "integer", "range": [0, 9]},
            "mood": {"kind": "category", "levels": ["good", "bad", "red"]},
            "trips": {"kind": "integer", "range": [0, 3]},
        },
    },
    "trip": {
        "parent": "person",
        "count": "trips",
        "variables": {
            "start": {"kind": "category", "levels": ["a", "b", "c"]},
            "goal": {"kind": "category", "levels": ["c", "b", "a"]},
            "hour": {"kind": "integer", "range": [0, 5]},
        },
    },
}

NUMBERS = {
    "home": [
        "count(person.age >= 4)",
        "sum(person.age) - 3",
        "max(person.age) - min(person.age)",
        "mean(person.age * 2) / 2",
        "first(person.age)",
        "last(person.age) - size",
        "sum(person.age) if color == 'red' else min(7, count(person.mood == 'good'), size)",
        "abs(first(person.age) - 4) + max(size, 2)",
        "count(person.mood in ('good', 'red') and not person.age < 2)",
        "count(person.mood == color)",
    ],
    "person": [
        "previous(age) + age",
        "position",
        "count(trip.start == 'a')",
        "age if home.color == 'blue' else home.size",
        "sum(trip.hour) + home.size",
        "max(trip.hour) - previous(age)",
    ],
    "trip": [
        "hour - previous(hour)",
        "1 if start == previous(goal) else 0",
        "1 if start != previous(goal) else 0",
        "1 if not (start == previous(goal)) else 0",
        "person.age + position",
        "1 if previous(hour) not in (1, 2) else 0",
        "0 if any_place else 1",
    ],
}
NUMBERS["trip"].pop()


def make_aims() -> Aims:
    """Every expression as a derived variable, with a cell for every value."""
    units = {name: dict(unit) for name, unit in UNITS.items()}
    targets = []
    for unit, texts in NUMBERS.items():
        units[unit]["derived"] = {
            f"d{k}": {"kind": "number", "range": [-20, 40], "expression": text} for k, text in enumerate(texts)
        }
        for k in range(len(texts)):
            cells = [{f"d{k}": f"[{x}, {x + 0.25})", "share": 1.0} for x in np.arange(-20, 40, 0.25)]
            targets.append({"unit": unit, "cells": cells})
    return set_aims(Spec.load({"llmsynthor": 1, "name": "x", "context": "x", "units": units, "targets": targets}))


def make_roster(aims: Aims, homes: int, seed: int) -> Roster:
    """Random codes; children in shuffled places, so that only `start` says where they are."""
    rng = np.random.default_rng(seed)
    codes, starts, lengths = [], [np.zeros(0, np.int32)], [np.zeros(0, np.int32)]
    number = homes
    for unit in range(3):
        sizes = [column.axis.size for column in aims.layout.columns[unit] if column.role == "own"]
        codes.append(np.stack([rng.integers(0, size, number) for size in sizes], axis=1).astype(np.int32))
        if unit < 2:
            parent, column = aims.layout.count_column(unit + 1)
            length = aims.layout.values[parent, column].astype(np.int32)[codes[unit][:, column]]
            order = rng.permutation(number)
            start = np.zeros(number, dtype=np.int32)
            start[order] = np.cumsum(length[order]) - length[order]
            starts.append(start)
            lengths.append(length)
            number = int(length.sum())
    return Roster(
        codes=tuple(codes), start=tuple(starts), length=tuple(lengths), proposal=np.full(homes, -1, dtype=np.int64)
    )


class Record:
    """A record with its parent, its children and its place, as a person would write it down."""

    def __init__(self, unit: int, values: dict[str, Any], parent: "Record | None", place: int) -> None:
        self.unit, self.values, self.parent, self.place = unit, values, parent, place
        self.children: list[Record] = []


def as_records(aims: Aims, roster: Roster, unit: int, row: int, parent: Record | None, place: int) -> Record:
    layout = aims.layout
    values = {}
    for position in range(layout.n_own(unit)):
        code = int(roster.codes[unit][row, position])
        axis = layout.columns[unit][position].axis
        numbers = layout.values.get((unit, position))
        values[axis.name] = axis.levels[code] if numbers is None else float(numbers[code])
    record = Record(unit, values, parent, place)
    if unit < 2:
        first = roster.start[unit + 1][row]
        for k in range(roster.length[unit + 1][row]):
            record.children.append(as_records(aims, roster, unit + 1, first + k, record, k + 1))
    return record


NAMES = ("home", "person", "trip")


def plain(node: Node, record: Record, home: int) -> Any:
    """Evaluate on one record, None for missing."""
    if isinstance(node, Literal):
        return node.value
    if isinstance(node, Reference):
        owner: Record | None = record
        wanted = NAMES.index(node.unit) if node.unit else home
        while owner is not None and owner.unit != wanted:
            owner = owner.parent
        assert owner is not None
        return owner.place if node.name == "position" else owner.values[node.name]
    if isinstance(node, Aggregate):
        return plain_aggregate(node, record, home)
    assert isinstance(node, Operation)
    if node.symbol in ("in", "not in"):
        left, choices = plain(node.operands[0], record, home), node.operands[1]
        assert isinstance(choices, Choices)
        return left is not None and (left in choices.values) == (node.symbol == "in")
    values = [plain(operand, record, home) for operand in node.operands]
    return plain_operation(node.symbol, values)


def plain_operation(symbol: str, values: list[Any]) -> Any:
    if symbol in ("and", "or", "not"):
        return all(values) if symbol == "and" else any(values) if symbol == "or" else not values[0]
    if symbol == "if":
        return values[1] if values[0] else values[2]
    comparing = symbol in ("<", "<=", ">", ">=", "==", "!=")
    if any(value is None for value in values):
        return False if comparing else None
    if symbol in ("min", "max", "abs", "neg"):
        return {"min": min, "max": max, "abs": lambda v: abs(v[0]), "neg": lambda v: -v[0]}[symbol](values)  # type: ignore[operator]
    a, b = values
    return {
        "+": lambda: a + b,
        "-": lambda: a - b,
        "*": lambda: a * b,
        "/": lambda: a / b,
        "<": lambda: a < b,
        "<=": lambda: a <= b,
        ">": lambda: a > b,
        ">=": lambda: a >= b,
        "==": lambda: a == b,
        "!=": lambda: a != b,
    }[symbol]()


def plain_aggregate(node: Aggregate, record: Record, home: int) -> Any:
    if node.function == "previous":
        if record.parent is None or record.place == 1:
            return None
        return plain(node.operand, record.parent.children[record.place - 2], home)
    values = [plain(node.operand, child, home) for child in record.children]
    if node.function in ("count", "any", "all"):
        return {"count": sum, "any": any, "all": all}[node.function](values)  # type: ignore[operator]
    there = [value for value in values if value is not None]
    if node.function == "sum":
        return sum(there)
    if node.function in ("first", "last"):
        return values[0 if node.function == "first" else -1] if values else None
    if not there:
        return None
    return {"mean": sum(there) / len(there), "min": min(there), "max": max(there)}[node.function]


@pytest.fixture(scope="module")
def aims() -> Aims:
    return make_aims()


def test_kernels_compute_what_plain_python_does(aims: Aims) -> None:
    """Every expression has, on every record of three levels, the value that the rules of the language give it."""
    roster = make_roster(aims, 60, seed=3)
    codes = computed_codes(aims, roster)
    tops = [as_records(aims, roster, 0, row, None, 1) for row in range(len(roster))]
    rows = {0: list(range(len(tops))), 1: [], 2: []}
    records: dict[int, list[Record]] = {0: tops, 1: [], 2: []}
    for top_row, top in enumerate(tops):
        for k, person in enumerate(top.children):
            person_row = int(roster.start[1][top_row]) + k
            rows[1].append(person_row)
            records[1].append(person)
            rows[2] += [int(roster.start[2][person_row]) + j for j in range(len(person.children))]
            records[2] += person.children
    for unit, name in enumerate(NAMES):
        for k, text in enumerate(NUMBERS[name]):
            position = aims.layout.n_own(unit) + k
            breaks = aims.layout.columns[unit][position].axis.breaks
            values = [plain(parse(text).tree, record, unit) for record in records[unit]]
            expected = [
                len(breaks) - 1 if v is None else int(np.searchsorted(breaks, v, side="right")) - 1 for v in values
            ]
            assert codes[unit, position][rows[unit]].tolist() == expected, text


LOOKED_UP: dict[str, Any] = {
    "price": {
        "lookup": {
            "cells": [
                {"color": color, "start": start, "price": 3 * k + j}
                for k, color in enumerate(("red", "blue"))
                for j, start in enumerate("abc")
            ],
            "by": {"home.color": "color", "start": "start"},
            "value": "price",
        }
    },
    "part": {
        "lookup": {
            "cells": [{"hour": "0-1", "part": "early"}, {"hour": "3+", "part": "late"}],
            "by": ["hour"],
            "value": "part",
            "default": "noon",
        }
    },
    "fare": {
        "lookup": {
            "cells": [{"price": "0-2", "part": "early", "fare": 1}, {"price": "3+", "part": "late", "fare": 2}],
            "by": ["price", "part"],
            "value": "fare",
            "default": 7,
        }
    },
    "dearer": {"kind": "number", "range": [-10, 20], "expression": "price - previous(fare)"},
}


def plain_looked_up(record: Record) -> dict[str, Any]:
    """The derived values of a trip, by plain conditions."""
    assert record.parent is not None and record.parent.parent is not None
    price = 3 * ("red", "blue").index(record.parent.parent.values["color"]) + "abc".index(record.values["start"])
    hour = record.values["hour"]
    part = "early" if hour < 2 else "late" if hour >= 3 else "noon"
    fare = 1 if (price <= 2 and part == "early") else 2 if (price >= 3 and part == "late") else 7
    return {"price": price, "part": part, "fare": fare}


def test_lookups_have_the_value_of_their_table() -> None:
    """Lookups by own, parents' and derived variables, and what is computed from them, are as a reader of the table has them."""
    units = {name: dict(unit) for name, unit in UNITS.items()}
    units["trip"]["derived"] = LOOKED_UP
    cells = [{"dearer": f"[{x}, {x + 1})", "share": 1.0} for x in range(-10, 20)]
    targets = [{"unit": "trip", "cells": cells}]
    targets += [
        {"unit": "trip", "cells": [{name: str(x), "share": 1.0} for x in range(8)]} for name in ("price", "fare")
    ]
    targets[1]["cells"] = targets[1]["cells"][:6]
    aims = set_aims(Spec.load({"llmsynthor": 1, "units": units, "targets": targets}))
    roster = make_roster(aims, 60, 5)
    codes, layout = computed_codes(aims, roster), aims.layout
    homes = [as_records(aims, roster, 0, row, None, 1) for row in range(60)]
    rows = {}
    for home_row, home in enumerate(homes):
        for k, person in enumerate(home.children):
            person_row = int(roster.start[1][home_row]) + k
            for j, trip in enumerate(person.children):
                rows[int(roster.start[2][person_row]) + j] = trip
    for row, trip in rows.items():
        wanted = plain_looked_up(trip)
        before = trip.parent.children[trip.place - 2] if trip.parent is not None and trip.place > 1 else None
        wanted["dearer"] = wanted["price"] - plain_looked_up(before)["fare"] if before is not None else None
        for name, value in wanted.items():
            place = layout.place(2, Reference(None, name))
            assert place is not None
            axis = layout.columns[2][place[1]].axis
            code = int(codes[place][row])
            if value is None:
                assert code == axis.size
            else:
                level = axis.levels[code]
                assert level == value if isinstance(level, str) else value in level
