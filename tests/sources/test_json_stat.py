"""JSON-stat: versions 1 and 2, lists and mappings, marks of values."""

import json
from pathlib import Path
from typing import Any

import pytest

from llmsynthor.sources.json_stat import read_json_stat
from llmsynthor.sources.recognise import read_long
from llmsynthor.sources.table import SourceError

DATASET: dict[str, Any] = {
    "version": "2.0",
    "class": "dataset",
    "label": "Persons by sex and area",
    "id": ["area", "sex", "year"],
    "size": [2, 2, 1],
    "role": {"geo": ["area"], "time": ["year"]},
    "dimension": {
        "area": {"category": {"index": ["A", "B"], "label": {"A": "Aston", "B": "Bury"}}},
        "sex": {"label": "Sex", "category": {"index": {"M": 1, "F": 0}, "label": {"M": "male", "F": "female"}}},
        "year": {"category": {"label": {"2020": "2020"}}},
    },
    "value": [1, 2.5, None, 4],
}


def changed(**parts: Any) -> str:
    return json.dumps({**DATASET, **parts})


def test_dataset_of_version_2(tmp_path: Path) -> None:
    """Values stand in the order of the dimensions, codes in that of their index, whichever way it is written."""
    path = tmp_path / "t.json"
    path.write_text(changed(), encoding="utf-8")
    table = read_long(path)
    assert [(d.name, d.role) for d in table.dimensions] == [("area", "zone"), ("sex", ""), ("year", "time")]
    assert table["sex"].codes == ("F", "M")
    assert table.frame.rows()[1] == ("A", "M", "2020", 2.5, None)
    assert table.frame["value"].to_list() == [1.0, 2.5, None, 4.0]


def test_version_1_is_wrapped_and_sparse() -> None:
    """Version 1 has its ids inside, sizes that may be texts, and here a mapping of the values that there are."""
    about = {**DATASET["dimension"], "id": DATASET["id"], "size": ["2", "2", "1"]}
    table = read_json_stat(json.dumps({"population": {"dimension": about, "value": {"0": 7, "3": 9}}}))
    assert table.frame["value"].to_list() == [7.0, None, None, 9.0]


@pytest.mark.parametrize(
    ("status", "flags"),
    [
        ("e", ["e"] * 4),
        (["e"], ["e"] * 4),
        ({"1": "p"}, [None, "p", None, None]),
        ([None, "p", ":", None], [None, "p", ":", None]),
    ],
)
def test_marks_of_values(status: Any, flags: list[str | None]) -> None:
    """A mark for all, a list and a mapping are read alike."""
    assert read_json_stat(changed(status=status)).frame["flag"].to_list() == flags


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (changed(value=[1, 2]), "2 values where its dimensions make 4"),
        (changed(size=[3, 2, 1]), "has 2 codes where its size is 3"),
        (changed(value={"9": 1}), "outside"),
        ('{"version": "2.0", "class": "collection", "link": {"item": [{"href": "a.json"}]}}', "collection"),
        (json.dumps({"one": DATASET, "two": DATASET}), "more than one"),
        (changed(value=["a", "b", "c", "d"]), "number"),
        (changed(size=[100000, 100000, 100000]), "codes"),
    ],
)
def test_what_does_not_fit_is_refused(text: str, word: str) -> None:
    """A file whose parts contradict each other, a collection and a bundle are refused with the reason."""
    with pytest.raises(SourceError, match=word):
        read_json_stat(text)
