"""Alignment of nested records on populations that keep the rules: everything can be met, so everything must be."""

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmsynthor import synthesize
from llmsynthor.aims.aims import set_aims
from llmsynthor.alignment.effort import Effort
from llmsynthor.alignment.schedule import run_stages
from llmsynthor.alignment.trees.deal import draw_first
from llmsynthor.alignment.trees.engine import State, Trees
from llmsynthor.alignment.trees.flat import pack, unpack
from llmsynthor.alignment.trees.stages import trees_stages
from llmsynthor.alignment.trees.start import ImpossibleRulesError
from llmsynthor.population.roster import in_order
from llmsynthor.run.synthesize import Solution
from llmsynthor.spec.specification import Spec
from tests.days import day_document, simulate


def make(document: dict[str, Any], records: int, seed: int = 1, workers: int | None = None) -> Solution:
    return synthesize(Spec.load(document), records=records, llm="none", seed=seed, workers=workers)


@pytest.fixture(scope="module")
def solution() -> Solution:
    return make(day_document(simulate(400, seed=5)), 400)


@pytest.mark.slow
def test_three_levels_meet_the_tables_of_a_population(solution: Solution) -> None:
    """Tables of households, persons and trips, with parents' and derived columns, are met to a record or two."""
    assert solution.alignment["max_abs_error"].max() <= 2.0, solution.alignment
    assert solution.alignment["unit"].unique().sort().to_list() == ["household", "person", "trip"]


def test_no_rule_is_broken_at_any_level(solution: Solution) -> None:
    """Rules about one record, about children, and about the record before hold for every record."""
    assert set(solution.manifest["rules_broken"].values()) == {0}


def test_rosters_have_as_many_children_as_their_count_says(solution: Solution) -> None:
    """Every household has `size` persons and every person `trips` trips, standing together and in order."""
    for parent, child, count in (("household", "person", "size"), ("person", "trip", "trips")):
        above, below = solution.records[parent], solution.records[child]
        key = f"{parent}_id"
        held = above.select(key).join(below.group_by(key).len("n"), on=key, how="left", maintain_order="left")
        assert held["n"].fill_null(0).to_list() == above[count].to_list()
        assert below[key].is_sorted()
        assert below[f"{child}_id"].to_list() == list(range(1, below.height + 1))


def test_derived_variables_are_written_as_computed(solution: Solution) -> None:
    """A derived variable in the records is what its expression gives on them."""
    persons = solution.records["person"]
    income = persons.group_by("household_id", maintain_order=True).agg(pl.col("pay").sum())["pay"]
    assert np.allclose(solution.records["household"]["income"].to_numpy(), income.to_numpy())


@pytest.mark.slow
def test_same_seed_same_records_for_any_number_of_workers() -> None:
    """The number of workers changes no value, another seed does."""
    document = day_document(simulate(120, seed=2))
    one, two, other = make(document, 120, workers=1), make(document, 120, workers=4), make(document, 120, seed=9)
    for unit, frame in one.records.items():
        assert frame.equals(two.records[unit])
    assert not one.records["person"].equals(other.records["person"])


@pytest.mark.slow
@settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 10_000), households=st.integers(40, 120))
def test_random_populations_are_met_and_break_no_rule(seed: int, households: int) -> None:
    """Whatever population the tables come from: rules hold, and no cell is further off than a few records."""
    found = make(day_document(simulate(households, seed)), households, seed=seed)
    assert set(found.manifest["rules_broken"].values()) == {0}
    assert found.alignment["max_abs_error"].max() <= 4.0
    assert found.records["household"].height == households


@pytest.mark.slow
def test_more_records_than_chains_keep_counts_rules_and_tables() -> None:
    """θ is fitted on few top records and copied to many, in blocks: numbers of children, rules and tables hold all the same."""
    frames = simulate(600, seed=8)
    aims = set_aims(Spec.load(day_document(frames)))
    effort = Effort(chains=150, blocks=3, block_records=200)
    result = run_stages(trees_stages(aims, records=600, seed=3, effort=effort))
    assert result.broken == 0
    given = [off for off, (_, goal) in zip(result.report.final, aims.tables, strict=True) if goal.trust >= 1]
    assert max(given) < 0.01, result.report
    sizes = np.bincount(result.roster.length[1], minlength=4)
    assert sizes.tolist() == np.bincount(frames["household"]["size"].to_numpy(), minlength=4).tolist()
    codes, again = result.roster.codes, in_order(result.roster, aims.layout, np.arange(600)).codes
    assert all(np.array_equal(np.sort(a, axis=0), np.sort(b, axis=0)) for a, b in zip(codes, again, strict=True))


@pytest.mark.slow
def test_counts_kept_by_the_kernels_are_those_of_the_records() -> None:
    """Whatever moves were made, the running counts are a full count's, and no record ever breaks a rule."""
    aims = set_aims(Spec.load(day_document(simulate(80, seed=8))))
    seen = []

    def check(engine: Trees, state: State, *rest: object) -> None:
        original(engine, state, *rest)  # type: ignore[arg-type]
        counts = engine.count(state.arena)
        seen.append(np.array_equal(counts, state.counts) and not (counts * engine.bad).any())

    original = Trees.visit
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trees, "visit", check)
        result = run_stages(trees_stages(aims, records=80, seed=2))
    assert seen and all(seen)
    assert result.broken == 0


def test_packing_and_reading_back_changes_nothing() -> None:
    """A roster laid out for the kernels and read back is the roster in order."""
    aims = set_aims(Spec.load(day_document(simulate(60, seed=8))))
    roster = draw_first(aims, 60, 1, 1).roster
    again = unpack(pack(roster, aims.layout, blocks=3, spare=0.5), aims.layout, roster.proposal)
    ordered = in_order(roster, aims.layout, np.arange(60))
    assert all(np.array_equal(a, b) for a, b in zip(again.codes, ordered.codes, strict=True))
    assert all(np.array_equal(a, b) for a, b in zip(again.length, ordered.length, strict=True))


def test_rules_that_exclude_each_other_are_named() -> None:
    """Where no record keeps all rules the error says which ones stayed broken."""
    document = day_document(simulate(40, seed=8))
    document["rules"] = [
        *document["rules"],
        {"name": "no one is old", "unit": "household", "forbid": "any(person.age >= 0)"},
        {"name": "someone is there", "unit": "household", "forbid": "count(person.age >= 0) == 0"},
    ]
    with pytest.raises(ImpossibleRulesError, match="no one is old"):
        run_stages(trees_stages(set_aims(Spec.load(document)), records=40, seed=1))
