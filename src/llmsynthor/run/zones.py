"""Zones in words: which cannot be met, by how much, and what to do."""

import numpy as np

from llmsynthor.aims.levels import Gap
from llmsynthor.aims.zones import Room
from llmsynthor.errors import Problem

MOST_NAMED = 200
"""Zones named one by one; the rest is counted."""


def zone_problem(room: Room) -> Problem:
    """Name every zone whose tables cannot hold together, and what to do about it."""
    excess, lacking = room.excess, room.lacking
    unit, parent = room.unit.name, str(room.unit.parent)
    parts, advice = list[str](), list[str]()
    if excess.any():
        number = int((excess > 0).sum())
        parts.append(
            f"{number:,} zones with {excess.sum():,.0f} {unit} records more than their {parent} records can have"
        )
        advice.append(
            f"are there {unit} records outside of {parent} records (group quarters: dormitories, barracks, homes)? Give them "
            f"{parent} records of one with a kind of their own and a `universe` to the tables of the others, cut the table to "
            f"those in {parent} records, or say only how it is distributed within zones: `given: [{room.column}]`"
        )
    if lacking.any():
        number = int((lacking > 0).sum())
        parts.append(
            f"{number:,} zones with {lacking.sum():,.0f} {unit} records fewer than their {parent} records need"
        )
        advice.append("correct the numbers of one of the two tables there")
    order = np.argsort(-(excess + lacking), kind="stable")[: int(((excess + lacking) > 0).sum())]
    shown = [
        f"{room.zones[k]} ({room.asked[k]:,.0f}, {'at most ' if excess[k] else 'at least '}"
        f"{(room.most if excess[k] else room.least)[k]:,.0f})"
        for k in order[:MOST_NAMED]
    ]
    more = f"; and {len(order) - MOST_NAMED:,} more" if len(order) > MOST_NAMED else ""
    return Problem(
        where=f'{room.table.where} and "{room.sizes}"',
        what=f"zones cannot be met: {'; '.join(parts)}",
        found="; ".join(shown) + more,
        advice=f"{'; '.join(advice)}. A run gives these zones as many as they can have, and all others what they ask for",
        severity="warning",
    )


def gap_problem(gap: Gap) -> Problem:
    """Name the zones whose parts do not add up to them in a table of the level above, those that are furthest off first."""
    shown = [
        f"{zone} ({stated:,.6g}, its parts {added:,.6g})"
        for zone, stated, added in zip(gap.zones, gap.stated, gap.added, strict=True)
    ]
    more = f"; and {len(shown) - MOST_NAMED:,} more" if len(shown) > MOST_NAMED else ""
    return Problem(
        where=f'{gap.fine.where} and "{gap.coarse.name}"',
        what=f"{len(shown):,} zones of {gap.level} are not what their parts add up to, as shares of all",
        found="; ".join(shown[:MOST_NAMED]) + more,
        advice="correct one of the two, or say with margin_of_error and importance which yields; a run meets neither wholly there",
        severity="warning",
    )
