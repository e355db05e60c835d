"""Libraries that are not always there: a missing one is said with the line that installs it."""

from importlib import import_module
from typing import Any

from llmsynthor.errors import DataError, Problem


def needed(module: str, extra: str, *, for_what: str) -> Any:
    """Import a library of an extra; raises DataError with the line to type."""
    try:
        return import_module(module)
    except ImportError as cause:
        line = f"pip install 'llmsynthor[{extra}]'"
        problem = Problem(
            where=for_what,
            what=f"the library {module} is not installed",
            found=str(cause)[:120],
            advice=f"type: {line}",
        )
        raise DataError(problem) from cause
