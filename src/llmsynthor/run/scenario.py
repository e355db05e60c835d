"""A run with a scenario: the base population first, as the spec without it, then the fewest records changed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from llmsynthor.errors import Problem, RunFolderError, SpecError
from llmsynthor.llm.ledger import Ledger
from llmsynthor.records.levels import as_texts
from llmsynthor.records.linked import Nested, evaluate_nested, nest
from llmsynthor.records.run_folder import MANIFEST, SCENARIO_FILE, RunFolder, claim, read_manifest, refuse_foreign
from llmsynthor.run.kept_texts import keep_texts
from llmsynthor.run.solution import Solution, write_all, write_spec
from llmsynthor.scenarios.kept import Beside, beside, beside_frame, scenario_spec
from llmsynthor.scenarios.moves import Moved, move
from llmsynthor.spec.adjustments import Adjustment, Scenario
from llmsynthor.spec.reading.adjustments import adjustments_frame, read_adjustments
from llmsynthor.spec.reading.files import digest
from llmsynthor.spec.specification import Spec

Make = Callable[..., Solution]
BASE = "base"
KEPT_OPTIONS = ("seed", "workers", "progress")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a run is written, and what is allowed there."""

    out: Path | None
    resume: bool
    force: bool


def synthesize_scenario(
    spec: Spec,
    given: Mapping[str, Any],
    *,
    make: Make,
    place: Place,
    proposals: Sequence[Adjustment] = (),
    accept: bool = False,
) -> Solution:
    """Make the base population, then the one that the accepted adjustments ask for; without any the base is all there is.

    `make` is `synthesize` of a spec without a scenario. With a folder the base stands in `base/` there, a run of its own.
    """
    every = (*spec.beside.adjustments, *proposals)
    accepted = tuple(own for own in every if own.accepted or accept)
    if place.out is not None:
        refuse_foreign(place.out)
        _refuse_other(place, spec)
    base_place = {} if place.out is None else {"out": place.out / BASE}
    base = make(base_spec(spec), **given, **base_place, resume=place.resume, force=place.force)
    if place.out is not None and (proposals or not accepted):
        RunFolder(path=place.out).write_csv(SCENARIO_FILE, adjustments_frame(every))
    if not accepted:
        return base
    return _realized(spec, base, accepted, given, make=make, place=place)


def base_spec(spec: Spec) -> Spec:
    """The spec of the ordinary state."""
    return replace(spec, beside=Scenario(), scenario=spec.beside.instead_of)


def _realized(
    spec: Spec, base: Solution, accepted: Sequence[Adjustment], given: Mapping[str, Any], *, make: Make, place: Place
) -> Solution:
    seed, top = int(base.manifest["arguments"]["seed"] or 0), spec.schema.top.name
    before = nest(_plain(base.records, spec), spec.schema)
    moved = move(spec, before, accepted, rng=np.random.default_rng([seed, 50]))
    wanted = scenario_spec(spec, before, moved.nested, accepted)
    several = len(spec.schema.units) > 1
    frames = before.frames if several else moved.nested.frames
    kept = {name: given[name] for name in KEPT_OPTIONS if given.get(name) is not None}
    solution = make(
        wanted,
        **{**kept, "seed": seed},
        records=frames[top].height,
        llm="none",
        start={name: _own(frame, spec, name) for name, frame in frames.items()},
    )
    after = nest(_plain(solution.records, spec), spec.schema)
    found = beside(spec, before, after, accepted)
    changed = solution.records[top]["start_changed"].to_numpy() | (moved.changed[top] if not several else False)
    texts = [] if several else [moved.nested.frames[top][text.name] for text in spec.schema.top.texts]
    told = solution.records[top].with_columns(pl.Series("start_changed", changed), *texts)
    manifest = {**solution.manifest, "scenario": _summary(spec, (before, after), accepted, moved, found, changed)}
    manifest["scenario_of"] = digest(spec)
    number, height = manifest["scenario"]["records_changed"], told.height
    manifest["stop_reason"] = f"adjusted: {number:,} of {height:,} {top} records are not as in the base population"
    records = {**solution.records, top: told}
    made = replace(
        solution,
        records=keep_texts(spec.schema, base.records, records) if several else records,
        start=_plain(base.records, spec),
        manifest=manifest,
    )
    if place.out is not None:
        made = _written(made, found, spec.beside.adjustments or accepted, accepted, place)
    return made


def _plain(records: Mapping[str, pl.DataFrame], spec: Spec) -> dict[str, pl.DataFrame]:
    """Records without what a run adds to them."""
    return {name: _own(frame, spec, name) for name, frame in as_texts(dict(records)).items()}


def _own(frame: pl.DataFrame, spec: Spec, unit: str) -> pl.DataFrame:
    parents = [f"{parent.name}_id" for parent in spec.schema.ancestors(unit)]
    names = [f"{unit}_id", *parents, *(variable.name for variable in spec.schema[unit].shown)]
    return frame.select([name for name in names if name in frame.columns])


def _summary(
    spec: Spec,
    both: tuple[Nested, Nested],
    accepted: Sequence[Adjustment],
    moved: Moved,
    found: Sequence[Beside],
    changed: Any,
) -> dict[str, Any]:
    """The figures of the manifest: each adjustment as it was, was to be and is; what changed; how far every table moved."""
    rows = []
    for own in accepted:
        there = [int(np.count_nonzero(evaluate_nested(own.where, own.unit, nested).to_numpy())) for nested in both]
        aimed = own.aimed(there[0], both[0].frames[own.unit].height)
        row = {"unit": own.unit, "where": own.where.text, "said": own.words, "origin": own.origin, "reason": own.reason}
        rows.append({**row, "before": there[0], "aimed": round(aimed, 3), "after": there[1]})
    kept = [entry.tvd for entry in found if not entry.named and np.isfinite(entry.tvd)]
    return {
        "text": spec.scenario,
        "instead_of": spec.beside.instead_of,
        "adjustments": rows,
        "records_changed": int(np.count_nonzero(changed)) + moved.dropped,
        "least": dict(moved.least),
        "added": moved.added,
        "dropped": moved.dropped,
        "tables": [
            {"name": entry.target.name, "unit": entry.target.unit, "moves": entry.named, "tvd": round(entry.tvd, 9)}
            for entry in found
            if np.isfinite(entry.tvd)
        ],
        "worst_kept_tvd": round(max(kept), 9) if kept else None,
    }


def _written(
    solution: Solution,
    found: Sequence[Beside],
    stated: Sequence[Adjustment],
    accepted: Sequence[Adjustment],
    place: Place,
) -> Solution:
    assert place.out is not None
    folder = claim(place.out, solution.manifest, resume=place.resume, force=place.force)
    try:
        made = replace(solution, ledger=Ledger(folder.ledger))
        folder.write_csv("before_after.csv", beside_frame(found))
        if not (place.out / SCENARIO_FILE).is_file():
            folder.write_csv(SCENARIO_FILE, adjustments_frame(stated or accepted))
        write_all(made, folder, write_spec(made.spec, folder))
    finally:
        folder.release()
    return made


def _refuse_other(place: Place, spec: Spec) -> None:
    """Before anything is made: another run in the folder is not replaced without being told to."""
    assert place.out is not None
    if place.force or not (place.out / MANIFEST).is_file():
        return
    if read_manifest(place.out).get("scenario_of") != digest(spec):
        advice = "name another folder, or use --force to replace it"
        what = "the folder holds another run"
        raise RunFolderError(Problem(where=str(place.out), what=what, found="different: spec", advice=advice))


def read_proposals(spec: Spec, out: Path) -> tuple[Adjustment, ...] | None:
    """Adjustments in a folder's scenario.csv that the spec does not state itself; None where there is no such file.

    Raises SpecError where they cannot be read.
    """
    path = out / SCENARIO_FILE
    if not path.is_file():
        return None
    problems = list[Problem]()
    found = read_adjustments(path, schema=spec.schema, targets=spec.targets, problems=problems)
    if problems:
        raise SpecError(*problems)
    stated = {(own.unit, own.where.text) for own in spec.beside.adjustments}
    return tuple(own for own in found if (own.unit, own.where.text) not in stated)
