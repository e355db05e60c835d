"""What the LLM adds to one-way tables, on records that no run has seen.

    python benchmarks/copula.py acs    --spec SPEC --reference PERSONS.parquet [--llm local] [--seeds 1 2 3]
    python benchmarks/copula.py nhts   --reference persons.parquet
    python benchmarks/copula.py retail --reference transactions.parquet

Each task counts one-way tables from the reference, makes as many records from them with and without the model, and compares
the tables of two and three variables, which were never shown. `--ablation` runs none, proposals, copula, and both;
`--library` consults a library of dependence (with `--llm none` its numbers and plain words alone);
`--half` gives half of the pair tables and scores the other half; `--blind` replaces names and levels by meaningless ones.
Prints one JSON object a run; the lower the better.
"""

import argparse
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

import llmsynthor

NHTS = {
    "age": "Age",
    "sex": "Sex",
    "race": "Race",
    "education": "Highest education completed",
    "worker": "Worker status",
    "enrolled_in_school": "Enrolled in school",
    "driver": "Driver status",
    "relationship": "Relationship to the respondent of the household",
}
RETAIL = {
    "country": "Country of the customer",
    "month": "Month of the sale",
    "weekday": "Weekday of the sale",
    "hour": "Hour of the day",
    "quantity": "Quantity bought of the product",
    "price": "Unit price",
}
AGE_CUTS = [5, 16, 18, 25, 35, 50, 65, 80, 93]


def nhts(path: Path) -> tuple[dict[str, Any], pl.DataFrame]:
    """Persons of the National Household Travel Survey 2022: eight variables, in the survey's own words."""
    frame = pl.read_parquet(path).select(*NHTS).drop_nulls(["age", "enrolled_in_school", "relationship"])
    frame = frame.with_columns(
        pl.col("driver").replace({"Yes": "drives", "No": "does not drive"}).fill_null("too young to be asked"),
        pl.col("enrolled_in_school").replace({"Yes": "enrolled", "No": "not enrolled"}),
        pl.col("education", "worker").str.replace_all(r"\(not asked: under 16\)", "child under 16"),
        pl.col("age").cast(pl.Int64),
    )
    context = "Residents of the United States aged 5 and over in 2022."
    return document("person", context, frame, NHTS, {"age": (AGE_CUTS, "years")}), frame


def retail(path: Path) -> tuple[dict[str, Any], pl.DataFrame]:
    """Lines of a British online gift shop, 2010-12 to 2011-12; small countries are put together."""
    lines = pl.read_parquet(path).filter("is_clean_sale")
    large = lines["country"].value_counts(sort=True)["country"].head(7).to_list()
    frame = lines.select(
        pl.when(pl.col("country").is_in(large)).then("country").otherwise(pl.lit("another country")).alias("country"),
        pl.col("invoice_time").dt.strftime("%B").alias("month"),
        pl.col("invoice_time").dt.strftime("%A").alias("weekday"),
        pl.col("invoice_time").dt.hour().cast(pl.Int64).alias("hour"),
        pl.col("quantity").clip(1, 999).cast(pl.Int64),
        pl.col("unit_price").clip(0, 99.99).cast(pl.Float64).alias("price"),
    ).sample(50_000, seed=1)
    cuts = {
        "hour": ([6, 9, 11, 12, 13, 14, 15, 16, 21], "o'clock"),
        "quantity": ([1, 2, 3, 6, 12, 24, 100, 1000], "pieces"),
        "price": ([0, 0.5, 1, 2, 3, 5, 10, 100], "GBP"),
    }
    context = "Sales of a British online shop for gifts, mostly to wholesalers, from December 2010 to December 2011."
    return document("sale", context, frame, RETAIL, cuts), frame


def document(
    unit: str, context: str, frame: pl.DataFrame, labels: dict[str, str], cuts: dict[str, tuple[list[float], str]]
) -> dict[str, Any]:
    """A spec with a one-way table for every column."""
    variables, targets = {}, []
    for name, label in labels.items():
        if name in cuts:
            edges, measured_in = cuts[name]
            kind = "integer" if frame[name].dtype.is_integer() else "number"
            ends = [float(edges[0]), float(edges[-1])]
            variables[name] = {"kind": kind, "range": ends, "unit": measured_in, "label": label}
            counts = np.histogram(frame[name].to_numpy(), bins=edges)[0]
            rows = [
                {name: f"[{a:g}, {b:g})", "count": int(n)} for a, b, n in zip(edges, edges[1:], counts, strict=False)
            ]
        else:
            found = frame[name].value_counts(sort=True)
            variables[name] = {"kind": "category", "levels": found[name].to_list(), "label": label}
            rows = found.to_dicts()
        targets.append({"name": name, "unit": unit, "cells": rows, "value": "count"})
    return {"llmsynthor": 1, "context": context, "units": {unit: {"variables": variables}}, "targets": targets}


def blind(spec: dict[str, Any], frame: pl.DataFrame) -> tuple[dict[str, Any], pl.DataFrame]:
    """Replace names, labels and levels by meaningless ones; numbers become categories."""
    (unit, part), spec = next(iter(spec["units"].items())), {**spec, "context": "Records."}
    columns = {name: f"v{k}" for k, name in enumerate(part["variables"])}
    coded = codes(spec, frame)
    renamed = pl.DataFrame({columns[name]: [f"l{code}" for code in coded[name]] for name in columns})
    labels = {name: f"Variable {name[1:]}" for name in renamed.columns}
    return document(unit, "Records.", renamed, labels, {}), renamed


def codes(spec: dict[str, Any], frame: pl.DataFrame) -> dict[str, np.ndarray]:
    """Codes of every column, numbers cut as their one-way table cuts them."""
    part = next(iter(spec["units"].values()))["variables"]
    found = {}
    for name, variable in part.items():
        if variable["kind"] == "category":
            index = {level: k for k, level in enumerate(variable["levels"])}
            found[name] = np.array([index[level] for level in frame[name].cast(pl.String)])
            continue
        target = next(t for t in spec["targets"] if t["name"] == name)
        lows = [float(row[name][1:].split(",")[0]) for row in rows_of(target)]
        found[name] = np.searchsorted(sorted(lows), frame[name].to_numpy(), side="right") - 1
    return found


def rows_of(target: dict[str, Any]) -> list[dict[str, Any]]:
    return target["cells"] if "cells" in target else pl.read_csv(target["table"]).to_dicts()


def figures(spec: dict[str, Any], reference: pl.DataFrame, made: pl.DataFrame) -> dict[str, float]:
    """Mean TVD of all tables of one, two and three variables, and the divergence summed over all pairs, in nats."""
    real, own = codes(spec, reference), codes(spec, made)
    sizes = {name: int(max(real[name].max(), own[name].max())) + 1 for name in real}
    found: dict[str, float] = {}
    for order in (1, 2, 3):
        groups = list(itertools.combinations(real, order))
        found[f"tvd_{order}way"] = float(np.mean([distance(real, own, group, sizes) for group in groups]))
    pairs = itertools.combinations(real, 2)
    found["divergence"] = float(sum(divergence(real, own, pair, sizes) for pair in pairs))
    return {name: round(value, 5) for name, value in found.items()}


def shares(coded: dict[str, np.ndarray], group: tuple[str, ...], sizes: dict[str, int]) -> np.ndarray:
    flat = np.ravel_multi_index([coded[name] for name in group], [sizes[name] for name in group])
    counts = np.bincount(flat, minlength=int(np.prod([sizes[name] for name in group])))
    return counts / counts.sum()


def distance(real: Any, own: Any, group: tuple[str, ...], sizes: dict[str, int]) -> float:
    return float(np.abs(shares(real, group, sizes) - shares(own, group, sizes)).sum() / 2)


def divergence(real: Any, own: Any, pair: tuple[str, ...], sizes: dict[str, int]) -> float:
    p, q = shares(real, pair, sizes), shares(own, pair, sizes)
    return float((p[p > 0] * np.log(p[p > 0] / np.maximum(q[p > 0], 0.5 / len(own[pair[0]])))).sum())


def impossible(made: pl.DataFrame) -> dict[str, float]:
    """Shares of impossible children among the ACS persons."""
    child = made["age"] < 16
    rows = {
        "under 16, not a child in employment": child & (made["employment"] != "child under 16"),
        "under 5 with own income": (made["age"] < 5) & (made["income"] != "none (child)"),
        "under 16 with a degree": child & made["education"].cast(pl.String).str.contains("degree$|doctorate"),
        "under 16, ever married": child & (made["marital"] != "never married"),
    }
    return {name: round(float(own.mean()), 5) for name, own in rows.items()}


def halves(spec: dict[str, Any], reference: pl.DataFrame) -> tuple[list[dict[str, Any]], list[tuple[str, str]]]:
    """Pair tables of every second pair, in an order drawn once; and the pairs that are left out."""
    names = list(codes(spec, reference))
    pairs = list(itertools.combinations(names, 2))
    order = np.random.default_rng(1).permutation(len(pairs))
    unit = next(iter(spec["units"]))
    loaded = llmsynthor.Spec.load(spec)
    cut = {t.name: [str(cell[0]) for cell in t.cells] for t in loaded.targets}
    coded, given = codes(spec, reference), []
    for k in order[: len(pairs) // 2]:
        a, b = pairs[k]
        levels = [_levels(spec, cut, name) for name in (a, b)]
        table = np.zeros([len(own) for own in levels], dtype=int)
        np.add.at(table, (coded[a], coded[b]), 1)
        rows = [
            {a: x, b: y, "count": int(table[i, j])} for i, x in enumerate(levels[0]) for j, y in enumerate(levels[1])
        ]
        given.append({"name": f"{a} by {b}", "unit": unit, "cells": rows, "value": "count"})
    return given, [pairs[k] for k in order[len(pairs) // 2 :]]


def _levels(spec: dict[str, Any], cut: dict[str, list[str]], name: str) -> list[str]:
    variable = next(iter(spec["units"].values()))["variables"][name]
    if variable["kind"] == "category":
        return list(variable["levels"])
    return sorted(cut[name], key=lambda text: float(text[1:].split(",")[0]))


def pair_error(spec: dict[str, Any], reference: pl.DataFrame, made: pl.DataFrame, pairs: Any) -> float:
    real, own = codes(spec, reference), codes(spec, made)
    sizes = {name: int(max(real[name].max(), own[name].max())) + 1 for name in real}
    return round(float(np.mean([distance(real, own, pair, sizes) for pair in pairs])), 5)


def run(spec: Any, arguments: argparse.Namespace, seed: int, name: str, **options: Any) -> llmsynthor.Solution:
    out = arguments.out / f"{name}-{seed}" if arguments.out else None
    ledger = {"out": out} if out else {}
    records = arguments.records or sum(row["count"] for row in rows_of(spec["targets"][0]))
    given = {"max_calls": arguments.max_calls} if options.get("llm") != "none" else {}
    given |= {"library": arguments.library} if arguments.library and not name.startswith("none") else {}
    return llmsynthor.synthesize(spec, records=records, seed=seed, **given, **options, **ledger)


def main() -> None:
    """Read the arguments, run the task, print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=["acs", "nhts", "retail"])
    parser.add_argument("--spec", type=Path)
    parser.add_argument("--reference", type=Path, required=True)
    parser.add_argument("--llm", default="local")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--records", type=int)
    parser.add_argument("--max-calls", type=int)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--ablation", action="store_true")
    parser.add_argument("--half", action="store_true")
    parser.add_argument("--blind", action="store_true")
    parser.add_argument("--library", help="a library of dependence for the runs that have more than the tables")
    arguments = parser.parse_args()
    spec, reference = read_task(arguments)
    for seed in arguments.seeds:
        for name, options in kinds(arguments).items():
            report(spec, reference, arguments, seed, name, options)


def read_task(arguments: argparse.Namespace) -> tuple[dict[str, Any], pl.DataFrame]:
    if arguments.task == "acs":
        import yaml  # noqa: PLC0415  (only where used)

        spec = yaml.safe_load(arguments.spec.read_text())
        for target in spec["targets"]:
            target["table"] = str((arguments.spec.parent / target["table"]).resolve())
        frame = pl.read_parquet(arguments.reference)
    else:
        spec, frame = {"nhts": nhts, "retail": retail}[arguments.task](arguments.reference)
    return blind(spec, frame) if arguments.blind else (spec, frame)


def kinds(arguments: argparse.Namespace) -> dict[str, dict[str, Any]]:
    both = {"none": {"llm": "none"}, "both": {"llm": arguments.llm}}
    if arguments.library and arguments.llm == "none":
        both["both"] = {"llm": "none"}
    if not arguments.ablation:
        return both
    return {
        "none": both["none"],
        "proposals": {"llm": arguments.llm, "estimate": False},
        "copula": {"llm": arguments.llm, "iterations": 0},
        "both": both["both"],
    }


def report(
    spec: dict[str, Any], reference: pl.DataFrame, arguments: argparse.Namespace, seed: int, name: str, options: Any
) -> None:
    asked: Any = spec
    said: dict[str, Any] = {"task": arguments.task, "run": name, "seed": seed}
    if arguments.half:
        given, left = halves(spec, reference)
        asked = {**spec, "targets": [*spec["targets"], *given]}
    solution = run(asked, arguments, seed, name, **options)
    made = next(iter(solution.records.values()))
    said |= figures(spec, reference, made)
    if arguments.half:
        said["left_pairs_tvd"] = pair_error(spec, reference, made, left)
        said["trust"] = solution.manifest["dependency"]["trust"]
    if arguments.task == "acs" and not arguments.blind:
        said |= impossible(made)
    usage = solution.manifest["usage"]
    said |= {key: usage[key] for key in ("calls", "seconds")} if usage else {}
    print(json.dumps(said), flush=True)


if __name__ == "__main__":
    main()
