"""Distances from coordinates: great circles with a detour, within a zone half the way to the nearest other."""

from pathlib import Path

import pytest

from llmsynthor.errors import SpecError
from llmsynthor.spec.expressions import Lookup
from llmsynthor.spec.specification import Spec

POINTS = "zone,lon,lat\nA,0,0\nB,0,1\nC,0,3\n"
DEGREE = 111.195


def spec_of(folder: Path, points: str = POINTS, **more: object) -> Spec:
    (folder / "points.csv").write_text(points, encoding="utf-8")
    lookup = {"coordinates": "points.csv", "by": ["origin", "destination"], "value": "km", **more}
    zones = {"kind": "category", "levels": ["A", "B", "C"]}
    units = {"trip": {"variables": {"origin": zones, "destination": zones}, "derived": {"km": {"lookup": lookup}}}}
    (folder / "spec.yaml").write_text(str({"llmsynthor": 1, "units": units}), encoding="utf-8")
    return Spec.load(folder / "spec.yaml")


def kilometres(spec: Spec) -> dict[tuple[str, str], float]:
    table = spec.schema.top.derived[0].expression.tree
    assert isinstance(table, Lookup)
    return {(a, b): table.values[3 * k + j] for k, a in enumerate("ABC") for j, b in enumerate("ABC")}


def test_distances_are_those_of_the_earth(tmp_path: Path) -> None:
    """A degree of a meridian has 111.2 km; a detour of 1.3 makes all ways longer; both ways are alike."""
    plain, longer = kilometres(spec_of(tmp_path)), kilometres(spec_of(tmp_path, detour=1.3))
    assert plain["A", "B"] == pytest.approx(DEGREE, abs=0.01)
    assert plain["C", "A"] == plain["A", "C"] == pytest.approx(3 * DEGREE, abs=0.01)
    assert longer["A", "B"] == pytest.approx(1.3 * DEGREE, abs=0.01)


def test_within_a_zone_a_way_is_short(tmp_path: Path) -> None:
    """Half of the way to the nearest other zone, or what is stated."""
    assert kilometres(spec_of(tmp_path))["C", "C"] == pytest.approx(DEGREE, abs=0.01)
    assert kilometres(spec_of(tmp_path, within=1.5))["C", "C"] == 1.5


def test_a_spec_with_distances_survives(tmp_path: Path) -> None:
    """Written and read again it is equal, without the file of points."""
    spec = spec_of(tmp_path)
    assert Spec.load(spec.save(tmp_path / "saved")) == spec


@pytest.mark.parametrize(
    ("points", "more", "said"),
    [
        ("zone,lon,lat\nA,0,0\nB,0,1\n", {}, "zones have no coordinates"),
        ("zone,lon\nA,0\n", {}, "lacks a column"),
        (POINTS.replace("0,3", "0,99"), {}, "no point in degrees"),
        (POINTS, {"by": ["origin"]}, "by two variables"),
        (POINTS, {"by": ["origin", "where"]}, "belong to zones"),
        (POINTS, {"detour": 0.5}, "greater than or equal to 1"),
        (POINTS, {"key": "name"}, "lacks a column"),
    ],
)
def test_slips_are_said(tmp_path: Path, points: str, more: dict[str, object], said: str) -> None:
    """What is wrong with the points or the lookup is an error that says so."""
    with pytest.raises(SpecError, match=said):
        spec_of(tmp_path, points, **more)


def test_options_of_coordinates_belong_to_them() -> None:
    """A detour beside a table is refused."""
    lookup = {"cells": [{"origin": "A", "km": 1}], "by": ["origin"], "value": "km", "detour": 2.0}
    variables = {"origin": {"kind": "category", "levels": ["A"]}}
    with pytest.raises(SpecError, match="belong to `coordinates`"):
        Spec.load({"llmsynthor": 1, "units": {"trip": {"variables": variables, "derived": {"km": {"lookup": lookup}}}}})
