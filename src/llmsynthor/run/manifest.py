"""run.json: what a run was asked for, what it has come to, and enough to run it again."""

import platform
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from llmsynthor import prompts
from llmsynthor.errors import RunFolderError
from llmsynthor.llm.endpoint import read_endpoint
from llmsynthor.llm.opening import Choice
from llmsynthor.llm.recorded import Recorded
from llmsynthor.options import Server, written
from llmsynthor.records.run_folder import RunFolder
from llmsynthor.report.page import write_report
from llmsynthor.spec.reading.files import digest
from llmsynthor.spec.specification import Settings, Spec
from llmsynthor.synthesis.stop import StopReason

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
    """Where a run stands: its manifest, kept on disk at what the run has come to."""

    manifest: dict[str, Any]
    folder: RunFolder | None
    model: Recorded | None
    stage: str = "start"

    @property
    def usage(self) -> dict[str, float]:
        return self.model.totals if self.model is not None else {}

    def note(self, stop: StopReason, status: str, reason: str) -> None:
        """Write down where the run is, and why."""
        self.manifest |= {
            "usage": self.usage,
            "stage": self.stage,
            "status": status,
            "stop": stop.name,
            "stop_reason": reason,
        }
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
        reason = f"interrupted in the stage {self.stage}; the same command with --resume goes on"
        self._end_early(StopReason.INTERRUPTED, "interrupted", reason)

    def failed(self, error: Exception) -> None:
        """Leave a manifest and a report that say what failed, where there is room for them."""
        with suppress(RunFolderError):
            self._end_early(StopReason.FAILED, "failed", str(error))

    def _end_early(self, stop: StopReason, status: str, reason: str) -> None:
        self.note(stop, status, reason)
        if self.folder is not None:
            write_report(self.folder.path)
