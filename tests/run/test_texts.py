"""Texts are written from finished records, judged, counted, and change nothing else."""

import json
from pathlib import Path

import polars as pl
import pytest

import llmsynthor as ls
from llmsynthor.run.check import examine
from llmsynthor.spec.specification import Spec


def spec_of(**more: object) -> Spec:
    return Spec(
        context="Sales of a shop.",
        units=[
            ls.unit(
                "sale",
                kind=ls.category("Lamp", "Table"),
                price=ls.integer(1, 101, unit="EUR"),
                title=ls.text("Write the title of the product.", max_words=6, **more),  # type: ignore[arg-type]  # keys of a text
            )
        ],
        targets=[ls.table({"Lamp": 6, "Table": 4}, unit="sale", columns=["kind"], name="kind")],
        synthesis={"estimate": False, "iterations": 0},
    )


def script(folder: Path, answers: list[object], **more: object) -> str:
    path = folder / "answers.yaml"
    path.write_text(json.dumps({"answers": answers, **more}), encoding="utf-8")
    return f"scripted:{path}"


def titles(number: int) -> list[dict[str, str]]:
    colours = ("red", "blue", "green", "white", "black", "brown", "grey", "pink", "golden", "silver", "violet", "beige")
    return [{"text": f"Number {k} in {colours[k % 12]}"} for k in range(number)]


GROUPS = {
    "when": "depend on each other in the real world",
    "answer": {"groups": [{"variables": ["kind", "price"], "reason": "Tables are dearer."}]},
}


def test_every_record_has_its_own(tmp_path: Path) -> None:
    """Ten records, ten titles; the tables are those of a run without a model, and `check` had said the calls."""
    plain = ls.synthesize(spec_of(), records=10, llm="none", seed=3)
    made = ls.synthesize(spec_of(), records=10, llm=script(tmp_path, [GROUPS, *titles(10)]), seed=3)
    frame, account = made.records["sale"], made.manifest["texts"][0]
    assert frame["title"].n_unique() == 10
    assert frame["kind"].equals(plain.records["sale"]["kind"])
    assert account["calls"] == 10
    assert account["calls_expected"] == 12  # a quarter are expected to be asked for again
    assert account["written"] == account["distinct"] == 10
    assert plain.records["sale"]["title"].null_count() == 10


def test_check_says_the_calls() -> None:
    """Per record up to a few hundred, a pool of kinds beyond."""
    few = Spec.load({**_document(spec_of()), "synthesis": {"records": 200}})
    many = Spec.load({**_document(spec_of()), "synthesis": {"records": 10_000}})
    said = [examine(own, "local").texts[0] for own in (few, many)]
    assert "200 calls, one for each record, and about 50 for what is asked again" in said[0]
    assert "at most 6 calls for 5 variants of each kind of record (by kind, price)" in said[1]


def _document(spec: Spec) -> dict[str, object]:
    from llmsynthor.spec.reading.files import _document as document  # noqa: PLC0415  (what save writes, tables in place)

    written = document(spec)
    written["targets"] = [{"unit": "sale", "cells": [{"kind": "Lamp", "count": 6}, {"kind": "Table", "count": 4}]}]
    return written


def test_a_slip_is_asked_for_again_and_counted(tmp_path: Path) -> None:
    """A long and a repeated title are asked for again; a bounded number of times, then a long one is cut."""
    answers = [
        GROUPS,
        {"text": "One"},
        {"text": "One"},
        {"text": "Two"},
        *({"text": "far too many words for a title of six"} for _ in range(4)),
    ]
    made = ls.synthesize(spec_of(), records=3, llm=script(tmp_path, answers), seed=3)
    account, frame = made.manifest["texts"][0], made.records["sale"]
    assert account["asked_again"]["nearly another"] == 1
    assert account["asked_again"]["too long"] == 4
    assert account["shortened"] == 1
    assert frame["title"].null_count() == 0
    assert all(len(title.split()) <= 6 for title in frame["title"])


def test_more_alike_texts_than_stated_are_refused(tmp_path: Path) -> None:
    """Of four records one text may be nearly another: the next is asked for eight times, then its record stays without."""
    same = {"text": "The same long title again"}
    llm = script(tmp_path, [GROUPS, *(same for _ in range(1 + 4 + 2 * 8))])
    made = ls.synthesize(spec_of(alike=0.25), records=4, llm=llm, seed=3)
    account, frame = made.manifest["texts"][0], made.records["sale"]
    assert (account["near_duplicates"], account["near_refused"]) == (1, 2)
    assert frame["title"].null_count() == 2
    assert account["calls"] == 1 + 4 + 2 * 8


def test_many_records_share_a_pool(tmp_path: Path) -> None:
    """Two thousand records have titles of their kind from a pool of a few calls, none of another kind."""
    answers: list[object] = [GROUPS]
    for kind in ("lamp", "table"):
        answers += [{"text": [f"{kind} {k} {w}" for k, w in enumerate(("bright", "small", "old", "new", "cheap"))]}]
    made = ls.synthesize(spec_of(by=["kind"]), records=2_000, llm=script(tmp_path, answers), seed=3)
    frame, account = made.records["sale"], made.manifest["texts"][0]
    assert account["calls"] == 2
    assert frame["title"].n_unique() == 10
    for kind, title in frame.select("kind", "title").unique().rows():
        assert title.startswith(kind.lower())


def test_a_scenario_keeps_the_texts_of_what_stays(tmp_path: Path) -> None:
    """Records that an adjustment leaves alone keep their titles; those that it changes have none."""
    spec = Spec.load({**_document(spec_of()), "adjustments": [{"kind": "Lamp", "factor": 0.5}]})
    made = ls.synthesize(spec, records=10, llm=script(tmp_path, [GROUPS, *titles(10)]), seed=3)
    frame = made.records["sale"]
    assert frame["start_changed"].sum() == 3
    assert (frame["title"].is_null() == frame["start_changed"]).all()


def test_an_asking_that_ends_leaves_the_rest_empty(tmp_path: Path) -> None:
    """A budget that is spent is said; the run ends as it would without texts, and the same run asks nothing again."""
    llm = script(tmp_path, [GROUPS, *titles(5)])
    first = ls.synthesize(spec_of(write="record"), records=5, llm=llm, seed=3, out=tmp_path / "run")
    again = ls.synthesize(spec_of(write="record"), records=5, llm=llm, seed=3, out=tmp_path / "run")
    assert again.records["sale"].equals(first.records["sale"])
    short = ls.synthesize(spec_of(write="record"), records=5, llm=llm, seed=3, max_calls=3)
    assert short.records["sale"].height == 5
    assert short.exit_code == 0


@pytest.mark.slow
def test_a_scenario_of_nested_records_keeps_their_texts(tmp_path: Path) -> None:
    """Texts of both units stay with the households that an adjustment leaves alone, and with their members; others have none."""
    note = {"kind": "text", "prompt": "Say something.", "max_words": 6, "write": "record"}
    document = {
        "llmsynthor": 1,
        "units": {
            "household": {
                "variables": {
                    "size": {"kind": "integer", "range": [1, 3]},
                    "tenure": {"kind": "category", "levels": ["own", "rent"]},
                    "note": note,
                }
            },
            "person": {
                "parent": "household",
                "count": "size",
                "variables": {"works": {"kind": "category", "levels": ["yes", "no"]}, "note": note},
            },
        },
        "targets": [
            {"unit": "household", "cells": [{"size": "1", "count": 4}, {"size": "2", "count": 6}]},
            {"unit": "household", "cells": [{"tenure": "own", "count": 5}, {"tenure": "rent", "count": 5}]},
            {"unit": "person", "cells": [{"works": "yes", "count": 8}, {"works": "no", "count": 8}]},
        ],
        "adjustments": [{"unit": "household", "tenure": "own", "factor": 0.6}],
        "synthesis": {"estimate": False, "iterations": 0},
    }
    made = ls.synthesize(document, records=10, llm=script(tmp_path, titles(26)), seed=3, out=tmp_path / "run")
    household, person = made.records["household"], made.records["person"]
    assert 0 < household["start_changed"].sum() < 10
    assert (household["note"].is_null() == household["start_changed"]).all()
    told = person.join(household.select("household_id", "start_changed"), on="household_id", maintain_order="left")
    assert (told["note"].is_null() == told["start_changed"]).all()
    base = pl.read_parquet(tmp_path / "run" / "base" / "records" / "person.parquet")
    kept = set(told["note"].drop_nulls())
    assert kept
    assert kept <= set(base["note"])
