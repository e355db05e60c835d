"""What the report says, gathered from a run folder: plain values for the template."""

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from llmsynthor.errors import Problem, RunFolderError
from llmsynthor.evaluation.compare import Comparison, compare
from llmsynthor.records.run_folder import read_manifest
from llmsynthor.report.assumptions import assumptions
from llmsynthor.report.charts import draw_history, draw_one_way, draw_two_way
from llmsynthor.spec.specification import Spec
from llmsynthor.spec.targets import Table

MOST_ONE_WAY, MOST_TWO_WAY = 400, 12
SAMPLE, MOST_MATRIX, MOST_CONFLICTS = 12, 40, 20
STAGES = {"proposals": "Proposals of the LLM", "fit": "Fit to the tables", "correct": "Correction to whole records"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A drawing with its caption."""

    title: str
    svg: str
    note: str = ""


def gather(folder: Path) -> dict[str, Any]:
    """Read a run folder into what the template shows; what is not there yet is empty."""
    manifest = read_manifest(folder)
    spec = _spec(folder)
    records = _records(folder, spec)
    comparisons = compare(spec, records) if spec is not None and records else ()
    history = _parquet(folder / "history.parquet")
    proposals = _parquet(folder / "proposals.parquet")
    return {
        "manifest": manifest,
        "spec": spec,
        "command": _command(manifest),
        "verdict": _verdict(manifest, comparisons, records),
        "targets": [_target_row(c) for c in comparisons],
        "one_way": _one_way(comparisons),
        "two_way": _two_way(comparisons),
        "n_one_way": sum(1 for c in comparisons if _columns(c) == 1),
        "noise": _noise(manifest),
        "n_two_way": sum(1 for c in comparisons if _columns(c) > 1),
        "history": _history(history),
        "groups": manifest.get("dependency", {}).get("groups", []),
        "proposals": _proposals(proposals, records, spec),
        "pairs": _pairs(spec, folder) if spec is not None else {},
        "sample": _sample(records, spec),
        "rules": [(rule, manifest.get("rules_broken", {}).get(rule.name)) for rule in spec.rules]
        if spec is not None
        else [],
        "conflicts": _conflicts(_csv(folder / "disagreements.csv")),
        "stages": _by_name(_csv(folder / "alignment.csv")),
        "assumptions": assumptions(folder, records),
    }


def _spec(folder: Path) -> Spec | None:
    path = folder / "spec" / "spec.yaml"
    return Spec.load(path) if path.is_file() else None


def _records(folder: Path, spec: Spec | None) -> dict[str, pl.DataFrame]:
    units = [unit.name for unit in spec.schema.units] if spec is not None else []
    paths = {unit: folder / "records" / f"{unit}.parquet" for unit in units}
    frames = {unit: _parquet(path) for unit, path in paths.items()}
    return {unit: frame for unit, frame in frames.items() if frame is not None}


def _parquet(path: Path) -> pl.DataFrame | None:
    try:
        return pl.read_parquet(path) if path.is_file() else None
    except (OSError, pl.exceptions.PolarsError) as cause:
        first = (str(cause).splitlines() or [""])[0][:120]
        advice = "repeat the run in this folder: its ledger answers without a model"
        raise RunFolderError(Problem(where=str(path), what=f"it cannot be read ({first})", advice=advice)) from cause


def _csv(path: Path) -> pl.DataFrame | None:
    return pl.read_csv(path, infer_schema_length=None) if path.is_file() else None


def _conflicts(disagreements: pl.DataFrame | None) -> dict[str, Any]:
    """The cells on which sources disagree beyond rounding, those that were moved most first, and how many there are."""
    if disagreements is None or disagreements.is_empty():
        return {"rows": [], "kinds": {}}
    kinds = dict(disagreements["kind"].value_counts(sort=True).iter_rows())
    beyond = disagreements.filter(pl.col("kind") != "rounding")
    order = beyond["yielded"].abs().arg_sort(descending=True)
    return {"rows": beyond[order].head(MOST_CONFLICTS).to_dicts(), "kinds": kinds, "beyond": beyond.height}


def _by_name(alignment: pl.DataFrame | None) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in alignment.to_dicts()} if alignment is not None else {}


def _noise(manifest: dict[str, Any]) -> float:
    """TVD to be expected between two random samples of as many records on a table of a hundred even cells."""
    return float(np.sqrt(100 / (np.pi * max(int(manifest["arguments"].get("records") or 1), 1))))


def _columns(comparison: Comparison) -> int:
    return len(comparison.target.columns) if isinstance(comparison.target, Table) else 0


def _verdict(manifest: dict[str, Any], comparisons: Sequence[Comparison], records: dict[str, pl.DataFrame]) -> str:
    if not records:
        return f"No records were written: {manifest.get('stop_reason', 'the run did not finish')}."
    made = ", ".join(f"{frame.height:,} {unit} records" for unit, frame in records.items())
    unmet = [c for c in comparisons if c.status == "unmet"]
    exact = all(c.status == "met" for c in comparisons)
    broken = sum(manifest.get("rules_broken", {}).values())
    rules = f"; rules are broken by {broken:,} records" if broken else ""
    if not comparisons:
        return f"{made}; there are no targets to meet{rules}."
    if exact:
        return f"{made}; all {len(comparisons)} targets are met, no cell is a whole record off{rules}."
    if not unmet:
        return f"{made}; all {len(comparisons)} targets are within their tolerance{rules}."
    return f"{made}; {len(unmet)} of {len(comparisons)} targets are outside their tolerance{rules}."


def _command(manifest: dict[str, Any]) -> str:
    given = manifest.get("arguments", {})
    words = ["llmsynthor", "synthesize", "spec/spec.yaml"]
    for name, value in given.items():
        if value is not None:
            option = name.replace("_", "-")
            words += [f"--{'' if value else 'no-'}{option}"] if isinstance(value, bool) else [f"--{option}", str(value)]
    return shlex.join([*words, "--out", "."])


def _target_row(comparison: Comparison) -> dict[str, Any]:
    target = comparison.target
    about = " × ".join(target.columns) if isinstance(target, Table) else f"{target.statistic} of {target.variable}"
    if not isinstance(target, Table) and target.by:
        about += f" by {', '.join(target.by)}"
    return {
        "name": target.name,
        "about": about,
        "source": target.source,
        "cells": len(target.cells),
        "tvd": None if np.isnan(comparison.tvd) else comparison.tvd,
        "error": comparison.largest_error,
        "status": comparison.status,
        "worst": comparison.worst(3),
    }


def _one_way(comparisons: Sequence[Comparison]) -> list[Picture]:
    drawn = []
    for k, comparison in enumerate([c for c in comparisons if _columns(c) == 1][:MOST_ONE_WAY]):
        svg, note = draw_one_way(comparison, f"one{k}")
        drawn.append(Picture(title=comparison.target.name, svg=svg, note=note))
    return drawn


def _two_way(comparisons: Sequence[Comparison]) -> list[Picture]:
    """The worst tables first, then in the order of the spec."""
    several = [c for c in comparisons if _columns(c) > 1]
    chosen = sorted(several, key=lambda c: -round(c.tvd, 9))[:MOST_TWO_WAY]
    drawn = []
    for k, comparison in enumerate(chosen):
        svg, note = draw_two_way(comparison, f"two{k}")
        worst = comparison.worst(3)
        say = f"Worst cells: {'; '.join(worst)}. {note}" if worst else f"No cell is a whole record off. {note}"
        drawn.append(Picture(title=comparison.target.name, svg=svg, note=say.strip()))
    return drawn


def _history(history: pl.DataFrame | None) -> list[Picture]:
    if history is None or history.is_empty():
        return []
    stages = [stage for stage in STAGES if stage in history["stage"].unique().to_list()]
    return [
        Picture(title=STAGES[stage], svg=draw_history(history, stage, f"history{k}")) for k, stage in enumerate(stages)
    ]


def _proposals(
    proposals: pl.DataFrame | None, records: dict[str, pl.DataFrame], spec: Spec | None
) -> list[dict[str, Any]]:
    if proposals is None or spec is None:
        return []
    frame = records.get(spec.schema.top.name)
    rows = proposals.to_dicts()
    for row in rows:
        row["values"] = json.loads(row["values"])
        led_to = frame.filter(pl.col("proposal_id") == row["proposal_id"]).head(3) if frame is not None else None
        row["sample"] = _lines(led_to, spec) if led_to is not None else []
    return rows


def _sample(records: dict[str, pl.DataFrame], spec: Spec | None) -> dict[str, Any]:
    if spec is None or spec.schema.top.name not in records:
        return {}
    frame = records[spec.schema.top.name].head(SAMPLE)
    return {"columns": frame.columns, "rows": [[_shown(value) for value in row] for row in frame.iter_rows()]}


def _lines(frame: pl.DataFrame, spec: Spec) -> list[str]:
    names = [variable.name for variable in spec.schema.top.coded]
    return ["; ".join(f"{name} {_shown(row[name])}" for name in names) for row in frame.to_dicts()]


def _shown(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:,.2f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


def _pairs(spec: Spec, folder: Path) -> dict[str, Any]:
    """For any two variables: given in a table, by a mean only, estimated by the LLM, or not given by anything."""
    names = [variable.name for variable in spec.schema.top.coded][:MOST_MATRIX]
    given = {frozenset(pair) for t in spec.targets if isinstance(t, Table) for pair in combinations(t.columns, 2)}
    means = {frozenset((name, t.variable)) for t in spec.targets if not isinstance(t, Table) for name in t.by}
    estimated = {
        frozenset(pair)
        for path in sorted((folder / "estimated").glob("*.csv"))
        for pair in combinations(pl.read_csv(path, n_rows=0).columns, 2)
    }
    kinds = (("given", given), ("mean only", means), ("estimated", estimated))
    label = {
        pair: next((kind for kind, pairs in kinds if pair in pairs), "max. entropy")
        for pair in map(frozenset, combinations(names, 2))
    }
    rows = [(a, [label.get(frozenset((a, b)), "") if a != b else "" for b in names]) for a in names]
    totals = {kind: list(label.values()).count(kind) for kind in ("given", "mean only", "estimated", "max. entropy")}
    return {"names": names, "rows": rows, "totals": totals, "all": len(spec.schema.top.coded) <= MOST_MATRIX}
