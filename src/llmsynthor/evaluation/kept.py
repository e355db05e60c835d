"""Counts of a run that were kept: how every target was met, without its records."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from llmsynthor.evaluation.compare import Comparison
from llmsynthor.evaluation.ends import Account, Status
from llmsynthor.spec.specification import Spec

COUNTS = "counts.parquet"
"""File of a run folder: a row for each cell of each target."""


def counts_frame(comparisons: Sequence[Comparison]) -> pl.DataFrame:
    """A row for each cell of each target, in the order of its cells: `wanted`, `got`, and what it may be off (`slack`, `step`)."""
    return pl.DataFrame(
        {
            "target": [name for c in comparisons for name in [c.target.name] * len(c.wanted)],
            "wanted": np.concatenate([[], *(c.wanted for c in comparisons)]),
            "got": np.concatenate([[], *(c.got for c in comparisons)]),
            "slack": np.concatenate([[], *(c.slack for c in comparisons)]),
            "step": np.concatenate([[], *(c.step for c in comparisons)]),
            "tvd": np.concatenate([[], *(np.full(len(c.wanted), c.tvd) for c in comparisons)]),
        },
        schema_overrides={"target": pl.String},
    )


def read_comparisons(folder: Path, spec: Spec, accounts: Mapping[str, Account]) -> tuple[Comparison, ...]:
    """The comparisons of a run folder whose counts were kept; `accounts` are what its alignment.csv says."""
    frame = pl.read_parquet(folder / COUNTS, glob=False)
    found = []
    rows = dict(frame.group_by("target", maintain_order=True).__iter__())
    for target in spec.targets:
        own, account = rows.get((target.name,)), accounts.get(target.name)
        if own is None or account is None or own.height != len(target.cells):
            continue
        wanted, got, slack, step = (
            own[name].to_numpy().astype(np.float64) for name in ("wanted", "got", "slack", "step")
        )
        status = account.status or Status.MISSED
        found.append(
            Comparison(
                target=target,
                wanted=wanted,
                got=got,
                tvd=float(own["tvd"][0]),
                status=status,
                slack=slack,
                step=step,
                account=account,
            )
        )
    return tuple(found)
