"""The size of a run is known before it, and one that is too large is refused."""

import time
from typing import Any

import pytest

import llmsynthor as ls
from llmsynthor.run.check import examine
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


def wide(variables: int, rules: list[str]) -> ls.Spec:
    """Categories of four levels with their shares, a number between 0 and 1,000 that no table cuts, and rules."""
    own: dict[str, Any] = {f"v{k}": {"kind": "category", "levels": ["w", "x", "y", "z"]} for k in range(variables)}
    tables = [
        {"name": name, "unit": "thing", "cells": [{name: level, "share": 0.25} for level in body["levels"]]}
        for name, body in own.items()
    ]
    own["n"] = {"kind": "number", "range": [0, 1_000]}
    forbid = [{"name": f"r{k}", "unit": "thing", "forbid": text} for k, text in enumerate(rules)]
    units = {"thing": {"variables": own}}
    return ls.Spec.load({"llmsynthor": 1, "units": units, "targets": tables, "rules": forbid})


def seconds(spec: ls.Spec) -> float:
    began = time.process_time()
    examine(spec, "none")
    return time.process_time() - began


@pytest.mark.slow
def test_check_takes_time_in_proportion() -> None:
    """Hundreds of variables, and rules with hundreds of thresholds, are looked through in a few processor seconds."""
    examine(wide(2, ["v0 == 'w' and v1 == 'x'"]), "none")
    thresholds = [f"n > {500 + k}.5 and v{k % 3} == 'w' and v{3 + k % 2} == 'x'" for k in range(400)]
    assert seconds(wide(5, thresholds)) < 8
    pairs = [f"v{k % 200} == 'w' and v{(k + 1 + k // 200) % 200} == 'x'" for k in range(1_000)]
    assert seconds(wide(200, pairs)) < 8
