"""A PopulationSim folder becomes a spec; expressions are read by an allow-list."""

import math
from pathlib import Path

import pytest

import llmsynthor
from llmsynthor.errors import DataError, RunFolderError
from llmsynthor.imports.expressions import ControlError, read_control
from llmsynthor.imports.populationsim import import_populationsim

CONTROLS = """target,geography,seed_table,importance,control_field,expression
num_hh,TAZ,households,1000000000,HHBASE,(households.WGTP > 0) & (households.WGTP < np.inf)
size_1,TAZ,households,1000,HHSIZE1,households.NP == 1
size_2,TAZ,households,1000,HHSIZE2,households.NP >= 2
type_sf,TRACT,households,500,SF,"households.HTYPE.isin([1, 3])"
type_mf,TRACT,households,500,MF,households.HTYPE == 2
young,TRACT,persons,500,YOUNG,(persons.AGEP >= 0) & (persons.AGEP <= 17)
odd,TRACT,persons,500,YOUNG,persons.AGEP.apply(print)
"""
SETTINGS = """geographies: [TRACT, TAZ]
household_weight_col: WGTP
household_id_col: hh_id
total_hh_control: num_hh
input_table_list:
  - {tablename: households, filename: seed_households.csv, rename_columns: {SERIALNO: hh_id}}
  - {tablename: persons, filename: seed_persons.csv, rename_columns: {SERIALNO: hh_id}}
  - {tablename: geo_cross_walk, filename: cross.csv, rename_columns: {TRACTCE: TRACT}}
  - {tablename: TAZ_control_data, filename: taz.csv}
  - {tablename: TRACT_control_data, filename: tract.csv}
"""
FILES = {
    "configs/controls.csv": CONTROLS,
    "configs/settings.yaml": SETTINGS,
    "data/cross.csv": "TAZ,TRACTCE\n1,10\n2,10\n3,11\n#\n9,11\n",
    "data/taz.csv": "TAZ,HHBASE,HHSIZE1,HHSIZE2\n1,10,4,6\n2,20,5,15\n3.0,30,10,20\n",
    "data/tract.csv": "TRACT,SF,MF,YOUNG\n10,12,18,20\n#11,0,0,0\n11,20,10,15\n",
    "data/seed_households.csv": "SERIALNO,NP,HTYPE,WGTP\n1,1,1,30\n2,3,2,20\n",
    "data/seed_persons.csv": "SERIALNO,AGEP\n1,40\n2,30\n2,33\n2,5\n",
}


@pytest.fixture(name="folder")
def populationsim_folder(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / "given" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path / "given"


def test_folder_becomes_a_spec(folder: Path, tmp_path: Path) -> None:
    """Controls become tables, zones a geography, codes levels; comments are no rows, and what cannot be read is told."""
    made = import_populationsim(folder, tmp_path / "out")
    spec = llmsynthor.read_spec(made.spec)
    names = [target.name for target in spec.targets]
    assert names == ["num_hh", "NP by TAZ", "HTYPE by TRACT", "young"]
    assert spec.geographies[0].levels == ("TRACT", "TAZ")
    assert spec.geographies[0].zones("TAZ") == ("1", "2", "3")
    assert sum(spec.targets[0].values) == 60
    assert spec.schema["household"].variable("HTYPE").levels == ("1 or 3", "2")  # type: ignore[union-attr]
    assert spec.settings.records == 60
    assert spec.targets[3].universe is not None
    assert any("odd" in note for note in made.notes)
    assert any("9" in note for note in made.notes)


def test_imported_spec_runs(folder: Path, tmp_path: Path) -> None:
    """What an import writes is synthesized as it is, and meets its controls; seeds are records to begin with."""
    made = import_populationsim(folder, tmp_path / "out")
    solution = llmsynthor.synthesize(made.spec, llm="none", seed=1)
    assert solution.records["household"].height == 60
    assert solution.unmet == ()
    start = llmsynthor.synthesize(made.spec, llm="none", seed=1, start=tmp_path / "out" / "start")
    assert start.records["household"].height == 60


def test_seeds_whose_size_is_another_number_are_left_out(folder: Path, tmp_path: Path) -> None:
    """A household of ten with two persons on file is told and left out: the others are records to begin with."""
    homes, people = folder / "data" / "seed_households.csv", folder / "data" / "seed_persons.csv"
    homes.write_text(homes.read_text(encoding="utf-8") + "3,10,1,5\n", encoding="utf-8")
    people.write_text(people.read_text(encoding="utf-8") + "3,40\n3,41\n", encoding="utf-8")
    made = import_populationsim(folder, tmp_path / "out")
    assert any("1 of 3 households of the seeds were left out: NP" in note for note in made.notes)
    start = llmsynthor.synthesize(made.spec, llm="none", seed=1, start=tmp_path / "out" / "start")
    assert start.records["household"].height == 60


def test_import_writes_over_nothing(folder: Path, tmp_path: Path) -> None:
    """A second import into the same folder needs --force."""
    import_populationsim(folder, tmp_path / "out")
    with pytest.raises(RunFolderError, match="of this name"):
        import_populationsim(folder, tmp_path / "out")
    import_populationsim(folder, tmp_path / "out", force=True)


@pytest.mark.parametrize(("name", "word"), [("configs/controls.csv", "controls.csv"), ("data/cross.csv", "crosswalk")])
def test_files_that_are_missing_are_named(folder: Path, tmp_path: Path, name: str, word: str) -> None:
    """Without controls or a crosswalk there is nothing to import."""
    (folder / name).unlink()
    with pytest.raises(DataError, match=word):
        import_populationsim(folder, tmp_path / "out")


@pytest.mark.parametrize(
    ("text", "column", "spans"),
    [
        ("(t.A > 15) & (t.A <= 24)", "A", ((16.0, 25.0),)),
        ("t.A >= 4", "A", ((4.0, math.inf),)),
        ("(t.A > -999999999) & (t.A <= 21297)", "A", ((-math.inf, 21298.0),)),
        ("(t.A == 1) | (t.A == 2) | (t.A == 5)", "A", ((1.0, 3.0), (5.0, 6.0))),
        ("t.A.isin([2,3])", "A", ((2.0, 4.0),)),
        ("(t.A > 0) & (t.A < np.inf)", "A", ((1.0, math.inf),)),
        ("t['A'] <= np.inf", "A", ((-math.inf, math.inf),)),
        ("t.A != 2", "A", ((-math.inf, 2.0), (3.0, math.inf))),
        ("t.A<>2", "A", ((-math.inf, 2.0), (3.0, math.inf))),
        ("(t.A != 2) & (t.A != 3)", "A", ((-math.inf, 2.0), (4.0, math.inf))),
        ("~t.A.isin([1, 2, 6])", "A", ((-math.inf, 1.0), (3.0, 6.0), (7.0, math.inf))),
        ("(t.B == 1) & (t.A == 1) | (t.B == 1) & (t.A > 3)", "A", ((1.0, 2.0), (4.0, math.inf))),
        ("1 < t['A']", "A", ((2.0, math.inf),)),
    ],
)
def test_expressions_of_controls(text: str, column: str, spans: object) -> None:
    """Comparisons, & and |, isin and np.inf are read."""
    assert read_control(text, "t")[column].spans == spans


def test_texts_and_missing_values() -> None:
    """A text and a missing value are codes as well."""
    assert read_control("t.A == 'auto'", "t")["A"].texts == {"auto"}
    assert read_control("t.A.isna()", "t")["A"].missing
    other = read_control("(t.A != 'bb') & (t.A != '<>')", "t")["A"]
    assert [other.holds(text) for text in ("bb", "<>", "car")] == [False, False, True]
    assert other.missing
    assert not read_control("t.A.notna()", "t")["A"].missing


def test_what_is_not_a_code_is_a_level(folder: Path, tmp_path: Path) -> None:
    """A control on all but some codes, and one on all persons by their id, become a table and a total."""
    controls = CONTROLS.replace("persons.AGEP.apply(print)", "persons.hh_id > 0")
    controls += "walks,TRACT,persons,500,YOUNG,persons.MODE != 'bb'\nother,TRACT,persons,500,SF,persons.MODE == 'bb'\n"
    (folder / "configs" / "controls.csv").write_text(controls, encoding="utf-8")
    people = (folder / "data" / "seed_persons.csv").read_text(encoding="utf-8").splitlines()
    modes = ["MODE", "car", "bb", "walk", ""]
    text = "\n".join(f"{line},{mode}" for line, mode in zip(people, modes, strict=True))
    (folder / "data" / "seed_persons.csv").write_text(text, encoding="utf-8")
    spec = llmsynthor.Spec.import_populationsim(folder, tmp_path / "out")
    assert spec.schema["person"].variable("MODE").levels == ("not bb", "bb")  # type: ignore[union-attr]
    assert [target.name for target in spec.targets][-2:] == ["odd", "MODE by TRACT"]


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "t.A.apply(print)",
        "t.A == open('x')",
        "(t.A == 1) | (t.B == 2)",
        "u.A == 1",
        "t.A ==",
        "1 < t.A < 3",
        "t.A <= t.B",
        "~((t.A == 1) & (t.B == 1))",
        "(t.A == 1) & (t.B == 1) | (t.A == 2) & (t.B == 2)",
        "(" * 400 + "t.A == 1" + ")" * 400,
        "t.A == 1 " + "& (t.A == 1)" * 300,
    ],
)
def test_nothing_else_is_read(text: str) -> None:
    """What is not on the list is refused, however deep or long; nothing is run."""
    with pytest.raises(ControlError):
        read_control(text, "t")
