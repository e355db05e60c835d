"""Texts of a base population that stay with records which a scenario leaves alone."""

from collections.abc import Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

from llmsynthor.spec.schema import Schema

Rows = NDArray[np.int64]


def keep_texts(
    schema: Schema, before: Mapping[str, pl.DataFrame], made: Mapping[str, pl.DataFrame]
) -> dict[str, pl.DataFrame]:
    """The records made, with the texts of the base for top records that did not change and all below them; none for others.

    The top records say which row of the base they come from (`start_row`, from 1) and whether they changed.
    """
    found, rows = dict(made), dict[str, Rows]()
    for unit in schema.units:
        frame = made[unit.name]
        if unit.parent is None:
            stays = ~frame["start_changed"].to_numpy()
            rows[unit.name] = np.where(stays, frame["start_row"].fill_null(0).to_numpy().astype(np.int64) - 1, -1)
        else:
            parent = unit.parent
            rows[unit.name] = _below(
                f"{parent}_id", before[parent], before[unit.name], made[parent], frame, rows[parent]
            )
        kept = rows[unit.name]
        texts = [
            before[unit.name][text.name].gather(np.maximum(kept, 0)).scatter(np.flatnonzero(kept < 0), None)
            for text in unit.texts
            if text.name in before[unit.name].columns and before[unit.name].height
        ]
        found[unit.name] = frame.with_columns(texts)
    return found


def _below(
    key: str, parents: pl.DataFrame, children: pl.DataFrame, new_parents: pl.DataFrame, new: pl.DataFrame, rows: Rows
) -> Rows:
    """The row of the base of each new child: that of the same place below the same parent, -1 where that one changed."""
    rank = pl.int_range(pl.len()).over(key).alias("rank")
    base = (
        parents.select(key)
        .with_row_index("parent_row")
        .join(children.select(key).with_row_index("row").with_columns(rank), on=key)
    )
    wanted = new_parents.select(key, parent_row=pl.Series(rows))
    placed = new.select(key).with_columns(rank).join(wanted, on=key, how="left", maintain_order="left")
    base = base.select(pl.col("parent_row").cast(pl.Int64), "rank", pl.col("row").cast(pl.Int64))
    joined = placed.join(base, on=["parent_row", "rank"], how="left", maintain_order="left")
    return joined["row"].fill_null(-1).to_numpy()
