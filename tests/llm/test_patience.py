"""How many questions a server is asked at once, and which of them count."""

import threading
import time

import pytest

from llmsynthor.llm import patience
from llmsynthor.llm.patience import Gate, PassingError


def answered(gate: Gate, times: int) -> None:
    for _ in range(times):
        with gate.turn():
            time.sleep(0.001)


def refused(gate: Gate, times: int) -> None:
    for _ in range(times):
        with pytest.raises(PassingError), gate.turn():
            raise PassingError("429")


def test_a_burst_of_refusals_halves_once() -> None:
    """Answers add one each, a burst of refusals halves once, and once the time of some answers is over again."""
    gate = Gate(8)
    answered(gate, 10)
    assert gate.limit == 8
    refused(gate, 5)
    assert gate.limit == 4
    time.sleep(0.1)
    refused(gate, 1)
    assert gate.limit == 2


def test_a_question_that_hangs_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """With one turn at a time, the next question is let in once the one before takes far longer than answers do."""
    monkeypatch.setattr(patience, "HANGS", 0.1)
    monkeypatch.setattr(patience, "LOOK_EVERY", 0.02)
    gate, ended = Gate(1), threading.Event()
    answered(gate, 3)

    def hang() -> None:
        with gate.turn():
            ended.wait(5)

    hanging = threading.Thread(target=hang)
    hanging.start()
    began = time.monotonic()
    time.sleep(0.02)
    answered(gate, 1)
    taken = time.monotonic() - began
    ended.set()
    hanging.join()
    assert 0.05 < taken < 4
