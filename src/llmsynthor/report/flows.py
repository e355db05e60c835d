"""Pictures of flows, times and lengths: from where to where with both margins, stated against obtained, who does what by the hour,
and how far."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from llmsynthor.evaluation.compare import Comparison
from llmsynthor.report.charts import SYNTHETIC, TARGET, dressed, to_svg
from llmsynthor.spec.levels import Interval
from llmsynthor.spec.schema import Category, Numeric, Schema
from llmsynthor.spec.targets import Table

FEWEST, MOST_ZONES, MOST_POINTS = 12, 40, 3_000
"""Levels that both sides of a flow have at least; zones that are drawn, those with the most; points of a scatter."""

LENGTHS = ("km", "m", "mi", "mile", "miles", "metres", "meters", "kilometres", "kilometers")
"""Units of lengths."""


def _altair() -> Any:
    import altair  # noqa: PLC0415  (heavy)

    return altair


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
    altair, frame = _altair(), _frame(comparison)
    kept = [_largest(frame, side) for side in ("origin", "destination")]
    shown = frame.filter(pl.col("origin").is_in(kept[0]) & pl.col("destination").is_in(kept[1]))
    axis = altair.Axis(labels=False, ticks=False)
    matrix = (
        altair.Chart(altair.Data(values=shown.to_dicts()))
        .mark_rect()
        .encode(
            x=altair.X("destination:N", sort=kept[1], title=_columns(comparison)[1], axis=axis),
            y=altair.Y("origin:N", sort=kept[0], title=_columns(comparison)[0], axis=axis),
            color=altair.Color(
                "obtained:Q", scale=altair.Scale(scheme="blues", type="symlog"), legend=altair.Legend(title="obtained")
            ),
        )
        .properties(width=260, height=260)
    )
    top = _margin(altair, frame, "destination", kept[1], across=True).properties(width=260, height=46)
    side = _margin(altair, frame, "origin", kept[0], across=False).properties(width=46, height=260)
    flows = altair.vconcat(top, altair.hconcat(matrix, side, spacing=4), spacing=4)
    chart = altair.hconcat(flows, _scatter(altair, frame), spacing=26).resolve_scale(color="independent")
    return to_svg(dressed(chart), name)


def _largest(frame: pl.DataFrame, side: str) -> list[str]:
    sums = frame.group_by(side).agg(pl.col("stated").sum())
    return sums.sort(["stated", side], descending=[True, False])[side].head(MOST_ZONES).to_list()


def _margin(altair: Any, frame: pl.DataFrame, side: str, order: Sequence[str], *, across: bool) -> Any:
    """Stated as a grey bar, obtained as a blue line across it."""
    sums = frame.group_by(side).agg(pl.col("stated", "obtained").sum()).filter(pl.col(side).is_in(order))
    base = altair.Chart(altair.Data(values=sums.sort(side).to_dicts()))
    bare = altair.Axis(labels=False, ticks=False, grid=False)
    place = {"sort": list(order), "title": None, "axis": None}

    def drawn(mark: Any, value: str) -> Any:
        amount = {"title": None, "axis": bare}
        if across:
            return mark.encode(x=altair.X(f"{side}:N", **place), y=altair.Y(f"{value}:Q", **amount))
        return mark.encode(y=altair.Y(f"{side}:N", **place), x=altair.X(f"{value}:Q", **amount))

    return altair.layer(
        drawn(base.mark_bar(color=TARGET, opacity=0.6), "stated"),
        drawn(base.mark_tick(color=SYNTHETIC, thickness=2), "obtained"),
    )


def _scatter(altair: Any, frame: pl.DataFrame) -> Any:
    """Each different pair of stated and obtained once, on roots, with the line on which both are the same."""
    pairs = frame.select(pl.col("stated", "obtained").round(1)).unique(maintain_order=True)
    pairs = pairs.sort("stated", "obtained", descending=True).head(MOST_POINTS)
    most = float(pairs.to_numpy().max(initial=1.0))
    scale = altair.Scale(type="sqrt", domain=[0, most])
    points = altair.Chart(altair.Data(values=pairs.to_dicts())).mark_circle(size=14, color=SYNTHETIC, opacity=0.5)
    line = altair.Chart(altair.Data(values=[{"stated": x, "obtained": x} for x in (0.0, most)])).mark_line(color=TARGET)
    place = {
        "x": altair.X("stated:Q", scale=scale, axis=altair.Axis(tickCount=4)),
        "y": altair.Y("obtained:Q", scale=scale, axis=altair.Axis(tickCount=4)),
    }
    return altair.layer(line.encode(**place), points.encode(**place)).properties(width=230, height=230)


def draw_profile(comparison: Comparison, time: int, name: str) -> str:
    """Records by the time of day, stacked by the other column: as stated, and as obtained."""
    altair = _altair()
    rows = [
        {"from": level.low, "to": level.high, "what": str(cell[1 - time]), "order": k, **values}
        for k, (cell, values) in enumerate(zip(comparison.target.cells, _values(comparison), strict=True))
        if isinstance(level := cell[time], Interval)
    ]
    most = max(_stacks(rows, which) for which in ("stated", "obtained"))
    parts = [
        altair.Chart(altair.Data(values=rows), title=which)
        .mark_bar(stroke=None)
        .encode(
            x=altair.X("from:Q", title=_columns(comparison)[time], bin="binned", axis=altair.Axis(tickCount=8)),
            x2="to:Q",
            y=altair.Y(f"{which}:Q", title="records", stack=True, scale=altair.Scale(domain=[0, most])),
            color=altair.Color("what:N", sort=None, title=None, scale=altair.Scale(scheme="tableau10")),
        )
        .properties(width=230, height=170)
        for which in ("stated", "obtained")
    ]
    return to_svg(dressed(altair.hconcat(*parts, spacing=12)), name)


def _values(comparison: Comparison) -> list[dict[str, float]]:
    pairs = zip(comparison.wanted, comparison.got, strict=True)
    return [{"stated": float(wanted), "obtained": float(got)} for wanted, got in pairs]


def _stacks(rows: Sequence[Mapping[str, Any]], which: str) -> float:
    """The highest stack."""
    sums = dict[float, float]()
    for row in rows:
        sums[row["from"]] = sums.get(row["from"], 0.0) + row[which]
    return float(np.ceil(max(sums.values(), default=1.0)))
