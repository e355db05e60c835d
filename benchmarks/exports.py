"""What exports of a whole region take: processor seconds, seconds and the peak of memory of `llmsynthor export`.

    python -m benchmarks.exports [KIND ...] [--households 1000000] [--trips] [--keep DIR]

examples/town is synthesized without a model, its records are repeated until there are as many households as
were asked for (ids go on, everything else is as in the town), and each export runs as a command of its own. `--trips` keeps the
trips of the persons, about two each; without it households and persons are exported. Prints a row for each kind.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import yaml
from benchmarks.consumers.__main__ import TOWN, llmsynthor

UNITS = ("household", "person", "trip")


def tiled(run: Path, out: Path, households: int, *, trips: bool) -> dict[str, int]:
    """Write the run folder again with its records repeated; gives how many there are of each unit."""
    shutil.copytree(run, out, ignore=shutil.ignore_patterns("records", "report.html", "ledger.sqlite"))
    (out / "records").mkdir()
    units = UNITS if trips else UNITS[:2]
    frames = {unit: pl.read_parquet(run / "records" / f"{unit}.parquet") for unit in units}
    times = -(-households // frames["household"].height)
    spans = {f"{unit}_id": int(frame[f"{unit}_id"].max()) for unit, frame in frames.items()}  # type: ignore[arg-type]
    counts, last = {}, pl.DataFrame()
    for unit, frame in frames.items():
        keys = sorted((key for key in spans if key in frame.columns), key=lambda key, unit=unit: key != f"{unit}_id")
        number = pl.int_range(times, eager=True, dtype=pl.Int64)
        copies = frame.join(number.alias("copy").to_frame(), how="cross", maintain_order="right_left")
        copies = copies.with_columns(*(pl.col(key) + pl.col("copy") * spans[key] for key in keys)).drop("copy")
        above = last.select(keys[-1]) if unit != "household" else None
        copies = copies.head(households) if above is None else copies.join(above, on=keys[-1], how="semi")
        last = copies
        counts[unit] = copies.height
        copies.write_parquet(out / "records" / f"{unit}.parquet")
    if not trips:
        path = out / "spec" / "spec.yaml"
        path.write_text(
            yaml.safe_dump(_without_trips(yaml.safe_load(path.read_text(encoding="utf-8")))), encoding="utf-8"
        )
    return counts


def _without_trips(document: dict) -> dict:
    document["units"].pop("trip")
    document["targets"] = [own for own in document["targets"] if own["unit"] != "trip"]
    document["rules"] = [own for own in document["rules"] if "trip" not in own["forbid"] and own["unit"] != "trip"]
    return document


def measured(run: Path, kind: str, out: Path) -> dict[str, float]:
    """Run the export; gives processor seconds, seconds, MB of memory at the peak, MB written. Raises SystemExit."""
    words = [sys.executable, "-m", "llmsynthor", "export", str(run), kind, "--out", str(out)]
    start = time.monotonic()
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{kind} failed")
    written = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    return {
        "CPU s": used.ru_utime + used.ru_stime,
        "s": time.monotonic() - start,
        "MB at the peak": used.ru_maxrss / 1024,
        "MB written": written / 1e6,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="*", default=["matsim", "activitysim"])
    parser.add_argument("--households", type=int, default=1_000_000)
    parser.add_argument("--trips", action="store_true", help="keep the trips of the persons")
    parser.add_argument("--keep", type=Path, help="a new folder to keep runs and exports in")
    arguments = parser.parse_args()
    with TemporaryDirectory(prefix="exports-") as name:
        place = (arguments.keep or Path(name)).resolve()
        place.mkdir(parents=True, exist_ok=True)
        llmsynthor("synthesize", TOWN / "spec.yaml", "--llm", "none", "--out", place / "run")
        counts = tiled(place / "run", place / "region", arguments.households, trips=arguments.trips)
        print(json.dumps(counts))
        for kind in arguments.kinds:
            row = measured(place / "region", kind, place / kind)
            print(kind, *(f"{value:,.0f} {key}" for key, value in row.items()), sep="  ", flush=True)


if __name__ == "__main__":
    main()
