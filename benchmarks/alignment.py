"""Alignment on a random Bayesian network: 20 variables of 10 levels, tables over random pairs.

    python benchmarks/alignment.py --records 100000 --pairs 30 100

Prints mean and worst TVD of the tables, CPU seconds, seconds, peak memory, and how many records are distinct.
"""

import argparse
import itertools
import resource
import time

import numpy as np

from llmsynthor.spec.schema import Category, Schema, Unit
from llmsynthor.spec.specification import Spec
from llmsynthor.spec.targets import Table
from llmsynthor.synthesis.align import align
from llmsynthor.synthesis.goals import bring_to_grid
from llmsynthor.synthesis.grid import build_grid

VARIABLES, LEVELS = 20, 10
NAMES = tuple(str(k) for k in range(LEVELS))


def draw_network(records: int, rng: np.random.Generator) -> np.ndarray:
    """Draw from a network in which each variable has up to two earlier ones as parents."""
    codes = np.zeros((records, VARIABLES), dtype=np.int64)
    for variable in range(VARIABLES):
        parents = rng.choice(variable, size=min(variable, 2), replace=False) if variable else []
        table = rng.dirichlet(np.full(LEVELS, 0.5), size=LEVELS ** len(parents)).cumsum(axis=1)
        row = np.zeros(records, dtype=np.int64)
        for parent in parents:
            row = row * LEVELS + codes[:, parent]
        codes[:, variable] = (rng.random(records)[:, None] > table[row]).sum(axis=1).clip(max=LEVELS - 1)
    return codes


def make_spec(codes: np.ndarray, pairs: list[tuple[int, int]]) -> Spec:
    variables = tuple(Category(name=f"v{k}", levels=NAMES) for k in range(VARIABLES))
    cells = tuple(itertools.product(NAMES, NAMES))
    tables = []
    for a, b in pairs:
        counts = np.bincount(codes[:, a] * LEVELS + codes[:, b], minlength=LEVELS**2)
        values = tuple(float(count) for count in counts)
        tables.append(Table(name=f"{a}-{b}", unit="r", columns=(f"v{a}", f"v{b}"), cells=cells, values=values))
    return Spec(name="", context="", schema=Schema(units=(Unit(name="r", variables=variables),)), targets=tuple(tables))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--pairs", type=int, nargs="+", default=[30, 100])
    arguments = parser.parse_args()
    codes = draw_network(arguments.records, np.random.default_rng(0))
    every = list(itertools.combinations(range(VARIABLES), 2))
    for number in arguments.pairs:
        chosen = np.random.default_rng(1).choice(len(every), number, replace=False)
        spec = make_spec(codes, [every[k] for k in chosen])
        goals = bring_to_grid(spec, build_grid(spec, spec.schema.top))
        align(goals, records=100, seed=0)  # compiles
        wall, processor = time.perf_counter(), time.process_time()
        aligned = align(goals, records=arguments.records, seed=1)
        wall, processor = time.perf_counter() - wall, time.process_time() - processor
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        final = aligned.report.final
        print(
            f"{number} pairs, {arguments.records:,} records: mean TVD {np.mean(final):.6f}, worst {max(final):.6f}, "
            f"{processor:.1f} CPU s, {wall:.1f} s, peak {memory:.0f} MB, distinct {len(np.unique(aligned.codes, axis=0)):,}; "
            f"{aligned.report.sentence}",
            flush=True,
        )


if __name__ == "__main__":
    main()
