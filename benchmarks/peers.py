"""Peers on the alignment test bed, in an environment of their own (`pip install mbi`; it pins other versions).

    python benchmarks/alignment.py --pairs 30 --export bed.npz
    PEER/bin/python benchmarks/peers.py bed.npz --methods mirror mixture

Prints mean and worst TVD of the tables of records drawn from each fitted model, CPU seconds, seconds and peak memory, and the
mean TVD of the pairs without a table.
"""

import argparse
import itertools
import resource
import time

import jax

jax.config.update("jax_enable_x64", True)  # noqa: FBT003  (how jax is told)

import mbi  # noqa: E402  (after the precision is set)
import numpy as np  # noqa: E402  (after the flags it reads)
import optax  # noqa: E402  (after the flags it reads)
from mbi.extensions.mixture_of_products import MixtureOfProductsEstimator  # noqa: E402  (after the flags it reads)

ESTIMATORS = {
    "mirror": mbi.estimation.MirrorDescent,
    "mixture": lambda: MixtureOfProductsEstimator(optimizer=optax.adam(0.1)),
}


def distance(one: np.ndarray, other: np.ndarray, pair: tuple[int, int], levels: int) -> float:
    """TVD of a pair table of two equally large sets of records, shape (records, variables)."""
    a, b = pair
    counts = [np.bincount(codes[:, a] * levels + codes[:, b], minlength=levels**2) for codes in (one, other)]
    return float(np.abs(counts[0] - counts[1]).sum() / (2 * len(one)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bed")
    parser.add_argument("--methods", nargs="+", choices=sorted(ESTIMATORS), default=sorted(ESTIMATORS))
    arguments = parser.parse_args()
    with np.load(arguments.bed) as bed:
        codes, pairs = bed["codes"], bed["pairs"]
    levels = int(codes.max()) + 1
    domain = mbi.Domain([f"v{k}" for k in range(codes.shape[1])], [levels] * codes.shape[1])
    tables = {
        (int(pair[0]), int(pair[1])): np.bincount(codes[:, pair[0]] * levels + codes[:, pair[1]], minlength=levels**2)
        for pair in pairs
    }
    measurements = [
        mbi.LinearMeasurement(table.astype(float), (f"v{a}", f"v{b}"), stddev=1.0) for (a, b), table in tables.items()
    ]
    for method in arguments.methods:
        wall, processor = time.perf_counter(), time.process_time()
        model = ESTIMATORS[method]().estimate(domain, measurements)
        made = model.synthetic_data(rows=len(codes)).data
        wall, processor = time.perf_counter() - wall, time.process_time() - processor
        columns = np.stack([np.asarray(made[f"v{k}"]) for k in range(codes.shape[1])], axis=1)
        found = [distance(columns, codes, pair, levels) for pair in tables]
        every = itertools.combinations(range(codes.shape[1]), 2)
        untold = [distance(columns, codes, pair, levels) for pair in every if pair not in tables]
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"{method}, {len(pairs)} pairs, {len(codes):,} records: mean TVD {np.mean(found):.5f}, worst {max(found):.5f}, "
            f"{processor:.1f} CPU s, {wall:.1f} s, peak {memory:,.0f} MB; pairs without a table {np.mean(untold):.4f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
