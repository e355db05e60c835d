"""Which finished records break a rule, at any unit."""

from collections.abc import Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

from llmsynthor.records.linked import Nested, evaluate_nested, nest
from llmsynthor.spec.inputs import derived_below, inputs
from llmsynthor.spec.rules import Rule
from llmsynthor.spec.specification import Spec


def broken_by(nested: Nested, rule: Rule) -> NDArray[np.bool_]:
    """Say which records of the rule's unit break it, shape (records,)."""
    return evaluate_nested(rule.forbid, rule.unit, nested).fill_null(value=False).to_numpy()


def rules_broken(spec: Spec, records: Mapping[str, pl.DataFrame]) -> dict[str, int]:
    """Count for each rule whose unit was made the records that break it; raises DataError."""
    rules = [rule for rule in spec.rules if rule.unit in records]
    named = frozenset[tuple[str, str]]().union(*(inputs(rule.forbid, rule.unit) for rule in rules))
    return count_broken(spec, nest(records, spec.schema, only=derived_below(named, spec.schema)))


def count_broken(spec: Spec, nested: Nested) -> dict[str, int]:
    """Count for each rule whose unit is there the records that break it."""
    return {rule.name: int(broken_by(nested, rule).sum()) for rule in spec.rules if rule.unit in nested.frames}
