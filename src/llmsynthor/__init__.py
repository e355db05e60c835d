"""LLMSynthor: macro-statistics in, micro-records out.

>>> import llmsynthor as ls
>>> spec = ls.Spec(
...     name="homes",
...     context="Households of a small town, 2024.",
...     units=[ls.unit("household", size=ls.integer(1, 6), tenure=ls.category("Owned", "Rented"))],
...     targets=[ls.table({"Owned": 0.6, "Rented": 0.4}, unit="household", columns=["tenure"], name="tenure")],
... )
>>> solution = ls.synthesize(spec, records=100, llm="none", seed=7)
>>> solution.table("tenure").rows()
[('Owned', 60, 0.6), ('Rented', 40, 0.4)]
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llmsynthor import errors
    from llmsynthor.errors import DataError as DataError
    from llmsynthor.errors import LLMError as LLMError
    from llmsynthor.errors import LLMSynthorError, SpecError
    from llmsynthor.errors import ModelError as ModelError
    from llmsynthor.errors import RunFolderError as RunFolderError
    from llmsynthor.imports.tables import read_table
    from llmsynthor.options import Budget, Method, Server
    from llmsynthor.run.checked import check
    from llmsynthor.run.figures import evaluate, measure
    from llmsynthor.run.solution import Solution, read_solution
    from llmsynthor.run.synthesize import synthesize
    from llmsynthor.spec.reading.drafts import (
        category,
        correlation,
        derived,
        deviation,
        forbid,
        integer,
        lookup,
        mean,
        number,
        quantile,
        share,
        table,
        text,
        total,
        unit,
    )
    from llmsynthor.spec.reading.files import load as read_spec
    from llmsynthor.spec.specification import Spec
    from llmsynthor.synthesis.stop import StopReason

_HOMES = {
    "spec.reading.drafts": (
        *("category", "integer", "number", "text", "derived", "lookup", "unit"),
        *("table", "mean", "total", "quantile", "deviation", "correlation", "share", "forbid"),
    ),
    "spec.specification": ("Spec",),
    "spec.reading.files": ("read_spec",),
    "imports.tables": ("read_table",),
    "run.checked": ("check",),
    "run.figures": ("evaluate", "measure"),
    "run.solution": ("Solution", "read_solution"),
    "run.synthesize": ("synthesize",),
    "options": ("Budget", "Method", "Server"),
    "synthesis.stop": ("StopReason",),
    "errors": ("DataError", "LLMError", "LLMSynthorError", "ModelError", "RunFolderError", "SpecError"),
}
_MODULE_OF = {name: f"llmsynthor.{module}" for module, names in _HOMES.items() for name in names}
_CALLED = {"read_spec": "load"}

__all__ = [
    "Budget",
    "LLMSynthorError",
    "Method",
    "Server",
    "Solution",
    "Spec",
    "SpecError",
    "StopReason",
    "category",
    "check",
    "correlation",
    "derived",
    "deviation",
    "errors",
    "evaluate",
    "forbid",
    "integer",
    "lookup",
    "mean",
    "measure",
    "number",
    "quantile",
    "read_solution",
    "read_spec",
    "read_table",
    "share",
    "synthesize",
    "table",
    "text",
    "total",
    "unit",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that importing the package is quick."""
    if name == "errors":
        return import_module("llmsynthor.errors")
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULE_OF[name]), _CALLED.get(name, name))


def __dir__() -> list[str]:
    """What is promised, and nothing else; the other errors are found in `errors`, and here as before."""
    return sorted(__all__)
