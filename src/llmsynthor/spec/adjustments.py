"""Adjustments: what is to be otherwise in a population that is there already."""

import re
from dataclasses import dataclass
from typing import Literal

from llmsynthor.spec.expressions import Expression

PERSON = "person"
"""Origin of an adjustment that a person states."""

Keep = Literal["total", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjustment:
    """How many records of a unit that meet a condition there are to be, beside those of the base population.

    One of `factor` (times as many), `share` (of all records of the unit) and `count` (records) is set. `bounds` are the least and
    the most times as many as before. With `keep` "total" the unit keeps its number of records, others make room or fill up; with
    "none" records are added or leave. It is applied where it was `accepted`.
    """

    unit: str
    where: Expression
    factor: float | None = None
    share: float | None = None
    count: float | None = None
    bounds: tuple[float, float] | None = None
    keep: Keep = "total"
    reason: str = ""
    origin: str = PERSON
    accepted: bool = True

    def aimed(self, before: int, records: int) -> float:
        """Records that are to meet the condition, of `before` that do and `records` in all."""
        wanted = float(before) * self.factor if self.factor is not None else 0.0
        wanted = self.share * records if self.share is not None else wanted
        wanted = self.count if self.count is not None else wanted
        if self.bounds is not None:
            wanted = min(max(wanted, self.bounds[0] * before), self.bounds[1] * before)
        return wanted

    @property
    def words(self) -> str:
        """What it says of its condition.

        >>> from llmsynthor.spec.expressions import parse
        >>> Adjustment(unit="trip", where=parse("activity == 'Work'"), factor=0.35).words
        '× 0.35'
        """
        if self.factor is not None:
            return f"× {self.factor:g}"
        return f"share {self.share:g}" if self.share is not None else f"{self.count:,g} records"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What a scenario says: adjustments, the ordinary state that it stands beside, and the policy by which proposals are accepted.

    Without `instead_of` the text of a scenario is told to the model, and nothing is proposed.
    """

    adjustments: tuple[Adjustment, ...] = ()
    instead_of: str = ""
    accept: Literal["agreed", "all"] | None = None

    @property
    def accepted(self) -> tuple[Adjustment, ...]:
        return tuple(adjustment for adjustment in self.adjustments if adjustment.accepted)


def read_factor(text: str) -> float:
    """Read a factor as people write it; raises ValueError.

    >>> [read_factor(text) for text in ("× 0.35", "x2", "1.5", "-20 %", "+ 10%")]
    [0.35, 2.0, 1.5, 0.8, 1.1]
    """
    plain = text.strip().replace(" ", "")
    change = re.fullmatch(r"([+-]\d+(?:\.\d+)?)%", plain)
    if change:
        return round(1.0 + float(change[1]) / 100, 9)
    return float(plain.lstrip("×xX*"))
