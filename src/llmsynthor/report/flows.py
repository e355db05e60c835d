"""Pictures of flows, times and lengths: from where to where with both margins, stated against obtained, who does what by the hour,
and how far."""

from collections.abc import Mapping, Sequence
from itertools import cycle
from math import log1p, log10, sqrt
from typing import Any

import numpy as np
import polars as pl

from llmsynthor.evaluation.compare import Comparison
from llmsynthor.report import drawing
from llmsynthor.report.charts import SYNTHETIC, TARGET
from llmsynthor.report.drawing import Plot, Scale, clipped, line, num, picture, rect, shade, text, widest
from llmsynthor.spec.levels import Interval
from llmsynthor.spec.schema import Category, Numeric, Schema
from llmsynthor.spec.targets import Table

FEWEST, MOST_ZONES, MOST_POINTS = 12, 40, 3_000
"""Levels that both sides of a flow have at least; zones that are drawn, those with the most; points of a scatter."""

FAINT = 'opacity="0.55"'

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
        if is_flow(own):
            note = f"Of {_levels(own, 0)} and {_levels(own, 1)} zones those with the most records are drawn."
            svg = draw_flow(own)
            found.append({"title": table.name, "svg": svg, "note": note})
        elif sum(isinstance(v, Category) for v in variables) == 1 and any(map(_is_drawn, variables)):
            at = next(k for k, v in enumerate(variables) if _is_drawn(v))
            svg = draw_profile(own, at)
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


def draw_flow(comparison: Comparison) -> str:
    """The matrix as obtained between its margins (grey stated, blue obtained), beside a scatter of all cells."""
    frame = _frame(comparison)
    kept = [_largest(frame, side) for side in ("origin", "destination")]
    names = _columns(comparison)
    matrix = Plot(left=26, top=64, width=260, height=260)
    drawn = _matrix(frame, kept, matrix)
    drawn += _margin(frame, "destination", kept[1], Plot(left=matrix.left, top=14, width=matrix.width, height=46))
    drawn += _margin(frame, "origin", kept[0], Plot(left=matrix.right + 4, top=matrix.top, width=46, height=260))
    drawn.append(text(matrix.left + matrix.width / 2, matrix.bottom + 16, names[1], anchor="middle", bold=True))
    drawn.append(text(14, matrix.top + matrix.height / 2, names[0], anchor="middle", turn=-90, bold=True))
    most = float(frame["obtained"].cast(pl.Float64).max() or 1.0)  # type: ignore[arg-type]
    labels = [(log1p(mark) / log1p(most), drawing.say(mark)) for mark in (0.0, *_powers(most))]
    drawn += drawing.ladder(matrix.right + 64, matrix.top + 8, drawing.BLUES, labels, "obtained")
    drawn += _scatter(frame, Plot(left=matrix.right + 190, top=matrix.top, width=230, height=230))
    return picture(matrix.right + 440, matrix.bottom + 36, drawn, f"flows from {names[0]} to {names[1]}")


def _matrix(frame: pl.DataFrame, kept: Sequence[Sequence[str]], plot: Plot) -> list[str]:
    """Cells of the zones that are kept, darker by the logarithm of their records."""
    shown = frame.filter(pl.col("origin").is_in(kept[0]) & pl.col("destination").is_in(kept[1]))
    down, across = ({name: k for k, name in enumerate(side)} for side in kept)
    wide, high = plot.width / max(len(across), 1), plot.height / max(len(down), 1)
    most = log1p(float(frame["obtained"].cast(pl.Float64).max() or 1.0))  # type: ignore[arg-type]
    drawn = []
    for origin, destination, _, obtained in shown.iter_rows():
        x, y = plot.left + across[destination] * wide, plot.top + down[origin] * high
        drawn.append(rect(x, y, wide, high, fill=shade(drawing.BLUES, log1p(max(obtained, 0.0)) / (most or 1.0))))
    return drawn


def _powers(most: float) -> list[float]:
    """Powers of ten up to the most, the last few."""
    return [10.0**k for k in range(int(log10(max(most, 1.0))) + 1)][-4:]


def _largest(frame: pl.DataFrame, side: str) -> list[str]:
    sums = frame.group_by(side).agg(pl.col("stated").sum())
    return sums.sort(["stated", side], descending=[True, False])[side].head(MOST_ZONES).to_list()


def _margin(frame: pl.DataFrame, side: str, order: Sequence[str], plot: Plot) -> list[str]:
    """Stated as a grey bar, obtained as a blue line across it; a plot that is higher than wide has bars to the right."""
    sums = {name: values for name, *values in frame.group_by(side).agg(pl.col("stated", "obtained").sum()).iter_rows()}
    most = max(max(values) for values in sums.values()) or 1.0
    band, drawn = max(plot.width, plot.height) / max(len(order), 1), []
    for k, name in enumerate(order):
        stated, obtained = (value / most for value in sums[name])
        if plot.width >= plot.height:
            x = plot.left + k * band
            high, y = stated * plot.height, plot.bottom - obtained * plot.height
            drawn.append(rect(x, plot.bottom - high, 0.9 * band, high, fill=TARGET, more=FAINT))
            drawn.append(line(x, y, x + 0.9 * band, y, stroke=SYNTHETIC, width=2))
        else:
            y, x = plot.top + k * band, plot.left + obtained * plot.width
            drawn.append(rect(plot.left, y, stated * plot.width, 0.9 * band, fill=TARGET, more=FAINT))
            drawn.append(line(x, y, x, y + 0.9 * band, stroke=SYNTHETIC, width=2))
    return drawn


def _scatter(frame: pl.DataFrame, plot: Plot) -> list[str]:
    """Each different pair of stated and obtained once, on roots, with the line on which both are the same."""
    pairs = frame.select(pl.col("stated", "obtained").round(1)).unique(maintain_order=True)
    pairs = pairs.sort("stated", "obtained", descending=True).head(MOST_POINTS)
    most = float(pairs.to_numpy().max(initial=1.0))
    across, up = plot.across(0, sqrt(most)), plot.up(0, sqrt(most))
    marks = drawing.ticks(0, most, 4)
    drawn = drawing.axis_below(plot, lambda value: across(sqrt(value)), marks, "stated")
    drawn += drawing.axis_beside(plot, lambda value: up(sqrt(value)), marks, "obtained")
    drawn.append(line(plot.left, plot.bottom, plot.right, plot.top, stroke=TARGET, width=2))
    drawn.append(f'<g fill="{SYNTHETIC}" {FAINT}>')
    for stated, obtained in pairs.iter_rows():
        x, y = across(sqrt(max(stated, 0.0))), up(sqrt(max(obtained, 0.0)))
        drawn.append(f'<circle cx="{num(x)}" cy="{num(y)}" r="2.1"/>')
    return [*drawn, "</g>"]


def draw_profile(comparison: Comparison, time: int) -> str:
    """Records by the time of day, stacked by the other column: as stated, and as obtained."""
    rows: list[dict[str, Any]] = [
        {"from": level.low, "to": level.high, "what": str(cell[1 - time]), **values}
        for cell, values in zip(comparison.target.cells, _values(comparison), strict=True)
        if isinstance(level := cell[time], Interval)
    ]
    most = max(_stacks(rows, which) for which in ("stated", "obtained"))
    colours = dict(zip(dict.fromkeys(row["what"] for row in rows), cycle(drawing.CATEGORIES), strict=False))
    low, high = min(row["from"] for row in rows), max(row["to"] for row in rows)
    marks = drawing.ticks(0, most, 5)
    left, drawn = 32 + widest([drawing.say(mark) for mark in marks]), list[str]()
    for which in ("stated", "obtained"):
        plot = Plot(left=left, top=24, width=230, height=170)
        x, y = plot.across(low, high), plot.up(0, most)
        drawn.append(text(plot.left + plot.width / 2, 12, which, anchor="middle", bold=True))
        drawn += drawing.axis_below(plot, x, drawing.ticks(low, high, 8), _columns(comparison)[time], grid=False)
        drawn += drawing.axis_beside(plot, y, marks, "records" if which == "stated" else "")
        drawn += _stacked(rows, which, colours, (x, y))
        left = plot.right + 22 + widest([drawing.say(mark) for mark in marks])
    for k, (what, colour) in enumerate(colours.items()):
        drawn += [rect(left - 20, 24 + 15 * k, 10, 10, fill=colour), text(left - 6, 33 + 15 * k, clipped(what, 150))]
    width = left + 10 + widest(list(colours), 150)
    return picture(width, max(230, 34 + 15 * len(colours)), drawn, f"records by {_columns(comparison)[time]}")


def _stacked(
    rows: Sequence[Mapping[str, Any]], which: str, colours: Mapping[str, str], scales: tuple[Scale, Scale]
) -> list[str]:
    """Boxes one on another, the first of the table below."""
    reached, drawn = dict[float, float](), []
    for row in rows:
        base = reached.get(row["from"], 0.0)
        reached[row["from"]] = base + row[which]
        x, y = scales[0](row["from"]), scales[1](base + row[which])
        wide, high = scales[0](row["to"]) - x, scales[1](base) - y
        tip = f"{row['what']}: {drawing.say(row[which])}"
        drawn.append(rect(x + 0.3, y, wide - 0.6, high, fill=colours[row["what"]], tip=tip))
    return drawn


def _values(comparison: Comparison) -> list[dict[str, float]]:
    pairs = zip(comparison.wanted, comparison.got, strict=True)
    return [{"stated": float(wanted), "obtained": float(got)} for wanted, got in pairs]


def _stacks(rows: Sequence[Mapping[str, Any]], which: str) -> float:
    """The highest stack."""
    sums = dict[float, float]()
    for row in rows:
        sums[row["from"]] = sums.get(row["from"], 0.0) + row[which]
    return float(np.ceil(max(sums.values(), default=1.0)))
