"""Variables, units, derived variables: what a record is made of."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from llmsynthor.geography.levels import Located
from llmsynthor.spec.expressions import Expression
from llmsynthor.spec.levels import Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Category:
    """A variable with named levels; `like` names the variable of a library that it is, "none" for none."""

    name: str
    levels: tuple[str, ...]
    label: str = ""
    description: str = ""
    like: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Numeric:
    """A number or an integer in a half-open range `[low, high)`."""

    name: str
    kind: Literal["integer", "number"]
    range: Interval
    unit: str = ""
    label: str = ""
    description: str = ""
    like: str = ""

    @property
    def integer(self) -> bool:
        return self.kind == "integer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """Free text written by the LLM from the finished record; carries no statistics.

    `write` says whether each record gets its own or one of a pool of `variants` for each kind of record, told apart `by` variables.
    Of all texts at most the share `alike` may be nearly another.
    """

    name: str
    prompt: str
    max_words: int = 30
    language: str = "English"
    write: Literal["auto", "record", "pool"] = "auto"
    by: tuple[str, ...] = ()
    variants: int = 5
    alike: float = 1.0
    label: str = ""
    description: str = ""


Variable = Category | Numeric | Text
Coded = Category | Numeric


@dataclass(frozen=True, slots=True, kw_only=True)
class Derived:
    """A variable computed from the record; `variable` says what values the expression may take.

    A `hidden` one serves a target and stands in no records.
    """

    variable: Coded
    expression: Expression
    hidden: bool = False

    @property
    def name(self) -> str:
        return self.variable.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A kind of record. `count` names the parent's variable that says how many of these a parent record holds.

    `places` say where its records are: the finest level of each is a variable, those above it derived ones.
    """

    name: str
    variables: tuple[Variable, ...]
    derived: tuple[Derived, ...] = ()
    parent: str | None = None
    count: str | None = None
    places: tuple[Located, ...] = ()

    @property
    def zones(self) -> tuple[str, ...]:
        """Names of the variables that hold zones; a model is never asked about them."""
        return tuple(name for place in self.places for name in place.variables)

    @property
    def coded(self) -> tuple[Coded, ...]:
        """The variables that carry statistics: all but texts."""
        return tuple(v for v in self.variables if not isinstance(v, Text))

    @property
    def texts(self) -> tuple[Text, ...]:
        return tuple(v for v in self.variables if isinstance(v, Text))

    @property
    def shown(self) -> tuple[Variable, ...]:
        """The columns of its records: variables, then derived ones."""
        return (*self.variables, *(derived.variable for derived in self.derived if not derived.hidden))

    def variable(self, name: str) -> Variable:
        """Find a variable, derived ones included; raises KeyError."""
        for variable in self.variables:
            if variable.name == name:
                return variable
        for derived in self.derived:
            if derived.name == name:
                return derived.variable
        raise KeyError(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """All units, parents before children."""

    units: tuple[Unit, ...]

    @property
    def top(self) -> Unit:
        return self.units[0]

    def __getitem__(self, name: str) -> Unit:
        for unit in self.units:
            if unit.name == name:
                return unit
        raise KeyError(name)

    def children(self, name: str) -> tuple[Unit, ...]:
        return tuple(unit for unit in self.units if unit.parent == name)

    def ancestors(self, name: str) -> Iterator[Unit]:
        """Yield the parent, its parent, and so on."""
        parent = self[name].parent
        while parent is not None:
            yield self[parent]
            parent = self[parent].parent

    def find(self, unit: str, column: str) -> tuple[str, Variable]:
        """Resolve a column of a table of `unit` (`age`, `household.tenure`) to its unit and variable; raises KeyError."""
        prefix, _, name = column.rpartition(".")
        owner = prefix or unit
        if owner != unit and owner not in {u.name for u in self.ancestors(unit)}:
            raise KeyError(column)
        return owner, self[owner].variable(name)
