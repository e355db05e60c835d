"""Suggested rules: asks a model which combinations it holds for impossible, and writes them as rules of a spec to accept."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from llmsynthor.aims.cuts import build_grid
from llmsynthor.aims.goals import bring_to_grid
from llmsynthor.aims.reconcile import reconcile
from llmsynthor.calibration.measured import usual
from llmsynthor.dependence.coarse import coarsen
from llmsynthor.dependence.elicit import Asking
from llmsynthor.dependence.estimation import elicit_estimates
from llmsynthor.dependence.measuring import recall
from llmsynthor.dependence.suggest import Suggestion, suggest
from llmsynthor.errors import Problem, SpecError
from llmsynthor.llm.ledger import Ledger
from llmsynthor.llm.opening import Choice, choose
from llmsynthor.llm.recorded import Recorded
from llmsynthor.options import Budget, Server
from llmsynthor.records.run_folder import LEDGER, unwritable
from llmsynthor.spec.specification import Spec


def suggest_rules(
    spec: Spec,
    *,
    llm: str | Choice = "local",
    seed: int = 0,
    budget: Budget | None = None,
    server: Server | None = None,
    run: Path | None = None,
) -> tuple[Suggestion, ...]:
    """Ask for rules of the top unit; nothing is applied.

    The ledger of the folder `run` answers what was asked before, by a synthesis of the same spec for instance, and keeps what is
    asked now. Raises SpecError without a model, LLMError where it fails.
    """
    choice = llm if isinstance(llm, Choice) else choose(llm, server=server)
    if choice is None:
        advice = "name a model with --llm"
        raise SpecError(Problem(where="--llm", what="rules are suggested by a language model", advice=advice))
    ledger = Ledger(_ledger_path(run))
    limits = budget or Budget()
    model = Recorded(identity=choice.identity, open_model=choice.open_model, ledger=ledger, budget=limits)
    goals, _ = reconcile(bring_to_grid(spec, build_grid(spec, spec.schema.top)))
    asking = Asking(
        spec=spec, unit=spec.schema.top.name, variables=coarsen(goals), model=model, seed=seed, temperature=0.0
    )
    measured = recall(choice.identity) or usual()  # rules are for a person to accept: nobody is measured for them
    estimates, trust = elicit_estimates(goals, asking, measured)
    return suggest(asking, estimates, trust)


def _ledger_path(run: Path | None) -> Path | None:
    if run is None:
        return None
    try:
        run.mkdir(parents=True, exist_ok=True)
    except OSError as cause:
        raise unwritable(run, cause) from cause
    return run / LEDGER


def write_rules(suggestions: Sequence[Suggestion], unit: str) -> str:
    """Write suggestions as the `rules` section of a spec, each with what speaks for it as a comment."""
    if not suggestions:
        return "# The model suggests no rule.\nrules: []\n"
    lines = ["# Suggested by a language model: keep what is right, delete the rest.", "rules:"]
    for entry in suggestions:
        asked = "" if np.isnan(entry.doubt) else f"; asked outright it says no (log-odds {entry.doubt:.1f})"
        lines.append(f"  # {entry.why}{asked}")
        lines += [f"  # its reason: {entry.reason}"] if entry.reason else []
        parts = {"name": entry.name, "unit": unit, "forbid": entry.forbid}
        text = ", ".join(f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in parts.items())
        lines.append(f"  - {{{text}}}")
    return "\n".join(lines) + "\n"
