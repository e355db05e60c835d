"""Realization of nested records: codes of all units become frames that hang together.

Numbers are drawn inside their cells. Where a derived variable, a universe or a rule depends on the numbers themselves, those of
a top record are drawn back towards the values that the alignment reckoned with, until everything falls where it was aligned.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from llmsynthor.aims.aims import Aims
from llmsynthor.aims.grid import Axis, whole_or_not
from llmsynthor.aims.layout import Place
from llmsynthor.population.roster import Roster
from llmsynthor.realization.seconds import meet_seconds
from llmsynthor.realization.sums import meet_sums
from llmsynthor.realization.values import draw_column
from llmsynthor.records.linked import evaluate_nested, nest
from llmsynthor.spec.schema import Category, Numeric, Schema

HALVINGS = 8
"""How often numbers come half the way nearer to the values reckoned with, before they become just these."""

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Drawn:
    """Frames with ids, and for each numeric own column its first values and those reckoned with; `tops[u]` (records,)."""

    aims: Aims
    frames: dict[str, pl.DataFrame]
    numbers: dict[Place, tuple[Floats, Floats]]
    tops: tuple[Rows, ...]
    wanted: Mapping[Place, NDArray[np.int32]]


def realize_nested(
    aims: Aims,
    roster: Roster,
    computed: Mapping[Place, NDArray[np.int32]],
    *,
    rng: np.random.Generator,
    schema: Schema | None = None,
    known: Mapping[tuple[int, str], Floats] | None = None,
) -> dict[str, pl.DataFrame]:
    """Give all records their values; a frame per unit with ids, its variables, derived ones, and `proposal_id`.

    Children of one parent stand together and in order; ids count from 1. With `schema` only its derived variables are kept: the
    aims may have more, for estimates. `computed` has the code of every computed column; `known` numbers, by unit and variable, that
    are not drawn (NaN where they are).
    """
    drawn = _draw(aims, roster, computed, known or {}, rng)
    frames = _pull(drawn)
    frames = meet_sums(aims, roster, frames, drawn.tops, lambda moved: _off(drawn, moved, None), known or {})
    completed = nest(frames, aims.layout.schema).frames
    schema = schema or aims.layout.schema
    found = {}
    for number, unit in enumerate(schema.units):
        origin = pl.Series("proposal_id", roster.proposal[drawn.tops[number]])
        named = [variable.name for variable in unit.shown]
        texts = [pl.lit(None, dtype=pl.String).alias(text.name) for text in unit.texts]
        ids = [f"{unit.name}_id", *([f"{unit.parent}_id"] if unit.parent is not None else [])]
        frame = completed[unit.name].with_columns(texts).select(*ids, *named)
        found[unit.name] = frame.with_columns(
            pl.select(pl.when(origin >= 0).then(origin).alias("proposal_id"))["proposal_id"]
        )
    return found


def _draw(
    aims: Aims,
    roster: Roster,
    computed: Mapping[Place, NDArray[np.int32]],
    known: Mapping[tuple[int, str], Floats],
    rng: np.random.Generator,
) -> _Drawn:
    layout = aims.layout
    frames, numbers, tops = {}, dict[Place, tuple[Floats, Floats]](), list[Rows]()
    for number, unit in enumerate(layout.units):
        size = len(roster.codes[number])
        columns = [pl.Series(f"{unit.name}_id", np.arange(1, size + 1))]
        if unit.parent is None:
            tops.append(np.arange(size))
        else:
            parent = layout.parent(number)
            rows = np.repeat(np.arange(len(roster.codes[parent])), roster.length[number])
            columns.append(pl.Series(f"{unit.parent}_id", rows + 1))
            tops.append(tops[parent][rows])
        for position in range(layout.n_own(number)):
            series = _column(aims, roster, (number, position), rng)
            if (number, series.name) in known:
                series = _keep(series, known[number, series.name])
            columns.append(series)
        free = {name: ~np.isfinite(values) for (owner, name), values in known.items() if owner == number}
        frame = meet_seconds(aims.own[number], roster.codes[number], pl.DataFrame(columns), free)
        for position, column in enumerate(layout.columns[number][: layout.n_own(number)]):
            if isinstance(column.axis.variable, Numeric):
                reckoned = layout.values[number, position][roster.codes[number][:, position]]
                numbers[number, position] = (frame[column.name].to_numpy().astype(np.float64), reckoned)
        frames[unit.name] = frame
    return _Drawn(aims=aims, frames=frames, numbers=numbers, tops=tuple(tops), wanted=computed)


def _keep(series: pl.Series, known: Floats) -> pl.Series:
    """Numbers that are known, and the drawn ones where none is."""
    stay = np.isfinite(known)
    return pl.Series(series.name, np.where(stay, np.nan_to_num(known), series.to_numpy())).cast(series.dtype)


def _column(aims: Aims, roster: Roster, place: Place, rng: np.random.Generator) -> pl.Series:
    unit, position = place
    return draw_column(aims.own[unit], roster.codes[unit], position, rng)


def _pull(drawn: _Drawn) -> dict[str, pl.DataFrame]:
    """Draw numbers back until every computed column has the code that it was aligned with."""
    frames = dict(drawn.frames)
    off = _off(drawn, frames, None)
    strength = 1.0
    for halving in range(HALVINGS + 1):
        if not off.any():
            break
        strength = strength / 2 if halving < HALVINGS else 0.0
        chosen = np.flatnonzero(off)
        part = {
            unit.name: _nearer(drawn, frames[unit.name], number, off, strength)
            for number, unit in enumerate(drawn.aims.layout.units)
        }
        for number, unit in enumerate(drawn.aims.layout.units):
            rows = np.flatnonzero(off[drawn.tops[number]])
            names = [name for name in part[unit.name].columns if not name.endswith("_id")]
            changed = [frames[unit.name][name].scatter(rows, part[unit.name][name]) for name in names]
            frames[unit.name] = frames[unit.name].with_columns(changed)
        still = _off(drawn, part, off)
        off = np.zeros_like(off)
        off[chosen[still[chosen]]] = True
    return frames


def _nearer(drawn: _Drawn, frame: pl.DataFrame, number: int, off: NDArray[np.bool_], strength: float) -> pl.DataFrame:
    """The records of the top records that are off, their numbers nearer to the values reckoned with."""
    rows = np.flatnonzero(off[drawn.tops[number]])
    changed = []
    for (unit, position), (first, reckoned) in drawn.numbers.items():
        if unit == number:
            axis = drawn.aims.layout.columns[unit][position].axis
            values = reckoned[rows] + strength * (first[rows] - reckoned[rows])
            changed.append(pl.Series(axis.name, whole_or_not(axis, values)))
    return frame[rows].with_columns(changed)


def _off(drawn: _Drawn, frames: dict[str, pl.DataFrame], chosen: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
    """Say which top records have a computed column off its code, shape (top records,); `chosen` are those in the frames."""
    layout = drawn.aims.layout
    nested = nest(frames, layout.schema)
    off = np.zeros(int(drawn.tops[0].max(initial=-1)) + 1, dtype=bool)
    for unit, position in layout.order:
        column, name = layout.columns[unit][position], layout.units[unit].name
        if column.role == "value":
            continue
        rows = np.arange(len(drawn.tops[unit])) if chosen is None else np.flatnonzero(chosen[drawn.tops[unit]])
        assert column.expression is not None
        if column.role == "derived" and column.name in nested.frames[name].columns:
            got = codes_of(nested.frames[name][column.name], column.axis)
        elif column.role == "derived":
            got = codes_of(evaluate_nested(column.expression, name, nested), column.axis)
        else:
            got = evaluate_nested(column.expression, name, nested).to_numpy().astype(np.int64)
        wanted = drawn.wanted[unit, position][rows]
        off[drawn.tops[unit][rows[got != wanted]]] = True
    return off


def codes_of(values: pl.Series, axis: Axis) -> Rows:
    """Code of each value on an axis; one past the last where it is missing or outside."""
    if isinstance(axis.variable, Category):
        table = pl.DataFrame({"level": [str(level) for level in axis.levels], "code": np.arange(axis.size)})
        joined = pl.DataFrame({"level": values}).join(table, on="level", how="left", maintain_order="left")
        return joined["code"].fill_null(axis.size).to_numpy().astype(np.int64)
    numbers = values.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    breaks = axis.breaks
    inside = (numbers >= breaks[0]) & (numbers < breaks[-1])
    return np.where(inside, np.searchsorted(breaks, numbers, side="right") - 1, axis.size)
