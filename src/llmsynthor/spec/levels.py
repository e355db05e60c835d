"""What a cell of a table names: a level of a category, or an interval of numbers."""

import math
import re
from dataclasses import dataclass

NUMBER = r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?"
BRACKETS = re.compile(rf"^([\[(])\s*({NUMBER}|-inf)\s*,\s*({NUMBER}|inf)\s*([)\]])$")
FROM_TO = re.compile(rf"^({NUMBER})\s*(?:-|–|to)\s*({NUMBER})$")
AT_LEAST = re.compile(rf"^({NUMBER})\s*(?:\+|and over|or more)$")
BELOW = re.compile(rf"^(?:under|below|less than|<)\s*({NUMBER})$")
SINGLE = re.compile(rf"^({NUMBER})$")


@dataclass(frozen=True, slots=True, order=True)
class Interval:
    """Half-open interval `[low, high)`.

    >>> str(Interval(16, 25))
    '[16, 25)'
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ValueError(f"an interval needs low < high, not [{self.low:g}, {self.high:g})")

    def __str__(self) -> str:
        return f"[{number_text(self.low)}, {number_text(self.high)})"

    def holds(self, other: "Interval") -> bool:
        """Say whether the other interval lies inside this one."""
        return self.low <= other.low and other.high <= self.high

    def __contains__(self, value: float) -> bool:
        return self.low <= value < self.high


Level = str | Interval


def number_text(value: float) -> str:
    """Write a number without a needless fraction or loss: 16, 0.5, 10000000."""
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else repr(float(value))


def parse_interval(text: str, *, bounds: Interval, integer: bool) -> Interval:
    """Read a cell of a numeric variable: `[16, 25)`, `65+`, `under 5`, and for integers `18-24` (both ends in), `(15, 24]` or `3`.

    `bounds` is the variable's range; open ends take it. Raises ValueError with a sentence that says what was expected.

    >>> parse_interval("65+", bounds=Interval(0, 100), integer=True)
    Interval(low=65.0, high=100.0)
    >>> parse_interval("18-24", bounds=Interval(0, 100), integer=True)
    Interval(low=18.0, high=25.0)
    """
    text = text.strip()
    if match := BRACKETS.match(text):
        low, high = (float(match[2]), float(match[3]))
        if match[1] == "(" and low != float("-inf"):
            if not integer:
                what = "an open end `(` is read for integers only"
                raise ValueError(f"{what}; cut half-open, [low, high), in pandas with right=False")
            low = math.floor(low) + 1
        if match[4] == "]":
            if not integer:
                raise ValueError("a closed end `]` is read for integers only; write a half-open interval [low, high)")
            high += 1
        return (
            Interval(max(low, bounds.low), min(high, bounds.high))
            if abs(low) + abs(high) == float("inf")
            else Interval(low, high)
        )
    if match := AT_LEAST.match(text):
        return Interval(float(match[1]), float(bounds.high))
    if match := BELOW.match(text):
        return Interval(float(bounds.low), float(match[1]))
    if integer and (match := FROM_TO.match(text)):
        return Interval(float(match[1]), float(match[2]) + 1)
    if integer and (match := SINGLE.match(text)):
        return Interval(float(match[1]), float(match[1]) + 1)
    expected = "an interval such as [16, 25), 65+, under 5" + (", 18-24 or a whole number" if integer else "")
    raise ValueError(f"expected {expected}")
