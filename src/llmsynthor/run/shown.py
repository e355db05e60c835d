"""Solutions in a line and in a notebook."""

from collections.abc import Mapping
from html import escape
from typing import Any

import polars as pl

from llmsynthor.evaluation.ends import say_ends
from llmsynthor.records.parts import heights
from llmsynthor.synthesis.stop import StopReason

MOST_TARGETS, MOST_RECORDS = 12, 5


def solution_line(records: Mapping[str, pl.DataFrame], manifest: Mapping[str, Any], stop: StopReason) -> str:
    """How many records, how the targets ended, and why the run did."""
    made = ", ".join(f"{number:,} {unit}" for unit, number in heights(records).items())
    ends = manifest["alignment"].get("ends")  # folders of before have none
    return f"{made} records; {f'{say_ends(ends)}; ' if ends else ''}{stop.name}"


def solution_html(
    records: Mapping[str, pl.DataFrame], alignment: pl.DataFrame, manifest: Mapping[str, Any], stop: StopReason
) -> str:
    """The end of the run, its targets (those furthest off first) and its first records, as HTML."""
    named = ("name", "unit", "cells", "tvd", "max_abs_error", "end")
    given = alignment.filter(pl.col("source") == "given").sort("tvd", descending=True, nulls_last=True)
    rest = given.height - MOST_TARGETS
    parts = [
        f"<p><b>{escape(solution_line(records, manifest, stop))}</b><br>{escape(stop)}</p>",
        html_table(given.select(named).head(MOST_TARGETS)) if given.height else "",
        f"<p>and {rest} more targets: <code>solution.alignment</code></p>" if rest > 0 else "",
    ]
    for unit, frame in records.items():
        parts += [f"<p>{escape(unit)}</p>", html_table(frame.head(MOST_RECORDS))]
    return "".join(parts)


def html_table(frame: pl.DataFrame) -> str:
    """A frame as an HTML table, every value escaped."""
    head = "".join(f"<th>{escape(name)}</th>" for name in frame.columns)
    rows = ("".join(f"<td>{escape(_shown(value))}</td>" for value in row) for row in frame.iter_rows())
    return f"<table><tr>{head}</tr>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"


def _shown(value: Any) -> str:
    return "–" if value is None else f"{value:,.5g}" if isinstance(value, float) else str(value)
