"""Plans: zones stay whole, records add up."""

from dataclasses import replace

import pytest

from llmsynthor.errors import SpecError
from llmsynthor.partitions.plan import plan_partitions
from llmsynthor.partitions.slices import cut_targets, part_of
from tests.shires import PARISHES, SHIRES, land


@pytest.mark.parametrize("records", [1, 7, 100, 558, 5_581])
@pytest.mark.parametrize("most", [1, 150, 10**6])
def test_records_add_up(records: int, most: int) -> None:
    """However many records and partitions: every zone is in one partition, and all records are shared out."""
    plan = plan_partitions(land(), records, "parish", most)
    assert sum(partition.records for partition in plan.partitions) == records
    assert [partition.rows[0] for partition in plan.partitions[1:]] == [p.rows[1] for p in plan.partitions[:-1]]
    assert plan.partitions[-1].rows[1] == len(PARISHES)


def test_a_zone_of_the_level_is_never_cut() -> None:
    """Partitions by shire hold whole shires, alone where they are to be small, all where they may be large."""
    assert len(plan_partitions(land(), 500, "shire", 1).partitions) == len(SHIRES)
    assert len(plan_partitions(land(), 500, "shire", 500).partitions) == 1


def test_a_plan_depends_on_no_order_of_targets() -> None:
    """The table that counts the records zone by zone is found wherever it stands."""
    spec = land()
    other = replace(spec, targets=spec.targets[::-1])
    assert plan_partitions(spec, 500, "shire", 1).partitions == plan_partitions(other, 500, "shire", 1).partitions


def test_without_counts_by_zone_there_is_no_plan() -> None:
    """Where no table says how many records a zone has, the error names the level."""
    spec = replace(land(), targets=land().targets[1:])
    with pytest.raises(SpecError, match="no table says how many household records each shire has"):
        plan_partitions(spec, 500, "shire", 1)


def test_cells_of_zones_are_shared_out_once() -> None:
    """Every cell of a table by zone is in one partition; a table of all is in each, and waits for its quota."""
    spec = land()
    plan = plan_partitions(spec, 500, "shire", 1)
    cuts = cut_targets(spec, plan)
    assert [cut.spans for cut in cuts] == [False, False, True, True]
    for target, cut in zip(spec.targets[:2], cuts, strict=False):
        assert sorted(int(cell) for own in cut.cells for cell in own) == list(range(len(target.cells)))
    part = part_of(spec, plan, cuts, plan.partitions[1], ())
    assert part.sources == (0, 1)
    assert part.spec.schema.top.variable("shire").levels == ("east",)  # type: ignore[union-attr]
