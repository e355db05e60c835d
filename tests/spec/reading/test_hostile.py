"""Specs and tables from strangers: refused with their place, in a bounded time, and nothing is run."""

import os
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import llmsynthor as ls
from llmsynthor.spec.reading.yaml_text import read_yaml

LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{k + 1}: &a{k + 1} [{', '.join([f'*a{k}'] * 10)}]\n" for k in range(9)
)
TAGS = ("!!timestamp soon", "!!bool soon", "!!int soon", "!!float soon", "!!python/object:os.system x", "!!pairs [a]")


@pytest.mark.parametrize("letter", ["\0", "\x1b", "\x0b", "\ud800", "\u202e", "\u2028", "\u2029", "\ufffe"])
@pytest.mark.parametrize("place", ["context", "targets[1].name", "units.person.variables.sex.levels[0]"])
def test_odd_letters_are_refused_with_their_place(document: dict[str, Any], letter: str, place: str) -> None:
    """Control characters, halves of pairs and marks of direction cannot stand in a spec."""
    if place == "context":
        document["context"] = f"a{letter}"
    elif place.startswith("targets"):
        document["targets"][1]["name"] = letter
    else:
        document["units"]["person"]["variables"]["sex"]["levels"][0] = f"F{letter}"
    with pytest.raises(ls.SpecError, match=r"U\+[0-9A-F]{4} as character") as caught:
        ls.Spec.load(document)
    assert caught.value.problems[0].where == place


def test_long_texts_are_refused(document: dict[str, Any]) -> None:
    """A level that would fill a prompt is refused."""
    document["units"]["person"]["variables"]["sex"]["levels"].append("x" * 100_000)
    with pytest.raises(ls.SpecError, match="100,000 letters"):
        ls.Spec.load(document)


@pytest.mark.parametrize(
    "text", [LAUGHS, "a: &a [*a]", "a: &a {b: *a}", "[" * 100_000, "- " * 50_000, "x: " + "[" * 300_000]
)
@pytest.mark.slow
def test_bombs_of_yaml_are_refused(text: str) -> None:
    """Aliases that grow or hold themselves, and deep nesting, cost next to nothing."""
    began = time.process_time()
    with pytest.raises(ls.SpecError):
        read_yaml(text, where="spec")
    assert time.process_time() - began < 5


@pytest.mark.parametrize("tag", TAGS)
def test_tags_run_nothing(tag: str) -> None:
    """A value that is not what its tag says, or a tag that would make an object, is an error with a sentence."""
    with pytest.raises(ls.SpecError):
        ls.Spec.load(read_yaml(f"llmsynthor: 1\ncontext: {tag}\nunits: {{}}\n", where="spec"))


@pytest.mark.slow
def test_large_files_are_read_like_small_ones() -> None:
    """The compiled reader gives what the other one gives, octal numbers and keys given twice included."""
    small = "levels: [001, 12:30, 7, 'a', yes]\nb: {c: 1}\n"
    large = small + "rest:\n" + "".join(f"- level {k}\n" for k in range(30_000))
    assert {key: read_yaml(large, where="x")[key] for key in ("levels", "b")} == read_yaml(small, where="x")
    with pytest.raises(ls.SpecError, match="given twice"):
        read_yaml(large + "b: 2\n", where="x")


@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda data: data.decode("latin-1")))
@settings(max_examples=60)
def test_any_text_is_yaml_or_refused(text: str) -> None:
    """Whatever the text of a spec is, it is read or is a SpecError."""
    try:
        read_yaml(text, where="spec")
    except ls.SpecError as error:
        assert str(error)


@pytest.mark.parametrize("name", ["br[1].csv", "q?.csv", "st*r.csv"])
def test_paths_are_no_patterns(document: dict[str, Any], tmp_path: Path, name: str) -> None:
    """A table whose name holds signs of patterns is that file and no other."""
    (tmp_path / name).write_text("sex,count\nFemale,3\nMale,4\n")
    (tmp_path / "br1.csv").write_text("sex,count\nFemale,9\nMale,9\n")
    document["targets"][1] = {"name": "sex", "unit": "person", "table": str(tmp_path / name), "value": "count"}
    assert sorted(ls.Spec.load(document).targets[1].values) == [3, 4]


@pytest.mark.parametrize("kind", ["pipe", "/dev/zero", "/dev/stdin", "control", "escape"])
def test_what_is_no_table_is_not_waited_for(document: dict[str, Any], tmp_path: Path, kind: str) -> None:
    """Pipes, devices and tables with control characters are refused at once."""
    path = tmp_path / "t.csv"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind.startswith("/"):
        path = Path(kind)
    else:
        odd = "\x1b" if kind == "escape" else "\x0b"
        path.write_text(f"sex,count\nFemale{odd},3\nMale,4\n")
    document["targets"][1] = {"name": "sex", "unit": "person", "table": str(path), "value": "count"}
    with pytest.raises(ls.SpecError, match="cannot be read"):
        ls.Spec.load(document)


@pytest.mark.parametrize("value", [1e308, 5e-324, -1e250])
def test_absurd_values_are_refused(document: dict[str, Any], value: float) -> None:
    """Values beside which sums are no numbers are no amounts."""
    document["targets"].append({"name": "mean", "unit": "person", "mean": "age", "cells": [{"mean": value}]})
    with pytest.raises(ls.SpecError, match="no amount"):
        ls.Spec.load(document)


def test_absurd_ranges_are_refused(document: dict[str, Any]) -> None:
    """A range in which no numbers lie is refused."""
    document["units"]["person"]["variables"]["rate"] = {"kind": "number", "range": [0, 1e-300]}
    with pytest.raises(ls.SpecError, match="too narrow"):
        ls.Spec.load(document)
