"""How zones come out: what is off beyond the fractions that no whole record can have."""

from pathlib import Path

import polars as pl

from llmsynthor import synthesize
from llmsynthor.spec.specification import Spec


def test_fractions_of_records_are_not_held_against_a_zone(tmp_path: Path) -> None:
    """Thirty cells of a third of a record each are off by some ten in all, and by none that is a miss."""
    zones = [f"z{k}" for k in range(2)]
    kinds = [f"k{k}" for k in range(30)]
    spec = Spec.load(
        {
            "llmsynthor": 1,
            "geographies": {"places": {"levels": ["zone"], "crosswalk": {"cells": [{"zone": z} for z in zones]}}},
            "units": {"shop": {"geography": "places", "variables": {"kind": {"kind": "category", "levels": kinds}}}},
            "targets": [
                {
                    "name": "kinds",
                    "unit": "shop",
                    "cells": [{"zone": z, "kind": k, "count": 1} for z in zones for k in kinds],
                }
            ],
        }
    )
    synthesize(spec, records=20, llm="none", seed=1, out=tmp_path / "run")
    frame = pl.read_csv(tmp_path / "run" / "zones.csv", schema_overrides={"beyond": pl.Float64})
    assert (frame["off"] > 5).all()
    assert (frame["beyond"] == 0).all()
