"""The whole of what is wanted, as one frozen object."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from llmsynthor.errors import Problem
from llmsynthor.spec.rules import Rule
from llmsynthor.spec.schema import Schema
from llmsynthor.spec.targets import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The `synthesis:` section of a spec; None where the spec is silent. The command line wins over it."""

    records: int | None = None
    seed: int | None = None
    llm: str | None = None
    align: Literal["exact", "none"] | None = None
    max_calls: int | None = None
    max_seconds: float | None = None
    iterations: int | None = None
    proposals: int | None = None
    temperature: float | None = None
    estimate: bool | None = None


Pair = frozenset[str]
"""Two variables, in no order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependencies:
    """The `dependencies:` section: what the LLM is asked about dependence, and how far it is believed.

    `ask` pairs are asked first and in every wording; of `skip` pairs nothing is asked or assumed; `trust` replaces the factor
    on the LLM's interaction of a pair that would be estimated from what can be known without the truth.
    """

    ask: tuple[Pair, ...] = ()
    skip: tuple[Pair, ...] = ()
    trust: Mapping[Pair, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """Units, targets and rules of one synthesis, with all tables read and checked.

    `notes` are what reading it found worth a look; they are no part of what it says.
    """

    name: str
    context: str
    schema: Schema
    targets: tuple[Target, ...]
    rules: tuple[Rule, ...] = ()
    scenario: str = ""
    dependencies: Dependencies = field(default_factory=Dependencies)
    settings: Settings = field(default_factory=Settings)
    notes: tuple[Problem, ...] = field(default=(), compare=False)

    def is_vetoed(self, name: str) -> bool:
        """Whether all pairs of a variable are skipped: then nothing is assumed about it across records either."""
        units = self.schema.units
        names = {v.name for unit in units for v in (*unit.coded, *(derived.variable for derived in unit.derived))}
        others = {frozenset((name, other)) for other in names - {name}}
        return bool(others) and others <= set(self.dependencies.skip)

    @classmethod
    def load(cls, source: Any) -> "Spec":
        """Read a spec from a path to a YAML file or from a mapping; see `llmsynthor.spec.reading.files.load`."""
        from llmsynthor.spec.reading.files import load  # noqa: PLC0415  (files imports this module)

        return load(source)
