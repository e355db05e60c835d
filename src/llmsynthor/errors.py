"""Every error this package raises on purpose.

Each says four things: what is wrong, where, the value found, and what to do about it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong with an input.

    >>> print(Problem(where='targets[3] "age"', what="unknown level", found="Femal", advice="use one of: Female, Male"))
    targets[3] "age": unknown level (found: Femal). Use one of: Female, Male.
    """

    where: str
    what: str
    advice: str
    found: str | None = None
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        found = f" (found: {self.found})" if self.found is not None else ""
        advice = self.advice[:1].upper() + self.advice[1:].rstrip(".")
        return f"{self.where}: {self.what}{found}. {advice}{'' if advice.endswith('?') else '.'}"


class LLMSynthorError(Exception):
    """Root of the tree; `exit_code` is what the command line answers."""

    exit_code = 2

    def __init__(self, *problems: Problem) -> None:
        self.problems: Sequence[Problem] = problems
        super().__init__("\n".join(str(problem) for problem in problems))


class SpecError(LLMSynthorError):
    """The specification or a table it names is wrong; holds all the problems at once."""


class RunFolderError(LLMSynthorError):
    """The run folder cannot be used, or does not hold what was expected."""


class DataError(LLMSynthorError):
    """Micro-data given by the user do not fit the specification."""


class LLMError(LLMSynthorError):
    """A language model could not be used; `retryable` says whether the same call may succeed later."""

    exit_code = 3
    retryable = False
    requests = 0
    """Requests that a server answered before it; they are counted, though nothing came of them."""


class ChoiceError(LLMError):
    """The words of `--llm` name no language model: the input is wrong, no model has failed."""

    exit_code = 2


class ModelError(LLMError):
    """Weights of an embedded model are missing, damaged, or cannot be loaded."""


class LedgerError(LLMError):
    """The ledger cannot be read or written: the folder is wrong, no model has failed, and repeating the command mends nothing."""

    exit_code = 2


class ServerError(LLMError):
    """A server did not answer, or refused."""

    def __init__(self, *problems: Problem, retryable: bool = False, status: int | None = None) -> None:
        super().__init__(*problems)
        self.retryable, self.status = retryable, status


class AskingEndedError(LLMError):
    """No more is asked in this run; what was made so far is kept and used."""


class BudgetError(AskingEndedError):
    """The budget of calls is spent."""


class OutageError(AskingEndedError):
    """A server stays away for longer than the patience lasts; the same run with resume goes on asking."""


class UselessError(AskingEndedError):
    """Too many answers in a row were unusable."""


class AnswerError(LLMError):
    """An answer stayed unusable after the bounded repair; the caller drops and counts it."""


class BadAnswerError(LLMError):
    """One answer of a server is none: cut, too long, too late, of another form. It is counted and asked for again."""

    def __init__(self, problem: Problem, *, reason: str, seconds: float = 0.0) -> None:
        super().__init__(problem)
        self.reason, self.seconds, self.requests = reason, seconds, 1


class CannotScoreError(LLMError):
    """The model gives no log-probabilities; it may be asked to write shares instead."""


class UnprobedError(CannotScoreError):
    """The budget of calls does not suffice to find out whether a server gives log-probabilities; another run may find out."""
