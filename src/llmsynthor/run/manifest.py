"""run.json: what a run was asked for, what it has come to, and enough to run it again."""

import platform
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from threading import RLock
from typing import Any

from llmsynthor import prompts
from llmsynthor.errors import LLMSynthorError, RunFolderError
from llmsynthor.llm.endpoint import read_endpoint
from llmsynthor.llm.opening import Choice
from llmsynthor.llm.recorded import Recorded
from llmsynthor.options import Server, written
from llmsynthor.records.run_folder import RunFolder
from llmsynthor.report.page import write_report
from llmsynthor.spec.reading.files import digest
from llmsynthor.spec.specification import Settings, Spec
from llmsynthor.synthesis.stop import StopReason
from llmsynthor.texts import fit

LIBRARIES = ("numpy", "polars", "scipy", "numba")


def first_manifest(spec: Spec, settings: Settings, choice: Choice | None, server: Server) -> dict[str, Any]:
    """What is known before anything is made; an option at its default is null."""
    versions = {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}}
    words = settings.llm or (choice.identity.name if choice else "none")
    model = {"name": choice.identity.name, "digest": choice.identity.digest} if choice else None
    options = written(settings.method, settings.budget)
    base_url = read_endpoint(server.base_url).shown if server.base_url else None
    asked = {"records": settings.records, "seed": settings.seed, "llm": words, **options, "base_url": base_url}
    return {
        "llmsynthor": version("llmsynthor"),
        "versions": versions,
        "spec": {"name": spec.name, "digest": digest(spec), "source": "spec/spec.yaml"},
        "arguments": asked,
        "model": model,
        "prompts": prompts.digests(),
    }


@dataclass(slots=True, kw_only=True)
class Standing:
    """Where a run stands: its manifest, kept on disk at what the run has come to.

    As a context it sees to it that the run ends as "done", "stopped" or "failed", whatever ends it, and that the folder is
    given free.
    """

    manifest: dict[str, Any]
    folder: RunFolder | None
    model: Recorded | None
    stage: str = "start"
    ended: bool = False
    _writing: RLock = field(default_factory=RLock)

    def __enter__(self) -> "Standing":
        _OPEN.append(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> None:
        try:
            if isinstance(error, KeyboardInterrupt):
                self.interrupted()
            elif isinstance(error, Exception):
                self.failed(error)
        finally:
            if self in _OPEN:
                _OPEN.remove(self)
            if self.folder is not None:
                self.folder.release()

    @property
    def usage(self) -> dict[str, float]:
        return self.model.totals if self.model is not None else {}

    def note(self, stop: StopReason, status: str, reason: str) -> None:
        """Write down where the run is, and why; nothing after its end."""
        with self._writing:
            if self.ended:
                return
            self.manifest |= {
                "usage": self.usage,
                "stage": self.stage,
                "status": status,
                "stop": stop.name,
                "stop_reason": fit(reason),
            }
            self.ended = status in ENDS
            if self.folder is not None:
                self.folder.write_manifest(self.manifest)

    def begin(self, stage: str) -> None:
        """Write down that a stage begins, unless the run is in it."""
        if stage != self.stage:
            self.stage = stage
            if self.model is not None:
                self.model.stage = stage
            self.note(StopReason.RUNNING, "running", f"the run is in its stage {stage}")

    def interrupted(self) -> None:
        """Leave a manifest and a report that say where the run was interrupted."""
        self.stop_now()
        if self.folder is not None:
            write_report(self.folder.path)

    def stop_now(self) -> None:
        """Leave a manifest that says where the run was interrupted, from whatever thread."""
        reason = f"interrupted in the stage {self.stage}; the same command with --resume goes on"
        with suppress(RunFolderError):
            self.note(StopReason.INTERRUPTED, "stopped", reason)

    def failed(self, error: Exception) -> None:
        """Leave a manifest and a report that say what failed, where there is room for them."""
        said = str(error) if isinstance(error, LLMSynthorError) else f"{type(error).__name__}: {error}"
        with suppress(LLMSynthorError, OSError):
            self.note(StopReason.FAILED, "failed", said)
            if self.folder is not None and isinstance(error, LLMSynthorError):
                write_report(self.folder.path)


ENDS = ("stopped", "failed")
_OPEN: list[Standing] = []
"""Runs of this process that have not ended: whoever ends the process notes it in their folders."""


def stop_all() -> None:
    """Note in the folder of every run of this process that it was interrupted; for the last moment before the process ends."""
    for standing in tuple(_OPEN):
        standing.stop_now()
