"""What spans partitions: estimates keep their odds, what some cannot do is taken over."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from llmsynthor.aims.aims import set_aims
from llmsynthor.executors.threads import Threads
from llmsynthor.partitions.plan import plan_partitions
from llmsynthor.partitions.shared import Tally, first_quotas, last_quotas
from llmsynthor.partitions.slices import Quota, cut_targets
from llmsynthor.run.partitioned import make_all, make_whole
from llmsynthor.spec.targets import Table
from llmsynthor.synthesis.believing import Believed, Said
from llmsynthor.synthesis.outcome import Options
from tests.shires import land

CELLS = [(tenure, age) for tenure in ("owned", "rented") for age in ("young", "middle", "old")]


def estimate() -> Table:
    """The old own, the young rent: said of all, trusted in part."""
    return Table(
        name="estimated",
        unit="person",
        columns=("household.tenure", "age"),
        cells=tuple(CELLS),
        values=(0.05, 0.2, 0.3, 0.25, 0.15, 0.05),
        value="share",
        source="llm test",
        trust=0.9,
    )


@pytest.mark.slow
def test_an_estimate_is_handed_to_every_partition(tmp_path: Path) -> None:
    """Each partition leans towards the odds that were said of the whole, and still meets every given table."""
    spec = land()
    options = Options(records=558, seed=1, partition="shire", partition_records=1)
    believed = Believed(aims=set_aims(spec), said=Said(tables=(estimate(),)))
    made = make_all(make_whole(spec, believed, options, tmp_path), Threads(workers=1), lambda *_: None)
    assert {str(c.status) for c in made.comparisons if c.target.name != "estimated"} == {"exact"}
    for part in sorted((tmp_path / "records" / "person").glob("*.parquet")):
        households = pl.read_parquet(tmp_path / "records" / "household" / part.name)
        joined = pl.read_parquet(part).join(households.select("household_id", "tenure"), on="household_id")
        owned = joined.filter(pl.col("tenure") == "owned")
        old, young = ((own["age"] == "old").mean() for own in (owned, joined.filter(pl.col("tenure") == "rented")))
        assert float(str(old)) > float(str(young)) + 0.1


def test_quotas_of_partitions_add_up_to_the_table() -> None:
    """Whatever partitions hold by themselves, their quotas are whole and sum to what the table wants."""
    spec = replace(land(), targets=land().targets[:3])
    plan = plan_partitions(spec, 558, "shire", 1)
    cuts = cut_targets(spec, plan)
    rng = np.random.default_rng(4)
    tallies = []
    for partition in plan.partitions:
        got = rng.multinomial(partition.records, np.ones(8) / 8).astype(float)
        tallies.append({2: Tally(got=got, universe=float(partition.records))})
    quotas = first_quotas(spec, plan, cuts, tallies)
    sums = np.sum([own[0].values for own in quotas], axis=0)
    wanted = np.array(spec.targets[2].values) * 558 / sum(spec.targets[2].values)
    assert np.abs(sums - wanted).max() < 1
    assert [sum(own[0].values) for own in quotas] == [partition.records for partition in plan.partitions]


@pytest.mark.parametrize("failing", [0, 2])
def test_what_one_cannot_do_others_take_over(failing: int) -> None:
    """Where a partition is off its quota, new quotas of others make up for it, and keep their numbers of records."""
    spec = replace(land(), targets=land().targets[:3])
    plan = plan_partitions(spec, 558, "shire", 1)
    cuts = cut_targets(spec, plan)
    start = [{2: Tally(got=np.full(8, p.records / 8), universe=float(p.records))} for p in plan.partitions]
    quotas = first_quotas(spec, plan, cuts, start)
    made = [{2: Tally(got=np.array(own[0].values), universe=sum(own[0].values))} for own in quotas]
    assert last_quotas(spec, plan, cuts, quotas, made) == {}
    made[failing][2].got[[0, 1]] += (5, -5)
    changed = last_quotas(spec, plan, cuts, quotas, made)
    assert changed
    assert failing not in changed
    got = [np.array(changed[p][0].values) if p in changed else made[p][2].got for p in range(4)]
    wanted = np.sum([own[0].values for own in quotas], axis=0)
    assert np.abs(np.sum(got, axis=0) - wanted).max() < 1 + 1e-9
    assert all(own.sum() == made[p][2].universe for p, own in enumerate(got))
    assert all(isinstance(quota, Quota) for own in changed.values() for quota in own)
