"""Measure on known tables what estimates are worth, and write what the package ships of it.

    python benchmarks/calibrate.py --acs data/acs2024_states --trips persons.parquet --shop transactions.parquet --ledger FILE
        [--llm local] [--more 45] [--whole SPEC ...] [--tables src/llmsynthor/calibration/tables.json]
        [--out src/llmsynthor/calibration/measured.json]

*Trust*: of PAIRS, and of `--more` others drawn from all pairs of the bench, a model is asked in every wording and both
directions: which rule of trust comes nearest to the truth. Of those, and of all pairs of `--whole` specs as a run asks: which part
E_truth[L] / E_estimate[L] of what it states is there (conformal: a lower quantile). *Bands*, of the default model: the 90 %
quantile of |truth - estimate| / sqrt(p_u p_v) over the cells of all pairs, by source (independence, zones, model). One half of the
tables sets it, the other says what it covers. South Carolina, which other figures stand on, is not in it. Prints what it found; the
ledger answers what was asked before. `--tables` writes the dozen that a model is asked about at its first use, and ends.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from copula import codes
from known_tables import Known, known, persons_of, sorted_levels

import llmsynthor
from llmsynthor.aims.aims import set_aims
from llmsynthor.calibration.measured import Measured, usual, write_measured
from llmsynthor.dependence.coarse import Coarse, coarsen
from llmsynthor.dependence.elicit import FRAMES, Asking, elicit
from llmsynthor.dependence.estimates import combine
from llmsynthor.dependence.estimation import elicit_estimates
from llmsynthor.dependence.measuring import BALANCED, SAFE, Answered, conformal, judge, stated_parts
from llmsynthor.dependence.measuring import bench as bench_digest
from llmsynthor.dependence.sample import Sample, read_sample
from llmsynthor.dependence.trust import HALVES, Trust, trusted_table
from llmsynthor.dependence.zones import read_zones, zone_tables
from llmsynthor.llm.ledger import Ledger
from llmsynthor.llm.opening import choose
from llmsynthor.llm.recorded import Recorded

PAIRS = [
    ("nhts persons", "worker", "enrolled_in_school"),
    ("Colorado persons", "age", "disability"),
    ("Georgia households", "housing_tenure", "num_persons"),
    ("nhts persons", "driver", "worker"),
    ("Colorado persons", "race", "hispanic"),
    ("Illinois workers", "sex", "weekly_hours"),
    ("Colorado persons", "marital_status", "age"),
    ("Georgia households", "housing_tenure", "household_income"),
    ("Illinois workers", "sex", "income"),
    ("nhts persons", "age", "driver"),
    ("Colorado persons", "nativity", "hispanic"),
    ("Colorado persons", "health_insurance", "hispanic"),
    ("Georgia households", "num_persons", "bedrooms"),
    ("Colorado persons", "education", "age"),
    ("Illinois workers", "income", "education"),
]
"""Pairs of the bench that a model is asked about: strong and weak, of persons, workers and households."""

STATES = ("Colorado", "Illinois", "Georgia", "Oregon", "Ohio", "Massachusetts")
"""States whose zones are looked at: the first half sets the band, the other half judges it."""

COVERED = 0.9
LEAST = 0.15
"""Nats that a model must state of a pair to be believed: of eleven that the default model stated 0.01 to 0.15 of, four had the
direction wrong, of nine with more none."""

DOZEN = [
    ("Colorado persons", "age", "marital_status"),
    ("nhts persons", "education", "driver"),
    ("Colorado persons", "race", "hispanic"),
    ("nhts persons", "worker", "driver"),
    ("nhts persons", "age", "driver"),
    ("Colorado persons", "education", "marital_status"),
    ("Colorado persons", "age", "education"),
    ("Georgia households", "householder_type", "bedrooms"),
    ("nhts persons", "education", "relationship"),
    ("nhts persons", "age", "enrolled_in_school"),
    ("Illinois workers", "weekly_hours", "income"),
    ("Georgia households", "householder_type", "household_income"),
]
"""Pairs that are shipped: of different surveys and strength, one of which the default model has wrong, the most telling first."""

SOURCES = {"nhts": "NHTS 2022, Federal Highway Administration"}
ACS = "ACS 2024 1-year PUMS, U.S. Census Bureau"
FEWEST = 5
"""Records that a cell must have to be shipped."""

Floats = np.ndarray


def main() -> None:
    """Read the arguments, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("acs", "trips", "shop"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--ledger", type=Path)
    parser.add_argument("--llm", default="local")
    parser.add_argument("--more", type=int, default=0, help="pairs of the bench beside those named here")
    parser.add_argument("--whole", nargs="*", default=[], help="specs of the bench that are asked about as a run asks")
    parser.add_argument("--tables", type=Path, help="write the tables that are shipped here")
    parser.add_argument("--out", type=Path, help="what is shipped; other models in it stay")
    arguments = parser.parse_args()
    bench = {entry.name: entry for entry in known(arguments.acs, arguments.trips, arguments.shop)}
    if arguments.tables is not None:
        rows = ",\n".join(json.dumps(shipped_table(bench[name], *pair)) for name, *pair in DOZEN)
        arguments.tables.write_text(f"[\n{rows}\n]\n", encoding="utf-8")
        return
    answered = by_model(bench, arguments) if arguments.ledger is not None else []
    found = judge(answered, halves=HALVES) if answered else None
    if found is not None:
        found = with_parts(found, answered, list(as_in_a_run(bench, arguments)))
        parts = stated_parts(answered, Trust(full=found.full, half=found.half), least=0.01)
        print(found, [f"{nats:.3f}: {part:.2f}" for nats, part in sorted(parts)])
    is_default = arguments.llm == "local"
    bands, seed = bands_of(bench, arguments, answered, found) if is_default else ({}, 0.0)
    if arguments.out is not None:
        write_out(arguments, found, bands, seed)


def write_out(arguments: argparse.Namespace, found: Measured | None, bands: dict[str, float], seed: float) -> None:
    """Write what is shipped; the default model stands first."""
    held = json.loads(arguments.out.read_text(encoding="utf-8")) if arguments.out.is_file() else {}
    held |= {"made_by": "benchmarks/calibrate.py", "least": LEAST}
    held |= {"bands": bands, "seed": seed} if bands else {}
    if found is not None:
        choice = choose(arguments.llm)
        assert choice is not None
        own = {choice.identity.digest: {"name": choice.identity.name, "bench": bench_digest(), **write_measured(found)}}
        others = {digest: kept for digest, kept in held.get("models", {}).items() if digest not in own}
        held["models"] = own | others if arguments.llm == "local" else others | own
    arguments.out.write_text(json.dumps(held, indent=2) + "\n", encoding="utf-8")


def shipped_table(entry: Known, one: str, other: str) -> dict[str, Any]:
    """A table as the package ships it: cells of few records are left out."""
    spec = llmsynthor.Spec.load(entry.spec)
    variables = coarsen(set_aims(spec).goals[0])
    pair = [next(v for v in variables if v.name == name) for name in (one, other)]
    coded = coarse_codes(entry, tuple(pair))
    counts = np.zeros([v.size for v in pair], dtype=int)
    np.add.at(counts, tuple(coded[v.name] for v in pair), 1)
    counts[counts < FEWEST] = 0
    named = [{"name": v.name, "label": v.label, "words": list(v.words)} for v in pair]
    source = next((text for name, text in SOURCES.items() if entry.name.startswith(name)), ACS)
    return {
        "source": source,
        "unit": spec.schema.top.name,
        "context": spec.context,
        "one": named[0],
        "other": named[1],
        "counts": counts.tolist(),
    }


def bands_of(
    bench: dict[str, Known], arguments: argparse.Namespace, answered: list[Answered], found: Measured | None
) -> tuple[dict[str, float], float]:
    """Widths of the bands by source, and that of real records."""
    errors = {"maximum entropy": list(independent(bench)), "zones": list(by_zones(arguments.acs))}
    if found is not None:
        trust = Trust(full=found.full, half=found.half)
        errors["estimated"] = [
            (
                own.truth,
                trusted_table(own.estimate, trust.of(own.estimate.strength), own.one, own.other),
                chance_of(own),
            )
            for own in answered
        ]
    for source in [
        name for name in ("zones", "estimated") if name in errors
    ]:  # what the others are measured on counts too
        beside = [(truth, chance, chance) for truth, _, chance in errors[source]]
        judged(f"independence on the tables of {source}", beside)
        errors["maximum entropy"] += beside
    seed = round(float(np.quantile(by_records(bench), COVERED)), 3)
    print(f"seed: q {seed} / root of the records")
    return {source: judged(source, own) for source, own in errors.items()}, seed


def chance_of(own: Answered) -> Floats:
    return np.outer(own.one.shares, own.other.shares)


def judged(source: str, errors: list[tuple[Floats, Floats, Floats]]) -> float:
    """q from every second table; says what it covers of the others, and how wide it is beside the bounds of Frechet."""
    width = float(np.quantile(np.concatenate([error(*own).ravel() for own in errors[::2]]), COVERED))
    covered = np.concatenate([error(*own).ravel() <= width for own in errors[1::2]])
    wide = [relative_width(estimate, chance, width) for _, estimate, chance in errors[1::2]]
    print(
        f"{source}: q {width:.3f}, {len(errors)} tables, covers {covered.mean():.3f}, width {np.mean(np.concatenate(wide)):.2f}"
    )
    return round(width, 3)


def error(truth: Floats, estimate: Floats, chance: Floats) -> Floats:
    """What a cell is off, in the unit of the band."""
    return np.abs(truth - estimate) / np.sqrt(chance)


def relative_width(estimate: Floats, chance: Floats, width: float) -> Floats:
    """Width of each cell's band beside that of its Frechet bounds."""
    rows, columns = chance.sum(axis=1)[:, None], chance.sum(axis=0)[None, :]
    low, high = np.maximum(0, rows + columns - 1), np.minimum(rows, columns)
    half = width * np.sqrt(chance)
    band = np.minimum(estimate + half, high) - np.maximum(estimate - half, low)
    return (np.maximum(band, 0) / (high - low)).ravel()


def tables_of(entry: Known) -> Iterator[tuple[str, str, Floats, Floats]]:
    """Every pair of a known spec, in the cuts of its tables: the truth, and independence."""
    coded = codes(entry.spec, entry.records)
    for one, other in combinations(coded, 2):
        truth = np.zeros((coded[one].max() + 1, coded[other].max() + 1))
        np.add.at(truth, (coded[one], coded[other]), 1)
        truth /= truth.sum()
        yield one, other, truth, np.outer(truth.sum(axis=1), truth.sum(axis=0))


def independent(bench: dict[str, Known]) -> Iterator[tuple[Floats, Floats, Floats]]:
    """What independence is off."""
    for entry in bench.values():
        for _, _, truth, chance in tables_of(entry):
            yield truth, chance, chance


def by_records(bench: dict[str, Known], numbers: tuple[int, ...] = (50, 100, 200, 500)) -> list[float]:
    """What a few records drawn from each table are off, in the unit of the band times the root of their number."""
    found: list[float] = []
    for entry in bench.values():
        variables = coarsen(set_aims(llmsynthor.Spec.load(entry.spec)).goals[0])
        coded = coarse_codes(entry, variables)
        pairs = list(combinations([variable.name for variable in variables], 2))
        for number in numbers:
            rng = np.random.default_rng([1, number])
            rows = rng.choice(entry.records.height, number, replace=False)
            own = {name: np.asarray(codes_[rows]) for name, codes_ in coded.items()}
            sample = Sample(codes=own, weights=np.ones(number), variables=variables)
            for pair, said in read_sample(sample, pairs, rng=rng).items():
                table = said.beside(None)[0]
                truth = shares_of(coded, pair, table.shape)
                chance = np.outer(table.sum(axis=1), table.sum(axis=0))
                found += (error(truth, table, chance) * np.sqrt(number)).ravel().tolist()
    return found


def by_zones(acs: Path) -> Iterator[tuple[Floats, Floats, Floats]]:
    """What the grouping model is off, in persons of states by their areas."""
    for state in STATES:
        entry = persons_of(acs, state)
        loaded = set_aims(llmsynthor.Spec.load(zoned_spec(entry))).goals[0]
        variables = coarsen(loaded)
        zoned = read_zones(loaded, variables)
        if zoned is None:
            continue
        pairs = list(combinations([variable.name for variable in variables], 2))
        said = zone_tables(zoned, variables, pairs)
        true = coarse_codes(entry, variables)
        for pair, estimate in said.items():
            truth = shares_of(true, pair, estimate.shape)
            yield truth, estimate, np.outer(estimate.sum(axis=1), estimate.sum(axis=0))


def zoned_spec(entry: Known) -> dict[str, Any]:
    """The spec of persons with every one-way table by area."""
    coded = codes(entry.spec, entry.records)
    zones = entry.records["puma"].to_list()
    names = sorted(set(zones))
    unit = next(iter(entry.spec["units"]))
    variables = {"area": {"kind": "category", "levels": names}, **entry.spec["units"][unit]["variables"]}
    targets = []
    for name, own in coded.items():
        levels = sorted_levels(entry.spec, name)
        counts = pl.DataFrame({"area": zones, "code": own}).group_by("area", "code").len().sort("area", "code")
        cells = [{"area": area, name: levels[code], "count": count} for area, code, count in counts.iter_rows()]
        targets.append({"name": f"{name} by area", "unit": unit, "cells": cells, "value": "count"})
    return {**entry.spec, "units": {unit: {"variables": variables}}, "targets": targets}


def coarse_codes(entry: Known, variables: tuple[Coarse, ...]) -> dict[str, Floats]:
    """Codes of the records in coarse levels; the bench cuts numbers as its tables do, in eight bins at most."""
    coded = codes(entry.spec, entry.records)
    return {v.name: np.array(_places(entry.spec, v))[coded[v.name]] for v in variables}


def _places(spec: dict[str, Any], variable: Coarse) -> list[int]:
    """The coarse level of each level of a variable."""
    levels = sorted_levels(spec, variable.name)
    if isinstance(variable.levels[0], str):
        return [list(variable.levels).index(level) for level in levels]
    lows = [level.low for level in variable.levels if not isinstance(level, str)]
    return [int(np.searchsorted(lows, float(level[1:].split(",")[0]), side="right")) - 1 for level in levels]


def shares_of(coded: dict[str, Floats], pair: tuple[str, str], shape: tuple[int, ...]) -> Floats:
    truth = np.zeros(shape)
    np.add.at(truth, tuple(coded[name] for name in pair), 1)
    return truth / truth.sum()


def asked(bench: dict[str, Known], more: int) -> list[tuple[str, str, str]]:
    """PAIRS, and others of the bench as the dice say, whatever their strength."""
    named = {(name, frozenset((one, other))) for name, one, other in PAIRS}
    every = [(e.name, one, other) for e in bench.values() for one, other, *_ in tables_of(e)]
    others = [own for own in every if (own[0], frozenset(own[1:])) not in named]
    drawn = np.random.default_rng(7).permutation(len(others))[:more]
    return PAIRS + [others[int(k)] for k in drawn]


def recorded(arguments: argparse.Namespace) -> Recorded:
    """The model, with what it answered before."""
    choice = choose(arguments.llm)
    assert choice is not None
    return Recorded(identity=choice.identity, open_model=choice.open_model, ledger=Ledger(arguments.ledger))


def by_model(bench: dict[str, Known], arguments: argparse.Namespace) -> list[Answered]:
    """What a model says of the pairs that it was asked about, and the truth."""
    model, found = recorded(arguments), []
    for name, one, other in asked(bench, arguments.more):
        entry = bench[name]
        spec = llmsynthor.Spec.load(entry.spec)
        variables = coarsen(set_aims(spec).goals[0])
        asking = Asking(spec=spec, unit=spec.schema.top.name, variables=variables, model=model, seed=0, temperature=0.7)
        answers = [c for frame in FRAMES for c in elicit(asking, frame, [(one, other), (other, one)])[0]]
        (estimate,) = combine(variables, answers)
        a, b = (next(v for v in variables if v.name == own) for own in estimate.pair)
        truth = shares_of(coarse_codes(entry, variables), estimate.pair, (a.size, b.size))
        found.append(Answered(estimate=estimate, one=a, other=b, truth=truth))
    return found


def with_parts(found: Measured, answered: list[Answered], besides: list[Answered]) -> Measured:
    """The parts of a direction from all tables of which enough is stated, those of whole specs too: few of those drawn are."""
    trust = Trust(full=found.full, half=found.half)
    ratios = sorted(part for _, part in stated_parts([*answered, *besides], trust))
    print(
        f"{len(ratios)} of {len(answered)} and {len(besides)} pairs state {LEAST} nats:",
        [round(part, 2) for part in ratios],
    )
    return replace(found, balanced=conformal(ratios, BALANCED), safe=conformal(ratios, SAFE))


def as_in_a_run(bench: dict[str, Known], arguments: argparse.Namespace) -> Iterator[Answered]:
    """What a model says of the pairs of whole specs as a run asks about them, but for those that were drawn already."""
    drawn = {(name, frozenset(pair)) for name, *pair in asked(bench, arguments.more)}
    for name in arguments.whole:
        for own in whole_spec(bench[name], recorded(arguments)):
            if (name, frozenset(own.estimate.pair)) not in drawn:
                yield own


def whole_spec(entry: Known, model: Recorded) -> Iterator[Answered]:
    """The same of one spec; pairs asked once, being weak, are believed by no run."""
    spec = llmsynthor.Spec.load(entry.spec)
    goals = set_aims(spec).goals[0]
    variables = coarsen(goals)
    asking = Asking(spec=spec, unit=spec.schema.top.name, variables=variables, model=model, seed=0, temperature=0.7)
    coded, by_name = coarse_codes(entry, variables), {variable.name: variable for variable in variables}
    for estimate in elicit_estimates(goals, asking, usual())[0]:
        if np.isnan(estimate.agreement):
            continue
        one, other = (by_name[name] for name in estimate.pair)
        truth = shares_of(coded, estimate.pair, (one.size, other.size))
        yield Answered(estimate=estimate, one=one, other=other, truth=truth)


if __name__ == "__main__":
    main()
