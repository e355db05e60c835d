"""A PopGen folder becomes a spec: marginals with heads of three rows, group quarters, regions, samples."""

from pathlib import Path

import pytest

import llmsynthor
from llmsynthor.errors import DataError
from llmsynthor.imports.marginals import read_marginals
from llmsynthor.imports.popgen import import_popgen

CONFIGURATION = """project:
  name: town
  location: ../elsewhere/
  inputs:
    entities: [household, groupquarters, person]
    housing_entities: [household, groupquarters]
    person_entities: [person]
    column_names: {hid: hid, pid: pid, geo: geo, region: region, sample_geo: sample_geo}
    location:
      geo_corr_mapping:
        geo_to_sample: ../elsewhere/geo_sample_mapping.csv
        region_to_sample: ../elsewhere/region_sample_mapping.csv
        region_to_geo: ../elsewhere/region_geo_mapping.csv
      sample:
        household: ../elsewhere/household_sample.csv
        groupquarters: ../elsewhere/groupquarters_sample.csv
        person: ../elsewhere/person_sample.csv
      marginals:
        geo:
          household: ../elsewhere/household_marginals.csv
          groupquarters: ../elsewhere/groupquarters_marginals.csv
          person: ../elsewhere/person_marginals.csv
        region:
          household: ../elsewhere/region_household_marginals.csv
          person: ../elsewhere/region_person_marginals.csv
  scenario:
    - description: all
      apply_region_controls: True
      control_variables:
        region: {household: [rincome, hsize], person: [remp]}
        geo: {household: [hsize, tenure], groupquarters: [gqtype], person: [gender]}
      geos_to_synthesize: {region: {ids: [1, 2]}}
"""
FILES = {
    "configuration.yaml": CONFIGURATION,
    "household_marginals.csv": (
        "variable_names,hsize,hsize,hsize,tenure,tenure,rooms\r"
        "variable_categories,1,2,3,1,2,1\rgeo,,,,,,\r11,20,15,10,30,15,45\r12,10,10,10,20,10,30\r21,5,10,25,10,30,40\r"
    ),
    "groupquarters_marginals.csv": "variable_names,gqtype,gqtype\nvariable_categories,1,2\ngeo,,\n11,4,2\n12,0,0\n21,1,3\n",
    "person_marginals.csv": (
        "variable_names,gender,gender\nvariable_categories,1,2\ngeo,,\n11,45,46.0\n12,30,33\n21,52,57\n"
    ),
    "region_household_marginals.csv": (
        "variable_names,rincome,rincome,hsize,hsize,hsize\nvariable_categories,1,2,1,2,3\nregion,,,,,\n"
        "1,25,50,30,25,20\n2,30,10,5,10,25\n"
    ),
    "region_person_marginals.csv": "variable_names,remp,remp\nvariable_categories,1,2\nregion,,\n",
    "geo_sample_mapping.csv": "geo,sample_geo\n11,101\n12,101\n21,102\n",
    "region_sample_mapping.csv": "region,sample_geo\n1,101\n2,102\n",
    "region_geo_mapping.csv": "region,geo\n1,11\n1,12\n2,21\n",
    "household_sample.csv": "hid,sample_geo,hsize,tenure,rincome\n1,101,1,1,1\n2,101,2,2,2\n3,102,3,1,1\n"
    "4,102,3,2,2\n5,102,1,1,2\n6,102,2,2,2\n",
    "groupquarters_sample.csv": "hid,sample_geo,gqtype\n7,101,1\n8,102,2\n",
    "person_sample.csv": "hid,pid,gender\n"
    + "".join(f"{home},{k},{1 + k % 2}\n" for home, n in enumerate((1, 2, 3, 4, 1, 2, 1, 1), 1) for k in range(n)),
}


@pytest.fixture(name="folder")
def popgen_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "given"
    folder.mkdir()
    for name, text in FILES.items():
        (folder / name).write_text(text, encoding="utf-8", newline="")
    return folder


def test_folder_becomes_a_spec(folder: Path, tmp_path: Path) -> None:
    """Marginals become tables, regions and geos a geography, size is a number, and what is not controlled is told."""
    made = import_popgen(folder, tmp_path / "out")
    spec = llmsynthor.read_spec(made.spec)
    assert [target.name for target in spec.targets] == [
        "housing by geo",
        "hsize by geo",
        "tenure by geo",
        "gqtype by geo",
        "gender by geo",
        "rincome by region",
    ]
    assert spec.geographies[0].levels == ("region", "geo")
    assert spec.geographies[0].zones("geo") == ("11", "12", "21")
    assert sum(spec.targets[0].values) == 125
    assert sum(spec.targets[4].values) == 263
    assert spec.schema["household"].variable("hsize").range.high == 5  # type: ignore[union-attr]
    assert spec.settings.records == 125
    assert any("rooms" in note for note in made.notes)
    assert any("repeats" in note for note in made.notes)


def test_imported_spec_runs_and_leaves(folder: Path, tmp_path: Path) -> None:
    """What an import writes is synthesized as it is and meets its marginals; group quarters have one person; it is exported."""
    spec = llmsynthor.Spec.import_popgen(folder, tmp_path / "out")
    solution = llmsynthor.synthesize(spec, llm="none", seed=1)
    homes = solution.records["household"]
    assert solution.unmet == ()
    assert homes.filter(homes["kind"] == "groupquarters")["hsize"].to_list() == [1] * 10
    assert homes.filter(homes["geo"] == "12", homes["hsize"] == 2).height == 10
    assert solution.records["person"].height == 263
    solution.export("populationsim", tmp_path / "made")
    assert (tmp_path / "made" / "synthetic_persons.csv").is_file()


@pytest.mark.slow
def test_samples_are_records_to_begin_with(folder: Path, tmp_path: Path) -> None:
    """Samples are drawn within their own geographies, as many as each geo has, and a run can begin with them."""
    made = import_popgen(folder, tmp_path / "out")
    start = (tmp_path / "out" / "start" / "household.csv").read_text(encoding="utf-8").splitlines()
    assert start[0] == "household_id,geo,kind,tenure,gqtype,rincome,hsize"
    assert len(start) == 1 + 125
    solution = llmsynthor.synthesize(made.spec, llm="none", seed=1, start=tmp_path / "out" / "start")
    assert solution.unmet == ()


def test_without_a_configuration(folder: Path, tmp_path: Path) -> None:
    """Names of files say what they are where no configuration does; all marginals are taken, regions without counts none."""
    (folder / "configuration.yaml").unlink()
    spec = llmsynthor.Spec.import_popgen(folder, tmp_path / "out")
    assert [target.name for target in spec.targets][:4] == [
        "housing by geo",
        "gqtype by geo",
        "hsize by geo",
        "tenure by geo",
    ]
    assert not any("remp" in target.name for target in spec.targets)


def test_households_alone(folder: Path, tmp_path: Path) -> None:
    """A folder with households only, and without regions, is a flat spec."""
    for name in FILES:
        if name not in ("household_marginals.csv", "geo_sample_mapping.csv"):
            (folder / name).unlink()
    spec = llmsynthor.Spec.import_popgen(folder, tmp_path / "out")
    assert [unit.name for unit in spec.schema.units] == ["household"]
    assert llmsynthor.synthesize(spec, llm="none", seed=1).unmet == ()


@pytest.mark.parametrize(
    ("name", "text", "word"),
    [
        ("household_marginals.csv", "geo,1\n11,4\n", "variable_names"),
        ("household_marginals.csv", "variable_names,a,a\nvariable_categories,1,2\ngeo,,\n11,4,x\n", 'zone "11"'),
        ("household_marginals.csv", "variable_names,a,a\nvariable_categories,1,2\ngeo,,\n11,4,-1\n", "from 0 upwards"),
        ("region_geo_mapping.csv", "zone,part\n1,11\n", "column is missing"),
        ("person_sample.csv", None, "person_sample.csv"),
    ],
)
def test_what_is_wrong_is_said(folder: Path, tmp_path: Path, name: str, text: str | None, word: str) -> None:
    """A file that is missing or no file of PopGen's, and a count that is no number, are errors that name it."""
    (folder / name).unlink() if text is None else (folder / name).write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=word):
        import_popgen(folder, tmp_path / "out")


def test_marginals_without_rows_control_nothing(tmp_path: Path) -> None:
    """PopGen's way to control nothing, a file of heads only, holds no marginals; the row that names the zones may be left out."""
    path = tmp_path / "m.csv"
    path.write_text("variable_names,a,a\nvariable_categories,1,2\ngeo,,\n", encoding="utf-8")
    assert read_marginals(path, "household", "geo") == []
    path.write_text("variable_names,a,a\nvariable_categories,1,2\n7,3,\n", encoding="utf-8")
    assert read_marginals(path, "household", "geo")[0].counts == {"7": (3.0, None)}
