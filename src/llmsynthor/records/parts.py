"""Records of a run in partitions: a folder of Parquet files for each unit, read when they are looked at."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from llmsynthor.records.levels import as_enums
from llmsynthor.records.microdata import read_file
from llmsynthor.records.run_folder import unwritable
from llmsynthor.spec.schema import Schema


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts(Mapping[str, pl.DataFrame]):
    """Frames by unit, each read anew whenever it is asked for: `made` says how many records each has without reading any.

    For more records than memory holds scan the files instead: `polars.scan_parquet(DIR / "records" / UNIT)`.
    """

    folder: Path
    schema: Schema
    made: Mapping[str, int]

    def __getitem__(self, unit: str) -> pl.DataFrame:
        if unit not in self.made:
            raise KeyError(unit)
        frame = read_parts(self.folder / "records" / unit)
        return as_enums({unit: frame}, self.schema)[unit]

    def __iter__(self) -> Iterator[str]:
        return iter(self.made)

    def __len__(self) -> int:
        return len(self.made)


def heights(records: Mapping[str, pl.DataFrame]) -> dict[str, int]:
    """How many records each unit has; those of parts are not read."""
    if isinstance(records, Parts):
        return dict(records.made)
    return {unit: frame.height for unit, frame in records.items()}


def are_parts(folder: Path, unit: str) -> bool:
    """Whether the records of a unit in a run folder are parts."""
    return (folder / "records" / unit).is_dir()


def read_parts(path: Path) -> pl.DataFrame:
    """The records of all parts of a unit, in their order; raises RunFolderError."""
    try:
        return pl.concat([pl.read_parquet(file, glob=False) for file in sorted(path.glob("*.parquet"))])
    except (OSError, ValueError, pl.exceptions.PolarsError) as cause:
        raise unwritable(path, cause) from cause


def _records_of(folder: Path, unit: str) -> pl.DataFrame | None:
    """The records of a unit of a run, in one file or in parts; None where it has none. Raises DataError, RunFolderError."""
    if are_parts(folder, unit):
        return read_parts(folder / "records" / unit)
    path = folder / "records" / f"{unit}.parquet"
    return read_file(path) if path.exists() else None


def records_of_run(folder: Path, schema: Schema) -> dict[str, pl.DataFrame]:
    """The records of every unit of a run that has any; raises DataError where there are none of the top unit."""
    found = {unit.name: frame for unit in schema.units if (frame := _records_of(folder, unit.name)) is not None}
    if schema.top.name not in found:
        read_file(folder / "records" / f"{schema.top.name}.parquet")  # says what is the matter
    return found


def read_sample(folder: Path, schema: Schema, tops: int) -> dict[str, pl.DataFrame]:
    """About `tops` records of the top unit, from all parts alike, with all below them.

    Parts hold their records in no order, so the first of each are a sample of it.
    """
    files = sorted((folder / "records" / schema.top.name).glob("*.parquet"))
    every = [pl.scan_parquet(file, glob=False).select(pl.len()).collect().item() for file in files]
    share = min(1.0, tops / max(sum(every), 1))
    found: dict[str, list[pl.DataFrame]] = {}
    for file, number in zip(files, every, strict=True):
        kept = {
            schema.top.name: pl.scan_parquet(file, glob=False)
            .head(-(-round(number * share * 1_000) // 1_000))
            .collect()
        }
        for unit in schema.units[1:]:
            below = folder / "records" / unit.name / file.name
            if unit.parent in kept and below.is_file():
                ids = kept[str(unit.parent)].select(f"{unit.parent}_id")
                kept[unit.name] = (
                    pl.scan_parquet(below, glob=False).join(ids.lazy(), on=f"{unit.parent}_id", how="semi").collect()
                )
        for unit_name, frame in kept.items():
            found.setdefault(unit_name, []).append(frame)
    return {unit: pl.concat(frames) for unit, frames in found.items()}
