"""How many requests a server may still be sent: a budget of calls holds to the request, whoever sends it and for what."""

from threading import Lock

from llmsynthor.errors import BudgetError, Problem


class Allowance:
    """Counts down from the budget of calls; `most` None lets any number through.

    >>> allowance = Allowance(1)
    >>> allowance.take(); allowance.left
    0
    >>> allowance.take()
    Traceback (most recent call last):
    llmsynthor.errors.BudgetError: llm budget: the budget of 1 calls is spent. Raise --max-calls to go on; what was made is used.
    """

    def __init__(self, most: int | None) -> None:
        self._most, self._left, self._lock = most, most, Lock()

    @property
    def left(self) -> int | None:
        """Requests that may still be sent; None where there is no limit."""
        return self._left

    def take(self) -> None:
        """Count one request that is about to be sent; raises BudgetError where none is left."""
        with self._lock:
            if self._left is not None and self._left < 1:
                advice = "raise --max-calls to go on; what was made is used"
                raise BudgetError(
                    Problem(where="llm budget", what=f"the budget of {self._most} calls is spent", advice=advice)
                )
            self._count(1)

    def give_back(self) -> None:
        """A request came to no answer, and is sent again: waiting is not counted."""
        with self._lock:
            self._count(-1)

    def count(self, requests: int) -> None:
        """Count what earlier runs had answered, so that a replay stops where the run did."""
        with self._lock:
            self._count(requests)

    def _count(self, requests: int) -> None:
        if self._left is not None:
            self._left = max(self._left - requests, 0)
