"""Heat maps of two-way tables: panels beside one another, rows named on the left, columns below."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, radians, sin

import numpy as np
from numpy.typing import NDArray

from llmsynthor.report import drawing
from llmsynthor.report.drawing import Plot, clipped, num, rect, shade, text, widest

Floats = NDArray[np.float64]
ROW_LABEL, COLUMN_LABEL = 160, 110
"""Pixels of the longest labels."""

TURN = 50
"""Degrees by which the labels of columns are turned."""

TIPS = 400
"""Cells of a panel up to which each says its number where a mouse rests on it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """A table as colours: `parts` lie between 0 and 1 on the ramp; labels of the ramp at such places."""

    title: str
    values: Floats
    parts: Floats
    ramp: Sequence[str]
    labels: Sequence[tuple[float, str]]


def heat_maps(
    panels: Sequence[Panel], rows: Sequence[str], columns: Sequence[str], most: tuple[int, int], said: str
) -> str:
    """Draw panels of one shape, no wider and higher than `most`; `said` is what the picture shows."""
    width = min(most[0], max(60, 30 * len(columns)))
    height = min(most[1], max(50, 16 * len(rows)))
    first, top = 14 + widest(rows, ROW_LABEL), 22
    below = 14 + sin(radians(TURN)) * widest(columns, COLUMN_LABEL)
    drawn, left = [], first
    for number, panel in enumerate(panels):
        plot = Plot(left=left, top=top, width=width, height=height)
        drawn += _cells(panel, plot, rows, columns)
        drawn += _named_rows(plot, rows) if number == 0 else []
        drawn += _named_columns(plot, columns)
        drawn += drawing.ladder(plot.right + 10, top, panel.ramp, panel.labels)
        left = plot.right + 34 + widest([words for _, words in panel.labels])
        left = max(left, plot.right + 10 + cos(radians(TURN)) * widest(columns[:1], COLUMN_LABEL))
    return drawing.picture(left, top + height + max(below, 74 - height), drawn, said)


def _cells(panel: Panel, plot: Plot, rows: Sequence[str], columns: Sequence[str]) -> list[str]:
    wide, high = plot.width / max(len(columns), 1), plot.height / max(len(rows), 1)
    tips = len(rows) * len(columns) <= TIPS
    drawn = [text(plot.left + plot.width / 2, plot.top - 8, panel.title, anchor="middle", bold=True)]
    drawn.append('<g stroke="#fff" stroke-width="0.5">')
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            tip = f"{row} · {column}: {drawing.say(float(panel.values[i, j]))}" if tips else ""
            x, y = plot.left + j * wide, plot.top + i * high
            drawn.append(rect(x, y, wide, high, fill=shade(panel.ramp, float(panel.parts[i, j])), tip=tip))
    return [*drawn, "</g>"]


def _named_rows(plot: Plot, rows: Sequence[str]) -> list[str]:
    high, every = plot.height / max(len(rows), 1), max(1, -(-len(rows) * 10 // max(int(plot.height), 1)))
    return [
        text(plot.left - 5, plot.top + (i + 0.5) * high + 3.5, clipped(row, ROW_LABEL), anchor="end")
        for i, row in enumerate(rows)
        if i % every == 0
    ]


def _named_columns(plot: Plot, columns: Sequence[str]) -> list[str]:
    wide, every = plot.width / max(len(columns), 1), max(1, -(-len(columns) * 10 // max(int(plot.width), 1)))
    drawn = []
    for j, column in enumerate(columns):
        if j % every == 0:
            x, y = plot.left + (j + 0.5) * wide + 3, plot.bottom + 10
            drawn.append(text(x, y, clipped(column, COLUMN_LABEL), anchor="end", turn=-TURN))
    return drawn


def amounts(title: str, values: Floats, top: float) -> Panel:
    """A panel of records, from none to the most of all panels."""
    labels = [(0.0, "0"), (1.0, drawing.say(float(num(top))))]
    return Panel(title=title, values=values, parts=values / top, ramp=drawing.BLUES, labels=labels)


def differences(title: str, values: Floats, end: float, labels: Sequence[tuple[float, str]] = ()) -> Panel:
    """A panel about nothing, from -`end` to `end`."""
    shown = labels or [(0.0, drawing.say(-end)), (0.5, "0"), (1.0, drawing.say(end))]
    return Panel(title=title, values=values, parts=0.5 + values / (2 * end), ramp=drawing.DIVERGING, labels=shown)
