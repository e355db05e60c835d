"""The fewest records that must change, and what they become.

Where a condition is to hold fewer records, some that meet it, spread evenly, take over the variables that it is about from others
that are like them in all else: a donor that is alike in the most telling columns, in fewer where there is none (hot deck; Andridge
and Little 2010). Nothing else of a record changes, so that every table without these variables stays as it is, to the record.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from llmsynthor.errors import DataError, Problem
from llmsynthor.records.linked import Nested, evaluate_nested, nest
from llmsynthor.scenarios.atoms import Atoms, cut
from llmsynthor.scenarios.likeness import Likeness, likeness, moved_columns
from llmsynthor.spec.adjustments import Adjustment
from llmsynthor.spec.inputs import Column, base_columns, inputs
from llmsynthor.spec.schema import Schema
from llmsynthor.spec.specification import Spec

Rows = NDArray[np.int64]
Flags = NDArray[np.bool_]
NOBODY = -1
MOST_TRIES = 30
"""Times that a record whose new values break a rule is given others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """The records after all adjustments; `changed` (records,) by unit; `least` records had to change by each unit.

    `added` and `dropped` count records where their number was let change; `broken` those for which no donor was found whose
    values keep all rules beside their own.
    """

    nested: Nested
    changed: dict[str, Flags]
    least: dict[str, int]
    added: int = 0
    dropped: int = 0
    broken: int = 0


def move(spec: Spec, base: Nested, adjustments: Sequence[Adjustment], *, rng: np.random.Generator) -> Moved:
    """Apply adjustments to linked records: those over the same variables together, one set after the other."""
    schema = spec.schema
    state = Moved(
        nested=base,
        changed={name: np.zeros(frame.height, dtype=np.bool_) for name, frame in base.frames.items()},
        least={},
    )
    groups = _groups(adjustments, schema)
    for number, (unit, moved, group) in enumerate(groups):
        free = any(own.keep == "none" for own in group)
        atoms = cut([_holds(state.nested, own) for own in group], group, free=free)
        if free:
            state = _resized(state, unit, moved, atoms, rng)
            continue
        wanted = [own for other, _, own in groups[number + 1 :] if other == unit]
        state = _moved(spec, state, unit, moved, group, (atoms, _to_leave(state.nested, wanted)), rng)
    return state


def _to_leave(nested: Nested, groups: Sequence[Sequence[Adjustment]]) -> tuple[Flags, ...]:
    """For each set of adjustments that is still to come, the records some of which it will change."""
    found = list[Flags]()
    for group in groups:
        atoms = cut([_holds(nested, own) for own in group], group, free=any(own.keep == "none" for own in group))
        found.append((atoms.after < atoms.before)[atoms.of])
    return tuple(found)


def _groups(
    adjustments: Sequence[Adjustment], schema: Schema
) -> list[tuple[str, tuple[str, ...], tuple[Adjustment, ...]]]:
    """Adjustments of a unit whose conditions share a variable, with all variables that move."""
    found = list[tuple[str, frozenset[Column], tuple[Adjustment, ...]]]()
    for own in adjustments:
        names = frozenset((own.unit, name) for name in moved_columns(inputs(own.where, own.unit), own.unit, schema))
        near = [entry for entry in found if entry[1] & names]
        found = [entry for entry in found if entry not in near]
        together = (*(other for entry in near for other in entry[2]), own)
        found.append((own.unit, names.union(*(entry[1] for entry in near)), together))
    return [(unit, moved_columns(names, unit, schema), group) for unit, names, group in found]


def _holds(nested: Nested, adjustment: Adjustment) -> Flags:
    return np.asarray(evaluate_nested(adjustment.where, adjustment.unit, nested).to_numpy(), dtype=np.bool_)


def _moved(
    spec: Spec,
    state: Moved,
    unit: str,
    moved: tuple[str, ...],
    group: Sequence[Adjustment],
    about: tuple[Atoms, tuple[Flags, ...]],
    rng: np.random.Generator,
) -> Moved:
    like, (atoms, wanted) = likeness(state.nested, unit, moved), about
    first = np.sum([state.changed[unit] * (len(wanted) + 1), *wanted], axis=0)
    leaving = _leaving(atoms, like, first, rng)
    gains = np.maximum(atoms.after - atoms.before, 0)
    least = {**state.least, unit: max(state.least.get(unit, 0), int(gains.sum()))}
    if not len(leaving):
        return replace(state, least=least)
    donors, kinds = _donors(atoms, like, leaving, gains, rng)
    nested, broken = _settled(spec, state.nested, unit, moved, group, (atoms, leaving, donors, kinds), rng)
    changed = {**state.changed, unit: state.changed[unit].copy()}
    changed[unit][leaving] = True
    return replace(state, nested=nested, changed=changed, least=least, broken=state.broken + broken)


def _resized(state: Moved, unit: str, moved: tuple[str, ...], atoms: Atoms, rng: np.random.Generator) -> Moved:
    """Drop records, and add copies of others, evenly over what is alike."""
    if len(state.nested.frames) > 1:
        advice = "leave keep out: the number of records stays, others make room"
        what = "the number of records can change where there is one unit only"
        raise DataError(Problem(where=f"adjustments of {unit}", what=what, found="keep: none", advice=advice))
    like, frame = likeness(state.nested, unit, moved), state.nested.frames[unit]
    leaving = _leaving(atoms, like, np.zeros(frame.height, dtype=np.int64), rng)
    key = like.keys[-1] if like.keys else np.zeros(frame.height, dtype=np.int64)
    copies = [
        _spread(np.flatnonzero(atoms.of == atom), key, int(number), rng)
        for atom, number in enumerate(np.maximum(atoms.after - atoms.before, 0))
    ]
    kept = np.setdiff1d(np.arange(frame.height), leaving)
    rows = np.concatenate([kept, *copies])
    new = len(rows) - len(kept)
    numbered = frame[rows].with_columns(pl.int_range(1, len(rows) + 1, dtype=pl.Int64).alias(f"{unit}_id"))
    changed = np.concatenate([state.changed[unit][kept], np.ones(new, dtype=np.bool_)])
    return replace(
        state,
        nested=nest({unit: numbered}, state.nested.schema),
        changed={unit: changed},
        least={**state.least, unit: max(state.least.get(unit, 0), new + len(leaving))},
        added=state.added + new,
        dropped=state.dropped + len(leaving),
    )


def _leaving(atoms: Atoms, like: Likeness, first: Rows, rng: np.random.Generator) -> Rows:
    """Records that leave their atom, evenly over all that is alike: those first that change anyway, or will (`first`, the most)."""
    key = like.keys[-1] if like.keys else np.zeros(len(atoms.of), dtype=np.int64)
    found = [np.zeros(0, dtype=np.int64)]
    for atom, number in enumerate(np.maximum(atoms.before - atoms.after, 0)):
        rows, left = np.flatnonzero(atoms.of == atom), int(number)
        for rank in sorted(set(first[rows].tolist()), reverse=True):
            part = rows[first[rows] == rank]
            found.append(_spread(part, key, min(left, len(part)), rng))
            left -= len(found[-1])
    return np.concatenate(found)


def _spread(rows: Rows, key: Rows, number: int, rng: np.random.Generator) -> Rows:
    """So many of the rows, evenly over their keys."""
    if number <= 0:
        return rows[:0]
    order = rows[np.lexsort((rng.random(len(rows)), key[rows]))]
    return order[((np.arange(number) + rng.random()) * len(rows) / number).astype(np.int64) % len(rows)]


def _donors(atoms: Atoms, like: Likeness, leaving: Rows, gains: Rows, rng: np.random.Generator) -> tuple[Rows, Rows]:
    """A donor for each leaving record, and the atom that it goes to: alike in as many columns as there is room for."""
    donors, kinds = np.full(len(leaving), NOBODY), np.full(len(leaving), NOBODY)
    room = gains.copy()
    weight = (gains / np.maximum(atoms.before, 1))[atoms.of]
    givers = np.flatnonzero(weight > 0)
    everywhere = np.zeros(len(atoms.of), dtype=np.int64)
    for key in (*reversed(like.keys), everywhere):
        weight = (room / np.maximum(atoms.before, 1))[atoms.of]
        open_rows = np.flatnonzero(donors == NOBODY)
        if not len(open_rows) or not len(givers):
            break
        picks = _picked(givers, key, weight, key[leaving[open_rows]], rng)
        order = rng.permutation(np.flatnonzero(picks >= 0))
        for atom in np.flatnonzero(room > 0):
            taken = order[atoms.of[picks[order]] == atom][: int(room[atom])]
            donors[open_rows[taken]], kinds[open_rows[taken]] = picks[taken], atom
            room[atom] -= len(taken)
    for atom in np.flatnonzero(room > 0):
        rest = np.flatnonzero(donors == NOBODY)[: int(room[atom])]
        donors[rest], kinds[rest] = rng.choice(np.flatnonzero(atoms.of == atom), len(rest)), atom
    return donors, kinds


def _picked(givers: Rows, key: Rows, weight: NDArray[np.float64], wanted: Rows, rng: np.random.Generator) -> Rows:
    """For each wanted key a random giver of that key, by weight; NOBODY where there is none."""
    own = givers[np.argsort(key[givers], kind="stable")]
    keys, mass = key[own], np.concatenate([[0.0], np.cumsum(weight[own])])
    first, last = np.searchsorted(keys, wanted, side="left"), np.searchsorted(keys, wanted, side="right")
    point = mass[first] + rng.random(len(wanted)) * (mass[last] - mass[first])
    at = np.minimum(np.maximum(np.searchsorted(mass, point, side="right") - 1, first), np.maximum(last - 1, first))
    there = (last > first) & (mass[last] > mass[first])
    return np.where(there, own[np.minimum(at, len(own) - 1)], NOBODY)


def _settled(
    spec: Spec,
    nested: Nested,
    unit: str,
    moved: tuple[str, ...],
    group: Sequence[Adjustment],
    taken: tuple[Atoms, Rows, Rows, Rows],
    rng: np.random.Generator,
) -> tuple[Nested, int]:
    """Put the donors' values in; records that break a rule, or do not meet what they should, are given other donors."""
    atoms, leaving, donors, kinds = taken
    donors, after, odd = donors.copy(), nested, np.zeros(0, dtype=np.int64)
    for attempt in range(MOST_TRIES + 1):
        after = _with_values(nested, unit, moved, leaving, donors)
        odd = np.flatnonzero(_odd(spec, after, unit, group, atoms, leaving, kinds))
        if not len(odd) or attempt == MOST_TRIES:
            break
        for kind in np.unique(kinds[odd]):
            here = odd[kinds[odd] == kind]
            donors[here] = rng.choice(np.flatnonzero(atoms.of == kind), len(here))
    if len(odd) and len(spec.schema.units) == 1:  # the whole donor keeps all rules
        every = tuple(variable.name for variable in spec.schema[unit].coded)
        after = _with_values(after, unit, every, leaving[odd], donors[odd], source=nested)
    return after, len(odd)


def _with_values(
    nested: Nested, unit: str, names: Sequence[str], rows: Rows, donors: Rows, source: Nested | None = None
) -> Nested:
    """Records with values of donors in the named columns; what is derived is computed anew, texts are forgotten."""
    given = (source or nested).frames[unit]
    frame = nested.frames[unit]
    at = np.arange(frame.height)
    at[rows] = donors
    changed = np.zeros(frame.height, dtype=np.bool_)
    changed[rows] = True
    columns = [
        pl.select(pl.when(pl.Series(changed)).then(given[name].gather(at)).otherwise(frame[name]).alias(name))[name]
        for name in names
    ]
    texts = [text.name for text in nested.schema[unit].texts if text.name in frame.columns]
    columns += [
        pl.select(pl.when(pl.Series(changed)).then(None).otherwise(frame[name]).alias(name))[name] for name in texts
    ]
    return nest({**nested.frames, unit: frame.with_columns(columns)}, nested.schema)


def _odd(
    spec: Spec,
    after: Nested,
    unit: str,
    group: Sequence[Adjustment],
    atoms: Atoms,
    leaving: Rows,
    kinds: Rows,
) -> Flags:
    """Which of the changed records break a rule of their own unit, or meet other conditions than their atom."""
    met = np.stack([_holds(after, own)[leaving] for own in group], axis=1)
    odd: Flags = (met != atoms.signs[kinds]).any(axis=1)
    for rule in spec.rules:
        own = frozenset[Column]().union(*(base_columns(entry, spec.schema) for entry in inputs(rule.forbid, rule.unit)))
        if rule.unit == unit and {owner for owner, _ in own} <= {unit}:
            odd |= np.asarray(evaluate_nested(rule.forbid, unit, after).to_numpy(), dtype=np.bool_)[leaving]
    return odd
