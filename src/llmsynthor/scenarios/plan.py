"""Directions in five steps from a model that writes: asked twice, the levels turned round, and once for an ordinary day."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmsynthor import prompts
from llmsynthor.errors import AnswerError
from llmsynthor.llm.answers import ask, validate
from llmsynthor.llm.backend import WriteRequest
from llmsynthor.llm.recorded import Recorded
from llmsynthor.scenarios.cells import Cells, tilted
from llmsynthor.scenarios.frames import CONTROL, Question
from llmsynthor.spec.adjustments import Adjustment
from llmsynthor.spec.expressions import parse

STEPS = {"much less": 0.5, "less": 0.8, "same": 1.0, "more": 1.25, "much more": 2.0}
ORDER = tuple(STEPS)
TIMES = 3
Signs = NDArray[np.int64]


def planned_cells(
    question: Question, cells: Sequence[Cells], model: Recorded, *, notify: Callable[[], None] = lambda: None
) -> tuple[tuple[Adjustment, ...], float]:
    """Adjustments on whose direction both askings agree, the smaller step of the two; and the share of cells moved by no effect."""
    found, controls, total = list[Adjustment](), 0, 0
    for own in cells:
        steps, reason, control = steps_of(question, own, model, notify=notify)
        controls, total = controls + int(np.count_nonzero(control)), total + len(control)
        factors, named = tilted(own.shares, np.array([STEPS[ORDER[int(step) + 2]] for step in steps]))
        for k in np.flatnonzero(named):
            found.append(
                Adjustment(
                    unit=own.unit,
                    where=parse(own.condition((own.levels[k],))),
                    factor=float(factors[k]),
                    reason=f"{own.label}: {own.words[k]} {ORDER[int(steps[k]) + 2]} often. {reason}".strip(),
                    origin=f"{model.identity.name}: both askings agree",
                    accepted=False,
                )
            )
    return tuple(found), controls / max(total, 1)


def steps_of(
    question: Question, cells: Cells, model: Recorded, *, notify: Callable[[], None] = lambda: None
) -> tuple[Signs, str, Signs]:
    """Steps from -2 to 2 for each level, the reason given, and those for a day without effect; zero without a usable answer."""
    order = np.arange(len(cells.levels))
    first, reason = _asked(question, cells, question.scenario, order, model)
    notify()
    second, _ = _asked(question, cells, question.scenario, order[::-1], model)
    notify()
    control, _ = _asked(question, cells, CONTROL, order, model)
    notify()
    same = np.sign(first) == np.sign(second)
    return np.where(same, np.sign(first) * np.minimum(np.abs(first), np.abs(second)), 0), reason, control


def _asked(question: Question, cells: Cells, sentence: str, order: Signs, model: Recorded) -> tuple[Signs, str]:
    words = [cells.words[k] for k in order]
    rows = [(cells.words[k], f"{100 * cells.shares[k]:.1f}") for k in order]
    prompt = prompts.fill(
        "scenario-plan",
        context=question.context,
        ordinary=question.ordinary,
        sentence=sentence,
        unit=cells.unit,
        asked=cells.label,
        rows=rows,
    )
    schema = _schema(words)
    request = WriteRequest(
        system=prompts.text("system").strip(),
        prompt=prompt,
        json_schema=schema,
        temperature=0.0,
        max_tokens=120 + 16 * len(words),
        seed=question.seed,
    )
    try:
        answer = ask(model, request, accept=lambda value, _last: validate(value, schema)).value
    except AnswerError:
        return np.zeros(len(words), dtype=np.int64), ""
    steps = np.zeros(len(words), dtype=np.int64)
    for k, word in zip(order, words, strict=True):
        steps[k] = ORDER.index(answer["changes"][word]) - 2
    return steps, " ".join(str(answer["what_happens"]).split())


def _schema(words: Sequence[str]) -> dict[str, Any]:
    changes = {
        "type": "object",
        "properties": {word: {"enum": list(ORDER)} for word in words},
        "required": list(words),
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {"what_happens": {"type": "string", "maxLength": 200}, "changes": changes},
        "required": ["what_happens", "changes"],
        "additionalProperties": False,
    }
