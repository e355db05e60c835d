"""What a file holds, in words: its format, dimensions, values, gaps, totals inside, margins, and how it may be read."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from llmsynthor.sources.census import WORDS
from llmsynthor.sources.guess import Guess, inner_totals
from llmsynthor.sources.table import FLAG, MARGIN, VALUE, Dimension, LongTable

SHOWN, WIDE = 4, 100
ROLES = {"zone": "zones", "time": "times", "measure": "measures", "cell": "cells", "": ""}


def describe(path: Path, table: LongTable, found: Guess) -> Iterator[str]:
    """Yield lines for people."""
    title = f', "{table.title}"' if table.title else ""
    yield f"{path.name}: {table.format}{title}"
    for dimension in table.dimensions:
        yield _dimension(dimension)
    values = table.frame[VALUE].drop_nulls()
    whole = "whole numbers" if (values == values.floor()).all() else "numbers"
    if values.len():
        ends = [float(number) for number in (values.to_numpy().min(), values.to_numpy().max(), values.to_numpy().sum())]
        yield f"  values: {values.len():,} {whole} from {ends[0]:,g} to {ends[1]:,g}, {ends[2]:,.10g} in all"
    yield from _gaps(table)
    if MARGIN in table.frame.columns:
        yield f"  margins of error (90 %): of {table.frame[MARGIN].drop_nulls().len():,} values"
    totals = list(inner_totals(table))
    if totals:
        more = f"; and {len(totals) - 8} more" if len(totals) > 8 else ""
        yield f"  totals inside: {'; '.join(totals[:8])}{more}"[:600]
    yield from (f"  note: {note}" for note in table.notes)
    yield from (f"  to decide: {doubt}" for doubt in found.doubts)
    if found.statistic:
        yield f"  to decide: {found.statistic} is no count: write it as mean, or as quantile with probability 0.5"


def _dimension(dimension: Dimension) -> str:
    role = f" ({ROLES[dimension.role]})" if dimension.role else ""
    shown = ", ".join(dimension.shown(code) for code in dimension.codes[:SHOWN])
    more = ", …" if len(dimension.codes) > SHOWN else ""
    label = f" {dimension.label}" if dimension.label and dimension.label != dimension.name else ""
    return f"  {dimension.name}{role}:{label} {len(dimension.codes):,} codes: {shown[: 3 * WIDE]}{more}"


def _gaps(table: LongTable) -> Iterator[str]:
    """Cells without a number, by their mark, and marks beside numbers."""
    missing = table.frame.filter(pl.col(VALUE).is_null())
    if missing.height:
        marks = Counter(flag or "nothing" for flag in missing[FLAG].to_list())
        shown = "; ".join(f"{mark}{_meaning(mark, table)} {number:,}" for mark, number in marks.most_common(8))
        yield f"  without a number: {missing.height:,} cells: {shown}"
    marked = table.frame.filter(pl.col(VALUE).is_not_null() & pl.col(FLAG).is_not_null())
    if marked.height:
        marks = Counter(str(flag) for flag in marked[FLAG].to_list())
        shown = "; ".join(f"{mark}{_meaning(mark, table)} {number:,}" for mark, number in marks.most_common(8))
        yield f"  marked: {shown}"


def _meaning(mark: str, table: LongTable) -> str:
    return f" ({WORDS[mark]})" if table.format.startswith("census") and mark in WORDS else ""
