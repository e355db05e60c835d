"""What `check` tells a Python user: every problem at once, the calls that a run will make, and the minutes they take."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from llmsynthor.errors import Problem, SpecError
from llmsynthor.run.check import examine
from llmsynthor.spec.reading.files import load
from llmsynthor.spec.specification import Spec


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """`problems` are errors and warnings (their `severity` says which).

    `calls` are those of a run with `model` at most, None where the spec has errors; `minutes` what they take on this machine as
    measured in earlier runs, None before the first.
    """

    problems: tuple[Problem, ...]
    calls: int | None
    minutes: float | None
    model: str

    @property
    def ok(self) -> bool:
        """Whether a run can be made: there may be warnings."""
        return all(problem.severity != "error" for problem in self.problems)

    def __str__(self) -> str:
        return "\n".join([*(f"{problem.severity}: {problem}" for problem in self.problems), self._calls()])

    def _calls(self) -> str:
        if self.calls is None:
            return "No run can be made."
        took = "" if not self.calls or self.minutes is None else f", about {self.minutes:.1f} minutes"
        return f"A run makes at most {self.calls} LLM calls with {self.model}{took}."


def check(spec: Spec | str | os.PathLike[str] | Mapping[str, Any], llm: str | None = None) -> Checked:
    """Find every problem of a spec, without a call; raises nothing for a spec that is wrong, but says so.

    >>> import llmsynthor as ls
    >>> coins = {"llmsynthor": 1, "units": {"toss": {"variables": {"side": {"kind": "coin"}}}}}
    >>> checked = ls.check(coins)
    >>> checked.ok, checked.calls, [problem.where for problem in checked.problems]
    (False, None, ['units.toss.variables.side'])
    """
    words = llm or "local"
    try:
        loaded = load(spec)
        words = llm or loaded.settings.llm or words
        found = examine(loaded, llm)
    except SpecError as error:
        return Checked(problems=tuple(error.problems), calls=None, minutes=None, model=words)
    minutes = None if found.seconds is None else found.seconds / 60
    return Checked(problems=found.warnings, calls=found.calls, minutes=minutes, model=found.model)
