"""What estimates turned out to be worth on tables that are known: measured once (benchmarks/calibrate.py), and shipped."""

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from math import sqrt
from typing import Any

NORMAL_95 = 1.645
"""Half the width of a 90 % interval of a normal distribution, in standard deviations."""


@cache
def _measured() -> Mapping[str, Any]:
    return dict(json.loads((files("llmsynthor.calibration") / "measured.json").read_text(encoding="utf-8")))


def part_of(belief: str) -> float:
    """The part of an estimated dependence that the records are to have at least: a quantile of what known tables had of theirs.

    `safe` is so low that few bounds are untrue, `balanced` the one with the smallest error in the mean.

    >>> part_of("safe") < part_of("balanced") <= 1
    True
    """
    return float(_measured()["parts"][belief])


def band_width(source: str, records: int | None = None) -> float:
    """q of the 90 % band of a cell of a pair table, estimate ± q · √(p_u p_v), p the shares of its two levels, by its source.

    That of real records shrinks with the root of their number.
    """
    widths = _measured()["bands"]
    if source == "seed" and records:
        return float(_measured()["seed"] / sqrt(records))
    return float(widths.get(source, max(widths.values())))


def worth_records(source: str) -> int | None:
    """How many real records, drawn at random, would give a band as wide as an estimate has: 1.645 √(p_u p_v / n) near independence.

    None of a source that was not measured on known tables, such as a library.

    >>> worth_records("zones") > worth_records("estimated") > 0, worth_records("library")
    (True, None)
    """
    return round((NORMAL_95 / band_width(source)) ** 2) if source in _measured()["bands"] else None
