"""Scores a model on the real changes of the bench."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from llmsynthor.errors import Problem, SpecError
from llmsynthor.llm.ledger import Ledger
from llmsynthor.llm.opening import Choice, choose
from llmsynthor.llm.recorded import Recorded
from llmsynthor.options import Budget, Server
from llmsynthor.records.run_folder import LEDGER
from llmsynthor.run.propose import ask_directions
from llmsynthor.scenarios.bench import Scores, judge, read_cases
from llmsynthor.scenarios.cells import Cells
from llmsynthor.scenarios.frames import Question
from llmsynthor.spec.adjustments import Adjustment


def score(
    llm: str | Choice,
    *,
    out: Path | None = None,
    cases: int | None = None,
    budget: Budget | None = None,
    server: Server | None = None,
) -> Scores:
    """Ask a model about every case, or so many of them evenly chosen; with a folder what it answers is kept. Raises LLMError."""
    choice = llm if isinstance(llm, Choice) else choose(llm, server=server)
    if choice is None:
        advice = "name a model with --llm"
        raise SpecError(Problem(where="--llm", what="the bench scores a language model", advice=advice))
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
    ledger = Ledger(out / LEDGER if out is not None else None)
    model = Recorded(
        identity=choice.identity, open_model=choice.open_model, ledger=ledger, budget=budget or Budget(), stage="bench"
    )

    def ask(question: Question, cells: Sequence[Cells]) -> tuple[tuple[Adjustment, ...], float]:
        return ask_directions(question, cells, model)

    every = read_cases()
    chosen = np.unique(np.linspace(0, len(every) - 1, cases or len(every)).round().astype(int))
    found = judge([every[k] for k in chosen], ask)
    if out is not None:
        pl.DataFrame(found.rows).write_csv(out / "cases.csv")
    return found
