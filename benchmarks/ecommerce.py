"""The paper's e-commerce task: tables, and distances to the records that the tables were counted from.

    python benchmarks/ecommerce.py --llm local --seeds 1 2 3 --reference REFERENCE.parquet
    python benchmarks/ecommerce.py --llm local --align none --iterations 20 --seeds 1

Prints a row per seed. The reference (records of the same variables) is only compared with; no run reads it.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import polars as pl
from scipy.stats import wasserstein_distance

import llmsynthor

SPEC = Path(__file__).parents[1] / "examples" / "ecommerce" / "spec.yaml"
JOINTS = {
    "A,G,C": ("user_age", "user_gender", "product_category"),
    "C,X": ("product_category", "price"),
    "L,M": ("user_location_tier", "payment_method"),
}
NUMBERS = ("user_age", "price")


def jensen_shannon(reference: pl.DataFrame, made: pl.DataFrame, columns: tuple[str, ...]) -> float:
    """Square root of the Jensen-Shannon divergence in bits; numbers at six quantile bins of the reference."""
    cut = {name: np.quantile(reference[name].to_numpy(), np.arange(1, 6) / 6) for name in NUMBERS}

    def codes(frame: pl.DataFrame, name: str) -> np.ndarray:
        if name in cut:
            return np.searchsorted(cut[name], frame[name].to_numpy(), side="right")
        levels = {level: k for k, level in enumerate(sorted(reference[name].unique()))}
        return np.array([levels[value] for value in frame[name].cast(pl.String)])

    shape = [6 if name in cut else reference[name].n_unique() for name in columns]
    counts = [
        np.bincount(np.ravel_multi_index([codes(frame, n) for n in columns], shape), minlength=int(np.prod(shape)))
        for frame in (reference, made)
    ]
    p, q = (count / count.sum() for count in counts)
    middle = (p + q) / 2
    divergence = sum(float(np.sum(x[x > 0] * np.log2(x[x > 0] / middle[x > 0]))) for x in (p, q)) / 2
    return float(np.sqrt(max(divergence, 0.0)))


def measure(arguments: argparse.Namespace, seed: int) -> dict[str, float]:
    began = time.perf_counter()
    out = (
        arguments.out / f"{arguments.llm.replace(':', '-').replace('/', '-')}-{arguments.align}-{seed}"
        if arguments.out
        else None
    )
    solution = llmsynthor.synthesize(
        SPEC,
        records=arguments.records,
        llm=arguments.llm,
        seed=seed,
        align=arguments.align,
        iterations=arguments.iterations,
        out=out,
    )
    made = solution.records["transaction"]
    tvd = solution.alignment["tvd"]
    row = {"seed": seed, "records": made.height, "mean TVD": tvd.mean(), "worst TVD": tvd.max()}
    if arguments.reference is not None:
        reference = pl.read_parquet(arguments.reference)
        row |= {f"W {name}": wasserstein_distance(reference[name], made[name]) for name in NUMBERS}
        row |= {f"JSD {name}": jensen_shannon(reference, made, columns) for name, columns in JOINTS.items()}
    usage = solution.manifest["usage"]
    row |= {"calls": usage.get("calls", 0), "seconds": time.perf_counter() - began}
    for step in solution.history.filter(pl.col("stage") == "proposals").iter_rows(named=True):
        words = f"mean TVD {step['tvd']:.4f}, missing {step['discrepancy']:.4f}, {step['records']} records"
        print(f"  iteration {step['iteration']}: {words}")
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--llm", default="local")
    parser.add_argument("--align", default="exact")
    parser.add_argument("--records", type=int, default=2_000)
    parser.add_argument("--iterations", type=int)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--reference", type=Path)
    parser.add_argument("--out", type=Path, help="keep the run folders here; a repeated run makes no call twice")
    arguments = parser.parse_args()
    for seed in arguments.seeds:
        print("; ".join(f"{name} {value:.5g}" for name, value in measure(arguments, seed).items()), flush=True)


if __name__ == "__main__":
    main()
