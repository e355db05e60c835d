"""Pictures of flows, times and lengths: from where to where with both margins, stated against obtained, who does what by the hour,
and how far."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from llmsynthor.evaluation.compare import Comparison
from llmsynthor.report.charts import INDEPENDENT, SYNTHETIC, TARGET
from llmsynthor.report.vega import Chart, below, beside, by, chart, layered, to_svg
from llmsynthor.spec.levels import Interval
from llmsynthor.spec.schema import Category, Numeric, Schema
from llmsynthor.spec.targets import Table

FEWEST, MOST_ZONES, MOST_POINTS = 12, 40, 3_000
"""Levels that both sides of a flow have at least; zones that are drawn, those with the most; points of a scatter."""

LENGTHS = ("km", "m", "mi", "mile", "miles", "metres", "meters", "kilometres", "kilometers")
"""Units of lengths."""


def flow_pictures(schema: Schema, comparisons: Sequence[Comparison]) -> list[dict[str, str]]:
    """A matrix and a scatter of every table of flows, a profile of every table of a category by the time of day or by a length."""
    found = list[dict[str, str]]()
    for own in comparisons:
        table = own.target
        if not isinstance(table, Table) or len(table.columns) != 2:
            continue
        variables = [schema.find(table.unit, name)[1] for name in table.columns]
        number = len(found)
        if is_flow(own):
            note = f"Of {_levels(own, 0)} and {_levels(own, 1)} zones those with the most records are drawn."
            svg = draw_flow(own, f"flow{number}")
            found.append({"title": table.name, "svg": svg, "note": note})
        elif sum(isinstance(v, Category) for v in variables) == 1 and any(map(_is_drawn, variables)):
            at = next(k for k, v in enumerate(variables) if _is_drawn(v))
            svg = draw_profile(own, at, f"flow{number}")
            what = "What each part of the day is made of, all records of the day together."
            if not is_time(variables[at]):
                what = "How long they are, by bands as the table has them, all records of a band together."
            note = f"Left: stated. Right: obtained. {what}"
            found.append({"title": table.name, "svg": svg, "note": note})
    return found


def is_flow(comparison: Comparison) -> bool:
    """Whether both columns are places of one kind: many levels, most of them on both sides."""
    cells = comparison.target.cells
    sides = [{cell[k] for cell in cells if isinstance(cell[k], str)} for k in (0, 1)]
    return min(len(side) for side in sides) >= FEWEST and len(sides[0] & sides[1]) >= min(len(s) for s in sides) / 2


def is_time(variable: Any) -> bool:
    """Whether a number is a time of day, by its words."""
    if not isinstance(variable, Numeric):
        return False
    said = f"{variable.name} {variable.label} {variable.unit}".lower().replace("_", " ")
    return "clock" in said or "midnight" in said or (" hour" in f" {said}" and variable.range.high <= 30)


def is_length(variable: Any) -> bool:
    """Whether a number is a length, by its name, label or unit."""
    if not isinstance(variable, Numeric):
        return False
    said = f"{variable.name} {variable.label}".lower().replace("_", " ").split()
    return variable.unit.lower() in LENGTHS or "distance" in said


def _is_drawn(variable: Any) -> bool:
    return is_time(variable) or is_length(variable)


def _levels(comparison: Comparison, column: int) -> int:
    return len({cell[column] for cell in comparison.target.cells})


def _columns(comparison: Comparison) -> tuple[str, ...]:
    return comparison.target.columns if isinstance(comparison.target, Table) else comparison.target.by


def _frame(comparison: Comparison) -> pl.DataFrame:
    cells = comparison.target.cells
    return pl.DataFrame(
        {
            "origin": [str(cell[0]) for cell in cells],
            "destination": [str(cell[1]) for cell in cells],
            "stated": comparison.wanted,
            "obtained": comparison.got,
        }
    )


def draw_flow(comparison: Comparison, name: str) -> str:
    """The matrix as obtained between its margins (grey stated, blue obtained), beside a scatter of all cells."""
    frame = _frame(comparison)
    kept = [_largest(frame, side) for side in ("origin", "destination")]
    shown = frame.filter(pl.col("origin").is_in(kept[0]) & pl.col("destination").is_in(kept[1]))
    axis = {"labels": False, "ticks": False}
    matrix = chart(
        shown.to_dicts(),
        {"type": "rect"},
        width=260,
        height=260,
        x=by("destination:N", sort=kept[1], title=_columns(comparison)[1], axis=axis),
        y=by("origin:N", sort=kept[0], title=_columns(comparison)[0], axis=axis),
        color=by("obtained:Q", scale={"scheme": "blues", "type": "symlog"}, legend={"title": "obtained"}),
    )
    top = _margin(frame, "destination", kept[1], across=True)
    side = _margin(frame, "origin", kept[0], across=False)
    flows = below(top, beside(matrix, side, spacing=4), spacing=4)
    return to_svg(beside(flows, _scatter(frame), spacing=26) | INDEPENDENT, name)


def _largest(frame: pl.DataFrame, side: str) -> list[str]:
    sums = frame.group_by(side).agg(pl.col("stated").sum())
    return sums.sort(["stated", side], descending=[True, False])[side].head(MOST_ZONES).to_list()


def _margin(frame: pl.DataFrame, side: str, order: Sequence[str], *, across: bool) -> Chart:
    """Stated as a grey bar, obtained as a blue line across it."""
    sums = frame.group_by(side).agg(pl.col("stated", "obtained").sum()).filter(pl.col(side).is_in(order))
    rows = sums.sort(side).to_dicts()
    place = by(f"{side}:N", sort=list(order), title=None, axis=None)

    def drawn(mark: Chart, value: str) -> Chart:
        amount = by(f"{value}:Q", title=None, axis={"labels": False, "ticks": False, "grid": False})
        return chart(rows, mark, **({"x": place, "y": amount} if across else {"x": amount, "y": place}))

    stated = drawn({"type": "bar", "color": TARGET, "opacity": 0.6}, "stated")
    obtained = drawn({"type": "tick", "color": SYNTHETIC, "thickness": 2}, "obtained")
    return layered(stated, obtained, width=260 if across else 46, height=46 if across else 260)


def _scatter(frame: pl.DataFrame) -> Chart:
    """Each different pair of stated and obtained once, on roots, with the line on which both are the same."""
    pairs = frame.select(pl.col("stated", "obtained").round(1)).unique(maintain_order=True)
    pairs = pairs.sort("stated", "obtained", descending=True).head(MOST_POINTS)
    most = float(pairs.to_numpy().max(initial=1.0))
    place = {
        channel: by(f"{value}:Q", scale={"type": "sqrt", "domain": [0, most]}, axis={"tickCount": 4})
        for channel, value in (("x", "stated"), ("y", "obtained"))
    }
    line = chart([{"stated": x, "obtained": x} for x in (0.0, most)], {"type": "line", "color": TARGET}, **place)
    points = chart(pairs.to_dicts(), {"type": "circle", "size": 14, "color": SYNTHETIC, "opacity": 0.5}, **place)
    return layered(line, points, width=230, height=230)


def draw_profile(comparison: Comparison, time: int, name: str) -> str:
    """Records by the time of day, stacked by the other column: as stated, and as obtained."""
    rows = [
        {"from": level.low, "to": level.high, "what": str(cell[1 - time]), "order": k, **values}
        for k, (cell, values) in enumerate(zip(comparison.target.cells, _values(comparison), strict=True))
        if isinstance(level := cell[time], Interval)
    ]
    most = max(_stacks(rows, which) for which in ("stated", "obtained"))
    parts = [
        chart(
            rows,
            {"type": "bar", "stroke": None},
            title=which,
            width=230,
            height=170,
            x=by("from:Q", title=_columns(comparison)[time], bin="binned", axis={"tickCount": 8}),
            x2={"field": "to"},
            y=by(f"{which}:Q", title="records", stack=True, scale={"domain": [0, most]}),
            color=by("what:N", sort=None, title=None, scale={"scheme": "tableau10"}),
        )
        for which in ("stated", "obtained")
    ]
    return to_svg(beside(*parts, spacing=12), name)


def _values(comparison: Comparison) -> list[dict[str, float]]:
    pairs = zip(comparison.wanted, comparison.got, strict=True)
    return [{"stated": float(wanted), "obtained": float(got)} for wanted, got in pairs]


def _stacks(rows: Sequence[Mapping[str, Any]], which: str) -> float:
    """The highest stack."""
    sums = dict[float, float]()
    for row in rows:
        sums[row["from"]] = sums.get(row["from"], 0.0) + row[which]
    return float(np.ceil(max(sums.values(), default=1.0)))
