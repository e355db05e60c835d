"""Records that break a rule exchange members within their zone until few do: what the zone holds stays as it is."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from llmsynthor.alignment.trees.engine import Trees
from llmsynthor.alignment.trees.flat import pack
from llmsynthor.population.order import put_in_order
from llmsynthor.population.roster import Roster

Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]

ROUNDS = 60
"""Rounds at most; in each, every top record that breaks a rule exchanges one member with another of its zone."""


def mended(trees: Trees, roster: Roster) -> Roster:
    """Exchange members of top records that break rules, within the frame, wherever that makes them valid."""
    layout, frame = trees.aims.layout, trees.aims.own[0].frame
    units = [u for u in range(1, len(layout.units)) if layout.parent(u) == 0 and not layout.counting(u)]
    zones = roster.codes[0][:, frame].astype(np.int64)
    order = np.argsort(zones, kind="stable")
    ends = np.searchsorted(zones[order], np.arange(int(zones.max(initial=0)) + 2))
    rng = np.random.default_rng([trees.seed, 12])
    bad = broken(trees, roster)
    for number in range(ROUNDS if units else 0):
        if not bad.any():
            break
        unit = units[number % len(units)]
        one, two = _pairs(np.flatnonzero(bad & (roster.length[unit] > 0)), bad, (zones, order, ends), rng)
        some = roster.length[unit][two] > 0
        one, two = one[some], two[some]
        mine, theirs = (_member(roster, unit, tops, rng) for tops in (one, two))
        tried = put_in_order(trees.aims, _exchanged(roster, unit, mine, theirs))
        now = broken(trees, tried)
        keep = ~now[one] & ~now[two]
        if keep.any():
            roster = put_in_order(trees.aims, _exchanged(roster, unit, mine[keep], theirs[keep]))
            bad[one[keep]] = False
    return roster


def broken(trees: Trees, roster: Roster) -> Booleans:
    """Top records in a forbidden cell, (top records,)."""
    arena = pack(roster, trees.aims.layout)
    return trees.mark(arena, trees.bad[:, None] > 0)[:, 0]


def _pairs(
    left: Integers, bad: Booleans, zoned: tuple[Integers, Integers, Integers], rng: np.random.Generator
) -> tuple[Integers, Integers]:
    """Each of the broken records with a sound one of its zone, no record twice."""
    zones, order, ends = zoned
    first, last = ends[zones[left]], ends[zones[left] + 1]
    partner = order[first + (rng.random(len(left)) * (last - first)).astype(np.int64)]
    _, once = np.unique(partner, return_index=True)
    once = once[~bad[partner[once]]]
    return left[once], partner[once]


def _member(roster: Roster, unit: int, tops: Integers, rng: np.random.Generator) -> Integers:
    """A row of one child of each top record."""
    length = roster.length[unit][tops]
    return np.asarray(roster.start[unit][tops] + (rng.random(len(tops)) * length).astype(np.int64))


def _exchanged(roster: Roster, unit: int, mine: Integers, theirs: Integers) -> Roster:
    codes = roster.codes[unit].copy()
    codes[mine], codes[theirs] = roster.codes[unit][theirs], roster.codes[unit][mine]
    return replace(roster, codes=(*roster.codes[:unit], codes, *roster.codes[unit + 1 :]))
