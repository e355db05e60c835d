"""The bench: real changes that a model has not seen, against what it would propose for them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from io import BytesIO
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from llmsynthor.scenarios.cells import Cells, tilted
from llmsynthor.scenarios.frames import Question
from llmsynthor.spec.adjustments import Adjustment
from llmsynthor.spec.schema import Category

Floats = NDArray[np.float64]

CONTEXTS = {
    "trips": ("Trips of people in the United States in 2022.", "trip"),
    "sales": ("Sales of a British online shop for gifts, in 2011.", "sale"),
}
WORTH, QUIET = 0.15, 0.10
"""A model may be trusted that closes so much of the changes, and moves less than that of the cells for no reason."""

CEILING = 1.35
CLEAR, TENTH = 2.0, 0.1
"""A cell has really moved that changed by more than so many standard errors, and by more than a tenth of itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One table under one change; `before` and `after` (levels,) are counts."""

    change: str
    table: str
    question: Question
    cells: Cells
    before: Floats
    after: Floats


def read_cases() -> tuple[Case, ...]:
    """The cases of the package, in the order of the file."""
    content = files("llmsynthor.scenarios").joinpath("cases/changes.csv").read_bytes()
    frame = pl.read_csv(BytesIO(content))
    return tuple(_case(own) for own in frame.partition_by("change", "table", maintain_order=True))


def _case(frame: pl.DataFrame) -> Case:
    first = frame.row(0, named=True)
    context, unit = CONTEXTS[first["data"]]
    levels = tuple(frame["level"].to_list())
    before, after = (frame[name].cast(pl.Float64).to_numpy() for name in ("before", "after"))
    return Case(
        change=first["change"],
        table=first["table"],
        question=Question(context=context, scenario=first["scenario"], ordinary=first["ordinary"]),
        cells=Cells(
            unit=unit,
            variable=Category(name=first["table"], levels=levels, label=first["label"]),
            levels=levels,
            words=levels,
            shares=before / before.sum(),
        ),
        before=before,
        after=after,
    )


Ask = Callable[[Question, Sequence[Cells]], tuple[tuple[Adjustment, ...], float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """A row per case, the figures over all, and what they mean."""

    rows: tuple[dict[str, Any], ...]
    summary: dict[str, Any]
    verdict: str


def judge(cases: Sequence[Case], ask: Ask) -> Scores:
    """Ask for every case and compare with what happened; "no change" and the true directions stand beside it."""
    rows = list[dict[str, Any]]()
    for case in cases:
        found, neutral = ask(case.question, (case.cells,))
        rows.append(_row(case, _factors(case, found), neutral))
    return Scores(rows=tuple(rows), summary=(summary := _summary(rows)), verdict=_verdict(summary))


def _factors(case: Case, found: Sequence[Adjustment]) -> Floats:
    by_text = {own.where.text: own.factor or 1.0 for own in found}
    return np.array([by_text.get(case.cells.condition((level,)), 1.0) for level in case.cells.levels])


def _row(case: Case, factors: Floats, neutral: float) -> dict[str, Any]:
    p, q = case.before / case.before.sum(), case.after / case.after.sum()
    error = np.sqrt(p * (1 - p) / case.before.sum() + q * (1 - q) / case.after.sum())
    real = np.where((np.abs(q - p) > CLEAR * error) & (np.abs(q / p - 1) > TENTH), np.sign(q - p), 0)
    said = np.sign(np.log(factors))
    moved, best = _applied(p, factors), _applied(p, tilted(p, CEILING**real)[0])
    gap = float(np.abs(p - q).sum() / 2)
    return {
        "change": case.change,
        "table": case.table,
        "levels": len(p),
        "tvd": gap,
        "tvd_after": float(np.abs(moved - q).sum() / 2),
        "closed": 1 - float(np.abs(moved - q).sum() / 2) / gap,
        "ceiling": 1 - float(np.abs(best - q).sum() / 2) / gap,
        "proposed": int((said != 0).sum()),
        "moving": int(((said != 0) & (real != 0)).sum()),
        "right": int(((said != 0) & (said == real)).sum()),
        "neutral": neutral,
    }


def _applied(shares: Floats, factors: Floats) -> Floats:
    """Shares after an adjustment: named cells as stated, the others take up the rest."""
    named = factors != 1.0
    moved = shares * factors
    rest = 1 - moved[named].sum()
    if named.all() or rest <= 0:
        return np.asarray(moved / moved.sum())
    moved[~named] *= rest / moved[~named].sum()
    return np.asarray(moved)


def _summary(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    gap = sum(row["tvd"] for row in rows)
    levels = sum(row["levels"] for row in rows)
    proposed, moving, right = (sum(row[name] for row in rows) for name in ("proposed", "moving", "right"))
    return {
        "cases": len(rows),
        "closed": round(1 - sum(row["tvd_after"] for row in rows) / gap, 4),
        "closed_no_change": 0.0,
        "closed_true_directions": round(
            float(np.average([r["ceiling"] for r in rows], weights=[r["tvd"] for r in rows])), 4
        ),
        "cells": levels,
        "cells_proposed": proposed,
        "of_these_really_moving": moving,
        "signs_right": right,
        "signs_right_share": round(right / moving, 4) if moving else None,
        "tables_worse_by_0.01": sum(row["tvd_after"] - row["tvd"] > 0.01 for row in rows),
        "worst_harm": round(max(row["tvd_after"] - row["tvd"] for row in rows), 5),
        "neutral_proposed": round(sum(row["neutral"] * row["levels"] for row in rows) / levels, 4),
    }


def _verdict(summary: dict[str, Any]) -> str:
    reasons = []
    if summary["closed"] < WORTH:
        reasons.append(f"it closes {summary['closed']:.1%} of the changes, {WORTH:.0%} are asked")
    if summary["neutral_proposed"] >= QUIET:
        reasons.append(
            f"for no reason it moves {summary['neutral_proposed']:.1%} of the cells, under {QUIET:.0%} are asked"
        )
    if reasons:
        return f"Not to be accepted without a person: {'; '.join(reasons)}."
    return "It may be trusted with accept: agreed."
