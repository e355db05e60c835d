"""A unit drawn from the array of all combinations: rare kinds behind a rule come in their number."""

from typing import Any

import numpy as np
import pytest

import llmsynthor
from llmsynthor.aims.aims import set_aims
from llmsynthor.alignment.effort import Effort
from llmsynthor.alignment.rows.engine import Rows
from llmsynthor.alignment.rows.program import compile_goals
from llmsynthor.alignment.trees.deal import draw_first, priors
from llmsynthor.alignment.trees.dense import Dense, is_walled, solve
from llmsynthor.spec.specification import Spec

LODGINGS = 300


def document(**more: Any) -> dict[str, Any]:
    """Flats, some hostels of thirty or more, and one camp of a hundred or more."""
    lodging = {
        "variables": {
            "kind": {"kind": "category", "levels": ["flat", "hostel", "camp"]},
            "guests": {"kind": "integer", "range": [1, 151]},
        }
    }
    guest = {
        "parent": "lodging",
        "count": "guests",
        "variables": {"role": {"kind": "category", "levels": ["host", "guest", "camper"]}},
    }
    kinds = [{"kind": "flat", "count": 295}, {"kind": "hostel", "count": 4}, {"kind": "camp", "count": 1}]
    guests = [{"lodging.kind": k, "count": n} for k, n in (("flat", 620), ("hostel", 180), ("camp", 130))]
    rules = {
        "flats are small": "kind == 'flat' and guests > 6",
        "hostels are large": "kind == 'hostel' and (guests < 30 or guests > 60)",
        "camps are larger": "kind == 'camp' and guests < 100",
    }
    within = {
        "campers camp": "(role == 'camper') != (lodging.kind == 'camp')",
        "the first is the host": "lodging.kind == 'flat' and (position == 1) != (role == 'host')",
    }
    return {
        "llmsynthor": 1,
        "name": "lodgings",
        "units": {"lodging": lodging, "guest": guest},
        "targets": [
            {"name": "kinds", "unit": "lodging", "cells": kinds},
            {"name": "guests by kind", "unit": "guest", "cells": guests},
        ],
        "rules": [
            *({"name": name, "unit": "lodging", "forbid": said} for name, said in rules.items()),
            *({"name": name, "unit": "guest", "forbid": said} for name, said in within.items()),
        ],
    } | more


def solved() -> tuple[Rows, Dense]:
    aims = set_aims(Spec.load(document()))
    goals, shaped = aims.own[0], priors(aims, 0, LODGINGS)
    assert is_walled(goals)
    task = Rows(goals=goals, compiled=compile_goals(goals, shaped), records=LODGINGS, seed=1, effort=Effort())
    found = solve(task, shaped)
    assert found is not None
    return task, found


def test_the_array_meets_tables_means_and_rules() -> None:
    """Shares of all combinations add up to the table and the mean, and none that a rule forbids has any."""
    task, found = solved()
    shares = found.blocks[0].shares.reshape(found.blocks[0].sizes)
    assert shares.sum(axis=1) == pytest.approx(np.array([295, 4, 1]) / 300, abs=1e-4)
    guests = np.array([level.low for level in task.goals.grid.axes[1].levels])
    assert float(shares.sum(axis=0) @ guests) == pytest.approx(930 / 300, abs=0.02)
    assert shares[0, guests > 6].sum() == shares[1, guests < 30].sum() == shares[2, guests < 100].sum() == 0


def test_rows_are_drawn_in_their_numbers() -> None:
    """A combination is drawn as often as expected, rounded up or down, and a kind of one in three hundred once."""
    _, found = solved()
    for seed in range(5):
        codes = found.draw(LODGINGS, rng=np.random.default_rng(seed))
        assert np.bincount(codes[:, 0], minlength=3).tolist() == [295, 4, 1]
        cells = np.bincount(
            np.ravel_multi_index(tuple(codes.T), found.blocks[0].sizes), minlength=len(found.blocks[0].shares)
        )
        assert (np.abs(cells - found.blocks[0].shares * LODGINGS) < 1).all()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_first_population_has_the_kinds_of_its_table(seed: int) -> None:
    """However rare a kind and however far from the others, it is in the first population as often as asked for."""
    drawn = draw_first(set_aims(Spec.load(document())), LODGINGS, seed, None)
    assert np.bincount(drawn.roster.codes[0][:, 0], minlength=3).tolist() == [295, 4, 1]


def test_a_group_that_rules_leave_one_value_keeps_its_records() -> None:
    """A mean of 0 beside a rule that says the same does not drive the group's records away."""
    solution = llmsynthor.synthesize(
        {
            "llmsynthor": 1,
            "units": {
                "home": {"variables": {"size": {"kind": "integer", "range": [1, 6]}}},
                "person": {
                    "parent": "home",
                    "count": "size",
                    "variables": {
                        "age": {"kind": "integer", "range": [0, 100]},
                        "doses": {"kind": "integer", "range": [0, 4]},
                    },
                },
            },
            "targets": [
                {
                    "unit": "home",
                    "cells": [{"size": k, "share": p} for k, p in (("1", 0.4), ("2", 0.35), ("3+", 0.25))],
                },
                {"unit": "person", "cells": [{"age": "0-4", "share": 0.08}, {"age": "5+", "share": 0.92}]},
                {
                    "unit": "person",
                    "mean": "doses",
                    "by": ["age"],
                    "cells": [{"age": "0-4", "mean": 0}, {"age": "5+", "mean": 2}],
                },
            ],
            "rules": [{"unit": "person", "forbid": "age < 5 and doses > 0"}],
        },
        records=100,
        seed=1,
        llm="none",
    )
    assert set(solution.alignment["status"]) == {"exact"}


@pytest.mark.slow
def test_means_far_below_a_wide_range_give_the_exponential_law() -> None:
    """Behind a rule too, costs of a mean of 96 or 410 in a range of 250,000 are exponential: no spike and no tail."""
    costs = {"clinic": 14_200.0, "visit": 410.0, "drug": 96.0}
    kinds = {"clinic": 4, "visit": 46, "drug": 50}
    claim = {
        "parent": "member",
        "count": "claims",
        "variables": {
            "kind": {"kind": "category", "levels": list(kinds)},
            "cost": {"kind": "number", "range": [5, 250_000]},
        },
    }
    member = {"variables": {"claims": {"kind": "integer", "range": [1, 5]}}}
    shares = [{"kind": kind, "percent": percent} for kind, percent in kinds.items()]
    means = [{"kind": kind, "mean": cost} for kind, cost in costs.items()]
    numbers = [{"claims": n, "count": 300} for n in (1, 2, 3, 4)]
    spec = {
        "llmsynthor": 1,
        "units": {"member": member, "claim": claim},
        "targets": [
            {"name": "claims", "unit": "member", "cells": numbers},
            {"name": "kinds", "unit": "claim", "cells": shares},
            {"name": "costs", "unit": "claim", "mean": "cost", "by": ["kind"], "cells": means},
        ],
        "rules": [{"name": "a clinic costs", "unit": "claim", "forbid": "kind == 'clinic' and cost < 800"}],
    }
    solution = llmsynthor.synthesize(spec, records=1_200, llm="none", seed=1)
    assert solution.exit_code == 0
    claims = solution.records["claim"]
    for kind, cost in costs.items():
        own = claims.filter(claims["kind"] == kind)["cost"].to_numpy()
        lowest = 800.0 if kind == "clinic" else 5.0
        assert own.mean() == pytest.approx(cost, rel=1e-6)
        assert np.median(own) - lowest == pytest.approx((cost - lowest) * np.log(2), rel=0.2)
        assert np.quantile(own, 0.995) < lowest + 8 * (cost - lowest)
        assert own.max() < lowest + 40 * (cost - lowest)
