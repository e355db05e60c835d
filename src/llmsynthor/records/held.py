"""Tables of a run folder as they are read again: what was cut, edited or swapped is one error that names the file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import BaseModel, ConfigDict, ValidationError

from llmsynthor.errors import Problem, RunFolderError

COLUMNS: Mapping[str, Mapping[str, Any]] = {
    "alignment.csv": {"name": pl.String, "status": pl.String, "yielded": pl.Float64, "tvd": pl.Float64,
                      "start_tvd": pl.Float64, "fitted_tvd": pl.Float64, "max_abs_error": pl.Float64},
    "disagreements.csv": {"target": pl.String, "others": pl.String, "cell": pl.String, "kind": pl.String,
                          "stated": pl.Float64, "used": pl.Float64, "yielded": pl.Float64},
    "dependencies.csv": {"one": pl.String, "other": pl.String, "source": pl.String, "strength": pl.Float64, "unit": pl.String,
                         "table": pl.String, "model_strength": pl.Float64},
    "audit.csv": {"table": pl.String, "unit": pl.String, "one": pl.String, "level": pl.String, "other": pl.String,
                  "other_level": pl.String, "source": pl.String, "published": pl.Float64, "obtained": pl.Float64,
                  "low": pl.Float64, "high": pl.Float64, "covered": pl.String},
    "history.parquet": {"stage": pl.String, "iteration": pl.Int64, "tvd": pl.Float64, "worst_tvd": pl.Float64,
                        "records": pl.Int64},
    "proposals.parquet": {"proposal_id": pl.Int64, "values": pl.String, "status": pl.String, "records": pl.Int64},
}  # fmt: skip
"""What is used of each table, by its name; further columns may stand there."""

LATER = frozenset({"yielded", "tvd", "start_tvd", "fitted_tvd", "model_strength", "max_abs_error", "worst_tvd"})
"""Columns that folders of before do not have."""


def read_held(path: Path) -> pl.DataFrame | None:
    """Read a CSV or Parquet table of a run folder; None where there is no such file. Raises RunFolderError."""
    if not path.is_file():
        return None
    columns = COLUMNS.get(path.name, {})
    try:
        if path.suffix == ".parquet":
            frame = pl.read_parquet(path, glob=False)
            return frame.with_columns(_fit(frame, columns))
        names = pl.read_csv(path, n_rows=0, infer_schema=False, glob=False).columns
        texts = {name: pl.String for name, kind in columns.items() if name in names}
        frame = pl.read_csv(path, schema_overrides=texts, infer_schema_length=None, glob=False)
        return frame.with_columns(_fit(frame, columns))
    except (OSError, ValueError, pl.exceptions.PolarsError, pl.exceptions.PanicException) as cause:
        raise unreadable(path, (str(cause).splitlines() or [""])[0][:120]) from cause


def _fit(frame: pl.DataFrame, columns: Mapping[str, Any]) -> list[pl.Series]:
    """The columns that are used, as they are wanted; raises ValueError."""
    missing = [name for name in columns if name not in frame.columns and name not in LATER]
    if missing:
        raise ValueError(f"it has no column {', '.join(missing)}")
    return [frame[name].cast(kind) for name, kind in columns.items() if name in frame.columns]


def unreadable(path: Path, reason: str) -> RunFolderError:
    """Make the error of a file of a run folder that is not what a run has written."""
    advice = "repeat the run in this folder: its ledger answers without a model"
    return RunFolderError(Problem(where=str(path), what=f"it cannot be read ({reason})", advice=advice))


class _Shape(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)


class _Spec(_Shape):
    digest: str = ""


class _Model(_Shape):
    name: str
    digest: str


class _Usage(_Shape):
    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    repaired: int = 0
    dropped: int = 0


class _Group(_Shape):
    variables: list[str]
    source: str = ""
    reason: str | None = ""


class _Dependency(_Shape):
    groups: list[_Group] = []
    estimation: str = ""


class _Alignment(_Shape):
    contradictions: list[str] = []
    unmet: list[str] = []


class _Arguments(_Shape):
    records: int | None = None
    seed: int | None = None
    align: str | None = None


class _Manifest(_Shape):
    spec: _Spec
    arguments: _Arguments
    llmsynthor: str = ""
    status: str = ""
    stop_reason: str = ""
    model: _Model | None = None
    usage: _Usage = _Usage()
    rules_broken: dict[str, int] = {}
    dependency: _Dependency = _Dependency()
    alignment: _Alignment = _Alignment()
    warnings: list[str] = []
    start_changes: dict[str, int] | None = None


def check_manifest(path: Path, content: Any) -> dict[str, Any]:
    """A run.json whose entries are what readers take them for; raises RunFolderError that names the entry."""
    try:
        _Manifest.model_validate(content)
    except ValidationError as cause:
        first = cause.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "whole"
        advice = "name the folder of a run; repeating the run in its folder writes the file anew"
        what = f"it is no manifest ({place}: {first['msg']})"
        raise RunFolderError(Problem(where=str(path), what=what, advice=advice)) from cause
    found: dict[str, Any] = content
    return found
