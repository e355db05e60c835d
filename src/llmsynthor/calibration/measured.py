"""What estimates turned out to be worth on tables that are known: measured once (benchmarks/calibrate.py), and shipped."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files
from math import isfinite, sqrt
from typing import Any

NORMAL_95 = 1.645
"""Half the width of a 90 % interval of a normal distribution, in standard deviations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What a model's answers on known tables say of how far to believe it.

    The factor on an interaction of strength s (nats) is full · s / (s + half). Of a dependence that it then states the records
    are to have the part `balanced` or `safe` at least: lower quantiles of what known tables had. `agreement` is how alike its
    wordings and directions were there (the mean cosine, the strong pairs counting most), `loudness` how strongly two strangers
    depended beside one record, `pairs` how many known tables it was asked about.
    """

    full: float
    half: float
    balanced: float
    safe: float
    agreement: float
    loudness: float
    pairs: int

    def is_believed(self, belief: str) -> bool:
        """Whether anything that it states of a dependence is to be believed: else it need not be asked."""
        return self.full > 0 and self.part(belief) > 0

    def part(self, belief: str) -> float:
        """The part of a stated dependence that the records are to have at least."""
        return self.safe if belief == "safe" else self.balanced


NOTHING = Measured(full=0.0, half=1.0, balanced=0.0, safe=0.0, agreement=0.0, loudness=0.0, pairs=0)
"""Of a model that could not be measured."""


@cache
def _measured() -> Mapping[str, Any]:
    return dict(json.loads((files("llmsynthor.calibration") / "measured.json").read_text(encoding="utf-8")))


def least_stated() -> float:
    """Nats that an estimate must state for its direction to be believed: of those that state less, every third had it wrong."""
    return float(_measured()["least"])


def shipped(digest: str, bench: str) -> Measured | None:
    """What was measured of a model of this digest before it was shipped, if the bench's questions are the same still."""
    found = _measured()["models"].get(digest)
    return read_measured(found) if found is not None and found.get("bench") == bench else None


@cache
def usual() -> Measured:
    """What was measured of the default model: for estimates of whom nobody knows better."""
    found = read_measured(next(iter(_measured()["models"].values())))
    assert found is not None
    return found


def write_measured(measured: Measured) -> dict[str, float]:
    """As it is kept."""
    return {name: round(float(value), 4) for name, value in asdict(measured).items()}


def read_measured(kept: Any) -> Measured | None:
    """As it was kept; None of what is damaged.

    >>> read_measured(write_measured(NOTHING)) == NOTHING, read_measured({"full": "much"})
    (True, None)
    """
    names = ("full", "half", "balanced", "safe", "agreement", "loudness", "pairs")
    try:
        numbers = {name: float(kept[name]) for name in names}
    except (KeyError, TypeError, ValueError):
        return None
    sound = all(map(isfinite, numbers.values())) and numbers["half"] > 0 and 0 <= numbers["full"] <= MOST_FULL
    if not sound or not 0 <= numbers["safe"] <= numbers["balanced"] <= 1:
        return None
    return Measured(pairs=int(numbers.pop("pairs")), **numbers)


MOST_FULL = 12.0
"""The largest factor on an interaction."""


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

    >>> worth_records("zones") > worth_records("maximum entropy") > 0, worth_records("library")
    (True, None)
    """
    return round((NORMAL_95 / band_width(source)) ** 2) if source in _measured()["bands"] else None
