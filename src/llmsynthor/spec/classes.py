"""Labels of classes that only their neighbours explain: "$25,000 to $49,999" of an amount, "0-5" beside "5-10", "07:00-07:59"."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from llmsynthor.spec.labels import both_ends, read_interval
from llmsynthor.spec.levels import Interval

CLOCK = re.compile(r"\b(\d{1,2}):(\d{2})(?::(\d{2}))?\b")
HOURS, MINUTES = 48, 2 * 24 * 60
"""Ranges that reach no further are told in hours, in minutes; others in seconds."""

CLOSE = 9
"""Digits after the point in which ends are compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Named:
    """A class whose two ends are named; `step` is the smallest difference that its label can tell."""

    low: float
    high: float
    step: float


def read_classes(texts: Sequence[str], *, bounds: Interval, integer: bool, unit: str = "") -> dict[str, Interval]:
    """Read the labels of a column together: a class reaches to where the next begins. Labels that cannot be read are left out.

    Both ends are in ("18-24", of amounts "25,000 to 49,999" up to 50,000) unless the next class begins at the end itself, and
    times of the day are numbers of the unit that the range shows: hours, minutes or seconds.

    >>> found = read_classes(["0-4,999", "5,000-9,999", "10,000+"], bounds=Interval(0, 99_000), integer=False)
    >>> [str(interval) for interval in found.values()]
    ['[0, 5000)', '[5000, 10000)', '[10000, 99000)']
    >>> found = read_classes(["06:00-06:59", "07:00-07:59"], bounds=Interval(0, 1440), integer=True)
    >>> [str(interval) for interval in found.values()]
    ['[360, 420)', '[420, 480)']
    """
    named, found = dict[str, _Named](), dict[str, Interval]()
    for text in texts:
        written, step = _without_clock(text, bounds)
        ends = both_ends(written, integer=integer, unit=unit)
        if ends is not None:
            named[text] = _Named(low=ends[0], high=ends[1], step=step or (1.0 if integer else ends[2]))
            continue
        try:
            found[text] = read_interval(written, bounds=bounds, integer=integer, unit=unit)
        except ValueError:
            continue
    lows = [*(own.low for own in named.values()), *(own.low for own in found.values())]
    starts = {round(low, CLOSE) for low in lows}
    last = max((own.high for own in named.values()), default=0.0)
    touching = all(round(own.high, CLOSE) in starts for own in named.values() if own.high < last) and (
        len(named) > 1 or any(round(own.high, CLOSE) in starts for own in named.values())
    )
    for text, own in named.items():
        high = own.high if touching and own.high > own.low else round(own.high + own.step, CLOSE)
        found[text] = Interval(own.low, min(high, bounds.high) if own.high <= bounds.high else high)
    return {text: found[text] for text in texts if text in found}


def _without_clock(text: str, bounds: Interval) -> tuple[str, float]:
    """The text with times of the day as numbers of the range's unit, and what a minute is in it; 0 where there is none."""
    if not CLOCK.search(text):
        return text, 0.0
    second = 1 / 3600 if bounds.high <= HOURS else 1 / 60 if bounds.high <= MINUTES else 1.0

    def number(match: re.Match[str]) -> str:
        hours, minutes, seconds = (int(part or 0) for part in match.groups())
        return f"{round((hours * 3600 + minutes * 60 + seconds) * second, CLOSE):.9f}".rstrip("0").rstrip(".")

    return CLOCK.sub(number, text), 60 * second
