"""Tables as they are published are read, or one message a table says what to do."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llmsynthor.errors import SpecError
from llmsynthor.run.check import examine
from llmsynthor.run.synthesize import synthesize
from llmsynthor.spec.levels import Interval
from llmsynthor.spec.reading.files import save
from llmsynthor.spec.reading.yaml_text import write_yaml
from llmsynthor.spec.specification import Spec
from llmsynthor.spec.targets import Table

VARIABLES: dict[str, Any] = {
    "town": {"kind": "category", "levels": ["Zürich", "Genève"]},
    "size": {"kind": "integer", "range": [0, 100]},
    "car": {"kind": "category", "levels": ["car", "none"]},
    "pay": {"kind": "integer", "range": [0, 5000]},
}


def document(*targets: dict[str, Any], **top: Any) -> dict[str, Any]:
    entries = [{"unit": "home", **target} for target in targets]
    return {"llmsynthor": 1, "units": {"home": {"variables": VARIABLES}}, "targets": entries, **top}


Read = Callable[..., Spec]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Read one table from a file of the given bytes."""

    def _read(content: str, encoding: str = "utf-8", **target: Any) -> Spec:
        path = tmp_path / "table.csv"
        path.write_bytes(content.encode(encoding))
        return Spec.load(document({"name": "t", "table": str(path), **target}))

    return _read


def said(read: Callable[[], Any]) -> list[str]:
    with pytest.raises(SpecError) as caught:
        read()
    return [str(problem) for problem in caught.value.problems]


WANTED = ((("Zürich",), 1200.0), (("Genève",), 450.0))
PLAIN = "town,count\nZürich,1200\nGenève,450\n"

READABLE = {
    "byte order mark": ("\ufeff" + PLAIN, "utf-8"),
    "semicolons": (PLAIN.replace(",", ";"), "utf-8"),
    "tabs": (PLAIN.replace(",", "\t"), "utf-8"),
    "UTF-16": (PLAIN, "utf-16"),
    "carriage returns": (PLAIN.replace("\n", "\r\n"), "utf-8"),
    "decomposed letters": (PLAIN.replace("ü", "u\u0308").replace("è", "e\u0300"), "utf-8"),
    "capitals and blanks": ("Town , Count\nZürich , 1200\n Genève, 450\n", "utf-8"),
    "thousands": ('town,count\nZürich,"1,200"\nGenève,450\n', "utf-8"),
    "blank thousands": ("town,count\nZürich,1 200\nGenève,450\n", "utf-8"),
    "Swiss thousands": ("town,count\nZürich,1'200\nGenève,450\n", "utf-8"),
    "German thousands": ("town;count\nZürich;1.200,0\nGenève;450,0\n", "utf-8"),
}


@pytest.mark.parametrize(("content", "encoding"), READABLE.values(), ids=list(READABLE))
def test_files_of_many_makes_are_read_alike(read: Read, content: str, encoding: str) -> None:
    """Encodings, separators and signs of thousands that leave no doubt are read, without a word."""
    spec = read(content, encoding)
    assert tuple(zip(spec.targets[0].cells, spec.targets[0].values, strict=True)) == WANTED
    assert spec.notes == ()


@pytest.mark.parametrize(
    ("content", "encoding", "word"),
    [
        (PLAIN, "latin-1", "Windows-1252"),
        ("Table 1: Homes\n" + PLAIN, "utf-8", "lines above the header"),
        ("# Homes, all towns, 2024\n" + PLAIN, "utf-8", "lines above the header"),
        (PLAIN + '\n"Source: census"\n', "utf-8", "lines below the table"),
        (PLAIN + "* As of May, rounded, revised\nSource: census, 2024, table 7\n", "utf-8", "lines below the table"),
    ],
)
def test_what_was_taken_for_granted_is_said(read: Read, content: str, encoding: str, word: str) -> None:
    """An encoding that was guessed, a title and a note that were left out are warnings."""
    spec = read(content, encoding)
    assert tuple(zip(spec.targets[0].cells, spec.targets[0].values, strict=True)) == WANTED
    assert word in str(spec.notes[0])


REFUSED = {
    "doubtful thousands": ("town,count\nZürich,1.200\nGenève,450\n", ("1.200", "450", "thousands")),
    "doubtful decimals": ("town;count\nZürich;1,200\nGenève;450\n", ("1,200", "thousands")),
    "withheld": ("town,count\nZürich,x\nGenève,<5\n", ("withheld", "row 1: x", "row 2: <5", "open")),
    "totals": (PLAIN + "Insgesamt,1650\n", ("Insgesamt", "leave them out")),
    "wide": ("size,Zürich,Genève\n0-49,1,2\n50+,3,4\n", ("wide", "columns are levels of town")),
    "cut short": ("town,size,count\nZürich,a,1200\nGenève,a\n", ("line 3", "2 fields", "comma")),
    "ragged": ("town,count\nZürich,1200,5\nGenève,450\n", ("line 2", "3 fields", "comma")),
    "twice": ("town,count,count\nZürich,1,2\nGenève,3,4\n", ("twice", "count")),
    "workbook": ("PK\x03\x04...", ("workbook",)),
    "subtotals": ("size,count\nunder 50,1\n50+,2\n0+,3\n", ("totals of other rows", "row 3: [0, 100)"[:6])),
    "labels": ("size,count\nsmall,1\nmiddling,2\nlarge,3\n", ("labels cannot be read", "row 1: small", "row 3: large")),
    "lower ends": ("size,count\n0,1\n18,2\n65,3\n", ("lower ends",)),
    "constant column": (
        "town,year,count\nZürich,2021,1\nGenève,2021,2\n",
        ("year, 2021 in every row", "remove the column"),
    ),
}


@pytest.mark.parametrize(("content", "words"), REFUSED.values(), ids=list(REFUSED))
def test_what_leaves_doubt_is_one_message(read: Read, content: str, words: tuple[str, ...]) -> None:
    """What cannot be read without a guess is refused once a table, with the place and what to do."""
    problems = said(lambda: read(content))
    assert len([problem for problem in problems if words[0].lower() in problem.lower()]) == 1
    assert all(word.lower() in problems[0].lower() for word in words)


def test_a_named_pipe_or_folder_is_no_table(tmp_path: Path) -> None:
    """Only files are read."""
    assert "it is no file" in said(lambda: Spec.load(document({"table": str(tmp_path)})))[0]


def test_codes_are_texts(tmp_path: Path) -> None:
    """Levels written as numbers are texts, with their zeros."""
    path = tmp_path / "spec.yaml"
    path.write_text(
        "llmsynthor: 1\nunits: {p: {variables: {zone: {kind: category, levels: [001001, 058091, 7, -9]}}}}\n"
        "targets: [{unit: p, cells: [{zone: 001001, count: 3}, {zone: 058091, count: 1}, {zone: 7, count: 1}, "
        "{zone: -9, count: 0}]}]\n",
        encoding="utf-8",
    )
    spec = Spec.load(path)
    assert [cell[0] for cell in spec.targets[0].cells] == ["001001", "058091", "7", "-9"]


def test_leading_zeros_are_pointed_out() -> None:
    """A code without its zeros is not another level: the advice says so."""
    cells = [{"zone": "1", "count": 1}]
    wrong = {"llmsynthor": 1, "units": {"p": {"variables": {"zone": {"kind": "category", "levels": ["001"]}}}}}
    assert "Leading zeros count" in said(lambda: Spec.load({**wrong, "targets": [{"unit": "p", "cells": cells}]}))[0]


CARS = {"name": "cars", "cells": [{"car": "car", "percent": 10}]}


def test_shares_that_lack_something() -> None:
    """Shares that add up to clearly less than the whole are refused with both repairs; `rest` is one of them."""
    problem = said(lambda: Spec.load(document(CARS)))[0]
    assert "clearly less than 100" in problem and 'rest: "none"' in problem and "Add the missing cells" in problem
    target = Spec.load(document({**CARS, "rest": "none"})).targets[0]
    assert dict(zip(target.cells, target.values, strict=True)) == {("car",): 10.0, ("none",): 90.0}


def test_rest_of_a_number() -> None:
    """The rest may be an interval; it fills the gap."""
    target = Spec.load(document({"cells": [{"size": "under 20", "share": 0.3}], "rest": "20+"})).targets[0]
    assert dict(zip(target.cells, target.values, strict=True)) == {(Interval(0, 20),): 0.3, (Interval(20, 100),): 0.7}


@pytest.mark.parametrize(
    ("target", "word"),
    [
        ({**CARS, "rest": "car"}, "lists"),
        ({**CARS, "rest": "bus"}, "no such level"),
        ({"cells": [{"car": "car", "count": 3}], "rest": "none"}, "is for shares"),
        ({"cells": [{"car": "car", "percent": 130}], "rest": "none"}, "more than the whole"),
    ],
)
def test_a_rest_that_makes_no_sense(target: dict[str, Any], word: str) -> None:
    """A rest that is listed, unknown, negative, or of counts is refused."""
    assert word in said(lambda: Spec.load(document(target)))[0]


WITHIN = [
    {"town": town, "car": car, "percent": number}
    for town, car, number in [
        ("Zürich", "car", 10),
        ("Zürich", "none", 90),
        ("Genève", "car", 50),
        ("Genève", "none", 50),
    ]
]
TOWNS = {"name": "towns", "cells": [{"town": "Zürich", "count": 900}, {"town": "Genève", "count": 100}]}


def test_shares_within_groups_are_asked_about() -> None:
    """Percentages that add up to 100 in each group are refused until `given` says what they are."""
    problem = said(lambda: Spec.load(document(TOWNS, {"cells": WITHIN})))[0]
    assert "within each town" in problem and "`given: [town]`" in problem


def test_shares_within_groups_take_the_groups_from_another_table() -> None:
    """Given the groups, only the distribution within them is targeted: 90 and 50 cars, not half of each."""
    spec = Spec.load(document(TOWNS, {"name": "cars", "given": ["town"], "cells": WITHIN}, synthesis={"records": 1000}))
    records = synthesize(spec, llm="none", seed=1).records["home"]
    assert records.filter(town="Zürich", car="car").height == 90
    assert records.filter(town="Genève", car="car").height == 50


def test_shares_within_groups_that_no_table_counts() -> None:
    """Without a table of the groups each group is a target of its own."""
    targets = Spec.load(document({"name": "cars", "given": ["town"], "cells": WITHIN})).targets
    assert [target.name for target in targets] == ["cars, town Zürich", "cars, town Genève"]
    assert [str(target.universe) for target in targets] == ["town == 'Zürich'", "town == 'Genève'"]


def test_shares_of_a_joint_table_are_not_asked_about() -> None:
    """A joint distribution whose groups happen to have equal sums is one."""
    cells = [{"town": t, "car": c, "share": 0.25} for t in ("Zürich", "Genève") for c in ("car", "none")]
    assert isinstance(Spec.load(document({"cells": cells})).targets[0], Table)


def test_given_in_a_saved_spec(tmp_path: Path) -> None:
    """A spec with open cells and groups is the same when it is saved and read again."""
    open_cell = [{**cell, "percent": "open"} if cell["percent"] == 10 else cell for cell in WITHIN]
    counts = [{"town": c["town"], "car": c["car"], "count": c["percent"]} for c in open_cell]
    spec = Spec.load(document(TOWNS, {"name": "a", "given": ["town"], "cells": WITHIN}, {"name": "b", "cells": counts}))
    assert Spec.load(save(spec, tmp_path)) == spec


def test_an_open_cell_follows_from_the_margins() -> None:
    """A suppressed cell is free, and takes what the margins leave it."""
    cells: list[dict[str, Any]] = [
        {"town": "Zürich", "car": "car", "count": 30},
        {"town": "Zürich", "car": "none", "count": 30},
        {"town": "Genève", "car": "car", "count": "open"},
        {"town": "Genève", "car": "none", "count": 36},
    ]
    towns = {"name": "towns", "cells": [{"town": "Zürich", "count": 60}, {"town": "Genève", "count": 40}]}
    cars = {"name": "car", "cells": [{"car": "car", "count": 34}, {"car": "none", "count": 66}]}
    spec = Spec.load(document(towns, {"name": "cars", "cells": cells}, cars, synthesis={"records": 100}))
    assert spec.targets[1].universe is not None
    records = synthesize(spec, llm="none", seed=1).records["home"]
    assert records.filter(town="Genève", car="car").height == 4
    without = document(towns, {"name": "cars", "open": True, "cells": [cells[k] for k in (0, 1, 3)]})
    assert Spec.load(without).targets[1].cells == spec.targets[1].cells


def test_combinations_that_are_not_listed_are_said() -> None:
    """`check` names a combination whose levels both occur; structural zeros and open cells are meant."""
    table = {"cells": [{k: v for k, v in cell.items() if k != "percent"} | {"count": 5} for cell in WITHIN[:3]]}
    assert "town Genève and car none" in str(examine(Spec.load(document(table))).warnings)
    for meant in ({"zeros": "structural"}, {"open": True}):
        assert "not listed" not in str(examine(Spec.load(document({**table, **meant}))).warnings)


def test_a_total_needs_one_base() -> None:
    """A total beside counts of different totals is refused until `base` says of how many records it is; percentages are none."""
    total = {"name": "pay", "total": "pay", "cells": [{"total": 500_000}]}
    percent = {"name": "cars", "cells": [{"car": "car", "percent": 10}, {"car": "none", "percent": 90}]}
    other = {"name": "cars", "cells": [{"car": "car", "count": 10}, {"car": "none", "count": 90}]}
    near = {"name": "cars", "cells": [{"car": "car", "count": 100}, {"car": "none", "count": 901}]}
    for fine in ((TOWNS, percent, total), (TOWNS, near, total), (TOWNS, other, {**total, "base": 1000})):
        examine(Spec.load(document(*fine)))
    problem = said(lambda: examine(Spec.load(document(TOWNS, other, total))))[0]
    assert "1,000" in problem and "base" in problem


def test_means_outside_the_range_are_refused() -> None:
    """No records have a mean, or a quantile, outside the range of the variable."""
    mean = {"mean": "size", "cells": [{"mean": 120}]}
    quantile = {"quantile": "size", "probability": 0.5, "cells": [{"quantile": -1}]}
    for target in (mean, quantile):
        assert "outside the range" in said(lambda target=target: Spec.load(document(target)))[0]  # type: ignore[misc]


def test_rules_that_no_record_keeps_are_an_error() -> None:
    """`check` and a run both refuse rules that exclude each other, and name the fewest."""
    rules = [
        {"name": "big", "unit": "home", "forbid": "size < 50"},
        {"name": "small", "unit": "home", "forbid": "size >= 50"},
        {"name": "other", "unit": "home", "forbid": "car == 'car' and pay < 10"},
    ]
    spec = Spec.load(document(TOWNS, rules=rules))
    for refuse in (lambda: examine(spec), lambda: synthesize(spec, records=10, llm="none")):
        assert 'rule "big" and rule "small" cannot hold together' in said(refuse)[0]


def test_margins_that_are_not_named_are_left_out(tmp_path: Path) -> None:
    """A column MOE beside the counts, which the target does not name, is no variable: a warning says how to use it."""
    (tmp_path / "t.csv").write_text("car,count,MOE\nnone,30,12\none,70,15\n", encoding="utf-8")
    units = {"home": {"variables": {"car": {"kind": "category", "levels": ["none", "one"]}}}}
    path = tmp_path / "spec.yaml"
    target = {"unit": "home", "table": "t.csv"}
    path.write_text(write_yaml({"llmsynthor": 1, "units": units, "targets": [target]}), encoding="utf-8")
    spec = Spec.load(path)
    assert spec.targets[0].values == (30.0, 70.0)
    assert any("margin_of_error: MOE" in problem.advice for problem in spec.notes)


@pytest.mark.parametrize(
    ("labels", "variable", "expected"),
    [
        (
            ["Less than $10,000", "$10,000 to $24,999", "$25,000 to $49,999", "$50,000 or more"],
            {"kind": "number", "range": [0, 200_000]},
            [0, 10_000, 25_000, 50_000, 200_000],
        ),
        (["0-5", "5-10", "10-20"], {"kind": "number", "range": [0, 20]}, [0, 5, 10, 20]),
        (["0-5", "5-10", "10+"], {"kind": "integer", "range": [0, 20]}, [0, 5, 10, 20]),
        (["0-4", "5-9", "10+"], {"kind": "integer", "range": [0, 20]}, [0, 5, 10, 20]),
        (["0.0-1.9", "2.0-3.9", "4.0 and more"], {"kind": "number", "range": [0, 9]}, [0, 2, 4, 9]),
        (["00:00-06:59", "07:00-08:59", "09:00-23:59"], {"kind": "integer", "range": [0, 1440]}, [0, 420, 540, 1440]),
        (["00:00-07:00", "07:00-24:00"], {"kind": "number", "range": [0, 24]}, [0, 7, 24]),
        (["0:00-11:59", "12:00-23:59"], {"kind": "integer", "range": [0, 24]}, [0, 12, 24]),
    ],
)
def test_classes_reach_to_where_the_next_begins(
    labels: list[str], variable: dict[str, Any], expected: list[float]
) -> None:
    """Labels with both ends are read beside each other: amounts up to the next class, times of the day in the range's unit."""
    cells = [{"x": label, "count": 10} for label in labels]
    targets = [{"unit": "r", "cells": cells}]
    spec = Spec.load({"llmsynthor": 1, "units": {"r": {"variables": {"x": variable}}}, "targets": targets})
    read = [cell[0] for cell in spec.targets[0].cells]
    assert [own.low for own in read] == expected[:-1]  # type: ignore[union-attr]
    assert [own.high for own in read] == expected[1:]  # type: ignore[union-attr]


def test_values_that_nobody_has_are_zero() -> None:
    """A table of single ages without the one that nobody has is read, with a warning; one of adults alone is asked about."""
    variable = {"kind": "integer", "range": [5, 20]}

    def read(ages: list[int]) -> Spec:
        cells = [{"age": str(age), "sex": "F", "count": 3} for age in ages]
        cells.append({"age": str(ages[0]), "sex": "M", "count": 2})
        sex = {"kind": "category", "levels": ["F", "M"]}
        units = {"pupil": {"variables": {"age": variable, "sex": sex}}}
        return Spec.load({"llmsynthor": 1, "units": units, "targets": [{"unit": "pupil", "cells": cells}]})

    spec = read([6, 7, 8, 9, 10, 11, 12, 14, 15, 16, 17, 18, 19])
    told = [problem.found for problem in spec.notes if "values of age are not listed" in problem.what]
    assert told == ["[5, 6); [13, 14)"]
    made = synthesize(spec, records=41, llm="none", seed=1).records["pupil"]["age"]
    assert not made.is_in([5, 13]).any()
    for others in ([9, *range(10, 20)], [5, 10, 15, 19]):
        with pytest.raises(SpecError, match="there is a gap"):
            read(others)


def test_a_gap_before_single_values_is_no_sign_of_lower_ends(read: Read) -> None:
    """Of values that begin after the range does, nobody is told to write intervals that begin below it."""
    first = said(lambda: read("size,count\n5,1\n6,2\n7,3\n21,4\n"))[0]
    assert "[0, 5)" in first
    assert "lower ends" not in first


def test_a_warning_beside_an_error_is_none(tmp_path: Path) -> None:
    """Where a target has the wrong shape, what was left out of the table of another is not said to be an error."""
    path = tmp_path / "table.csv"
    path.write_text("Table 1: Homes\n" + PLAIN, encoding="utf-8")
    wrong = {"where": "car == 'car'", "share": 0.5, "by": ["town"]}
    problems = said(lambda: Spec.load(document({"name": "t", "table": str(path)}, wrong)))
    assert [problem for problem in problems if "lines above" in problem] == []
    assert any("remove by" in problem for problem in problems)
