"""The oracle on two households that are counted by hand."""

import polars as pl
import pytest

from .oracle import Column, Condition, Population, Shape, Statistic, Table, document, miscounted, read

SHAPE = Shape(
    units={
        "home": {
            "variables": {
                "size": {"kind": "integer", "range": [1, 4]},
                "tenure": {"kind": "category", "levels": ["own", "rent"]},
            },
            "derived": {"oldest": {"kind": "integer", "range": [0, 90], "expression": "max(person.age)"}},
        },
        "person": {"parent": "home", "count": "size", "variables": {"age": {"kind": "integer", "range": [0, 90]}}},
    },
    derived={"home": {"oldest": lambda r: max(child["age"] for child in r.children)}},
)
AGE = Column(name="age", levels=((0, 18), (18, 90)))
TENURE = Column(name="home.tenure", levels=("own", "rent"))
YOUNGER = Condition(
    unit="person",
    text="age < previous(age)",
    holds=lambda r: r.before is not None and r["age"] < r.before["age"],
)


def population(*ages: int) -> Population:
    """An owner with two persons and a renter with one."""
    frames = {
        "home": pl.DataFrame({"home_id": [1, 2], "size": [2, 1], "tenure": ["own", "rent"]}),
        "person": pl.DataFrame({"home_id": [1, 1, 2], "person_id": [1, 2, 3], "age": list(ages)}),
    }
    return read(frames, SHAPE)


def test_tables_count_parents_columns_and_derived_ones() -> None:
    """Persons by age and their home's tenure; homes by the age of the oldest."""
    people = population(40, 10, 70)
    assert Table(name="t", unit="person", columns=(AGE, TENURE)).counts(people) == ([1, 0, 1, 1], 0)
    assert Table(name="t", unit="home", columns=(Column(name="oldest", levels=((0, 50),)),)).counts(people) == ([1], 1)


def test_a_table_is_off_by_what_another_population_has_too_many() -> None:
    """One person moved from one cell to another is one record off: within a record, but not exact."""
    table = Table(name="t", unit="person", columns=(AGE,)).state(population(40, 10, 70))
    assert table.errors(population(40, 20, 70)) == [-1, 1, 0]
    assert table.holds(population(40, 20, 70)) and not table.is_exact(population(40, 20, 70))
    assert not table.holds(population(10, 10, 10))


@pytest.mark.parametrize(
    ("kind", "values"),
    [("mean", {(0,): 25, (1,): 70}), ("total", {(0,): 50, (1,): 70}), ("quantile", {(0,): 40, (1,): 70})],
)
def test_statistics_by_group(kind: str, values: dict[tuple[int], float]) -> None:
    """Means, totals and medians of ages by tenure; a year more breaks a mean and a total, and no median of so few."""
    share = 0.5 if kind == "quantile" else None
    asked = Statistic(name="s", unit="person", kind=kind, variable="age", whole=True, by=(TENURE,), probability=share)
    stated = asked.state(population(40, 10, 70))
    assert stated.values == values
    assert stated.is_exact(population(40, 10, 70))
    assert stated.holds(population(41, 10, 70)) is (kind == "quantile")


def test_a_quantile_holds_to_a_record() -> None:
    """The median of ten ages may have four to six of them below it, and not seven."""
    homes = pl.DataFrame({"home_id": [1], "size": [10], "tenure": ["own"]})

    def aged(young: int) -> Population:
        ages = [10] * young + [60] * (10 - young)
        persons = pl.DataFrame({"home_id": [1] * 10, "person_id": list(range(10)), "age": ages})
        return read({"home": homes, "person": persons}, SHAPE)

    asked = Statistic(name="s", unit="person", kind="quantile", variable="age", whole=False, probability=0.5).state(
        aged(5)
    )
    assert asked.values == {(): 35}
    assert [asked.holds(aged(young)) for young in (3, 4, 6, 7)] == [False, True, True, False]


def test_rules_and_numbers_of_children() -> None:
    """A rule about the person before is counted where it is broken, and a home that counts its persons wrongly is found."""
    people = population(40, 10, 70)
    assert people.broken(YOUNGER) == 1 and population(10, 40, 70).broken(YOUNGER) == 0
    assert len(people.without([YOUNGER]).tops) == 1
    assert miscounted(people, SHAPE) == 0
    people.tops[0].values["size"] = 1
    assert miscounted(people, SHAPE) == 1


def test_the_spec_that_is_written_says_what_was_counted() -> None:
    """Cells are half-open intervals or levels, with the values beside them, and rules their texts."""
    table = Table(name="t", unit="person", columns=(AGE,)).state(population(40, 10, 70))
    told = document(SHAPE, [table], [YOUNGER])
    assert told["targets"][0]["cells"] == [{"age": "[0, 18)", "count": 1}, {"age": "[18, 90)", "count": 2}]
    assert told["rules"][0]["forbid"] == "age < previous(age)"
