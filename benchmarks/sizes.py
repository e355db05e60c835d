"""The table of sizes: what `check` and `synthesize` take, in processor seconds and memory, on specs of absurd size.

    python -m benchmarks.sizes [NAME ...] [--commands check synthesize] [--records 1000]

Each row is a spec made here by seed and run as a command of its own. A row is well where it ends or is refused (exit code 0, 1
or 2) within 10 processor seconds and 1 GB; every other one is marked. Prints the rows as a table.
"""

import argparse
import csv
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import yaml

Document = dict[str, Any]
SECONDS, BYTES = 10.0, 1 << 30
STOP = 200
"""Processor seconds after which a run is ended, and written as over these."""

NO_FAULT = (0, 1, 2)


def write(place: Path, document: Document, cells: Iterator[list[object]] | None = None) -> Path:
    """Write a spec of a unit `thing`, and its table `cells.csv` where there is one; returns the spec's path."""
    place.mkdir()
    if cells is not None:
        with (place / "cells.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(cells)
    path = place / "spec.yaml"
    path.write_text(yaml.dump(document, Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper)), encoding="utf-8")
    return path


def spec(variables: Document, targets: list[Document], rules: list[str] | None = None) -> Document:
    """A spec of one unit."""
    written = [{"name": f"r{k}", "unit": "thing", "forbid": text} for k, text in enumerate(rules or [])]
    document: Document = {"llmsynthor": 1, "units": {"thing": {"variables": variables}}, "targets": targets}
    return document | ({"rules": written} if written else {})


def category(count: int, prefix: str = "level") -> Document:
    """A category of many levels."""
    return {"kind": "category", "levels": [f"{prefix} {k}" for k in range(count)]}


def shares(name: str, levels: list[str]) -> Document:
    """A table of one variable in the spec, each level as often as every other."""
    cells = [{name: level, "share": 1 / len(levels)} for level in levels]
    return {"name": f"by {name}", "unit": "thing", "cells": cells}


def levels(count: int, place: Path, rng: Random) -> Path:
    """One category of many levels, with a count for each, and a plain one."""
    rows: Iterator[list[object]] = (
        [name, n] for name, n in [("a", "count"), *((f"level {k}", rng.randrange(1, 99)) for k in range(count))]
    )
    variables = {"a": category(count), "b": category(3)}
    targets = [{"name": "by a", "unit": "thing", "table": "cells.csv"}, shares("b", variables["b"]["levels"])]
    return write(place, spec(variables, targets), rows)


def cells(count: int, place: Path, rng: Random) -> Path:
    """A table of three categories."""
    first, second = 10, 100
    third = count // (first * second)

    def rows() -> Iterator[list[object]]:
        yield ["a", "b", "c", "count"]
        for i in range(first):
            for j in range(second):
                yield from ([f"level {i}", f"level {j}", f"level {k}", rng.randrange(1, 99)] for k in range(third))

    variables = {"a": category(first), "b": category(second), "c": category(third)}
    return write(place, spec(variables, [{"name": "abc", "unit": "thing", "table": "cells.csv"}]), rows())


def variables(count: int, place: Path, rng: Random) -> Path:
    """Many categories of four levels, each with its shares."""
    own = {f"v{k}": category(4) for k in range(count)}
    return write(place, spec(own, [shares(name, body["levels"]) for name, body in own.items()]))


def rules_of_two(count: int, place: Path, rng: Random) -> Path:
    """Rules that forbid pairs of levels of two categories of 50 and 300."""
    own = {"a": category(50), "b": category(300)}
    pairs = rng.sample([(i, j) for i in range(50) for j in range(300)], count)
    rules = [f"a == 'level {i}' and b == 'level {j}'" for i, j in pairs]
    return write(place, spec(own, [shares(name, body["levels"]) for name, body in own.items()], rules))


def rules_of_numbers(count: int, place: Path, rng: Random) -> Path:
    """Rules over three variables, with up to 1,000 different thresholds of a number."""
    own: Document = {"a": category(50), "b": category(20)}
    targets = [shares(name, body["levels"]) for name, body in own.items()]
    own["n"] = {"kind": "number", "range": [0, 1_000]}
    rules = [
        f"n > {rng.randrange(500, 1_000)}.5 and a == 'level {rng.randrange(50)}' and b == 'level {rng.randrange(20)}'"
        for _ in range(count)
    ]
    return write(place, spec(own, targets, rules))


def rules_of_many(count: int, place: Path, rng: Random) -> Path:
    """Rules over pairs and triples of a hundred categories."""
    own = {f"v{k}": category(4) for k in range(100)}
    rules = [
        " and ".join(f"v{k} == 'level {rng.randrange(4)}'" for k in sorted(rng.sample(range(100), rng.choice([2, 3]))))
        for _ in range(count)
    ]
    return write(place, spec(own, [shares(name, body["levels"]) for name, body in own.items()], rules))


ROWS: dict[str, tuple[Callable[[int, Path, Random], Path], int]] = {
    **{f"{n:,} levels": (levels, n) for n in (2_000, 10_000, 30_000, 100_000)},
    **{f"a table of {n:,} cells": (cells, n) for n in (100_000, 1_000_000)},
    **{f"{n:,} variables": (variables, n) for n in (100, 1_000)},
    **{f"{n:,} rules of two categories": (rules_of_two, n) for n in (1_000, 10_000)},
    **{f"{n:,} rules with thresholds": (rules_of_numbers, n) for n in (1_000, 10_000)},
    **{f"{n:,} rules of a hundred categories": (rules_of_many, n) for n in (1_000, 10_000)},
}
OPTIONS = {"--proposals": "1000000000", "--iterations": "1000000"}


def measure(words: list[str]) -> tuple[float, int, int]:
    """Run the command; returns its processor seconds, with those of its children, its bytes at most, and its exit code."""
    process = subprocess.Popen(
        [sys.executable, "-m", "llmsynthor", *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (STOP, STOP)),  # noqa: PLW1509  (no threads here)
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = code = os.waitstatus_to_exitcode(status)
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, code


def say(taken: tuple[float, int, int]) -> str:
    """A cell of the table of results; what goes over a bound, or ends in a fault, is marked."""
    seconds, most, code = taken
    bad = seconds > SECONDS or most > BYTES or code not in NO_FAULT
    ended = "" if code == 0 else f", exit {code}"
    return f"{'**' if bad else ''}{seconds:.1f} s, {most / 2**20:,.0f} MB{ended}{'**' if bad else ''}"


def main() -> None:
    """Make the specs and print the table."""
    reading = argparse.ArgumentParser()
    reading.add_argument("rows", nargs="*", help="parts of rows' names; all rows without")
    reading.add_argument("--commands", nargs="+", choices=("check", "synthesize"), default=["check", "synthesize"])
    reading.add_argument("--records", type=int, default=1_000)
    given = reading.parse_args()
    print(f"| what | {' | '.join(given.commands)} |\n|---|{'---|' * len(given.commands)}", flush=True)
    with TemporaryDirectory() as scratch:
        rest = {
            "check": lambda path: ["check", str(path)],
            "synthesize": lambda path: [
                *("synthesize", str(path), "--llm", "none", "--records", str(given.records)),
                *("--seed", "1", "--force", "--out", str(path.parent / "out")),
            ],
        }
        for number, (name, (make, count)) in enumerate(ROWS.items()):
            if given.rows and not any(part in name for part in given.rows):
                continue
            path = make(count, Path(scratch) / str(number), Random(count))
            print(f"| {name} | {' | '.join(say(measure(rest[c](path))) for c in given.commands)} |", flush=True)
        path = variables(5, Path(scratch) / "options", Random(5))
        for option, value in OPTIONS.items():
            name = f"{option} {value}"
            if not given.rows or any(part in name for part in given.rows):
                words = [*rest["synthesize"](path), option, value]
                words[words.index("none")] = "openai:m"
                print(f"| {name} | {say(measure([*words, '--base-url', 'http://127.0.0.1:9']))} |", flush=True)


if __name__ == "__main__":
    main()
