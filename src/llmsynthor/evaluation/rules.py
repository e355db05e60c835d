"""Which finished records break a rule, at any unit."""

from collections.abc import Mapping

import polars as pl

from llmsynthor.records.linked import Nested, count_nested, nest
from llmsynthor.spec.inputs import derived_below, inputs
from llmsynthor.spec.rules import Rule
from llmsynthor.spec.specification import Spec


def rules_broken(spec: Spec, records: Mapping[str, pl.DataFrame]) -> dict[str, int]:
    """Count for each rule whose unit was made the records that break it; raises DataError."""
    rules = [rule for rule in spec.rules if rule.unit in records]
    named = frozenset[tuple[str, str]]().union(*(inputs(rule.forbid, rule.unit) for rule in rules))
    return count_broken(spec, nest(records, spec.schema, only=derived_below(named, spec.schema)))


def count_broken(spec: Spec, nested: Nested) -> dict[str, int]:
    """Count for each rule whose unit is there the records that break it."""
    units = dict[str, list[Rule]]()
    for rule in spec.rules:
        if rule.unit in nested.frames:
            units.setdefault(rule.unit, []).append(rule)
    counted = {
        rule.name: number
        for unit, rules in units.items()
        for rule, number in zip(rules, count_nested([rule.forbid for rule in rules], unit, nested), strict=True)
    }
    return {rule.name: counted[rule.name] for rule in spec.rules if rule.name in counted}
