"""Zones in words: which cannot be met, by how much, and what to do."""

import numpy as np

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
