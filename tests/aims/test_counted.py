"""What counts of parents and children say together, and where nothing is said."""

from typing import Any

import llmsynthor
from llmsynthor.aims.counted import assumed_ends, implied_means
from llmsynthor.aims.zones import unmet_rooms
from llmsynthor.spec.specification import Spec
from llmsynthor.spec.targets import Statistic

SIZES = [{"size": 1, "count": 300}, {"size": 2, "count": 350}, {"size": 3, "count": 150}, {"size": "4+", "count": 200}]


def document(kind: str = "count", persons: float = 2_400, **more: Any) -> Spec:
    """Households with an open last size, and persons by age; `kind` says whether these are counts or shares."""
    ages = [{"age": "0-17", kind: persons * 0.25}, {"age": "18+", kind: persons * 0.75}]
    spec: dict[str, Any] = {
        "llmsynthor": 1,
        "units": {
            "home": {"variables": {"size": {"kind": "integer", "range": [1, 15]}}},
            "person": {"parent": "home", "count": "size", "variables": {"age": {"kind": "integer", "range": [0, 100]}}},
        },
        "targets": [{"name": "size", "unit": "home", "cells": SIZES}, {"name": "age", "unit": "person", "cells": ages}],
    }
    spec["targets"] += more.get("targets", [])
    return Spec.load(spec)


def implied(spec: Spec) -> list[Statistic]:
    """The means that counts of a spec imply."""
    return list(implied_means(spec, unmet_rooms(spec)))


def test_counts_say_how_many_children_a_parent_has() -> None:
    """2,400 persons in 1,000 households are 2.4 for each, and the records have them to the person."""
    (mean,) = implied(document())
    assert mean.values == (2.4,)
    solution = llmsynthor.synthesize(document(), records=500, llm="none", seed=1)
    assert solution.records["person"].height == 1_200
    assert set(solution.alignment["status"]) == {"exact"}


def test_shares_and_counts_out_of_reach_say_nothing() -> None:
    """Shares of persons tell nothing of their number, nor do counts that no sizes could give, or of other totals."""
    other = {
        "unit": "person",
        "name": "other",
        "cells": [{"age": "0-49", "count": 5_000}, {"age": "50+", "count": 900}],
    }
    for spec in (document("share", 1.0), document(persons=900), document(persons=90_000), document(targets=[other])):
        assert not implied(spec)


def test_a_stated_total_comes_first() -> None:
    """Where the mean or total of the count is stated, nothing is implied."""
    total = {"unit": "home", "name": "persons", "total": "size", "cells": [{"total": 2_600}]}
    assert not implied(document(targets=[total]))


def test_an_open_group_of_which_nothing_is_known_is_named() -> None:
    """`4+` is named where persons come in shares, and not where their counts say how large it is."""
    (problem,) = assumed_ends(document("share", 1.0))
    assert "size 4+ is spread by assumption" in problem.what
    assert problem.severity == "warning"
    assert not list(assumed_ends(document()))
