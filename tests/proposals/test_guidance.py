"""What the planner is told is missing."""

from typing import Any

import numpy as np

from llmsynthor.dependence.groups import Group
from llmsynthor.population.discrepancy import discrepancies
from llmsynthor.proposals.guidance import MAIN_BINS, joint_guidance, marginal_guidance, merge_bins
from llmsynthor.spec.levels import Interval
from llmsynthor.spec.specification import Spec
from tests.alignment.test_align import goals_of

NOBODY = np.zeros((0, 3), dtype=np.int32)


def test_largest_cells_come_first(spec: Spec) -> None:
    """Joint guidance names the cells that miss most, in records, of tables within the groups."""
    found = discrepancies(goals_of(spec).tables, NOBODY, records=1_000)
    group = Group(variables=("employment", "sex"), reason="", source="llm")
    first, second = joint_guidance(found, [group], most=2)
    assert first.sentence(1.0) == "employment = Employed and sex = Male: 240 records missing"
    assert second.records <= first.records


def test_margins_come_from_joint_tables_too(spec: Spec) -> None:
    """A variable without a one-way table is guided by the sums of a joint table that has it."""
    found = discrepancies(goals_of(spec).tables, NOBODY, records=1_000)
    said = [m.sentence(1.0) for m in marginal_guidance(found, goals_of(spec).grid.axes, most=6)]
    assert "employment = Employed: 460 records missing" in said
    assert "age [16, 65): 600 records missing" in said


def test_many_cells_are_merged(document: Any) -> None:
    """A variable cut into many cells is offered as six main bins and, where most is missing, finer ones."""
    rows = [{"age": f"[{k}, {k + 2})", "count": 1 + (k < 20) * 5} for k in range(0, 100, 2)]
    document["targets"] = [{"name": "age", "unit": "person", "cells": rows}]
    document["rules"] = []
    goals = goals_of(Spec.load(document))
    found = discrepancies(goals.tables, NOBODY, records=1_000)
    guided = marginal_guidance(found, goals.grid.axes, most=6)
    widths = [level.high - level.low for m in guided for level in m.values.values() if isinstance(level, Interval)]
    assert min(widths) == 2
    assert max(widths) > 2
    assert len(merge_bins(goals.tables[0].levels[0], goals.tables[0].shares, MAIN_BINS)) <= MAIN_BINS
