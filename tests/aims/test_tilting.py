"""A step of a tilt is bounded, whatever the values are."""

import numpy as np
import pytest

from llmsynthor.aims.aims import set_aims
from llmsynthor.aims.tilting import LONGEST_STEP, tilt
from llmsynthor.spec.reading.files import load


@pytest.mark.parametrize("values", [[1, 2], [1, 4], [-5, 6]])
def test_a_total_of_one_value_moves_no_further_than_one_of_many(values: list[int]) -> None:
    """The total of a number that is always 1 says how many records there are: a group that is nearly empty is not blown up."""
    document = {
        "llmsynthor": 1,
        "units": {
            "home": {
                "variables": {
                    "size": {"kind": "integer", "range": values},
                    "zone": {"kind": "category", "levels": ["a", "b"]},
                    "let": {"kind": "category", "levels": ["no", "yes"]},
                }
            }
        },
        "targets": [
            {
                "name": "persons",
                "total": "size",
                "by": ["zone"],
                "universe": "let == 'yes'",
                "cells": [{"zone": "a", "total": 50}, {"zone": "b", "total": 1}],
            }
        ],
    }
    (moment,) = set_aims(load(document)).own[0].moments
    counts = np.zeros(moment.projection.size)
    moved = tilt(moment, np.zeros(moment.projection.size), counts, 1.0, 200)
    assert 0 < np.abs(moved).max() <= LONGEST_STEP + 1e-9
