"""The worlds of the conformance table: their units, hidden populations drawn in plain Python, and what is read in each.

A *reading* is where a target's columns live: a record's own variables, its parent's, or derived ones.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from random import Random
from typing import Any

from .oracle import Column, Condition, Population, Record, Shape

Parts = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What the targets of one reading are about: two categories, a whole number and a real one, cut in two ways.

    `impossible` forbids a combination of the categories, `rule` is a rule of this reading's kind, `universe` a part of the unit.
    """

    label: str
    unit: str
    category: Column
    other: Column
    whole: Column
    real: Column
    real_elsewhere: Column
    universe: Condition
    impossible: Condition
    rule: Condition


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A shape, the base tables that say how many children there are, a draw of one top record, and the readings."""

    name: str
    records: int
    shape: Shape
    counting: Mapping[str, Column]
    draw: Callable[[Shape, Random], Record]
    readings: tuple[Reading, ...]

    def population(self, seed: int, records: int) -> Population:
        """Draw top records."""
        rng = Random(seed)
        return Population(tuple(self.draw(self.shape, rng) for _ in range(records)))


def categories(*levels: str) -> Parts:
    return {"kind": "category", "levels": list(levels)}


def whole(low: int, high: int) -> Parts:
    return {"kind": "integer", "range": [low, high]}


def real(low: float, high: float) -> Parts:
    return {"kind": "number", "range": [low, high]}


def derived(part: Parts, expression: str) -> Parts:
    return {**part, "expression": expression}


def each(name: str, low: int, high: int) -> Column:
    """A column that tells every whole number apart."""
    return Column(name=name, levels=tuple((k, k + 1) for k in range(low, high)))


def cut(name: str, *ends: float) -> Column:
    return Column(name=name, levels=tuple(pairwise(ends)))


def among(name: str, *levels: str) -> Column:
    return Column(name=name, levels=levels)


PERSON: Parts = {
    "age": whole(0, 90),
    "job": categories("Works", "Studies", "None"),
    "sex": categories("Female", "Male"),
    "hours": whole(0, 6),
    "pay": real(0, 100_000),
}
JOB, SEX = ("Works", "Studies", "None"), ("Female", "Male")
PAY, PAY_ELSEWHERE = (0, 20_000, 45_000, 100_000), (0, 10_000, 30_000, 60_000, 100_000)


def draw_person(rng: Random, *, zone: str = "Port") -> Parts:
    """Draw a person whose job goes with age and zone, and whose pay and hours go with the job."""
    age = min(89, int(rng.betavariate(*{"Hill": (2, 1.2), "Port": (1.3, 1.8), "Field": (1, 3)}[zone]) * 90))
    job = "Studies" if age < 20 and rng.random() < 0.8 else rng.choices(JOB, (6, 1, 3 if age < 65 else 12))[0]
    pay = min(99_999.0, rng.lognormvariate(10.4 if job == "Works" else 8.8, 0.6))
    sex = rng.choices(SEX, (3, 2) if job == "Studies" else (2, 3))[0]
    hours = min(5, int(rng.betavariate(2, 2 if job == "Works" else 5) * 6))
    return {"age": age, "job": job, "sex": sex, "hours": hours, "pay": pay}


def own_person(unit: str = "person") -> Reading:
    """Read a person's own variables."""
    return Reading(
        label=f"own of {unit}",
        unit=unit,
        category=among("job", *JOB),
        other=among("sex", *SEX),
        whole=each("hours", 0, 6),
        real=cut("pay", *PAY),
        real_elsewhere=cut("pay", *PAY_ELSEWHERE),
        universe=Condition(unit=unit, text="age >= 18", holds=lambda r: r["age"] >= 18),
        impossible=Condition(
            unit=unit,
            text="job == 'Studies' and sex == 'Male'",
            holds=lambda r: r["job"] == "Studies" and r["sex"] == "Male",
        ),
        rule=Condition(
            unit=unit,
            text="age < 16 and job == 'Works'",
            holds=lambda r: r["age"] < 16 and r["job"] == "Works",
        ),
    )


FLAT = World(
    name="flat",
    records=250,
    shape=Shape(units={"person": {"variables": PERSON}}, derived={}),
    counting={},
    draw=lambda shape, rng: shape.record("person", draw_person(rng)),
    readings=(own_person(),),
)

WITH_DERIVED = World(
    name="flat with derived",
    records=250,
    shape=Shape(
        units={
            "person": {
                "variables": PERSON,
                "derived": {
                    "grown": derived(categories("yes", "no"), "'yes' if age >= 18 else 'no'"),
                    "busy": derived(
                        categories("much", "little"), "'much' if hours > 2 or job == 'Studies' else 'little'"
                    ),
                    "load": derived(whole(0, 12), "2 * hours + (1 if job == 'Works' else 0)"),
                    "net": derived(real(0, 100_000), "pay - pay * hours / 10"),
                },
            }
        },
        derived={
            "person": {
                "grown": lambda r: "yes" if r["age"] >= 18 else "no",
                "busy": lambda r: "much" if r["hours"] > 2 or r["job"] == "Studies" else "little",
                "load": lambda r: 2 * r["hours"] + (r["job"] == "Works"),
                "net": lambda r: r["pay"] - r["pay"] * r["hours"] / 10,
            }
        },
    ),
    counting={},
    draw=lambda shape, rng: shape.record("person", draw_person(rng)),
    readings=(
        own_person(),
        Reading(
            label="derived of person",
            unit="person",
            category=among("busy", "much", "little"),
            other=among("grown", "yes", "no"),
            whole=each("load", 0, 12),
            real=cut("net", *PAY),
            real_elsewhere=cut("net", *PAY_ELSEWHERE),
            universe=Condition(unit="person", text="load >= 3", holds=lambda r: r["load"] >= 3),
            impossible=Condition(
                unit="person",
                text="busy == 'little' and grown == 'no'",
                holds=lambda r: r["busy"] == "little" and r["grown"] == "no",
            ),
            rule=Condition(
                unit="person",
                text="load > 8 and sex == 'Female'",
                holds=lambda r: r["load"] > 8 and r["sex"] == "Female",
            ),
        ),
    ),
)

DERIVED_UNUSED = replace(WITH_DERIVED, name="flat, derived unused", readings=(own_person(),))
"""What a spec asks for must not depend on whether a derived variable stands beside it."""
