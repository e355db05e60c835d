"""Which zones a cell lies in."""

from dataclasses import replace

import numpy as np

from llmsynthor.aims.aims import set_aims
from llmsynthor.alignment.effort import Effort
from llmsynthor.alignment.trees.flat import pack
from llmsynthor.alignment.trees.stages import trees_stages
from llmsynthor.spec.specification import Spec
from tests.alignment.trees.test_framed import document


def test_every_record_is_in_cells_of_its_zone_alone() -> None:
    """The zones that a cell is said to lie in are those of all records that are in it."""
    aims = set_aims(Spec.load(document()))
    stages = trees_stages(aims, records=400, seed=1, effort=Effort(workers=1))
    trees, roster = stages.trees, stages.roster
    assert trees.zoned is not None
    arena = pack(roster, aims.layout)
    zone = arena.codes[arena.start + trees.zoned.column]
    for cell in np.flatnonzero(trees.count(arena))[::7]:
        marked = np.zeros((len(trees.compiled.fixed), 1), dtype=np.bool_)
        marked[cell] = True
        held = trees.zoned.holding(marked[:, 0])
        inside = np.flatnonzero(replace(trees, zoned=None).mark(arena, marked)[:, 0])
        assert held is None or set(zone[inside]) <= set(np.flatnonzero(held))
        assert np.array_equal(np.flatnonzero(trees.mark(arena, marked)[:, 0]), inside)
