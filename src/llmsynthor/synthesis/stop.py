"""Why a run ended, as a value that programs can compare and a sentence that people can read."""

from enum import StrEnum

from llmsynthor.errors import AskingEndedError, OutageError, UselessError


class StopReason(StrEnum):
    """The end of a run; its text is the sentence. `Solution.stop_reason` has the figures of the run.

    >>> print(StopReason.ALIGNED)
    Every target is exact, within what it allows, or yielded to another source, and no rule is broken.
    >>> StopReason.ALIGNED.is_success
    True
    """

    ALIGNED = "Every target is exact, within what it allows, or yielded to another source, and no rule is broken."
    CONTRADICTED = (
        "Targets and rules exclude each other: the records come as near to all as they can. Correct one of those named in "
        "`stop_reason`, or give the one you trust less a smaller importance or a tolerance."
    )
    MISSED = (
        "Some targets are not met, and nothing was found that makes that impossible. See `unmet`; more records or another seed "
        "may do better."
    )
    RULES_BROKEN = "Some records break a rule: they stand in the manifest under `rules_broken`."
    NOTHING_MISSING = "The paper's loop came to an end: next to nothing is missing any more."
    ITERATIONS_USED = "The paper's loop used up its iterations. Allow more of them, or align exactly."
    BUDGET_SPENT = (
        "The budget of the model is spent: what was made so far is kept. Raise it and repeat the run to go on."
    )
    ANSWERS_UNUSABLE = "The model's answers were unusable too often. A larger model may do better."
    SERVER_AWAY = "The server of the model stayed away: what was answered before is used. The same run with resume goes on asking."
    INTERRUPTED = "The run was interrupted. The same run with resume goes on."
    FAILED = "The model, or the place for the files, failed. Mend that, and repeat the run with resume."
    RUNNING = "The run has not ended yet."

    @staticmethod
    def of(ended: AskingEndedError) -> "StopReason":
        """Why no more was asked."""
        kinds = {OutageError: StopReason.SERVER_AWAY, UselessError: StopReason.ANSWERS_UNUSABLE}
        return kinds.get(type(ended), StopReason.BUDGET_SPENT)

    @property
    def is_success(self) -> bool:
        """Whether the records are what was asked for."""
        return self in (StopReason.ALIGNED, StopReason.NOTHING_MISSING)
