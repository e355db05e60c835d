"""A crosswalk read: which zones there are, and which lies in which. Every zone has one parent, and none is missing."""

from collections.abc import Sequence

from llmsynthor.errors import Problem

MOST_SHOWN = 8
"""Rows named in one problem; the rest is counted."""

Rows = Sequence[tuple[str, ...]]


def nested_rows(
    levels: Sequence[str], columns: Sequence[Sequence[str | None]], where: str, problems: list[Problem]
) -> Rows | None:
    """One row for each finest zone, sorted by level; None where the crosswalk is none, which is added to `problems`.

    `columns` hold the zone of each level, coarse to fine, row by row of the file.
    """
    texts = [[(text or "").strip() for text in column] for column in columns]
    rows = list(zip(*texts, strict=True))
    gaps = [(number, levels[row.index("")]) for number, row in enumerate(rows) if "" in row]
    if gaps:
        shown = [f"row {number + 1}: no {level}" for number, level in gaps]
        advice = "every zone lies in one of each level above: fill it in, or remove the row"
        problems.append(Problem(where=where, what="the crosswalk has gaps", found=_some(shown), advice=advice))
    if not rows:
        advice = "give a row for each zone of the finest level"
        problems.append(Problem(where=where, what="the crosswalk is empty", advice=advice))
    before = len(problems)
    for fine in range(1, len(levels)):
        problems += _parents(levels, rows, fine, where)
    if gaps or not rows or len(problems) > before:
        return None
    return _ordered(rows)


def _parents(levels: Sequence[str], rows: Rows, fine: int, where: str) -> list[Problem]:
    """Name zones of a level that lie in two zones of the level above, with both rows."""
    first: dict[str, int] = {}
    twice = list[str]()
    for number, row in enumerate(rows):
        if not row[fine] or not row[fine - 1]:
            continue
        seen = first.setdefault(row[fine], number)
        if rows[seen][fine - 1] != row[fine - 1]:
            one, other = (f"row {k + 1} in {levels[fine - 1]} {rows[k][fine - 1]}" for k in (seen, number))
            twice.append(f"{levels[fine]} {row[fine]}: {one}, {other}")
    if not twice:
        return []
    advice = (
        f"a {levels[fine]} lies in one {levels[fine - 1]}: correct the row, or, if ids are used again in another "
        f"{levels[fine - 1]}, make them whole by putting its id before them"
    )
    what = f"zones of {levels[fine]} lie in two zones of {levels[fine - 1]}"
    return [Problem(where=where, what=what, found=_some(twice), advice=advice)]


def _some(shown: Sequence[str]) -> str:
    more = f"; and {len(shown) - MOST_SHOWN:,} more" if len(shown) > MOST_SHOWN else ""
    return "; ".join(shown[:MOST_SHOWN]) + more


def _ordered(rows: Rows) -> Rows:
    """Each finest zone once; zones of one parent together, in the order in which they come first."""
    distinct = list(dict.fromkeys(rows))
    ranks = [{zone: k for k, zone in enumerate(dict.fromkeys(column))} for column in zip(*distinct, strict=True)]
    return sorted(distinct, key=lambda row: tuple(rank[zone] for rank, zone in zip(ranks, row, strict=True)))
