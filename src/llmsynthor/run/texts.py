"""Texts of a run: planned before, written after everything else, so that no text changes a table."""

from collections.abc import Callable, Mapping
from typing import Any

import polars as pl

from llmsynthor.llm.recorded import Recorded
from llmsynthor.spec.checks.units import sizes_of
from llmsynthor.spec.specification import Spec
from llmsynthor.synthesis.outcome import Options, Progress
from llmsynthor.writing.planning import TextPlan, plan_texts
from llmsynthor.writing.writing import Task, write_texts

Notify = Callable[[Progress], None]


def expected_texts(spec: Spec, records: int) -> tuple[TextPlan, ...]:
    """How each text will be written, by the sizes that the tables state."""
    sizes = {spec.schema.top.name: float(records)}
    for unit in spec.schema.units[1:]:
        low, high = sizes_of(spec, unit).mean
        sizes[unit.name] = sizes[str(unit.parent)] * (low + high) / 2
    budget = spec.settings.budget.calls
    return plan_texts(spec.schema, {name: round(size) for name, size in sizes.items()}, most_calls=budget)


def with_texts(
    spec: Spec, records: Mapping[str, pl.DataFrame], options: Options, model: Recorded | None, *, notify: Notify
) -> tuple[dict[str, pl.DataFrame], list[dict[str, Any]]]:
    """The records with their texts, and what became of each; without a model the texts stay empty."""
    found, accounts = dict(records), list[dict[str, Any]]()
    if model is None or not any(unit.texts for unit in spec.schema.units):
        return found, accounts
    plans = plan_texts(spec.schema, {name: frame.height for name, frame in records.items()}, most_calls=model.left)
    for plan in plans:
        task = Task(spec=spec, plan=plan, model=model, seed=options.seed, temperature=options.temperature)
        before = model.spent.calls

        def tell(done: int, total: int, plan: TextPlan = plan, before: int = before) -> None:
            notify(
                Progress(
                    stage="texts",
                    iteration=done,
                    iterations=total,
                    discrepancy=None,
                    calls=model.spent.calls - before,
                    expected_calls=max(plan.calls, model.spent.calls - before),
                    message=plan.text.name,
                )
            )

        tell(0, plan.calls)
        values, account = write_texts(task, found[plan.unit], tell=tell)
        found[plan.unit] = found[plan.unit].with_columns(values)
        accounts.append(account.summary(values))
    return found, accounts
