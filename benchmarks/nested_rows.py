"""What the benchmarks of nested units share: a run for a model and a seed, and its row of figures."""

import argparse
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import llmsynthor


def folder_of(arguments: argparse.Namespace, llm: str, seed: int) -> Path:
    folder: Path = arguments.out / f"{llm.replace(':', '-').replace('/', '-')}-{seed}"
    return folder


def synthesized(arguments: argparse.Namespace, llm: str, seed: int) -> tuple[dict[str, Any], llmsynthor.Solution]:
    """Synthesize, and give the figures of the tables."""
    began = time.perf_counter()
    out = folder_of(arguments, llm, seed)
    solution = llmsynthor.synthesize(arguments.spec, records=arguments.records, llm=llm, seed=seed, out=out)
    row: dict[str, Any] = {"llm": llm, "seed": seed}
    given = solution.alignment.filter(source="given")
    for unit in solution.records:
        tvd = given.filter(unit=unit)["tvd"].drop_nulls()
        row |= {f"{unit} tables mean TVD": tvd.mean(), "worst": tvd.max()} if len(tvd) else {}
    row |= {"rules broken": sum(solution.manifest["rules_broken"].values())}
    return row | {
        "calls": solution.manifest["usage"].get("calls", 0),
        "seconds": time.perf_counter() - began,
    }, solution


def show(row: Mapping[str, Any]) -> None:
    words = (f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}" for name, value in row.items())
    print("; ".join(words), flush=True)
