"""Alignment on a random Bayesian network: 20 variables of 10 levels, tables over random pairs.

    python benchmarks/alignment.py --records 100000 --pairs 30 100
    python benchmarks/alignment.py --records 100000 --pairs 30 --parents 1 --edges
    python benchmarks/alignment.py --variables 10 --records 10000 100000 1000000 10000000 --pairs 15 --picture cost.svg

Prints mean and worst TVD of the tables, that of the pairs without a table beside a second real sample's, CPU seconds, seconds,
peak memory, and how many records are distinct. `--parents 1 --edges` draws a tree and gives its edges: then the tables say all.
"""

import argparse
import itertools
import resource
import time

import numpy as np

from llmsynthor.aims.cuts import build_grid
from llmsynthor.aims.goals import bring_to_grid
from llmsynthor.alignment.rows.stages import rows_stages
from llmsynthor.alignment.schedule import run_stages
from llmsynthor.spec.schema import Category, Schema, Unit
from llmsynthor.spec.specification import Spec
from llmsynthor.spec.targets import Table

LEVELS = 10
NAMES = tuple(str(k) for k in range(LEVELS))


def make_network(
    variables: int, parents: int, concentration: float, rng: np.random.Generator
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Give each variable up to `parents` earlier ones, and a cumulative distribution for each of their combinations.

    The distributions are Dirichlet's: the smaller the concentration, the stronger the dependence.
    """
    network = []
    for variable in range(variables):
        chosen = (
            rng.choice(variable, size=min(variable, parents), replace=False) if variable else np.zeros(0, dtype=int)
        )
        network.append(
            (chosen, rng.dirichlet(np.full(LEVELS, concentration), size=LEVELS ** len(chosen)).cumsum(axis=1))
        )
    return network


def draw_network(network: list[tuple[np.ndarray, np.ndarray]], records: int, rng: np.random.Generator) -> np.ndarray:
    """Draw records, shape (records, variables)."""
    codes = np.zeros((records, len(network)), dtype=np.int8)
    for variable, (parents, table) in enumerate(network):
        row = np.zeros(records, dtype=np.int64)
        for parent in parents:
            row = row * LEVELS + codes[:, parent]
        uniform = rng.random(records)
        for level in range(LEVELS - 1):
            codes[:, variable] += uniform > table[row, level]
    return codes


def pair_table(codes: np.ndarray, a: int, b: int) -> np.ndarray:
    return np.bincount(codes[:, a].astype(np.int64) * LEVELS + codes[:, b], minlength=LEVELS**2)


def mean_distance(one: np.ndarray, other: np.ndarray, pairs: list[tuple[int, int]]) -> float:
    """Mean TVD of the pair tables of two equally large sets of records."""
    apart = [np.abs(pair_table(one, a, b) - pair_table(other, a, b)).sum() / (2 * len(one)) for a, b in pairs]
    return float(np.mean(apart)) if apart else float("nan")


def make_spec(codes: np.ndarray, pairs: list[tuple[int, int]]) -> Spec:
    variables = tuple(Category(name=f"v{k}", levels=NAMES) for k in range(codes.shape[1]))
    cells = tuple(itertools.product(NAMES, NAMES))
    tables = []
    for a, b in pairs:
        values = tuple(float(count) for count in pair_table(codes, a, b))
        tables.append(Table(name=f"{a}-{b}", unit="r", columns=(f"v{a}", f"v{b}"), cells=cells, values=values))
    return Spec(name="", context="", schema=Schema(units=(Unit(name="r", variables=variables),)), targets=tuple(tables))


def choose_pairs(
    variables: int, number: int, edges: list[tuple[int, int]]
) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Pairs with a table, the given edges first and the others at random, and the pairs without."""
    every = list(itertools.combinations(range(variables), 2))
    others = [pair for pair in every if pair not in edges]
    drawn = np.random.default_rng(1).choice(len(others), number - len(edges), replace=False)
    chosen = [*edges, *(others[k] for k in drawn)]
    return chosen, [pair for pair in every if pair not in chosen]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, nargs="+", default=[100_000])
    parser.add_argument("--pairs", type=int, nargs="+", default=[30, 100])
    parser.add_argument("--variables", type=int, default=20)
    parser.add_argument("--parents", type=int, default=2)
    parser.add_argument("--concentration", type=float, default=0.5, help="of the network's Dirichlet distributions")
    parser.add_argument("--edges", action="store_true", help="give the network's own edges among the tables")
    parser.add_argument("--export", help="write the bed of the first run for benchmarks/peers.py and end")
    parser.add_argument("--picture", help="draw CPU seconds and memory against records")
    arguments = parser.parse_args()
    network = make_network(arguments.variables, arguments.parents, arguments.concentration, np.random.default_rng(0))
    edges = [(int(p), v) for v, (parents, _) in enumerate(network) for p in parents] if arguments.edges else []
    rows = []
    for records, number in itertools.product(arguments.records, arguments.pairs):
        codes = draw_network(network, records, np.random.default_rng(2))
        chosen, untold = choose_pairs(arguments.variables, number, edges)
        if arguments.export:
            np.savez_compressed(arguments.export, codes=codes.astype(np.int64), pairs=np.array(chosen))
            return
        rows.append(run(codes, chosen, untold, draw_network(network, records, np.random.default_rng(3))))
    if arguments.picture:
        draw(rows, arguments.picture)


def run(codes: np.ndarray, chosen: list[tuple[int, int]], untold: list[tuple[int, int]], second: np.ndarray) -> dict:
    """Align as many records to the tables of `codes`; print and return the figures."""
    spec = make_spec(codes, chosen)
    goals = bring_to_grid(spec, build_grid(spec, spec.schema.top))
    run_stages(rows_stages(goals, records=100, seed=0))  # compiles
    wall, processor = time.perf_counter(), time.process_time()
    aligned = run_stages(rows_stages(goals, records=len(codes), seed=1))
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    final = aligned.report.final
    distinct = len(np.unique(aligned.codes.astype(np.int8), axis=0)) if len(codes) <= 1_000_000 else -1
    print(
        f"{len(chosen)} pairs, {len(codes):,} records: mean TVD {np.mean(final):.6f}, worst {max(final):.6f}, "
        f"{processor:.1f} CPU s, {wall:.1f} s, peak {memory:,.0f} MB, distinct {distinct:,}; "
        f"{aligned.report.sentence}; pairs without a table {mean_distance(aligned.codes, codes, untold):.4f}, "
        f"of a second sample {mean_distance(second, codes, untold):.4f}",
        flush=True,
    )
    return {"records": len(codes), "seconds": processor, "memory": memory}


def draw(rows: list[dict], path: str) -> None:
    """Draw the cost against the number of records, both logarithmic."""
    import altair as alt  # noqa: PLC0415  (only with --picture)

    base = alt.Chart(alt.InlineData([row | {"GB": row["memory"] / 1024} for row in rows]))
    across = alt.X("records:Q", scale=alt.Scale(type="log"), title="records")
    lines = [
        base.mark_line(point=True).encode(x=across, y=alt.Y(f"{name}:Q", scale=alt.Scale(type="log"), title=title))
        for name, title in (("seconds", "CPU seconds"), ("GB", "peak memory, GB"))
    ]
    alt.hconcat(*(line.properties(width=260, height=200) for line in lines)).save(path)


if __name__ == "__main__":
    main()
