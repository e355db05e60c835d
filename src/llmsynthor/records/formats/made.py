"""Records of a run as other programs take them: ids of all units above, positions, and what is known of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from llmsynthor.errors import DataError, Problem, RunFolderError
from llmsynthor.records.levels import as_texts
from llmsynthor.records.linked import Nested, nest
from llmsynthor.records.parts import records_of_run
from llmsynthor.records.run_folder import read_manifest
from llmsynthor.spec.reading.files import load
from llmsynthor.spec.specification import Spec

DROPPED = ("proposal_id", "start_row", "start_changed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """Records by unit, parents first: `<unit>_id`, ids of all ancestors, `position` in child units, then all variables."""

    spec: Spec
    frames: Mapping[str, pl.DataFrame]
    seed: int = 0

    @property
    def top(self) -> str:
        return self.spec.schema.top.name

    def nested(self) -> Nested:
        """With derived variables, to count in."""
        return nest(self.frames, self.spec.schema)


def read_made(folder: Path) -> Made:
    """Read the records of a finished run, of an older version too; raises RunFolderError, DataError."""
    manifest = read_manifest(folder)
    if manifest.get("status", "done") != "done":
        advice = "let it end: the same command with --resume goes on"
        raise RunFolderError(Problem(where=str(folder), what="the run has not ended", advice=advice))
    if not (folder / "spec" / "spec.yaml").is_file():
        advice = "name the folder of a run: it holds spec/spec.yaml"
        raise RunFolderError(Problem(where=str(folder), what="the folder holds no spec", advice=advice))
    spec = load(folder / "spec")
    frames = records_of_run(folder, spec.schema)
    seed = manifest["arguments"].get("seed", 0)
    return made_of(spec, frames, seed=seed if isinstance(seed, int) else 0)


def made_of(spec: Spec, records: Mapping[str, pl.DataFrame], *, seed: int = 0) -> Made:
    """Link records: children get the ids of all units above them and their position; raises DataError."""
    texts = as_texts(records)
    frames: dict[str, pl.DataFrame] = {}
    for unit in spec.schema.units:
        if unit.name not in texts:
            problem = Problem(where=f"records of {unit.name}", what="they are not there", advice="let the run end")
            raise DataError(problem)
        frame = texts[unit.name].drop(DROPPED, strict=False)
        own = f"{unit.name}_id"
        if own not in frame.columns:
            frame = frame.with_row_index(own).with_columns(pl.col(own).cast(pl.Int64))
        ids = [own]
        if unit.parent is not None:
            key = f"{unit.parent}_id"
            above = [f"{other.name}_id" for other in spec.schema.ancestors(unit.name)]
            further = [name for name in above if name != key and name not in frame.columns]
            if further:
                parents = frames[unit.parent].select(key, *further)
                frame = frame.join(parents, on=key, how="left", maintain_order="left")
            frame = frame.with_columns((pl.int_range(pl.len()).over(key) + 1).alias("position"))
            ids = [own, *above, "position"]
        frames[unit.name] = frame.select(*ids, pl.exclude(ids))
    return Made(spec=spec, frames=frames, seed=seed)
