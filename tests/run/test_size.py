"""The size of a run is known before it, and one that is too large is refused."""

from typing import Any

import pytest

import llmsynthor as ls
from llmsynthor.run.size import LIMIT, measure_size, memory_limit, refuse_too_large


def test_size_grows_with_what_is_asked(spec: ls.Spec, document: dict[str, Any]) -> None:
    """Cells, levels, rules and records are counted; more records need more memory."""
    size = measure_size(spec, 1_000)
    assert (size.cells, size.levels, size.variables, size.rules) == (11, 5, 3, 1)
    assert measure_size(spec, 10**7).bytes > 2 * size.bytes


def test_too_much_is_refused_with_a_way_out(spec: ls.Spec, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit the error holds the estimate, the limit and how to raise it; a stated limit wins over the machine."""
    with pytest.raises(ls.SpecError, match=f"needs more memory.*records.*{LIMIT}"):
        ls.synthesize(spec, records=10**11, llm="none")
    monkeypatch.setenv(LIMIT, "100M")
    assert memory_limit()[0] == 100 << 20
    with pytest.raises(ls.SpecError, match="100 MB"):
        refuse_too_large(measure_size(spec, 10), calls=0, has_budget=False)
    monkeypatch.setenv(LIMIT, "much")
    with pytest.raises(ls.SpecError, match=LIMIT):
        memory_limit()


def test_endless_asking_is_refused(spec: ls.Spec) -> None:
    """Iterations that ask a model a million times need a budget that says so."""
    with pytest.raises(ls.SpecError, match="--max-calls"):
        ls.synthesize(spec, records=10, llm="local", iterations=10**6)
