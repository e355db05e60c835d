"""What the report says, gathered from a run folder: plain values for the template."""

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from llmsynthor.evaluation.compare import Comparison, compare_nested
from llmsynthor.evaluation.ends import Status, count_ends, read_accounts, say_ends
from llmsynthor.evaluation.kept import COUNTS, read_comparisons
from llmsynthor.evaluation.zones import worst_zones, zones_frame
from llmsynthor.records.held import read_held, unreadable
from llmsynthor.records.linked import Nested, nest
from llmsynthor.records.parts import are_parts, read_sample
from llmsynthor.records.run_folder import read_manifest
from llmsynthor.report.assumptions import assumptions, audits
from llmsynthor.report.charts import draw_distribution, draw_history, draw_two_way
from llmsynthor.report.flows import flow_pictures
from llmsynthor.report.scenario import before_after
from llmsynthor.report.targets import target_rows
from llmsynthor.report.units import distributions, pairs, sample, say
from llmsynthor.report.zones import legend, maps
from llmsynthor.spec.inputs import base_columns
from llmsynthor.spec.specification import Spec
from llmsynthor.spec.targets import Table

MOST_ONE_WAY, MOST_TWO_WAY = 200, 12
MOST_CONFLICTS, MOST_ZONES = 20, 20
SAMPLED = 20_000
"""Records of the top unit that pictures are drawn from where the records are parts, about."""
STAGES = {"proposals": "Proposals of the LLM", "fit": "Fit to the tables", "correct": "Correction to whole records"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A drawing with its caption."""

    title: str
    svg: str
    note: str = ""


def gather(folder: Path, spec: Spec | None = None, status: str = "") -> dict[str, Any]:
    """Read a run folder into what the template shows; what is not there yet is empty. `spec` and `status` are those of the run,
    where they are known."""
    manifest = read_manifest(folder) | ({"status": status} if status else {})
    spec = spec or _spec(folder)
    records = _records(folder, spec)
    made = manifest.get("made") or {unit: frame.height for unit, frame in records.items()}
    nested = _nested(spec, records)
    comparisons = _comparisons(folder, spec, nested)
    history = read_held(folder / "history.parquet")
    proposals = read_held(folder / "proposals.parquet")
    zones = zones_frame(spec, comparisons) if spec is not None else None
    return {
        "zones": zones,
        "worst_zones": worst_zones(zones, MOST_ZONES) if zones is not None else [],
        "maps": maps(spec, zones) if spec is not None and zones is not None else [],
        "map_legend": legend(),
        "manifest": manifest,
        "before_after": before_after(folder, manifest, comparisons),
        "spec": spec,
        "command": _command(manifest),
        "verdict": _verdict(manifest, comparisons, made),
        "made": made,
        "targets": target_rows(comparisons, spec.sources if spec is not None else ()),
        "one_way": _one_way(spec, nested, comparisons),
        "two_way": _two_way(comparisons),
        "flows": flow_pictures(spec.schema, comparisons) if spec is not None else [],
        "noise": _noise(manifest),
        "n_two_way": sum(1 for c in comparisons if _columns(c) > 1),
        "history": _history(history),
        "groups": manifest.get("dependency", {}).get("groups", []),
        "proposals": _proposals(folder, proposals, records, spec),
        "pairs": _pairs(spec, read_held(folder / "dependencies.csv")),
        "sample": sample(records),
        "rules": [(rule, manifest.get("rules_broken", {}).get(rule.name)) for rule in spec.rules]
        if spec is not None
        else [],
        "conflicts": _conflicts(read_held(folder / "disagreements.csv")),
        "stages": _by_name(read_held(folder / "alignment.csv")),
        "assumptions": assumptions(folder, records),
        "audits": audits(read_held(folder / "audit.csv")),
    }


def _spec(folder: Path) -> Spec | None:
    path = folder / "spec" / "spec.yaml"
    return Spec.load(path) if path.is_file() else None


def _comparisons(folder: Path, spec: Spec | None, nested: Nested | None) -> Sequence[Comparison]:
    """How targets were met: by counts that were kept, else by the records."""
    if spec is not None and (folder / COUNTS).is_file():
        return read_comparisons(folder, spec, read_accounts(folder))
    return compare_nested(spec, nested, read_accounts(folder)) if spec is not None and nested is not None else ()


def _records(folder: Path, spec: Spec | None) -> dict[str, pl.DataFrame]:
    """All records; of those in parts a sample."""
    if spec is not None and are_parts(folder, spec.schema.top.name):
        return read_sample(folder, spec.schema, SAMPLED)
    units = [unit.name for unit in spec.schema.units] if spec is not None else []
    paths = {unit: folder / "records" / f"{unit}.parquet" for unit in units}
    frames = {unit: read_held(path) for unit, path in paths.items()}
    return {unit: frame for unit, frame in frames.items() if frame is not None}


def _nested(spec: Spec | None, records: dict[str, pl.DataFrame]) -> Nested | None:
    """The records linked and with their derived variables; None before there are any of the top unit."""
    if spec is None or spec.schema.top.name not in records:
        return None
    derived = frozenset((unit.name, d.name) for unit in spec.schema.units for d in unit.derived)
    have = frozenset((unit, name) for unit, frame in records.items() for name in frame.columns)
    computable = frozenset(column for column in derived if base_columns(column, spec.schema, have) <= have)
    return nest(records, spec.schema, only=computable)


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


def _verdict(manifest: dict[str, Any], comparisons: Sequence[Comparison], made: dict[str, int]) -> str:
    if not made:
        return f"No records were written: {manifest.get('stop_reason', 'the run did not finish')}."
    many = ", ".join(f"{number:,} {unit} records" for unit, number in made.items())
    broken = sum(manifest.get("rules_broken", {}).values())
    rules = f"; rules are broken by {broken:,} records" if broken else ""
    ends = say_ends(count_ends(c.status for c in comparisons))
    exact = (
        ", no cell is a whole record off" if comparisons and all(c.status is Status.EXACT for c in comparisons) else ""
    )
    return f"{many}; {ends}{exact}{rules}."


def _command(manifest: dict[str, Any]) -> str:
    given = manifest.get("arguments", {})
    words = ["llmsynthor", "synthesize", "spec/spec.yaml"]
    for name, value in given.items():
        if value is not None:
            option = name.replace("_", "-")
            words += [f"--{'' if value else 'no-'}{option}"] if isinstance(value, bool) else [f"--{option}", str(value)]
    return shlex.join([*words, "--out", "."])


def _one_way(spec: Spec | None, nested: Nested | None, comparisons: Sequence[Comparison]) -> dict[str, list[Picture]]:
    """Every variable of every unit, unit by unit."""
    if spec is None or nested is None:
        return {}
    found = dict[str, list[Picture]]()
    for number, unit in enumerate(unit for unit in spec.schema.units if unit.name in nested.frames):
        drawn = list[Picture]()
        for k, own in enumerate(distributions(unit, nested, comparisons)[:MOST_ONE_WAY]):
            svg, word = draw_distribution(own.levels, own.wanted, own.got, f"one{number}-{k}")
            drawn.append(Picture(title=own.name, svg=svg, note=f"{own.note} {word}".strip()))
        found[unit.name] = drawn
    return found


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
    folder: Path, proposals: pl.DataFrame | None, records: dict[str, pl.DataFrame], spec: Spec | None
) -> list[dict[str, Any]]:
    if proposals is None or spec is None:
        return []
    frame = records.get(spec.schema.top.name)
    rows = proposals.to_dicts()
    for row in rows:
        row["values"] = _values(folder, row["values"])
        led_to = frame.filter(pl.col("proposal_id") == row["proposal_id"]).head(3) if frame is not None else None
        row["sample"] = _lines(led_to, spec) if led_to is not None else []
    return rows


def _values(folder: Path, text: str | None) -> dict[str, Any]:
    try:
        found = json.loads(text or "")
    except (ValueError, RecursionError) as cause:
        raise unreadable(folder / "proposals.parquet", "its values are no JSON") from cause
    if not isinstance(found, dict):
        raise unreadable(folder / "proposals.parquet", "its values are no object")
    return found


def _lines(frame: pl.DataFrame, spec: Spec) -> list[str]:
    names = [variable.name for variable in spec.schema.top.coded]
    return ["; ".join(f"{name} {say(row[name])}" for name in names) for row in frame.to_dicts()]


def _pairs(spec: Spec | None, dependencies: pl.DataFrame | None) -> list[dict[str, Any]]:
    """Unit by unit, those of two variables and more."""
    units = spec.schema.units if spec is not None else ()
    found = [pairs(spec, unit, dependencies) for unit in units if spec is not None]
    return [entry for entry in found if len(entry["names"]) > 1]
