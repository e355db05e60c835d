"""Run other programs on what is exported to them, each in an environment of its own, and print a table of what they took.

    python -m benchmarks.consumers [NAME ...] [--cache DIR] [--dtd population_v6.dtd] [--keep DIR]

examples/town is synthesized without a model (450 households in 25 zones, their persons, the trips of a day), exported by
`llmsynthor export`, and handed to each program. What a program refuses is a fault of the export. Environments are virtual ones,
made once in the folder `--cache`; PostgreSQL is that of the system, started in a folder of its own on a unix socket.
Ends with 1 where a program refused something. Needs a package index for the first time: for the night, not for `make test`.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
from benchmarks.consumers.environments import Environment

PROGRAMS = Path(__file__).parent / "programs"
TOWN = Path(__file__).parents[2] / "examples" / "town"


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumer:
    """A program: the kind of export that it takes, its script with what stands first, and its environment if it has one."""

    name: str
    kind: str
    script: str
    first: tuple[str, ...] = ()
    environment: str | None = None


READERS = {
    "duckdb": "duckdb",
    "sqlite": "sqlite",
    "frictionless": "package",
    "csvw": "package",
    "mlcroissant": "package",
    "geopandas": "geoparquet",
    "openpyxl": "excel",
}
CONSUMERS = (
    Consumer(name="activitysim", kind="activitysim", script="run_activitysim.py", environment="activitysim"),
    Consumer(name="starsim", kind="starsim", script="run_starsim.py", environment="starsim"),
    Consumer(name="matsim-tools", kind="matsim", script="run_matsim.py", environment="matsim"),
    Consumer(name="sumo", kind="matsim", script="run_sumo.py", environment="sumo"),
    *(
        Consumer(name=name, kind=kind, script="run_tables.py", first=(name,), environment="tables")
        for name, kind in READERS.items()
    ),
    Consumer(name="postgresql", kind="postgres", script="run_postgres.py"),
)


def llmsynthor(*words: object) -> None:
    """Run a command of ours; raises SystemExit where it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "llmsynthor", *map(str, words)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"llmsynthor {words[0]}: {done.stderr}")


def expected(run: Path, outlines: Path) -> dict[str, Any]:
    """What the records hold, counted from the run itself."""
    frames = {unit: pl.read_parquet(run / "records" / f"{unit}.parquet") for unit in ("household", "person", "trip")}
    people = frames["person"]
    return {
        **{unit: frame.height for unit, frame in frames.items()},
        "age": int(people["age"].sum()),
        "female": int((people["sex"].cast(pl.String) == "female").sum()),
        "days": frames["trip"]["person_id"].n_unique(),
        "outlines": str(outlines),
    }


def consumed(consumer: Consumer, place: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Export, run the program on it; gives its row."""
    exported, work = place / "export" / consumer.kind, place / "work" / consumer.name
    work.mkdir(parents=True)
    if not exported.is_dir():
        llmsynthor("export", place / "run", consumer.kind, "--out", exported)
    python = Path(sys.executable)
    if consumer.environment is not None:
        own = Environment(name=consumer.environment, cache=arguments.cache)
        own.make()
        python = own.python
    last = [arguments.dtd.resolve()] if arguments.dtd and consumer.script == "run_matsim.py" else []
    words = [python, PROGRAMS / consumer.script, *consumer.first, exported, place / "expected.json", work, *last]
    surroundings = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    start = time.monotonic()
    done = subprocess.run([*map(str, words)], env=surroundings, capture_output=True, text=True, check=False)
    row = {"consumer": consumer.name, "version": "", "checked": "", "seconds": round(time.monotonic() - start)}
    if done.returncode:
        return row | {"result": "FAILED", "checked": " ".join(done.stderr.split())[-600:]}
    return row | json.loads(done.stdout.splitlines()[-1]) | {"result": "ok"}


def table(rows: list[dict[str, Any]]) -> str:
    """The rows as a table of Markdown."""
    names = ("consumer", "version", "checked", "result", "seconds")
    lines = ["| " + " | ".join(str(row[name]) for name in names) + " |" for row in rows]
    return "\n".join(["| " + " | ".join(names) + " |", "|" + "---|" * len(names), *lines])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(own.name for own in CONSUMERS)}; without any, all")
    parser.add_argument("--cache", type=Path, default=Path("consumers"), help="folder of the environments")
    parser.add_argument("--dtd", type=Path, help="a file of MATSim's population_v6.dtd, to validate by")
    parser.add_argument("--keep", type=Path, help="a new folder to keep run, exports and what the programs wrote in")
    arguments = parser.parse_args()
    arguments.cache = arguments.cache.resolve()
    unknown = set(arguments.names) - {own.name for own in CONSUMERS}
    if unknown:
        parser.error(f"there is no such consumer: {', '.join(sorted(unknown))}")
    with TemporaryDirectory(prefix="consumers-") as name:
        place = (arguments.keep or Path(name)).resolve()
        place.mkdir(parents=True, exist_ok=True)
        llmsynthor("synthesize", TOWN / "spec.yaml", "--llm", "none", "--out", place / "run")
        outlines = TOWN / "tables" / "zones.geojson"
        (place / "expected.json").write_text(json.dumps(expected(place / "run", outlines)), encoding="utf-8")
        chosen = [own for own in CONSUMERS if not arguments.names or own.name in arguments.names]
        rows = []
        for own in chosen:
            rows.append(consumed(own, place, arguments))
            print(f"{own.name}: {rows[-1]['result']}", file=sys.stderr)
    print(table(rows))
    sys.exit(any(row["result"] != "ok" for row in rows))


if __name__ == "__main__":
    main()
