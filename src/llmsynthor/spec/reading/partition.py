"""Whether the intervals of one column cut a variable's range without gap and overlap."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from llmsynthor.spec.expressions import Aggregate, Expression, nodes, references
from llmsynthor.spec.levels import Interval, number_text
from llmsynthor.spec.possibility import Span, possible
from llmsynthor.spec.schema import Numeric


def partition_problems(
    intervals: Sequence[Interval], variable: Numeric, name: str, universe: Expression | None
) -> Iterator[tuple[str, str, str]]:
    """Yield (what, advice, found) for every overlap, and every gap that the universe does not explain.

    `intervals` are sorted. A gap is explained when the universe is about this variable alone and excludes all of it.
    """
    for a, b in pairwise(intervals):
        if b.low < a.high:
            yield f"intervals of {name} overlap", "cut the variable once, without overlap", f"{a} and {b}"
    covered = variable.range.low
    for interval in [*intervals, Interval(variable.range.high, variable.range.high + 1)]:
        gap = _gap(covered, interval.low, variable)
        if gap is not None and not _explained(gap, variable, name, universe):
            advice = (
                "add the missing interval (a count of 0 if none; of shares, `rest` gives it what is missing), or say which "
                "records the table is about: universe"
            )
            single = len(intervals) > 1 and all(own.high - own.low == 1 for own in intervals)
            if single and gap.high - gap.low > 1 and gap.low > intervals[0].low:
                advice = f"if the numbers are lower ends, write intervals such as {number_text(gap.low - 1)}-...; or {advice}"
                yield f"there is a gap between the intervals of {name}", advice, str(gap)
                return
            yield f"there is a gap between the intervals of {name}", advice, str(gap)
        covered = max(covered, interval.high)


FEW_INSIDE, FEW_OUTSIDE = 0.5, 0.1
"""Values that are not listed one by one, beside those that are: up to which they are taken for zeros inside, and at the ends."""


def unlisted_values(intervals: Sequence[Interval], variable: Numeric) -> list[Interval]:
    """Values that a table of single whole numbers leaves out since nobody has them; none where they may be another's business.

    `intervals` are sorted. The first and the last may be wider ("85 and more").

    >>> numbers = [Interval(k, k + 1) for k in (6, 7, 8, 9, 10, 11, 13, 14, 15, 16)]
    >>> [str(own) for own in unlisted_values(numbers, Numeric(name="age", kind="integer", range=Interval(5, 17)))]
    ['[5, 6)', '[12, 13)']
    """
    singles = [own for own in intervals[1:-1] if own.high - own.low == 1]
    if not variable.integer or len(singles) < max(len(intervals) - 2, 1):
        return []
    low, high = (
        Interval(variable.range.low - 1, variable.range.low),
        Interval(variable.range.high, variable.range.high + 1),
    )
    gaps = [Interval(a.high, b.low) for a, b in pairwise([low, *intervals, high]) if b.low > a.high]
    inside = sum(gap.high - gap.low for gap in gaps if intervals[0].low < gap.low < intervals[-1].low)
    outside = sum(gap.high - gap.low for gap in gaps) - inside
    few = inside <= FEW_INSIDE * len(intervals) and outside <= FEW_OUTSIDE * len(intervals)
    return gaps if few else []


def _gap(covered: float, low: float, variable: Numeric) -> Interval | None:
    if low <= covered or (variable.integer and np.ceil(low) <= np.ceil(covered)):
        return None
    return Interval(covered, low)


def _explained(gap: Interval, variable: Numeric, name: str, universe: Expression | None) -> bool:
    if universe is None:
        return False
    named = {str(reference) for reference in references(universe)}
    if named != {name} or any(isinstance(node, Aggregate) for node in nodes(universe.tree)):
        return name in named
    box = Span(low=np.array([gap.low]), high=np.array([gap.high]), integer=variable.integer)
    may, _ = possible(universe, {name: box})
    return not bool(may[0])


def subtotals(intervals: Sequence[Interval]) -> frozenset[Interval]:
    """The intervals that are sums of others, where the rest has no overlap: the finest cut is kept.

    >>> sorted(str(i) for i in subtotals([Interval(0, 5), Interval(0, 18), Interval(5, 18), Interval(18, 100)]))
    ['[0, 18)']
    """
    found = frozenset(
        whole
        for whole in intervals
        if _filled(whole, [part for part in intervals if part != whole and whole.holds(part)])
    )
    rest = sorted(set(intervals) - found)
    return found if found and all(b.low >= a.high for a, b in pairwise(rest)) else frozenset()


def _filled(whole: Interval, parts: Sequence[Interval]) -> bool:
    covered = whole.low
    for part in sorted(parts):
        if part.low > covered:
            return False
        covered = max(covered, part.high)
    return covered >= whole.high
