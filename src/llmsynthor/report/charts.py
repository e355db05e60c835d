"""Pictures as inline SVG: distributions, two-way tables, what goes together, how a run went."""

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from llmsynthor.evaluation.compare import Comparison
from llmsynthor.report import drawing
from llmsynthor.report.drawing import Plot, clipped, line, picture, rect, text, widest
from llmsynthor.report.heat import amounts, differences, heat_maps
from llmsynthor.spec.levels import Interval, Level
from llmsynthor.spec.targets import Table

TARGET, SYNTHETIC, WORST = "#8a8f98", "#0b6fb8", "#c4572e"
MOST_LEVELS = 40
"""Levels of one column that are drawn; of a longer one those with the most records."""

WIDE = 3
"""A last bin so many times as wide as all before it together is not drawn to its end."""

STEEP = 20
"""A bin with so many times the density of every other is left out of the picture, and said in words."""

MOST_DOUBLINGS = 4
"""Where the colours of a lift end: 16 times as often as by chance, or a sixteenth."""

LEVEL_LABEL, FEW_POINTS = 150, 15
"""Pixels of the longest name of a level; points of a curve below which each is marked."""

Floats = NDArray[np.float64]


def draw_distribution(levels: Sequence[Level], wanted: Floats | None, got: Floats) -> tuple[str, str]:
    """Target (where there is one) beside synthetic: bars for categories, for numbers densities, so that bins of any width compare.

    Returns the picture and a word about what is left out.
    """
    if isinstance(levels[0], Interval):
        kept, spike = _without_spike(levels, got)
        levels, got = [levels[k] for k in kept], got[kept]
        ends, word = _drawn_ends(levels)
        drawn = _densities(levels, ends, None if wanted is None else wanted[kept], got)
        return drawn, " ".join(part for part in (spike, word) if part)
    word = f"The {MOST_LEVELS} largest of {len(levels)} levels are drawn." if len(levels) > MOST_LEVELS else ""
    return _bars(levels, wanted, got), word


def _without_spike(levels: Sequence[Level], got: Floats) -> tuple[list[int], str]:
    """The bins that are drawn, without one so narrow and full that the others could not be seen (incomes of 0); and a word."""
    widths = np.array([level.high - level.low for level in levels if isinstance(level, Interval)])
    order = np.argsort(-got / widths, kind="stable")
    every = list(range(len(levels)))
    if len(levels) <= 2 or got[order[0]] / widths[order[0]] <= STEEP * got[order[1]] / widths[order[1]]:
        return every, ""
    first = int(order[0])
    said = f"{levels[first]} is not drawn: its {got[first]:,.0f} records would hide all others."
    return [k for k in every if k != first], said


def _drawn_ends(levels: Sequence[Level]) -> tuple[list[float], str]:
    """Where each bin ends in the picture: a last one that is much wider than all before it is cut, and a word says so."""
    bins = [level for level in levels if isinstance(level, Interval)]
    ends, last = [level.high for level in bins], max(range(len(bins)), key=lambda k: bins[k].low)
    before = bins[last].low - min(level.low for level in bins)
    if not 0 < before < (bins[last].high - bins[last].low) / WIDE:
        return ends, ""
    ends[last] = bins[last].low + before / 4
    return ends, f"The last bin, drawn short, reaches to {bins[last].high:,g}."


def _bars(levels: Sequence[Level], wanted: Floats | None, got: Floats) -> str:
    order = np.argsort(-(got if wanted is None else wanted), kind="stable")[:MOST_LEVELS]
    series = [("synthetic", SYNTHETIC, got)]
    series = series if wanted is None else [("target", TARGET, wanted), *series]
    names = [str(levels[k]) for k in order]
    plot = Plot(left=14 + widest(names, LEVEL_LABEL), top=6, width=210, height=max(60, 22 * len(names)))
    most = max(float(values[order].max()) for _, _, values in series) or 1.0
    scale, band = plot.across(0, most), plot.height / len(names)
    drawn = drawing.axis_below(plot, scale, drawing.ticks(0, most, 4), "records")
    thick = 0.8 * band / len(series)
    for i, (k, name) in enumerate(zip(order, names, strict=True)):
        top = plot.top + band * (i + 0.1)
        drawn.append(text(plot.left - 5, top + 0.4 * band + 3.5, clipped(name, LEVEL_LABEL), anchor="end"))
        for number, (which, colour, values) in enumerate(series):
            tip = f"{name}, {which}: {drawing.say(float(values[k]))}"
            long = scale(float(values[k])) - plot.left
            drawn.append(rect(plot.left, top + number * thick, long, thick, fill=colour, tip=tip))
    return picture(plot.right + 22, plot.bottom + 36, drawn, "records by level")


def _densities(levels: Sequence[Level], ends: Sequence[float], wanted: Floats | None, got: Floats) -> str:
    lows = np.array([level.low for level in levels if isinstance(level, Interval)])
    widths = np.array([level.high - level.low for level in levels if isinstance(level, Interval)])
    highs, synthetic = np.array(ends), got / widths
    area = synthetic if wanted is None else wanted / widths
    top = float(max(synthetic.max(), area.max())) or 1.0
    marks = drawing.ticks(0, top, 4)
    plot = Plot(left=32 + widest([drawing.say(mark) for mark in marks]), top=6, width=260, height=130)
    low, high = float(lows.min()), float(highs.max())
    x, y = plot.across(low, high), plot.up(0, top)
    drawn = drawing.axis_below(plot, x, drawing.ticks(low, high, 5), grid=False)
    drawn += drawing.axis_beside(plot, y, marks, "records per unit")
    faint, colour = 'opacity="0.45"', SYNTHETIC if wanted is None else TARGET
    for k in np.argsort(lows, kind="stable"):
        left, right = x(float(lows[k])), x(float(highs[k]))
        reach = y(float(area[k]))
        tip = f"{levels[k]}: {drawing.say(float(got[k]))}"
        tip += "" if wanted is None else f", target {drawing.say(float(wanted[k]))}"
        drawn.append(rect(left, reach, right - left, plot.bottom - reach, fill=colour, more=faint, tip=tip))
        drawn.append(line(left, y(float(synthetic[k])), right, y(float(synthetic[k])), stroke=SYNTHETIC, width=2))
    return picture(plot.right + 16, plot.bottom + 24, drawn, "records per unit by value")


def draw_two_way(comparison: Comparison) -> tuple[str, str]:
    """Heat maps of target, synthetic and difference; returns the picture and a word about what is left out."""
    rows, columns, wanted, got = _matrix(comparison)
    down, across = _largest(wanted.sum(axis=1)), _largest(wanted.sum(axis=0))
    left_out = wanted.sum() - wanted[np.ix_(down, across)].sum()
    wanted, got = wanted[np.ix_(down, across)], got[np.ix_(down, across)]
    off = (got - wanted).round(6)
    top, end = max(1.0, float(wanted.max()), float(got.max())), max(1.0, float(np.abs(off).max()))
    panels = [
        amounts("target", wanted, top),
        amounts("synthetic", got, top),
        differences("synthetic − target", off, end),
    ]
    names = [rows[i] for i in down], [columns[j] for j in across]
    drawn = heat_maps(panels, *names, (240, 480), "target, synthetic and their difference")
    return drawn, f"The largest levels are drawn; {left_out:,.0f} records are in others." if left_out > 0.5 else ""


def draw_lifts(comparison: Comparison) -> str:
    """How often levels go together beside chance, as assumed and in the records: heat maps of the ratio, on a log scale."""
    rows, columns, wanted, got = _matrix(comparison)
    down, across = _largest(wanted.sum(axis=1)), _largest(wanted.sum(axis=0))
    end = float(MOST_DOUBLINGS)
    labels = [(0.0, f"1/{2**MOST_DOUBLINGS}"), (0.5, "1 times"), (1.0, str(2**MOST_DOUBLINGS))]
    panels = [
        differences(which, _lift(table)[np.ix_(down, across)], end, labels)
        for which, table in (("assumed", wanted), ("in the records", got))
    ]
    names = [rows[i] for i in down], [columns[j] for j in across]
    return heat_maps(panels, *names, (240, 300), "how often levels go together, beside chance")


def _lift(table: Floats) -> Floats:
    """Binary logarithm of a table over what its margins alone would make of it, within twice MOST_DOUBLINGS."""
    chance = np.outer(table.sum(axis=1), table.sum(axis=0)) / max(table.sum(), 1e-12)
    lift = np.log2(np.maximum(table, 1e-9) / np.maximum(chance, 1e-9))
    return np.asarray(np.where(chance > 0, np.clip(lift, -2 * MOST_DOUBLINGS, 2 * MOST_DOUBLINGS), 0.0).round(4))


def _matrix(comparison: Comparison) -> tuple[list[str], list[str], Floats, Floats]:
    """Lay a table out flat: the last column across, the others joined down."""
    assert isinstance(comparison.target, Table)
    cells = comparison.target.cells
    down = {cell[:-1]: None for cell in cells}
    across = sorted({cell[-1]: None for cell in cells}, key=_order)
    downs = sorted(down, key=lambda names: tuple(_order(name) for name in names))
    position = {names: k for k, names in enumerate(downs)}, {name: k for k, name in enumerate(across)}
    wanted, got = (np.zeros((len(downs), len(across))) for _ in range(2))
    for k, cell in enumerate(cells):
        place = position[0][cell[:-1]], position[1][cell[-1]]
        wanted[place], got[place] = comparison.wanted[k], comparison.got[k]
    return [" · ".join(str(n) for n in names) for names in downs], [str(name) for name in across], wanted, got


def _order(level: Level) -> tuple[float, str]:
    return (level.low, "") if isinstance(level, Interval) else (0.0, level)


def _largest(sums: Floats) -> list[int]:
    return sorted(int(k) for k in np.argsort(-sums, kind="stable")[:MOST_LEVELS])


def draw_history(history: pl.DataFrame, stage: str) -> str:
    """Discrepancy (or, while aligning, TVD) by iteration of one stage."""
    own = history.filter(pl.col("stage") == stage).select("iteration", "discrepancy", "tvd", "worst_tvd")
    curves = [("mean TVD", "tvd", SYNTHETIC), ("worst TVD", "worst_tvd", WORST)]
    curves += [("share still missing", "discrepancy", TARGET)] if stage == "proposals" else []
    steps = own["iteration"].cast(pl.Float64).to_numpy()
    values = {key: own[key].cast(pl.Float64).fill_null(float("nan")).to_numpy() for _, key, _ in curves}
    top = float(np.nanmax([np.nanmax(v, initial=0.0) for v in values.values()])) or 1.0
    marks = drawing.ticks(0, top, 5)
    plot = Plot(left=22 + widest([drawing.say(mark) for mark in marks]), top=24, width=260, height=140)
    first, last = float(steps.min()), float(max(steps.max(), steps.min() + 1))
    x, y = plot.across(first, last), plot.up(0, top)
    whole = [mark for mark in drawing.ticks(first, last, 6) if mark == round(mark)]
    drawn = drawing.axis_below(plot, x, whole, "iteration", grid=False) + drawing.axis_beside(plot, y, marks)
    at = plot.left
    for label, key, colour in curves:
        drawn += [line(at, 10, at + 14, 10, stroke=colour, width=2), text(at + 18, 13.5, label)]
        at += 32 + drawing.width_of(label)
        points = [(x(float(s)), y(float(v))) for s, v in zip(steps, values[key], strict=True) if np.isfinite(v)]
        drawn += drawing.curve(points, colour, marked=len(points) < FEW_POINTS)
    return picture(max(plot.right, at) + 14, plot.bottom + 36, drawn, f"{curves[0][0]} by iteration")
