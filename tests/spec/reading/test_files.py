"""Reading, writing and refusing specs."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmsynthor.errors import SpecError
from llmsynthor.run.check import examine
from llmsynthor.spec.checks.checks import forbidden_targets
from llmsynthor.spec.reading.files import digest, save
from llmsynthor.spec.reading.yaml_text import read_yaml
from llmsynthor.spec.specification import Spec
from tests.conftest import age_rows


def problems_of(document: Any) -> str:
    with pytest.raises(SpecError) as caught:
        Spec.load(document)
    return str(caught.value)


def test_spec_survives_a_round_trip(spec: Spec, tmp_path: Path) -> None:
    """A spec that is saved and loaded again is equal, and so is its digest."""
    again = Spec.load(save(spec, tmp_path))
    assert again == spec
    assert digest(again) == digest(spec)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1), min_size=1, max_size=5, unique_by=str.strip
    ),
    st.data(),
)
def test_any_levels_survive_a_round_trip(tmp_path: Path, levels: list[str], data: st.DataObject) -> None:
    """Levels of any printable text and counts of any size come back as they were."""
    levels = [level for level in levels if level.strip() == level] or ["a"]
    counts = data.draw(st.lists(st.floats(0.001, 1e9), min_size=len(levels), max_size=len(levels)))
    document = {
        "llmsynthor": 1,
        "units": {"thing": {"variables": {"kind": {"kind": "category", "levels": levels}}}},
        "targets": [
            {"unit": "thing", "cells": [{"kind": x, "count": n} for x, n in zip(levels, counts, strict=True)]},
        ],
    }
    spec = Spec.load(document)
    assert Spec.load(save(spec, tmp_path)) == spec


def test_all_problems_come_at_once(document: dict[str, Any]) -> None:
    """A spec with four faults is refused once, with four problems, each with its place and the value found."""
    document["targets"][0]["cells"][1]["count"] = -5
    document["targets"][1]["cells"][0]["sex"] = "Femal"
    document["targets"][2]["unit"] = "people"
    document["rules"].append({"unit": "person", "forbid": "shoe_size > 50"})
    said = problems_of(document)
    for piece in ('targets[0] "age" row 2', "-5", 'did you mean "Female"'.capitalize(), "people", "shoe_size"):
        assert piece.lower() in said.lower()
    assert said.count("\n") == 3


def test_problems_of_shape_hide_no_others(document: dict[str, Any]) -> None:
    """A misspelt key in one target keeps back neither the gap in another nor the unknown name of a rule."""
    document["targets"].insert(0, {"unit": "person", "table": "x.csv", "weight": 3})
    document["targets"][1]["cells"] = document["targets"][1]["cells"][:2]
    document["rules"].append({"unit": "person", "forbid": "shoe_size > 50"})
    document["rules"].append({"unit": "person", "forbids": "age > 50"})
    said = problems_of(document)
    for piece in (
        "targets[0].weight",
        'targets[1] "age": there is a gap',
        "rules[1]: unknown name",
        "rules[2].forbids",
    ):
        assert piece in said
    assert said.count("\n") == 4


def test_parquet_tables_are_read_like_csv(document: dict[str, Any], tmp_path: Path) -> None:
    """A Parquet file with typed columns gives the same target as the rows typed into the spec."""
    typed = Spec.load(document)
    rows = pl.DataFrame(document["targets"][1]["cells"], schema_overrides={"sex": pl.Categorical})
    rows.write_parquet(tmp_path / "sex.parquet")
    del document["targets"][1]["cells"]
    document["targets"][1]["table"] = str(tmp_path / "sex.parquet")
    assert Spec.load(document).targets == typed.targets


BAD_TABLES = {
    "a gap": ("age,count\n[0-16),1\n", "expected"),
    "gap": ('age,count\n"[0, 16)",5\n"[20, 100)",5\n', "gap"),
    "overlap": ('age,count\n"[0, 20)",5\n"[16, 100)",5\n', "overlap"),
    "inverted": ('age,count\n"[20, 0)",5\n', "low < high"),
    "beyond the range": ('age,count\n"[0, 120)",5\n', "reaches outside"),
    "negative": ('age,count\n"[0, 16)",-1\n"[16, 100)",5\n', "negative"),
    "missing": ('age,count\n"[0, 16)",\n"[16, 100)",5\n', "missing"),
    "text": ('age,count\n"[0, 16)",many\n"[16, 100)",5\n', "no number"),
    "not finite": ('age,count\n"[0, 16)",inf\n"[16, 100)",5\n', "no number"),
    "no rows": ("age,count\n", "empty"),
    "nothing": ("", "empty"),
    "only zeros": ('age,count\n"[0, 16)",0\n"[16, 100)",0\n', "zero"),
    "unknown level": ("sex,count\nFemale,3\nmale,4\n", 'Did you mean "Male"'),
    "unknown column": ('agee,count\n"[0, 100)",3\n', 'Did you mean "age"'),
    "no value column": ('age,number\n"[0, 100)",3\n', "value column"),
    "twice": ("sex,count\nMale,3\nMale,4\nFemale,1\n", "already"),
    "empty cell": ("sex,count\n,3\nMale,4\n", "is missing"),
    "ragged": ("sex,count\nMale,3,4,5\nFemale,1\n", "cannot be read"),
}


@pytest.mark.parametrize("fault", BAD_TABLES)
def test_bad_tables_are_refused(fault: str, document: dict[str, Any], write_table: Callable[[str], str]) -> None:
    """Each fault of a table is named with the table and what to do."""
    text, word = BAD_TABLES[fault]
    document["targets"] = [{"name": "bad", "unit": "person", "table": write_table(text)}]
    said = problems_of(document)
    assert word in said
    assert 'targets[0] "bad"' in said


def test_missing_file_is_named(document: dict[str, Any]) -> None:
    """A table file that is not there is named."""
    document["targets"] = [{"unit": "person", "table": "nowhere.csv"}]
    assert "nowhere.csv" in problems_of(document)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda d: d.update(llmsynthor=2), "llmsynthor: 1"),
        (lambda d: d.update(unknown=3), "unknown"),
        (lambda d: d["units"]["person"]["variables"]["sex"].update(levels=[True, False]), "quotes"),
        (lambda d: d["units"]["person"]["variables"]["sex"].update(levels=["a", "a"]), "listed twice"),
        (lambda d: d["units"]["person"]["variables"]["age"].update(range=[9, 3]), "low < high"),
        (
            lambda d: d["units"]["person"]["variables"].update({"my var": {"kind": "category", "levels": ["a"]}}),
            "my var",
        ),
        (
            lambda d: d["units"]["person"]["variables"].update(person_id={"kind": "category", "levels": ["a"]}),
            "reserved",
        ),
        (lambda d: d["targets"][0].update(importance=0), "importance"),
        (lambda d: d["targets"][0].update(tolerance=-1), "tolerance"),
        (lambda d: d["targets"][0].update(table="x.csv"), "one of the two"),
        (lambda d: d["targets"][1].update(name="age"), "given to two targets"),
        (lambda d: d["targets"][0].update(universe="age + 1"), "no condition"),
        (lambda d: d["targets"][0].update(universe="1 == 1"), "the same for every record"),
        (lambda d: d["rules"][0].update(forbid="1 > 2"), "the same for every record"),
        (lambda d: d["rules"][0].update(forbid="sex > 3"), "number"),
        (lambda d: d["rules"][0].update(forbid="sex == 'Femal'"), "Female"),
        (lambda d: d["rules"][0].update(forbid="count(age > 3) > 1"), "child records"),
        (lambda d: d["rules"][0].update(forbid="__import__('os')"), "no function"),
        (lambda d: d["units"].update(room={"parent": "house", "variables": PART}), "no such parent"),
        (lambda d: d["units"].update(room={"parent": "person", "count": "sex", "variables": PART}), "count"),
        (
            lambda d: d["units"].update(a={"parent": "b", "variables": PART}, b={"parent": "a", "variables": PART}),
            "circle",
        ),
        (lambda d: d["units"]["person"].update(derived={"x": {**NUMBER, "expression": "x + 1"}}), "depends on itself"),
    ],
)
def test_bad_specs_are_refused(document: dict[str, Any], change: Callable[[Any], None], word: str) -> None:
    """Each fault of a spec is named."""
    change(document)
    assert word in problems_of(document)


PART = {"floor": {"kind": "integer", "range": [0, 9]}}
NUMBER = {"kind": "integer", "range": [0, 9]}


@pytest.mark.parametrize("text", ["a: [", "a: 1\na: 2\n", "? [1]\n: 2\n", "just text", "- 1\n- 2\n", "\0"])
def test_broken_yaml_is_refused(text: str, tmp_path: Path) -> None:
    """A file that is no YAML mapping, or names a key twice, is refused with its place."""
    path = tmp_path / "spec.yaml"
    path.write_text(text, encoding="utf-8")
    assert "spec.yaml" in problems_of(path)


def test_universe_explains_a_gap(document: dict[str, Any]) -> None:
    """A table of those aged 16 and over needs no rows for children when it says so."""
    cells = [{"age": "[16, 65)", "count": 6}, {"age": "65+", "count": 2}]
    document["targets"] = [{"name": "adults", "unit": "person", "cells": cells}]
    assert "gap" in problems_of(document)
    document["targets"][0]["universe"] = "age >= 16"
    assert Spec.load(document).targets[0].universe is not None


def test_data_frames_are_tables(document: dict[str, Any]) -> None:
    """From Python a table may be a polars or pandas frame."""
    frame = pl.DataFrame({"sex": ["Male", "Female"], "count": [4, 6]})
    document["targets"] = [{"name": "sex", "unit": "person", "table": frame}]
    as_polars = Spec.load(document)
    document["targets"][0]["table"] = frame.to_pandas()
    assert Spec.load(document) == as_polars


def test_rule_against_a_given_cell_is_found(document: dict[str, Any]) -> None:
    """A rule that forbids a cell with a positive target is named with rule, target, cell and count."""
    document["rules"].append(
        {"name": "no women at work", "unit": "person", "forbid": "sex == 'Female' and employment == 'Employed'"}
    )
    (problem,) = forbidden_targets(Spec.load(document))
    for piece in ("no women at work", "employment by sex", "220", "Female"):
        assert piece in str(problem)


def test_rule_with_a_way_out_is_no_contradiction(spec: Spec) -> None:
    """A rule that forbids a combination, but no given cell as a whole, is no contradiction."""
    assert forbidden_targets(spec) == ()


def test_careful_users_are_warned(document: dict[str, Any]) -> None:
    """Levels that never occur, disagreeing tables and variables without a table are warned about, not refused."""
    changed = copy.deepcopy(document)
    changed["targets"][1]["cells"] = [{"sex": "Male", "share": 0.6}, {"sex": "Female", "share": 0.4}]
    changed["targets"][0]["cells"] = age_rows(1, 1, 1)
    changed["units"]["person"]["variables"]["hobby"] = {"kind": "category", "levels": ["chess", "go"]}
    changed["targets"].append({"unit": "person", "name": "hobbies", "cells": [{"hobby": "chess", "count": 1}]})
    changed["units"]["person"]["variables"]["shoe"] = {"kind": "integer", "range": [20, 50]}
    said = "\n".join(str(problem) for problem in examine(Spec.load(changed)).warnings)
    for piece in ("disagree about sex", "the totals differ", "go", "shoe"):
        assert piece in said


@pytest.mark.parametrize(
    ("about", "tolerance", "records", "rounding"),
    [
        ({}, 0.0, 0.0, None),
        ({"tolerance": 0.02}, 0.02, 0.0, None),
        ({"tolerance": {"records": 2}}, 0.0, 2.0, None),
        ({"tolerance": {"records": 2, "relative": 0.01}, "rounding": 3}, 0.01, 2.0, 3.0),
    ],
)
def test_rounding_and_tolerance_are_read_and_kept(
    document: dict[str, Any], tmp_path: Path, about: dict[str, Any], tolerance: float, records: float, rounding: float
) -> None:
    """What a table was rounded to, and what it may be off in shares or records, come back from a saved spec."""
    document["targets"][0] |= about
    spec = Spec.load(document)
    table = spec.targets[0]
    assert (table.tolerance, table.tolerance_records, table.rounding) == (tolerance, records, rounding)
    assert Spec.load(save(spec, tmp_path)) == spec


@pytest.mark.parametrize(
    ("about", "said"),
    [
        ({"tolerance": -0.1}, "zero or more"),
        ({"tolerance": {"cells": 2}}, r"tolerance\.cells"),
        ({"tolerance": {"records": -2}}, r"tolerance\.records"),
        ({"rounding": 0}, "rounding"),
    ],
)
def test_senseless_rounding_and_tolerance_are_refused(
    document: dict[str, Any], about: dict[str, Any], said: str
) -> None:
    """A negative tolerance, one in unknown words, and a base of nothing are errors with their place."""
    document["targets"][0] |= about
    with pytest.raises(SpecError, match=said):
        Spec.load(document)


def test_means_have_no_tolerance_in_records(document: dict[str, Any]) -> None:
    """A mean is not counted in records: the error says what to give instead."""
    target = {"unit": "person", "mean": "age", "cells": [{"mean": 40}], "tolerance": {"records": 2}}
    document["targets"].append(target)
    assert "give a share" in problems_of(document)


def test_words_for_yes_and_no_are_levels_and_options() -> None:
    """Unquoted yes and no are levels in a list and in cells, and say true and false where only that can be meant."""
    text = (
        "llmsynthor: 1\nunits: {p: {variables: {back: {kind: category, levels: [yes, no]}}}}\n"
        "targets: [{unit: p, open: no, cells: [{back: yes, share: 0.3}, {back: no, share: 0.7}]}]\n"
        "synthesis: {estimate: off}\n"
    )
    spec = Spec.load(read_yaml(text, where="here"))
    assert spec.schema["p"].variable("back").levels == ("yes", "no")  # type: ignore[union-attr]
    assert spec.targets[0].cells == (("yes",), ("no",))
    assert spec.settings.method.estimate is False


def test_true_as_a_level_is_one_error() -> None:
    """A truth value among the levels is told once, at its place, with what to do."""
    units = {"p": {"variables": {"back": {"kind": "category", "levels": [True, "other"]}}}}
    with pytest.raises(SpecError) as caught:
        Spec.load({"llmsynthor": 1, "units": units, "targets": []})
    assert [problem.where for problem in caught.value.problems] == ["units.p.variables.back.levels[0]"]
    assert "in quotes" in caught.value.problems[0].advice
