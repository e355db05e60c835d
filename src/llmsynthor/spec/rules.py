"""Rules: what no record may be."""

from dataclasses import dataclass

from llmsynthor.spec.expressions import Expression


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Forbid every record of `unit` for which the expression is true; `sentence` says in words what then holds."""

    name: str
    unit: str
    forbid: Expression
    sentence: str = ""
