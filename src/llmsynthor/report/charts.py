"""Pictures as inline SVG, drawn offline by vl-convert from descriptions in Vega-Lite. The same data give the same bytes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from llmsynthor.evaluation.compare import Comparison
from llmsynthor.report.vega import Chart, beside, by, chart, layered, to_svg
from llmsynthor.spec.coded import coded_columns
from llmsynthor.spec.levels import Interval, Level
from llmsynthor.spec.targets import Table

TARGET, SYNTHETIC = "#8a8f98", "#0b6fb8"
MOST_LEVELS = 40
"""Levels of one column that are drawn; of a longer one those with the most records."""

WIDE = 3
"""A last bin so many times as wide as all before it together is not drawn to its end."""

STEEP = 20
"""A bin with so many times the density of every other is left out of the picture, and said in words."""

INDEPENDENT = {"resolve": {"scale": {"color": "independent"}}}
"""Each part of a picture with a scale of its own for colours."""

Floats = NDArray[np.float64]


def draw_distribution(levels: Sequence[Level], wanted: Floats | None, got: Floats, name: str) -> tuple[str, str]:
    """Target (where there is one) beside synthetic: bars for categories, for numbers densities, so that bins of any width compare.

    Returns the picture and a word about what is left out.
    """
    if isinstance(levels[0], Interval):
        kept, spike = _without_spike(levels, got)
        levels, got = [levels[k] for k in kept], got[kept]
        ends, word = _drawn_ends(levels)
        drawn = _densities(levels, ends, None if wanted is None else wanted[kept], got)
        return to_svg(drawn, name), " ".join(part for part in (spike, word) if part)
    word = f"The {MOST_LEVELS} largest of {len(levels)} levels are drawn." if len(levels) > MOST_LEVELS else ""
    return to_svg(_bars(levels, wanted, got), name), word


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


def _bars(levels: Sequence[Level], wanted: Floats | None, got: Floats) -> Chart:
    order = np.argsort(-(got if wanted is None else wanted), kind="stable")[:MOST_LEVELS]
    drawn = [("synthetic", got)] if wanted is None else [("target", wanted), ("synthetic", got)]
    rows = [
        {"level": str(levels[k]), "which": which, "records": float(values[k])} for k in order for which, values in drawn
    ]
    shown = [str(levels[k]) for k in order]
    return chart(
        rows,
        {"type": "bar", "height": {"band": 0.8}},
        width=210,
        height=max(60, 22 * len(shown)),
        y=by("level:N", sort=shown, title=None, axis={"labelLimit": 150}),
        x=by("records:Q", title="records", axis={"tickCount": 4, "format": ",.0f"}),
        yOffset=by("which:N", sort=[which for which, _ in drawn]),
        color=by("which:N", scale={"domain": ["target", "synthetic"], "range": [TARGET, SYNTHETIC]}, legend=None),
    )


def _densities(levels: Sequence[Level], ends: Sequence[float], wanted: Floats | None, got: Floats) -> Chart:
    rows = []
    for k, level in enumerate(levels):
        if isinstance(level, Interval):
            width = level.high - level.low
            row = {"low": level.low, "high": ends[k], "synthetic": float(got[k] / width)}
            rows.append(row | ({"target": float(wanted[k] / width)} if wanted is not None else {}))
    rows.sort(key=lambda row: row["low"])
    x = by("low:Q", title=None, scale={"nice": False, "zero": False}, axis={"tickCount": 5, "format": ",.4~r"})
    x2 = {"field": "high"}
    first, colour = ("synthetic:Q", SYNTHETIC) if wanted is None else ("target:Q", TARGET)
    y = by(first, title="records per unit", axis={"tickCount": 4})
    area = chart(rows, {"type": "rect", "color": colour, "opacity": 0.45}, x=x, x2=x2, y=y, y2={"datum": 0})
    line = chart(rows, {"type": "rule", "color": SYNTHETIC, "strokeWidth": 2}, x=x, x2=x2, y=by("synthetic:Q"))
    return layered(area, line, width=260, height=130)


def draw_two_way(comparison: Comparison, name: str) -> tuple[str, str]:
    """Heat maps of target, synthetic and difference; returns the picture and a word about what is left out."""
    rows, columns, wanted, got = _matrix(comparison)
    keep_rows, keep_columns = _largest(wanted.sum(axis=1)), _largest(wanted.sum(axis=0))
    left_out = wanted.sum() - wanted[np.ix_(keep_rows, keep_columns)].sum()
    cells = [
        {
            "row": rows[i],
            "column": columns[j],
            "target": float(wanted[i, j]),
            "synthetic": float(got[i, j]),
            "difference": float(round(got[i, j] - wanted[i, j], 6)),
        }
        for i in keep_rows
        for j in keep_columns
    ]
    shown = [rows[i] for i in keep_rows], [columns[j] for j in keep_columns]
    word = f"The largest levels are drawn; {left_out:,.0f} records are in others." if left_out > 0.5 else ""
    return to_svg(_heat_maps(cells, *shown), name), word


def _heat_maps(cells: list[dict[str, Any]], rows: list[str], columns: list[str]) -> Chart:
    largest = max(1.0, *(abs(cell["difference"]) for cell in cells)) if cells else 1.0
    top = max([1.0, *(max(cell["target"], cell["synthetic"]) for cell in cells)])
    blues = {"scheme": "blues", "domain": [0, top]}
    diverging = {"scheme": "purpleorange", "domain": [-largest, largest], "reverse": True}
    size = {"width": min(240, max(60, 30 * len(columns))), "height": min(480, max(50, 16 * len(rows)))}
    parts = [
        chart(
            cells,
            {"type": "rect", "stroke": "#ffffff", "strokeWidth": 0.5},
            title="synthetic − target" if which == "difference" else which,
            **size,
            x=by("column:N", sort=columns, title=None, axis={"labelAngle": -50, "labelLimit": 110}),
            y=by("row:N", sort=rows, title=None, axis={"labelLimit": 160} if which == "target" else None),
            color=by(f"{which}:Q", scale=scale, legend={"title": None, "gradientLength": 70}),
        )
        for which, scale in (("target", blues), ("synthetic", blues), ("difference", diverging))
    ]
    return beside(*parts, spacing=12) | INDEPENDENT


def draw_lifts(comparison: Comparison, name: str) -> str:
    """How often levels go together beside chance, as assumed and in the records: heat maps of the ratio, on a log scale."""
    rows, columns, wanted, got = _matrix(comparison)
    keep_rows, keep_columns = _largest(wanted.sum(axis=1)), _largest(wanted.sum(axis=0))
    lifts = {"assumed": _lift(wanted), "in the records": _lift(got)}
    cells = [
        {"row": rows[i], "column": columns[j], **{which: float(lift[i, j]) for which, lift in lifts.items()}}
        for i in keep_rows
        for j in keep_columns
    ]
    scale = {"scheme": "purpleorange", "domain": [-MOST_DOUBLINGS, MOST_DOUBLINGS], "reverse": True, "clamp": True}
    legend = {"title": "times", "gradientLength": 70, "labelExpr": "format(pow(2, datum.value), '.2~r')"}
    parts = [
        chart(
            cells,
            {"type": "rect", "stroke": "#ffffff", "strokeWidth": 0.5},
            title=which,
            width=min(240, max(60, 30 * len(columns))),
            height=min(300, max(50, 16 * len(rows))),
            x=by("column:N", sort=None, title=None, axis={"labelAngle": -50, "labelLimit": 110}),
            y=by("row:N", sort=None, title=None, axis={"labelLimit": 160} if which == "assumed" else None),
            color=by(f"{which}:Q", scale=scale, legend=legend),
        )
        for which in lifts
    ]
    return to_svg(beside(*parts, spacing=12), name)


MOST_DOUBLINGS = 4
"""Where the colours of a lift end: 16 times as often as by chance, or a sixteenth."""


def _lift(table: Floats) -> Floats:
    """Binary logarithm of a table over what its margins alone would make of it, within twice MOST_DOUBLINGS."""
    chance = np.outer(table.sum(axis=1), table.sum(axis=0)) / max(table.sum(), 1e-12)
    lift = np.log2(np.maximum(table, 1e-9) / np.maximum(chance, 1e-9))
    return np.asarray(np.where(chance > 0, np.clip(lift, -2 * MOST_DOUBLINGS, 2 * MOST_DOUBLINGS), 0.0).round(4))


def _matrix(comparison: Comparison) -> tuple[list[str], list[str], Floats, Floats]:
    """Lay a table out flat: the last column across, the others joined down."""
    assert isinstance(comparison.target, Table)
    names, codes = zip(*(_in_order(*column) for column in coded_columns(comparison.target)), strict=True)
    shape = [len(own) for own in names[:-1]]
    joined, places = np.unique(np.ravel_multi_index(codes[:-1], shape), return_inverse=True)
    wanted, got = (np.zeros((len(joined), len(names[-1]))) for _ in range(2))
    wanted[places, codes[-1]], got[places, codes[-1]] = comparison.wanted, comparison.got
    rows = zip(*np.unravel_index(joined, shape), strict=True)
    return [" · ".join(own[k] for own, k in zip(names, row, strict=False)) for row in rows], names[-1], wanted, got


def _in_order(levels: Sequence[Level], codes: NDArray[np.int64]) -> tuple[list[str], NDArray[np.int64]]:
    """Levels as texts, numbers by their size and others by their letters, and each cell's among these."""
    order = sorted(range(len(levels)), key=lambda k: _order(levels[k]))
    return [str(levels[k]) for k in order], np.argsort(order)[codes]


def _order(level: Level) -> tuple[float, str]:
    return (level.low, "") if isinstance(level, Interval) else (0.0, level)


def _largest(sums: Floats) -> list[int]:
    return sorted(int(k) for k in np.argsort(-sums, kind="stable")[:MOST_LEVELS])


def draw_history(history: pl.DataFrame, stage: str, name: str) -> str:
    """Discrepancy (or, while aligning, TVD) by iteration of one stage."""
    rows = history.filter(pl.col("stage") == stage).select("iteration", "discrepancy", "tvd", "worst_tvd").to_dicts()
    long = [
        {"iteration": row["iteration"], "which": label, "value": row[key]}
        for row in rows
        for key, label in (("tvd", "mean TVD"), ("worst_tvd", "worst TVD"), ("discrepancy", "share still missing"))
        if key != "discrepancy" or stage == "proposals"
    ]
    drawn = chart(
        long,
        {"type": "line", "point": len(rows) < 15},
        width=260,
        height=140,
        x=by("iteration:Q", axis={"tickMinStep": 1, "tickCount": 6}),
        y=by("value:Q", title=None, scale={"domainMin": 0}),
        color=by(
            "which:N",
            sort=None,
            scale={"range": [SYNTHETIC, "#c4572e", TARGET]},
            legend={"title": None, "orient": "top"},
        ),
    )
    return to_svg(drawn, name)
