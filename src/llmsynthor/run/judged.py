"""Records as values beside what was wanted of them; flat ones that miss something are made once more by other moves."""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from llmsynthor.evaluation.compare import Comparison
from llmsynthor.evaluation.ends import Status
from llmsynthor.run.tables import judged, records_frames
from llmsynthor.spec.specification import Spec
from llmsynthor.synthesis.loop import align_whole
from llmsynthor.synthesis.outcome import Notify, Options, Outcome

MOST_AGAIN = 20_000
"""Flat records up to which what sweeps miss is tried by moves of whole records: these take longer, record by record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What the loop made, as values, and how each target ended."""

    outcome: Outcome
    records: Mapping[str, pl.DataFrame]
    comparisons: tuple[Comparison, ...]

    @property
    def off(self) -> tuple[int, int]:
        """Targets that are off, whether or not it was shown that they cannot be met; and those that are not exact."""
        statuses = [c.status for c in self.comparisons]
        return sum(s in (Status.MISSED, Status.CANNOT) for s in statuses), sum(s is not Status.EXACT for s in statuses)


def nearest(spec: Spec, outcome: Outcome, options: Options, notify: Notify) -> Judged:
    """Give records their values and judge them; flat ones are aligned in another way where that misses fewer targets."""
    first = _judged(spec, outcome, options.seed)
    if not _is_left(first) or not _has_another_way(first.outcome, options):
        return first
    second = _judged(spec, align_whole(first.outcome, options, notify), options.seed)
    return second if second.off < first.off else first


def _judged(spec: Spec, outcome: Outcome, seed: int) -> Judged:
    records = records_frames(spec, outcome, seed=seed)
    comparisons, outcome = judged(spec, outcome, records)
    return Judged(outcome=outcome, records=records, comparisons=comparisons)


def _is_left(made: Judged) -> bool:
    """Whether a target was missed, or the alignment ended before all was met."""
    return made.off[0] > 0 or not made.outcome.is_done


def _has_another_way(outcome: Outcome, options: Options) -> bool:
    """Whether flat records, none of them given or proposed, were aligned by sweeps, and nothing excludes the targets."""
    by_sweeps = outcome.report is not None and not outcome.aims.needs_trees and outcome.starting is None
    return by_sweeps and not outcome.proposals and not outcome.contradictions and options.records <= MOST_AGAIN
