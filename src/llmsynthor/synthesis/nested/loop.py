"""A run over nested records: the stages in order, told as those of the flat loop are."""

from typing import Literal

import numpy as np

from llmsynthor.spec.specification import Spec
from llmsynthor.synthesis.feasibility import find_contradictions
from llmsynthor.synthesis.nested.aims import Aims, set_aims
from llmsynthor.synthesis.nested.align import AlignedRoster, Effort, align_nested
from llmsynthor.synthesis.nested.layout import in_order
from llmsynthor.synthesis.outcome import Nested, Notify, Options, Outcome, Progress, Step
from llmsynthor.synthesis.population import Population

NOT_ASKED = "the model was not asked: what no table says of nested records follows from maximum entropy"


def synthesize_nested(spec: Spec, options: Options, *, asked: bool, notify: Notify) -> Outcome:
    """Make the records of all units; `asked` says that there is a model."""
    aims, history = set_aims(spec), list[Step]()

    def tell(stage: str, sweep: int, discrepancy: float | None) -> None:
        notify(
            Progress(
                stage=stage,
                iteration=sweep,
                iterations=options.rounds,
                discrepancy=discrepancy,
                calls=0,
                expected_calls=0,
            )
        )

    def swept(stage: str, sweep: int, distances: np.ndarray) -> None:
        history.append(_step(stage, sweep, distances, options.records))
        tell(stage, sweep + 1, history[-1].tvd)

    tell("fit", 0, None)
    result = align_nested(
        aims,
        records=options.records,
        seed=options.seed,
        effort=Effort(workers=options.workers),
        notify=swept,
    )
    return _outcome(aims, result, options, tuple(history), asked=asked)


def _step(stage: str, sweep: int, distances: np.ndarray, records: int) -> Step:
    kind: Literal["fit", "correct"] = "fit" if stage == "fit" else "correct"
    mean = float(np.mean(distances)) if len(distances) else 0.0
    return Step(
        iteration=sweep + 1,
        stage=kind,
        discrepancy=mean,
        tvd=mean,
        worst_tvd=float(max(distances, default=0.0)),
        records=records,
        calls=0,
        tokens=0,
        seconds=0.0,
    )


def _outcome(aims: Aims, result: AlignedRoster, options: Options, history: tuple[Step, ...], *, asked: bool) -> Outcome:
    order = np.random.default_rng([options.seed, 20]).permutation(options.records)
    roster = in_order(result.roster, aims.layout, order)
    reason = f"aligned: {result.report.sentence}"
    if result.broken:
        reason += f"; {result.broken:,} records break a rule that the tables leave no room for"
    if any(entry.kind != "rounding" for entry in aims.disagreements):
        reason += "; where sources disagree the target is what was made of them (disagreements.csv)"
    contradictions = [found for own in aims.own for found in find_contradictions(own, result.unmet)]
    return Outcome(
        goals=aims.goals[0],
        population=Population(codes=roster.codes[0], proposal=roster.proposal),
        groups=(),
        proposals=(),
        history=history,
        report=result.report,
        stop_reason=f"{reason}; {NOT_ASKED}" if asked else reason,
        disagreements=aims.disagreements,
        contradictions=tuple(contradictions),
        nested=Nested(aims=aims, roster=roster),
    )
