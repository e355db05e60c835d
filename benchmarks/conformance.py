"""Random small specs, each counted from a hidden population that keeps its rules: how many are met, and is what is said true?

    python -m benchmarks.conformance --examples 2000 --seed 1 [--keep FOLDER]

Prints rules broken (0 is promised), the share of runs and of tables within one record a cell, statistics that hold, sentences that
the hidden population refutes, and the reasons of the failures. With `--keep` the smallest failing specs of each kind are written.
"""

import argparse
import re
import time
from collections import Counter
from pathlib import Path
from random import Random

import yaml
from tests.conformance.random_specs import Case, Verdict, draw_case, judge, shrink

import llmsynthor

SLOW = 20.0
"""Processor seconds from which on a run is listed."""


def kind_of(fault: str) -> str:
    """Name the kind of a fault: numbers and names are left out."""
    return re.sub(r"'[^']*'|\"[^\"]*\"|-?\d[\d.,e+]*", "…", fault)[:110]


def plain(value: object) -> object:
    """Turn tuples and the like into what YAML writes plainly."""
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    return [plain(part) for part in value] if isinstance(value, list | tuple) else value


def keep(case: Case, verdict: Verdict, path: Path) -> None:
    """Write a failing spec with what is wrong with it as a comment."""
    text = yaml.safe_dump(plain(case.document()), sort_keys=False, width=200, default_flow_style=None)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"# {' '.join(fault.split())[:300]}\n" for fault in verdict.faults) + text)


def main() -> None:
    """Draw, make, judge, and count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first example")
    parser.add_argument("--largest", type=int, default=300, help="top records of the largest specs")
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--each", action="store_true", help="a line for each example that fails or is slow")
    chosen = parser.parse_args()
    kinds: Counter[str] = Counter()
    verdicts: list[Verdict] = []
    seconds: list[float] = []
    for number in range(chosen.first, chosen.first + chosen.examples):
        case = draw_case(Random(f"{chosen.seed}/{number}"), largest=chosen.largest)
        begun = time.process_time()
        verdict = judge(case, llmsynthor.synthesize)
        seconds.append(time.process_time() - begun)
        verdicts.append(verdict)
        faults = {kind_of(fault): fault for fault in verdict.faults}
        if chosen.each and (faults or seconds[-1] > SLOW):
            size = f"{len(case.shape.units)} levels, {case.records} records, {seconds[-1]:.1f} CPU s"
            print(f"{number} ({size}): {'; '.join(faults.values())[:400]}", flush=True)
        for kind in faults:
            if chosen.keep and not kinds[kind]:
                small = shrink(case, lambda c, kind=kind: kind in map(kind_of, judge(c, llmsynthor.synthesize).faults))  # type: ignore[misc]
                keep(
                    small,
                    judge(small, llmsynthor.synthesize),
                    chosen.keep / f"{chosen.seed}-{number}-{len(kinds)}.yaml",
                )
            kinds[kind] += 1
    report(verdicts, kinds, seconds)


def report(verdicts: list[Verdict], kinds: Counter[str], seconds: list[float]) -> None:
    """Print the figures."""
    made = [v for v in verdicts if not v.error]
    tables = [near for v in made for _, near in v.tables.values()]
    statistics = [near for v in made for _, near in v.statistics.values()]
    met = sum(all(near for _, near in v.tables.values()) for v in made)
    print(
        f"runs                              {len(verdicts)}, {sum(seconds):.0f} CPU s, at most {max(seconds):.0f} in one"
    )
    print(f"runs that ended in an error       {len(verdicts) - len(made)}")
    print(f"rules broken                      {sum(v.broken for v in made)} in {sum(v.broken > 0 for v in made)} runs")
    for what, number, of in (
        ("runs, every table within a record", met, len(verdicts)),
        ("tables within a record           ", sum(tables), len(tables)),
        ("statistics that hold             ", sum(statistics), len(statistics)),
        ("runs in which all holds          ", sum(not v.faults for v in verdicts), len(verdicts)),
        ("runs that say what is not true   ", sum(bool(v.untrue) for v in made), len(made)),
    ):
        print(f"{what} {number} of {of} ({number / max(of, 1):.1%})")
    for kind, number in kinds.most_common(25):
        print(f"{number:>6}  {kind}")


if __name__ == "__main__":
    main()
