"""Before and after of a scenario, in pictures: the tables that its adjustments move, those that changed most first."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from llmsynthor.evaluation.compare import Comparison
from llmsynthor.report.charts import draw_distribution, draw_two_way
from llmsynthor.spec.targets import Table

MOST_TABLES, MOST_CELLS = 12, 8


def before_after(folder: Path, manifest: Mapping[str, Any], comparisons: Sequence[Comparison]) -> list[dict[str, Any]]:
    """Each moved table: its name, its distance, the cells that changed most, a picture; nothing where no scenario was applied."""
    path = folder / "before_after.csv"
    if "scenario" not in manifest or not path.is_file():
        return []
    told = pl.read_csv(path, infer_schema_length=None, glob=False)
    found = list[dict[str, Any]]()
    for table in sorted(manifest["scenario"]["tables"], key=lambda own: -own["tvd"]):
        own = next((c for c in comparisons if c.target.name == table["name"]), None)
        rows = told.filter((pl.col("table") == table["name"]) & (pl.col("unit") == table["unit"]))
        if table["moves"] and own is not None and len(found) < MOST_TABLES:
            found.append({**table, **_drawn(own, rows, f"scenario{len(found)}")})
    return found


def _drawn(comparison: Comparison, rows: pl.DataFrame, name: str) -> dict[str, Any]:
    """A picture of both populations, grey before and blue after, and the cells that changed most."""
    most = rows.sort(pl.col("change").abs(), descending=True, maintain_order=True).head(MOST_CELLS)
    before, after = (rows[which].fill_null(0.0).to_numpy().astype(np.float64) for which in ("before", "after"))
    cells = [row for row in most.to_dicts() if row["change"]]
    target = comparison.target
    if not isinstance(target, Table) or len(before) != len(target.cells):
        return {"cells": cells, "svg": "", "note": ""}
    if len(target.columns) == 1:
        svg, note = draw_distribution([cell[0] for cell in target.cells], before, after, name)
        return {"cells": cells, "svg": svg, "note": f"Grey: before. Blue: after. {note}".strip()}
    beside = replace(comparison, wanted=before, got=after)
    svg, note = draw_two_way(beside, name)
    return {"cells": cells, "svg": svg, "note": f"Left: before. Middle: after. Right: the change. {note}".strip()}
