"""Nested records as the kernels read them: each with its place, and room to grow."""

import numpy as np
import pytest

from llmsynthor.aims.aims import set_aims
from llmsynthor.alignment.schedule import run_stages
from llmsynthor.alignment.trees.deal import draw_first
from llmsynthor.alignment.trees.flat import SPARE, pack, roomy, unpack
from llmsynthor.alignment.trees.stages import trees_stages
from llmsynthor.population.roster import Roster
from llmsynthor.spec.specification import Spec
from tests.alignment.trees.test_dense import LODGINGS, document


def same(one: Roster, other: Roster) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one.codes, other.codes, strict=True))


def test_records_are_laid_out_anew_where_their_room_is_used_up() -> None:
    """An arena with room is left alone; one without is laid out anew with room, its records and marks as they were."""
    aims = set_aims(Spec.load(document()))
    roster = draw_first(aims, LODGINGS, 1, None).roster
    arena = pack(roster, aims.layout, 2, SPARE)
    assert roomy(arena, aims.layout) is arena
    marks = np.arange(LODGINGS) % 3 == 0
    full = arena._replace(tail=np.stack([arena.tail[:, 1] - 5, arena.tail[:, 1]], axis=1), changed=marks)
    again = roomy(full, aims.layout)
    assert (again.tail[:, 1] - again.tail[:, 0]).min() > 1_000
    assert np.array_equal(again.changed, marks)
    assert same(unpack(again, aims.layout, roster.proposal), unpack(arena, aims.layout, roster.proposal))


@pytest.mark.slow
def test_large_records_can_take_in_all_the_members_they_need() -> None:
    """Hostels and a camp come to hold exactly the guests of their table, whatever they were first drawn with."""
    for seed in (1, 2, 3):
        aims = set_aims(Spec.load(document()))
        result = run_stages(trees_stages(aims, records=LODGINGS, seed=seed))
        assert not result.unmet
        assert result.broken == 0
        kinds, guests = result.roster.codes[0][:, 0], result.roster.length[1]
        assert np.bincount(kinds, guests, minlength=3).tolist() == [620, 180, 130]
