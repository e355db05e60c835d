"""What becomes of a target: one vocabulary for files, report, terminal and docs, and the sentences made of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from llmsynthor.records.held import read_held

Floats = NDArray[np.float64]


class Status(StrEnum):
    """How a target ended, the best end first; each is its own text.

    Exact: no cell a whole record off (a mean or total: to rounding). Within rounding, margin of error, tolerance: off by no more
    than the target's own numbers leave open; within tolerance too: a sum of derived numbers, whose values cannot be moved, off
    by no more than a sixteenth of their range. Leaned towards: a soft target. Yielded: the records hold what was made of it and
    other sources. Cannot be met: it was shown that it excludes other targets or rules. Missed: none of these.
    """

    EXACT = "exact"
    ROUNDING = "within rounding"
    MARGIN = "within margin of error"
    TOLERANCE = "within tolerance"
    LEANED = "leaned towards"
    YIELDED = "yielded"
    CANNOT = "cannot be met"
    MISSED = "missed"

    @property
    def is_unmet(self) -> bool:
        """Whether a run with such a target ends with exit code 1."""
        return self in (Status.CANNOT, Status.MISSED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What a run knows of a target beside its records.

    `used` (cells,) are the shares or values that the records were led to, where sources were reconciled: in the order of the
    target's cells, on the scale of its values. `others` are those it yielded to, `only_rounding` says that rounding explains
    all of it. `reason` says why the target cannot be met, where that was shown. Of a finished run, read back, `status` and
    `yielded` are what it said.
    """

    used: Floats | None = None
    others: tuple[str, ...] = ()
    only_rounding: bool = False
    reason: str = ""
    status: Status | None = None
    yielded: float = 0.0


Accounts = Mapping[str, Account]
"""By the name of the target."""


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """A status with what belongs to it: who it yielded to and by how much, or why it cannot be met."""

    status: Status
    others: tuple[str, ...] = ()
    yielded: float = 0.0
    reason: str = ""
    worst: tuple[str, ...] = field(default=())
    is_records: bool = True

    def __str__(self) -> str:
        """Say it in one phrase.

        >>> str(End(status=Status.YIELDED, others=("census",), yielded=12))
        'yielded to census by 12 records'
        >>> str(End(status=Status.MISSED, worst=("sex = Male: 3 records missing",)))
        'missed: sex = Male: 3 records missing'
        """
        if self.status is Status.YIELDED:
            return f"yielded to {' and '.join(self.others)} by {self.amount}"
        if self.status is Status.CANNOT:
            return f"cannot be met: because {self.reason}"
        if self.status is Status.MISSED and self.worst:
            return f"missed: {'; '.join(self.worst)}"
        return str(self.status)

    @property
    def amount(self) -> str:
        """By how much it yielded at most: in records, of a mean, total or quantile in its own unit."""
        if not self.is_records:
            return f"{self.yielded:,.4g}" if abs(self.yielded) < 10_000 else f"{self.yielded:,.0f}"
        number = f"{self.yielded:,.0f}" if self.yielded >= 10 else f"{self.yielded:,.1f}".removesuffix(".0")
        return f"{number} {'record' if number == '1' else 'records'}"


def read_accounts(folder: Path) -> dict[str, Account]:
    """What a finished run has said of its targets in `alignment.csv`; of an older or unfinished one nothing."""
    alignment = read_held(folder / "alignment.csv")
    return accounts_of(alignment) if alignment is not None else {}


def accounts_of(alignment: pl.DataFrame) -> dict[str, Account]:
    """What the rows of `alignment.csv` say of each target."""
    return {
        row["name"]: Account(
            others=tuple((row.get("yielded_to") or "").split("; ")) if row.get("yielded_to") else (),
            reason=row.get("reason") or "",
            status=Status(row["status"]) if row["status"] in [str(status) for status in Status] else None,
            yielded=row.get("yielded") or 0.0,
        )
        for row in alignment.to_dicts()
    }


def count_ends(statuses: Iterable[Status]) -> dict[str, int]:
    """Count the statuses that occur, the best first."""
    found = list(statuses)
    return {str(status): found.count(status) for status in Status if status in found}


def say_ends(counts: Mapping[str, int]) -> str:
    """Say how many targets ended how.

    >>> say_ends({"exact": 3})
    'all 3 targets exact'
    >>> say_ends({"exact": 2, "missed": 1})
    '3 targets: 2 exact, 1 missed'
    """
    total = sum(counts.values())
    if not total:
        return "there are no targets to meet"
    if len(counts) == 1:
        return f"all {total:,} targets {next(iter(counts))}" if total > 1 else f"1 target: {next(iter(counts))}"
    return f"{total:,} targets: " + ", ".join(f"{number:,} {status}" for status, number in counts.items())
