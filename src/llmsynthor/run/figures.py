"""Tables of micro-data and figures of runs, for Python users: of files, of frames, of solutions."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl

from llmsynthor.evaluation.metrics import evaluate as evaluate_folder
from llmsynthor.records.measure import measure as measure_files
from llmsynthor.records.measure import measured_frame, write_measured
from llmsynthor.records.microdata import frames_of
from llmsynthor.records.release import release, write_accounting
from llmsynthor.run.solution import Solution
from llmsynthor.spec.reading.files import load
from llmsynthor.spec.specification import Spec


def measure(
    spec: Spec | str | os.PathLike[str] | Mapping[str, Any],
    data: Any,
    *,
    epsilon: float | None = None,
    contributions: int = 1,
    out: str | os.PathLike[str] | None = None,
    force: bool = False,
) -> dict[str, pl.DataFrame]:
    """Give the spec's targets as they are in micro-data, each as a long table, by name; with `out` they are written too.

    Files there that somebody has edited are not replaced; with `force` they are kept beside.

    `data` is a file or folder, several of them, a frame of the top unit, frames by unit, or a solution. With `epsilon` noise is
    added that makes the tables safe to give away (extra `dp`). Raises SpecError, DataError.

    >>> import llmsynthor as ls
    >>> coins = ls.Spec(
    ...     units=[ls.unit("toss", side=ls.category("head", "tail"))],
    ...     targets=[ls.table({"head": 1, "tail": 1}, unit="toss", columns=["side"], name="fair")],
    ... )
    >>> ls.measure(coins, pl.DataFrame({"side": ["head", "head", "tail"]}))["fair"].rows()
    [('head', 2.0), ('tail', 1.0)]
    """
    loaded = load(spec)
    with TemporaryDirectory() as folder:
        paths = _paths(loaded, data, Path(folder))
        if epsilon is None:
            measured, spent = measure_files(loaded, paths), None
        else:
            measured, spent = release(loaded, paths, epsilon=epsilon, contributions=contributions)
    if out is not None:
        write_measured(measured, Path(out), force=force)
        if spent is not None and epsilon is not None:
            write_accounting(spent, Path(out), epsilon=epsilon, contributions=contributions)
    return {entry.target.name: measured_frame(entry) for entry in measured}


def _paths(spec: Spec, data: Any, folder: Path) -> list[Path]:
    """Files as they are; frames written to files, so that both are read by the same checks."""
    if isinstance(data, str | os.PathLike):
        return [Path(data)]
    if isinstance(data, Sequence) and all(isinstance(entry, str | os.PathLike) for entry in data):
        return [Path(entry) for entry in data]
    for unit, frame in frames_of(spec, data).items():
        frame.write_parquet(folder / f"{unit}.parquet")
    return [folder]


def evaluate(solution: Solution | str | os.PathLike[str], reference: Any = None) -> dict[str, Any]:
    """Figures of a solution or a run folder: against its targets, and against reference records where there are some.

    `reference` is a file or folder, a frame of the top unit, frames by unit, or another solution. Raises RunFolderError,
    DataError.

    >>> import llmsynthor as ls
    >>> coins = ls.Spec(units=[ls.unit("toss", side=ls.category("head", "tail"))])
    >>> ls.evaluate(ls.synthesize(coins, records=10, llm="none"))["records"]
    10
    """
    if isinstance(solution, Solution):
        return solution.evaluate(reference)
    return evaluate_folder(Path(solution), reference)
