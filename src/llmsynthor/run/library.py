"""What a library of dependence was matched with in a run: library.csv."""

import polars as pl

from llmsynthor.synthesis.outcome import Outcome

LIBRARY = {
    "unit": pl.String,
    "variable": pl.String,
    "label": pl.String,
    "library": pl.String,
    "like": pl.String,
    "library_label": pl.String,
    "how": pl.String,
    "trust": pl.String,
    "gap": pl.Float64,
    "score": pl.Float64,
    "scale": pl.Float64,
    "in_words": pl.String,
}


def library_frame(outcome: Outcome) -> pl.DataFrame:
    """One row per variable that a library was consulted about: what it is there, how near, and its levels in words."""
    rows = [row for consulted in outcome.consulted for row in consulted.rows]
    return pl.DataFrame(rows, schema=LIBRARY, orient="row")
