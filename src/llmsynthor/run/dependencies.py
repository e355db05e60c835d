"""`dependencies.csv`: for every pair of variables what its dependence rests on, how strong it is, and how sure."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from llmsynthor.calibration.measured import worth_records
from llmsynthor.dependence.coarse import Coarse
from llmsynthor.dependence.copula import Dependence
from llmsynthor.dependence.in_words import in_words
from llmsynthor.evaluation.bands import band_of
from llmsynthor.run.library import kinship_rows
from llmsynthor.run.tables import belief_file, pair_file, rounded
from llmsynthor.synthesis.outcome import Outcome

DEPENDENCIES = {
    "one": pl.String,
    "other": pl.String,
    "source": pl.String,
    "strength": pl.Float64,
    "agreement": pl.Float64,
    "trust": pl.Float64,
    "model_strength": pl.Float64,
    "table": pl.String,
    "in_words": pl.String,
    "unit": pl.String,
    "sources": pl.String,
    "cell": pl.String,
    "share": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "worth_records": pl.Int64,
}


def dependencies_frame(outcome: Outcome) -> pl.DataFrame:
    """One row per pair of variables: whether its dependence is given, estimated, from zones or of maximum entropy, and how strong.

    `strength` is the mutual information of the table used, in nats, `model_strength` that of the LLM's own answers, `trust` the
    factor on them; what was not asked or is not known is empty. `sources` are those of an estimate, each with its part in it;
    `low` and `high` are the ends of the 90 % band of its most telling `cell`.
    Behind them who belongs together, by role.
    """
    rows = [
        {
            "one": d.pair[0],
            "other": d.pair[1],
            "source": d.source,
            "strength": round(d.strength, 6),
            "agreement": rounded(d.agreement),
            "trust": rounded(d.trust),
            "model_strength": rounded(d.raw_strength),
            "table": f"estimated/{pair_file(outcome, found.unit, d.pair)}" if d.table is not None else None,
            "in_words": in_words(d, found.variables),
            "unit": found.unit,
            "sources": "; ".join(f"{name} {weight:.2f}" for name, weight in d.weights.items()),
            **_sureness(d, found.variables),
        }
        for found in outcome.estimations
        for d in sorted(found.dependences, key=lambda d: -d.strength)
    ]
    rows += [
        {
            "one": belief.table.columns[0],
            "other": belief.asked.name if len(belief.table.columns) > 1 else "position",
            "source": "estimated",
            "trust": rounded(belief.trust),
            "in_words": belief.in_words,
            "table": f"estimated/{belief_file(belief)}",
            "unit": belief.table.unit,
            "sources": "model 1.00",
        }
        for found in outcome.compositions
        for belief in found.beliefs
    ]
    rows += kinship_rows(outcome)
    return pl.DataFrame(rows, schema=DEPENDENCIES, orient="row")


def _sureness(dependence: Dependence, variables: Sequence[Coarse]) -> dict[str, Any]:
    """The cell of an estimate that is furthest from chance with its 90 % band, and how many real records would tell as much."""
    if dependence.table is None:
        return {}
    worth = {"worth_records": dependence.records or worth_records(dependence.source)}
    one, other = (next(v for v in variables if v.name == name) for name in dependence.pair)
    table, band = dependence.table, band_of(dependence.table, dependence.source, dependence.records)
    i, j = np.unravel_index(int(np.abs(table - np.outer(one.shares, other.shares)).argmax()), table.shape)
    ends = {"share": table[i, j], "low": band.low[i, j], "high": band.high[i, j]}
    cell = f"{one.words[int(i)]}, {other.words[int(j)]}"
    return worth | {"cell": cell} | {name: round(float(value), 6) for name, value in ends.items()}
