"""Numbers that may not fall from one record to the next."""

import numpy as np

from llmsynthor import Spec
from llmsynthor.aims.aims import set_aims
from llmsynthor.alignment.schedule import run_stages
from llmsynthor.alignment.trees.stages import trees_stages
from llmsynthor.population.order import put_in_order
from tests.days import day_document, simulate


def test_days_out_of_order_are_put_in_order_and_nothing_else_is_touched() -> None:
    aims = set_aims(Spec.load(day_document(simulate(100, 1))))
    roster = run_stages(trees_stages(aims, records=100, seed=1)).roster
    hour, person = 2, int(np.flatnonzero(roster.length[2] > 2)[0])
    rows = slice(roster.start[2][person], roster.start[2][person] + roster.length[2][person])
    mixed = roster.codes[2].copy()
    mixed[rows, hour] = [3, *mixed[rows, hour][1:-1], 0]
    changed = put_in_order(aims, type(roster)(**{**fields(roster), "codes": (*roster.codes[:2], mixed)}))
    assert (np.diff(changed.codes[2][rows, hour]) >= 0).all()
    assert sorted(changed.codes[2][rows, hour]) == sorted(mixed[rows, hour])
    others = np.delete(np.arange(len(mixed)), np.arange(rows.start, rows.stop))
    np.testing.assert_array_equal(changed.codes[2][others], roster.codes[2][others])


def fields(roster: object) -> dict[str, object]:
    return {name: getattr(roster, name) for name in ("codes", "start", "length", "proposal")}
