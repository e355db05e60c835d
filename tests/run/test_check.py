"""What is refused before a run, and what is not."""

import pytest

import llmsynthor
from llmsynthor.errors import SpecError


@pytest.mark.parametrize(("empty", "refused"), [(300, False), (299, True)])
def test_a_rule_that_nobody_can_keep_is_no_error_where_nobody_is(empty: int, refused: bool) -> None:
    """Homes without persons keep every rule about persons; one home with a person does not."""
    document = {
        "llmsynthor": 1,
        "units": {
            "home": {"variables": {"size": {"kind": "integer", "range": [0, 3]}}},
            "person": {
                "parent": "home",
                "count": "size",
                "variables": {"sex": {"kind": "category", "levels": ["F", "M"]}},
            },
        },
        "targets": [
            {
                "unit": "home",
                "cells": [{"size": 0, "count": empty}, {"size": 1, "count": 300 - empty}, {"size": 2, "count": 0}],
            }
        ],
        "rules": [{"unit": "person", "forbid": "sex == 'F' or sex == 'M'"}],
    }
    if refused:
        with pytest.raises(SpecError, match="cannot hold"):
            llmsynthor.synthesize(document, records=300, llm="none", seed=1)
        return
    made = llmsynthor.synthesize(document, records=300, llm="none", seed=1)
    assert made.exit_code == 0
    assert made.records["person"].is_empty()
