"""Runs in partitions: the same bytes whoever makes them, all tables met, what is whole is not made again."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

import llmsynthor
from llmsynthor.cli.commands import app
from llmsynthor.errors import SpecError
from llmsynthor.evaluation.compare import compare
from llmsynthor.evaluation.ends import Status
from llmsynthor.executors.threads import Threads
from llmsynthor.run import partitioned, parts
from llmsynthor.spec.expressions import parse
from llmsynthor.spec.rules import Rule
from llmsynthor.spec.schema import Text
from tests.shires import PARISHES, land


def digests(folder: Path) -> dict[str, str]:
    """Of everything that a run says, but for what says when."""
    names = [*sorted(folder.glob("records/*/*.parquet")), *(folder / name for name in ("alignment.csv", "zones.csv"))]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in names}


def made(folder: Path, **options: Any) -> llmsynthor.Solution:
    """The land in partitions, without a model."""
    return llmsynthor.synthesize(land(), llm="none", seed=3, out=folder, **options)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One run with one thread."""
    folder = tmp_path_factory.mktemp("land") / "run"
    made(folder, workers=1)
    return folder


class Backwards:
    """Does the last order first, and each twice: as a cluster may that loses workers."""

    def each(self, work: Callable[[Any, Any], Any], shared: Any, orders: Sequence[Any]) -> Iterator[tuple[int, Any]]:
        """Yield in the order of the work."""
        for position in reversed(range(len(orders))):
            work(shared, orders[position])
            yield position, work(shared, orders[position])


@pytest.mark.slow
def test_all_tables_are_met(run: Path) -> None:
    """Tables of parishes and tables of the whole land are met to the record."""
    solution = llmsynthor.read_solution(run)
    assert set(solution.alignment["status"]) == {"exact"}
    assert solution.exit_code == 0
    assert [line["name"] for line in solution.manifest["partitions"]] == [f"part-0000{k}" for k in range(4)]


def test_duckdb_reads_parts_as_one_table(run: Path) -> None:
    """A query over all files of a unit finds every record once, beside those of the unit above."""
    duckdb = pytest.importorskip("duckdb")
    files = [f"'{run}/records/{unit}/*.parquet'" for unit in ("household", "person")]
    query = f"select count(*), count(distinct person_id) from {files[0]} join {files[1]} using (household_id)"
    persons = pl.read_parquet(run / "records" / "person" / "*.parquet").height
    assert duckdb.sql(query).fetchall() == [(persons, persons)]


def test_parts_are_one_data_set(run: Path) -> None:
    """A scan of a unit's folder has every record once, ids of the whole, and each person's household."""
    households = pl.read_parquet(run / "records" / "household" / "*.parquet")
    persons = pl.read_parquet(run / "records" / "person" / "*.parquet")
    assert sorted(households["household_id"]) == list(range(1, households.height + 1))
    assert sorted(persons["person_id"]) == list(range(1, persons.height + 1))
    counted = persons.group_by("household_id").len(name="persons")
    joined = households.join(counted, on="household_id")
    assert joined.height == households.height
    assert (joined["size"] == joined["persons"]).all()


@pytest.mark.parametrize(
    "executor",
    [Threads(workers=3), pytest.param(Backwards(), marks=pytest.mark.slow)],
    ids=["threads", "backwards"],
)
def test_the_same_bytes_whoever_works(run: Path, tmp_path: Path, executor: Any) -> None:
    """Neither the number of workers, nor the order of their work, nor work done twice changes a byte."""
    made(tmp_path / "run", engine=executor)
    assert digests(tmp_path / "run") == digests(run)


@pytest.mark.slow
def test_resume_makes_only_what_is_missing(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that was stopped goes on with the partitions that are not whole, and comes to the same bytes."""
    worked = list[str]()

    class Stopping(Threads):
        """Loses its machine after two partitions."""

        def each(self, work: Any, shared: Any, orders: Any) -> Any:
            """Fail once two are made."""
            for done in super().each(work, shared, orders):
                yield done
                if len(worked) >= 2:
                    raise KeyboardInterrupt

    inner = parts.synthesize_part

    def watched(*given: Any) -> Any:
        worked.append("one")
        return inner(*given)

    monkeypatch.setattr(parts, "synthesize_part", watched)
    with pytest.raises(KeyboardInterrupt):
        made(tmp_path / "run", engine=Stopping(workers=1))
    made(tmp_path / "run", workers=1, resume=True)
    assert len(worked) == 8  # four by their own tables, four to all tables: none twice
    assert digests(tmp_path / "run") == digests(run)


@pytest.mark.slow
def test_a_mean_of_all_is_shared_out(tmp_path: Path) -> None:
    """The mean of all records holds though no partition has it of its own."""
    solution = llmsynthor.synthesize(land(mean=True), llm="none", seed=1, out=tmp_path / "run", workers=1)
    assert set(solution.alignment["status"]) == {"exact"}


def test_what_makes_no_partitions_is_refused(tmp_path: Path) -> None:
    """Without a folder, or with a level that is none, a run ends before it begins and says what to do."""
    with pytest.raises(SpecError, match="Name a folder"):
        llmsynthor.synthesize(land(), llm="none")
    with pytest.raises(SpecError, match="no such level"):
        made(tmp_path / "run", partition="county")


def test_texts_and_given_records_are_refused_before_anything_is_made(tmp_path: Path) -> None:
    """With a model that would write texts, or with records to begin with, nothing is made in partitions, not even a folder."""
    spec = land()
    top = spec.schema.top
    told = replace(top, variables=(*top.variables, Text(name="note", prompt="A word about the household.")))
    written = replace(spec, schema=replace(spec.schema, units=(told, *spec.schema.units[1:])))
    with pytest.raises(SpecError, match=r"texts are written from all records together.*household\.note"):
        llmsynthor.synthesize(written, llm="scripted:none.yaml", out=tmp_path / "run")
    with pytest.raises(SpecError, match="a starting population is changed as a whole"):
        llmsynthor.synthesize(spec, llm="none", start=tmp_path / "start", out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_report_reads_no_more_than_a_sample(run: Path) -> None:
    """The report of parts says how many records there are, and shows targets from counts."""
    page = (run / "report.html").read_text(encoding="utf-8")
    solution = llmsynthor.read_solution(run)
    assert f"{solution.manifest['made']['person']:,} person records" in page
    assert "4 targets exact" in page


def test_a_quota_is_an_order(run: Path) -> None:
    """Another quota is another order: what was made of the one is not taken for the other."""
    order = parts.Order(number=1)
    assert order.digest != replace(order, quotas=(parts.Quota(target=0, values=(1.0,)),)).digest


@pytest.mark.slow
def test_why_a_table_cannot_be_met_is_told_with_its_partition(tmp_path: Path) -> None:
    """Where a rule and tables of one shire exclude each other the run says so, and in which partition."""
    spec = land()
    rented = {parish: 0.95 if parish.startswith("north") else 0.1 for parish in PARISHES}
    cells = tuple((parish, tenure) for parish in PARISHES for tenure in ("rented", "owned"))
    values = tuple(round(1000 * (rented[p] if tenure == "rented" else 1 - rented[p])) for p, tenure in cells)
    tenures = replace(spec.targets[0], name="tenures", columns=("parish", "tenure"), cells=cells, values=values)
    rule = Rule(name="the single own", unit="household", forbid=parse("size == 1 and tenure == 'rented'"))
    ruled = replace(spec, targets=(spec.targets[0], tenures), rules=(rule,))
    solution = llmsynthor.synthesize(ruled, llm="none", seed=1, out=tmp_path / "run", workers=1)
    ends = {row["name"]: row for row in solution.alignment.to_dicts()}
    assert "cannot be met" in {row["status"] for row in ends.values()}, ends
    assert any("part-00000: " in row["reason"] for row in ends.values()), ends


@pytest.mark.slow
def test_a_run_in_parts_is_read_as_any_other(run: Path, tmp_path: Path) -> None:
    """Figures, measured tables and exports are of all its records, and it serves as a reference and as micro-data."""
    spec, people = land(), pl.read_parquet(run / "records" / "person" / "*.parquet").height
    figures = llmsynthor.evaluate(run, run)
    assert figures["units"]["person"] == people
    assert figures["reference"]["units"]["person"]["tvd_2way"] == 0
    assert all(entry["max_abs_error"] < 1 for entry in figures["targets"])
    measured = llmsynthor.measure(spec, run)
    assert sum(measured[spec.targets[1].name]["count"]) == people
    written = llmsynthor.read_solution(run).export("csv", tmp_path / "solution")
    result = CliRunner().invoke(app, ["export", str(run), "csv", "--out", str(tmp_path / "run")])
    assert result.exit_code == 0, result.output
    for path in written:
        assert path.read_bytes() == (tmp_path / "run" / path.name).read_bytes()
    assert pl.read_csv(tmp_path / "run" / "person.csv").height == people


def test_what_rounding_into_partitions_leaves_is_not_called_exact() -> None:
    """A cell more than a record off, in parts that are exact each, is within rounding: neither exact nor missed."""
    side = {"kind": "category", "levels": ["head", "tail"]}
    spec = llmsynthor.Spec.load(
        {
            "llmsynthor": 1,
            "units": {"toss": {"variables": {"side": side}}},
            "targets": [{"name": "side", "cells": [{"side": "head", "count": 6}, {"side": "tail", "count": 4}]}],
        }
    )
    (missed,) = compare(spec, {"toss": pl.DataFrame({"side": ["head"] * 4 + ["tail"] * 6})})
    assert missed.status is Status.MISSED
    assert partitioned._as_parts(missed, [Status.EXACT], spans=False).status is Status.ROUNDING
    assert partitioned._as_parts(missed, [Status.EXACT, Status.MARGIN], spans=False).status is Status.MARGIN
    assert partitioned._as_parts(missed, [Status.EXACT], spans=True).status is Status.MISSED
