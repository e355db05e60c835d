"""Where a target is read: for the words of its problems."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from llmsynthor.errors import Problem
from llmsynthor.spec.schema import Schema

MOST_PROBLEMS = 20
"""Problems reported of one kind in one table; the rest is counted."""

MOST_SHOWN = 8
"""Cells named in one problem; the rest is counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A target's name, its unit, the problems found so far, and the separators of the files that were read."""

    where: str
    schema: Schema
    unit: str
    problems: list[Problem]
    separators: set[str] = field(default_factory=set)

    def problem(self, what: str, advice: str, found: str | None = None, *, row: int | None = None) -> None:
        where = self.where if row is None else f"{self.where} row {row + 1}"
        self.problems.append(Problem(where=where, what=what, found=found, advice=advice))

    def warn(self, what: str, advice: str, found: str | None = None) -> None:
        self.problems.append(Problem(where=self.where, what=what, found=found, advice=advice, severity="warning"))

    def in_rows(self, what: str, advice: str, rows: Sequence[tuple[int, str]]) -> None:
        """One problem for all rows of a kind; `rows` are numbers from 0 and what stands there."""
        if len(rows) == 1:
            self.problem(what, advice, rows[0][1][:80], row=rows[0][0])
            return
        shown = "; ".join(f"row {row + 1}: {text[:40]}" for row, text in rows[:MOST_SHOWN])
        more = f"; and {len(rows) - MOST_SHOWN:,} more" if len(rows) > MOST_SHOWN else ""
        self.problem(what, advice, shown + more)

    @property
    def errors(self) -> int:
        return sum(problem.severity == "error" for problem in self.problems)
