"""Family households from eleven tables, scored by an evaluator of its own.

    python benchmarks/population.py --llm none local --seeds 1 2 3 --evaluator EVALUATE.py --reference REFERENCE_DIR --out out

Prints a row per model and seed. The evaluator is called as `python EVALUATE.py households REFERENCE_DIR RECORDS_DIR` and prints
JSON; the reference is only compared with, no run reads it.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

from nested_rows import folder_of, show, synthesized

SPEC = Path(__file__).parents[1] / "examples" / "population" / "spec.yaml"


def scored(arguments: argparse.Namespace, llm: str, seed: int) -> dict[str, float]:
    """Let the evaluator score the records."""
    records = folder_of(arguments, llm, seed) / "records"
    command = [sys.executable, str(arguments.evaluator), "households", str(arguments.reference), str(records)]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    row = {"MRE": found["mre"], **{f"MRE {name}": value for name, value in found["mre_by_category"].items()}}
    row |= {"rejected households": found["rejection"]["household"]}
    return row | {name: found[name] for name in ("couple_age_gap_wasserstein_years", "c2st_auc_household")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--llm", nargs="+", default=["none", "local"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--records", type=int, default=14_874)
    parser.add_argument("--spec", type=Path, default=SPEC)
    parser.add_argument("--evaluator", type=Path, help="a script that scores households")
    parser.add_argument("--reference", type=Path, help="household.parquet and person.parquet to score against")
    parser.add_argument("--out", type=Path, default=Path("out/population"), help="run folders; no call is made twice")
    arguments = parser.parse_args()
    for llm in arguments.llm:
        for seed in arguments.seeds:
            row, _ = synthesized(arguments, llm, seed)
            if arguments.evaluator is not None and arguments.reference is not None:
                row |= scored(arguments, llm, seed)
            show(row)


if __name__ == "__main__":
    main()
