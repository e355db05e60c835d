"""What a run tells while it works: its history, and progress for whoever watches."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from llmsynthor.llm.recorded import Recorded
from llmsynthor.synthesis.outcome import Notify, Options, Progress, Step


@dataclass(slots=True)
class Journal:
    """Keeps the history of a run and passes its progress on."""

    options: Options
    model: Recorded | None
    notify: Notify
    expected: int = 0
    history: list[Step] = field(default_factory=list)

    def tell(self, stage: str, iteration: int, discrepancy: float | None) -> None:
        """Pass on where the run is."""
        self.notify(
            Progress(
                stage=stage,
                iteration=iteration,
                iterations=self.options.rounds,
                discrepancy=discrepancy,
                calls=self.model.spent.calls if self.model is not None else 0,
                expected_calls=self.expected,
            )
        )

    def step(
        self,
        stage: Literal["proposals", "fit", "correct"],
        iteration: int,
        missing: float,
        distances: "NDArray[np.float64] | list[float]",
        records: int,
    ) -> None:
        """Add a line to the history: what is missing, and the tables' distances (tables,)."""
        spent = self.model.spent if self.model is not None else None
        self.history.append(
            Step(
                iteration=iteration,
                stage=stage,
                discrepancy=missing,
                tvd=mean(distances),
                worst_tvd=max((float(d) for d in distances), default=0.0),
                records=records,
                calls=spent.calls if spent else 0,
                tokens=spent.tokens if spent else 0,
                seconds=round(spent.seconds, 3) if spent else 0.0,
            )
        )

    def swept(self, stage: str, sweep: int, distances: NDArray[np.float64]) -> None:
        """Note a sweep of the alignment; `distances` are those of the given tables."""
        kind: Literal["fit", "correct"] = "fit" if stage == "fit" else "correct"
        self.step(kind, sweep + 1, mean(distances), distances, self.options.records)
        self.tell(kind, sweep + 1, mean(distances))


def mean(values: "NDArray[np.float64] | list[float]") -> float:
    """The mean, 0 of nothing."""
    return float(np.mean(values)) if len(values) else 0.0
