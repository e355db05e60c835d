"""Formats that libraries read: OMX, attribute tables of zones, SDMX-ML."""

import json
from pathlib import Path

import pytest

from llmsynthor.sources.recognise import read_long, recognise
from llmsynthor.sources.table import Reading, SourceError

GENERIC = """<?xml version="1.0" encoding="UTF-8"?>
<message:Structure xmlns:message="http://www.sdmx.org/resources/sdmxml/schemas/v2_1/message"><message:Header/></message:Structure>
"""


def test_matrix_of_omx(tmp_path: Path) -> None:
    """A matrix is read by its name, with the zones of its lookup; of several one must be named."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "t.omx", "w") as file:
        file.create_dataset("data/DIST", data=[[0.5, 2.0], [3.0, float("nan")]])
        file.create_dataset("data/TIME", data=[[1.0, 2.0], [3.0, 4.0]])
        file.create_dataset("lookup/TAZ", data=[101, 205])
    assert recognise(tmp_path / "t.omx") == "omx"
    with pytest.raises(SourceError, match="more than one matrix"):
        read_long(tmp_path / "t.omx")
    table = read_long(tmp_path / "t.omx", Reading(matrix="DIST"))
    assert table.frame.rows()[1] == ("101", "205", 2.0, None)
    assert table.frame["value"].to_list() == [0.5, 2.0, 3.0, None]


def test_properties_of_geojson(tmp_path: Path) -> None:
    """Properties are a table; an id that a program wrote as 53.0 is 53."""
    features = [
        {"type": "Feature", "properties": {"TAZ": 53.0 + k, "households": 7 * k, "persons": 9 + k}, "geometry": None}
        for k in range(2)
    ]
    path = tmp_path / "zones.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}), encoding="utf-8")
    table = read_long(path)
    assert table["TAZ"].codes == ("53", "54")
    assert table["TAZ"].role == "zone"
    assert table["cell"].codes == ("households", "persons")
    assert table.frame["value"].to_list() == [0.0, 7.0, 9.0, 10.0]


def test_layer_of_a_geopackage(tmp_path: Path) -> None:
    """The attribute table of a layer is read without its shapes."""
    pyogrio = pytest.importorskip("pyogrio")
    shapely = pytest.importorskip("shapely")
    import numpy as np  # noqa: PLC0415  (only where it is used)

    shapes = shapely.to_wkb(shapely.points([[0, 0], [1, 1]]))
    fields = [np.array(["a", "b"], dtype=object), np.array([3, 5])]
    pyogrio.raw.write(
        tmp_path / "z.gpkg",
        shapes,
        fields,
        ["zone", "households"],
        layer="zones",
        geometry_type="Point",
        crs="EPSG:4326",
    )
    assert read_long(tmp_path / "z.gpkg").frame["value"].to_list() == [3.0, 5.0]


def test_structure_is_no_data(tmp_path: Path) -> None:
    """A message that describes a structure holds no data, and says so."""
    path = tmp_path / "s.xml"
    path.write_text(GENERIC, encoding="utf-8")
    assert recognise(path) == "sdmx-ml"
    with pytest.raises(SourceError, match="holds no data"):
        read_long(path)
