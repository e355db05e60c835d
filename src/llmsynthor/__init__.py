"""LLMSynthor: macro-statistics in, micro-records out.

>>> import llmsynthor
>>> spec = llmsynthor.Spec.load("examples/quickstart/spec.yaml")  # doctest: +SKIP
>>> solution = llmsynthor.synthesize(spec, records=1_000, llm="none", seed=7)  # doctest: +SKIP
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llmsynthor.errors import DataError, LLMError, LLMSynthorError, ModelError, RunFolderError, SpecError
    from llmsynthor.run.synthesize import Solution, synthesize
    from llmsynthor.spec.specification import Spec

_HOMES = {
    "Spec": "llmsynthor.spec.specification",
    "Solution": "llmsynthor.run.synthesize",
    "synthesize": "llmsynthor.run.synthesize",
    "DataError": "llmsynthor.errors",
    "LLMError": "llmsynthor.errors",
    "LLMSynthorError": "llmsynthor.errors",
    "ModelError": "llmsynthor.errors",
    "RunFolderError": "llmsynthor.errors",
    "SpecError": "llmsynthor.errors",
}

__all__ = [
    "DataError",
    "LLMError",
    "LLMSynthorError",
    "ModelError",
    "RunFolderError",
    "Solution",
    "Spec",
    "SpecError",
    "synthesize",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that importing the package is quick."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
