"""Outlines of zones: read from GeoJSON, projected, thinned out, and drawn in the report beside `zones.csv`."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from llmsynthor import synthesize
from llmsynthor.geography.levels import Outline
from llmsynthor.geography.outlines import WIDTH, read_shapes
from llmsynthor.spec.specification import Spec


def square(zone: Any, west: float) -> dict[str, Any]:
    ring = [[west, 50.0], [west + 1e-7, 50.0], [west + 1, 50.0], [west + 1, 51.0], [west, 51.0], [west, 50.0]]
    return {"type": "Feature", "properties": {"ID": zone}, "geometry": {"type": "Polygon", "coordinates": [ring]}}


@pytest.fixture
def outlines(tmp_path: Path) -> Path:
    path = tmp_path / "zones.geojson"
    features = [square("a", 0.0), square("b", 1.0), square(7.0, 2.0)]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


def test_shapes_are_projected_and_thinned(outlines: Path) -> None:
    """A degree of longitude is as wide as its latitude makes it; points that are one on the map are one; ids are texts."""
    shapes = read_shapes(Outline(file=str(outlines), key="ID"))
    assert shapes is not None
    assert set(shapes.paths) == {"a", "b", "7"}
    assert shapes.width == WIDTH + 2
    assert 320 < shapes.height < 350  # 640 wide for three degrees at 50.5 north
    assert shapes.paths["a"].count("L") == 4


def test_a_file_that_is_no_geojson_has_no_shapes(tmp_path: Path) -> None:
    """No map is drawn of what cannot be read."""
    (tmp_path / "x.json").write_text("[1, 2]")
    assert read_shapes(Outline(file=str(tmp_path / "x.json"), key="ID")) is None


def document(outlines: Path) -> dict[str, Any]:
    rows = [{"block": zone} for zone in ("a", "b", "7")]
    cells = [
        {"block": z, "size": s, "count": n}
        for z, s, n in (("a", "1", 4), ("a", "2+", 6), ("b", "1", 2), ("b", "2+", 3))
    ]
    persons = [{"household.block": "a", "count": 90}, {"household.block": "b", "count": 9}]
    zones = {
        "levels": ["block"],
        "crosswalk": {"cells": rows},
        "geometry": {"block": {"file": str(outlines), "key": "ID"}},
    }
    return {
        "llmsynthor": 1,
        "geographies": {"zones": zones},
        "units": {
            "household": {"geography": "zones", "variables": {"size": {"kind": "integer", "range": [1, 5]}}},
            "person": {
                "parent": "household",
                "count": "size",
                "variables": {"sex": {"kind": "category", "levels": ["m", "f"]}},
            },
        },
        "targets": [
            {"name": "sizes", "unit": "household", "cells": cells},
            {"name": "persons", "unit": "person", "of": "sizes", "cells": persons},
        ],
    }


def test_the_report_has_a_map_and_the_worst_zones(outlines: Path, tmp_path: Path) -> None:
    """A run writes `zones.csv`, and its report draws each zone in one file, the worst named; the run can be read again."""
    out = tmp_path / "out"
    synthesize(Spec.load(document(outlines)), records=15, llm="none", seed=1, out=out)
    zones = pl.read_csv(out / "zones.csv", schema_overrides={"zone": pl.String})
    worst = zones.filter(pl.col("target") == "persons", pl.col("zone") == "a").to_dicts()[0]
    assert (worst["asked"], worst["made"], worst["difference"]) == (90.0, 28.0, -62.0)
    html = (out / "report.html").read_text()
    assert html.count("<title>a: 62.0 records off</title>") == 1
    assert "<title>7: no table</title>" in html
    outlines.unlink()
    assert Spec.load(out / "spec") == Spec.load({**document(out / "spec" / "tables" / "outlines-zones-block.geojson")})
