"""The whole of what is wanted, as one frozen object."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from llmsynthor.errors import Problem
from llmsynthor.geography.levels import Geography
from llmsynthor.options import Budget, Method
from llmsynthor.spec.adjustments import Scenario
from llmsynthor.spec.rules import Rule
from llmsynthor.spec.schema import Schema
from llmsynthor.spec.seed import Seed
from llmsynthor.spec.targets import Origin, Target

if TYPE_CHECKING:
    from llmsynthor.spec.reading.drafts import RuleDraft, TargetDraft, UnitDraft


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The `synthesis:` section of a spec; None where the spec is silent. The command line wins over it."""

    records: int | None = None
    seed: int | None = None
    llm: str | None = None
    method: Method = field(default_factory=Method)
    budget: Budget = field(default_factory=Budget)


Pair = frozenset[str]
"""Two variables, in no order."""


Belief = Literal["safe", "balanced"]
"""How far estimates are believed: `safe` so little that they hardly do harm, `balanced` as far as it pays in the mean."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependencies:
    """The `dependencies:` section: what the LLM is asked about dependence, and how far it is believed.

    `ask` pairs are asked first and in every wording; of `skip` pairs nothing is asked or assumed; `trust` replaces the factor
    on the LLM's interaction of a pair that would be estimated from what can be known without the truth. `covariates` of zones, such
    as their size, are taken off their margins before these are compared.
    """

    ask: tuple[Pair, ...] = ()
    skip: tuple[Pair, ...] = ()
    trust: Mapping[Pair, float] = field(default_factory=dict)
    covariates: tuple[str, ...] = ()
    belief: Belief = "balanced"


LISTS = ("targets", "rules", "geographies", "sources", "notes")
EMPTY: dict[str, Any] = {"name": "", "context": "", "scenario": "", **dict.fromkeys(LISTS, ())}


@dataclass(frozen=True, slots=True, kw_only=True, init=False, repr=False)
class Spec:
    """Units, targets and rules of one synthesis, with all tables read and checked.

    In Python it is built of drafts (`units=[unit(…)]`, `targets=[table(…)]`, `rules=[forbid(…)]`, and what else a spec may say),
    read and checked like a document: a SpecError holds every problem. Inside the house it is made of checked parts (`schema=…`).
    `beside` holds what a scenario adjusts, `geographies` the zones that its units lie in, `sources` who says what its targets
    say, `seed` a few real records as evidence. `notes` are what reading it found worth a look; they are no part of what it says.

    >>> import llmsynthor as ls
    >>> ls.Spec(name="coins", units=[ls.unit("toss", side=ls.category("head", "tail"))])
    <Spec "coins": 1 unit (toss), 0 targets, 0 rules>
    """

    name: str
    context: str
    schema: Schema
    targets: tuple[Target, ...]
    rules: tuple[Rule, ...] = ()
    scenario: str = ""
    beside: Scenario = field(default_factory=Scenario)
    dependencies: Dependencies = field(default_factory=Dependencies)
    seed: Seed | None = None
    settings: Settings = field(default_factory=Settings)
    geographies: tuple[Geography, ...] = ()
    sources: tuple[Origin, ...] = ()
    notes: tuple[Problem, ...] = field(default=(), compare=False)

    @overload
    def __init__(
        self,
        *,
        name: str = "",
        context: str = "",
        units: "Sequence[UnitDraft]",
        targets: "Sequence[TargetDraft | Mapping[str, Any]]" = (),
        rules: "Sequence[RuleDraft | str | Mapping[str, Any]]" = (),
        scenario: str = "",
        instead_of: str = "",
        accept: str | None = None,
        adjustments: "str | Sequence[Mapping[str, Any]]" = (),
        dependencies: Mapping[str, Any] | None = None,
        seed: Any = None,
        synthesis: Mapping[str, Any] | None = None,
        geographies: Mapping[str, Any] | None = None,
        sources: Mapping[str, Any] | None = None,
    ) -> None: ...

    @overload
    def __init__(
        self,
        *,
        name: str,
        context: str,
        schema: Schema,
        targets: tuple[Target, ...],
        rules: tuple[Rule, ...] = (),
        scenario: str = "",
        beside: Scenario = ...,
        dependencies: Dependencies = ...,
        seed: Seed | None = None,
        settings: Settings = ...,
        geographies: tuple[Geography, ...] = (),
        sources: tuple[Origin, ...] = (),
        notes: tuple[Problem, ...] = (),
    ) -> None: ...

    def __init__(self, **said: Any) -> None:
        if "schema" in said:
            parts = {
                "dependencies": Dependencies(),
                "seed": None,
                "settings": Settings(),
                "beside": Scenario(),
                **EMPTY,
                **said,
            }
        else:
            from llmsynthor.spec.reading.files import load_drafts  # noqa: PLC0415  (files imports this module)

            built = load_drafts(said)
            parts = {part.name: getattr(built, part.name) for part in fields(built)}
        for name, part in parts.items():
            object.__setattr__(self, name, part)

    def is_vetoed(self, name: str) -> bool:
        """Whether all pairs of a variable are skipped, as those of zones are: then nothing is assumed across records either."""
        if name in self.zone_variables:
            return True
        units = self.schema.units
        names = {v.name for unit in units for v in (*unit.coded, *(derived.variable for derived in unit.derived))}
        others = {frozenset((name, other)) for other in names - {name}}
        return bool(others) and others <= set(self.dependencies.skip)

    def save(self, folder: str | Path) -> Path:
        """Write a self-contained spec, `spec.yaml` and `tables/*.csv`: reading it gives an equal Spec."""
        from llmsynthor.spec.reading.files import save  # noqa: PLC0415  (files imports this module)

        return save(self, Path(folder))

    def __repr__(self) -> str:
        names = ", ".join(unit.name for unit in self.schema.units)
        units = f"{len(self.schema.units)} unit{'s' if len(self.schema.units) > 1 else ''} ({names})"
        return f'<Spec "{self.name}": {units}, {len(self.targets)} targets, {len(self.rules)} rules>'

    def _repr_html_(self) -> str:
        from llmsynthor.spec.shown import spec_html  # noqa: PLC0415  (for notebooks only)

        return spec_html(self)

    @property
    def zone_variables(self) -> frozenset[str]:
        """Names of all variables that hold zones; a model is never asked about them."""
        return frozenset(name for unit in self.schema.units for name in unit.zones)

    @property
    def frame_variable(self) -> str | None:
        """The variable of the top unit that holds its finest zone, of several places the first; None without one."""
        return self.schema.top.places[0].variables[-1] if self.schema.top.places else None

    @classmethod
    def load(cls, source: Any) -> "Spec":
        """Read a spec from a path to a YAML file or from a mapping; see `llmsynthor.spec.reading.files.load`."""
        from llmsynthor.spec.reading.files import load  # noqa: PLC0415  (files imports this module)

        return load(source)

    @classmethod
    def import_populationsim(cls, folder: str | Path, out: str | Path, *, force: bool = False) -> "Spec":
        """Make a spec of a PopulationSim folder, written into `out` with its tables, and read it; raises DataError."""
        from llmsynthor.imports.populationsim import import_populationsim  # noqa: PLC0415  (as above)

        return cls.load(import_populationsim(Path(folder), Path(out), force=force).spec)

    @classmethod
    def import_popgen(cls, folder: str | Path, out: str | Path, *, force: bool = False) -> "Spec":
        """Make a spec of a PopGen folder, written into `out` with its tables, and read it; raises DataError."""
        from llmsynthor.imports.popgen import import_popgen  # noqa: PLC0415  (as above)

        return cls.load(import_popgen(Path(folder), Path(out), force=force).spec)
