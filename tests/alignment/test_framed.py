"""The draw that begins with the frame: rounding that keeps groups whole, and tables that are met by the draw alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmsynthor.alignment.framed import Barred, Drawing, Wanted
from llmsynthor.alignment.raked import draw_tables
from llmsynthor.alignment.rounding import round_within


@given(
    st.integers(1, 12),
    st.integers(1, 6),
    st.integers(0, 2**32 - 1),
)
def test_rounding_keeps_groups_whole_and_cells_near(groups: int, cells: int, seed: int) -> None:
    """Rows sum to what is held, and each cell is the floor or the ceiling of what is wanted."""
    rng = np.random.default_rng(seed)
    wanted = rng.gamma(0.7, 3.0, (groups, cells))
    sums = wanted.sum(axis=1)
    held = np.where(rng.random(groups) < 0.5, np.floor(sums), np.ceil(sums)).astype(np.int64)
    counts = round_within(wanted, held)
    assert (counts.sum(axis=1) == held).all()
    assert (np.abs(counts - wanted) < 1.0 + 1e-6).all()
    assert (counts >= 0).all()


def test_rounding_carries_over() -> None:
    """What rounding leaves of a cell is made up in the next groups: halves alternate."""
    counts = round_within(np.full((10, 2), 0.5), np.ones(10, dtype=np.int64))
    assert counts.sum(axis=0).tolist() == [5, 5]


def star(rng: np.random.Generator, zones: int) -> tuple[np.ndarray, list[Wanted]]:
    """Records of zones with three variables, and the table of each with the zone."""
    records = rng.integers(0, [zones, 4, 3, 6], size=(40 * zones, 4))
    tables = []
    for k in (1, 2, 3):
        size = (zones, (4, 3, 6)[k - 1])
        values = np.bincount(records[:, 0] * size[1] + records[:, k], minlength=size[0] * size[1]).reshape(size)
        classes = (np.arange(zones), np.arange(size[1]))
        tables.append(Wanted(columns=(0, k), classes=classes, values=values.astype(float)))
    return records, tables


@pytest.mark.parametrize("zones", [1, 7, 50])
def test_a_star_is_met_by_the_draw(zones: int) -> None:
    """Tables that share the zone are met in every cell."""
    rng = np.random.default_rng(zones)
    records, tables = star(rng, zones)
    drawing = Drawing(records=len(records), known={0: np.sort(records[:, 0])})
    margins = {1: np.ones(4), 2: np.ones(3), 3: np.ones(6)}
    assert sorted(draw_tables(drawing, tables, margins, rng=rng)) == [1, 2, 3]
    for table in tables:
        column, size = table.columns[1], table.values.shape[1]
        made = np.bincount(drawing.known[0] * size + drawing.labels[column], minlength=table.values.size)
        assert (made == table.values.ravel()).all()


def test_tables_that_cut_a_variable_otherwise_are_met_together() -> None:
    """A variable that tables cut finer, coarser and across each other is drawn at their common refinement."""
    rng = np.random.default_rng(1)
    zone, coarse, fine, across = np.arange(2), np.array([0, 0, 1, 1]), np.arange(4), np.array([0, 1, 1, 2])
    tables = [
        Wanted(columns=(0, 1), classes=(zone, coarse), values=np.array([[6.0, 4.0], [2.0, 8.0]])),
        Wanted(columns=(1,), classes=(fine,), values=np.array([4.0, 4.0, 3.0, 9.0])),
        Wanted(columns=(1,), classes=(across,), values=np.array([4.0, 7.0, 9.0])),
    ]
    drawing = Drawing(records=20, known={0: np.repeat([0, 1], 10)})
    assert draw_tables(drawing, tables, {1: np.ones(4)}, rng=rng) == [1]
    made = np.bincount(drawing.known[0] * 2 + coarse[drawing.labels[1]])
    assert made.tolist() == [6, 4, 2, 8]
    assert np.abs(np.bincount(drawing.labels[1]) - [4, 4, 3, 9]).max() <= 1


def test_tables_off_the_star_are_nearly_met() -> None:
    """A joint table of two variables beside their tables by zone is off by a record or two, those by zone by none."""
    rng = np.random.default_rng(4)
    records, tables = star(rng, 30)
    records[:, 2] = np.where(rng.random(len(records)) < 0.7, records[:, 1] % 3, records[:, 2])
    values = np.bincount(records[:, 1] * 3 + records[:, 2], minlength=12).reshape(4, 3).astype(float)
    own = np.bincount(records[:, 0] * 3 + records[:, 2], minlength=90).reshape(30, 3).astype(float)
    tables[1] = Wanted(columns=(0, 2), classes=(np.arange(30), np.arange(3)), values=own)
    joint = Wanted(columns=(1, 2), classes=(np.arange(4), np.arange(3)), values=values)
    drawing = Drawing(records=len(records), known={0: np.sort(records[:, 0])})
    draw_tables(drawing, [*tables, joint], {1: np.ones(4), 2: np.ones(3), 3: np.ones(6)}, rng=rng)
    made = np.bincount(drawing.labels[1] * 3 + drawing.labels[2], minlength=12).reshape(4, 3)
    assert np.abs(made - values).max() <= 12
    zoned = np.bincount(drawing.known[0] * 3 + drawing.labels[2], minlength=90).reshape(30, 3)
    assert np.abs(zoned - own).max() <= 1


def test_what_a_rule_forbids_is_not_drawn() -> None:
    """A combination that is barred holds nobody, though tables alone would leave it open."""
    tables = [
        Wanted(columns=(0, k), classes=(np.arange(1), np.arange(2)), values=np.array([[5.0, 5.0]])) for k in (1, 2)
    ]
    bar = Barred(
        columns=(1, 2), classes=(np.arange(2), np.arange(2)), forbidden=np.array([[False, True], [True, False]])
    )
    drawing = Drawing(records=10, known={0: np.zeros(10, dtype=np.int64)})
    draw_tables(drawing, tables, {1: np.ones(2), 2: np.ones(2)}, [bar], rng=np.random.default_rng(1))
    assert (drawing.labels[1] == drawing.labels[2]).all()


def test_open_cells_have_what_the_others_leave() -> None:
    """Of absolute counts a group has just what is named; the rest of it is in the open cell."""
    wanted = Wanted(
        columns=(0, 1), classes=(np.arange(2), np.arange(2)), values=np.array([[3.0, np.nan], [1.0, np.nan]])
    )
    drawing = Drawing(records=30, known={0: np.repeat([0, 1], [10, 20])})
    draw_tables(drawing, [wanted], {1: np.ones(2)}, rng=np.random.default_rng(2))
    assert np.bincount(drawing.known[0] * 2 + drawing.labels[1]).tolist() == [3, 7, 1, 19]
