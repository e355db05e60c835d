"""The shape of spec.yaml, as pydantic models: the edge where untrusted input is read."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Discriminator, Field, Tag, create_model, model_validator

from llmsynthor.options import Budget, Method, key_of, kind_of, options_of
from llmsynthor.spec.reading.adjustments import AdjustmentParts
from llmsynthor.spec.reading.parts import GeographyPart, Part, SeedPart, SourcePart
from llmsynthor.spec.reading.read_part import ReadPart


def _whole_number_as_text(value: Any) -> Any:
    """A level that is written as a whole number is the text of it: 101 is "101"."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


LevelPart = Annotated[str, BeforeValidator(_whole_number_as_text)]


FROM_TABLES: Literal["from tables"] = "from tables"


class CategoryPart(Part):
    """`levels: from tables` stands for those that the tables have in its column."""

    kind: Literal["category"]
    levels: Annotated[list[LevelPart], Field(min_length=1)] | Literal["from tables"]
    label: str = ""
    description: str = ""
    like: str = ""


class NumericPart(Part):
    kind: Literal["integer", "number"]
    range: list[float] = Field(min_length=2, max_length=2)
    unit: str = ""
    label: str = ""
    description: str = ""
    like: str = ""


class TextPart(Part):
    kind: Literal["text"]
    prompt: str
    max_words: int = Field(default=30, ge=1)
    language: str = "English"
    write: Literal["auto", "record", "pool"] = "auto"
    by: list[str] = Field(default_factory=list)
    variants: int = Field(default=5, ge=1, le=20)
    alike: float = Field(default=1.0, ge=0, le=1)
    label: str = ""
    description: str = ""


VariablePart = Annotated[CategoryPart | NumericPart | TextPart, Field(discriminator="kind")]


class DerivedCategoryPart(CategoryPart):
    levels: list[LevelPart] = Field(min_length=1)
    expression: str


class DerivedNumericPart(NumericPart):
    expression: str


class LookupPart(Part):
    """A table that gives a derived variable: `by` names the variables it is entered by, or maps them to its columns.

    With `coordinates` it is the distance between two zones; `key` names the column of the zones there.
    """

    model_config = ConfigDict(extra="forbid", strict=True, arbitrary_types_allowed=True)

    table: Any = None
    cells: list[dict[str, Any]] | None = None
    coordinates: Any = None
    by: list[str] | dict[str, str] = Field(min_length=1)
    value: str
    default: str | int | float | None = None
    key: str | None = None
    unit: Literal["km", "miles"] = "km"
    detour: float = Field(default=1.0, ge=1)
    within: float | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def one_origin(self) -> "LookupPart":
        if sum(origin is not None for origin in (self.table, self.cells, self.coordinates)) != 1:
            raise ValueError(
                "give one of `table` (a file), `cells` (rows in the spec) and `coordinates` (a file of points)"
            )
        if self.coordinates is None and self.model_fields_set & {"key", "unit", "detour", "within"}:
            raise ValueError("`key`, `unit`, `detour` and `within` belong to `coordinates`")
        return self


class DerivedLookupPart(Part):
    """What is left out of `kind`, `levels` and `range` is taken from the table."""

    lookup: LookupPart
    kind: Literal["category", "integer", "number"] | None = None
    levels: list[str] | None = None
    range: list[float] | None = Field(default=None, min_length=2, max_length=2)
    unit: str = ""
    label: str = ""
    description: str = ""


def _derived_shape(value: Any) -> str:
    return "a lookup" if isinstance(value, dict) and "lookup" in value else "an expression"


ComputedPart = Annotated[DerivedCategoryPart | DerivedNumericPart, Field(discriminator="kind")]
DerivedPart = Annotated[
    Annotated[DerivedLookupPart, Tag("a lookup")] | Annotated[ComputedPart, Tag("an expression")],
    Discriminator(_derived_shape),
]


class UnitPart(Part):
    """`geography` names the geography that the records lie in, or one for each of several places, by the place's name."""

    variables: dict[str, VariablePart] = Field(min_length=1)
    derived: dict[str, DerivedPart] = Field(default_factory=dict)
    parent: str | None = None
    count: str | None = None
    geography: str | dict[str, str] | None = None

    @property
    def places(self) -> dict[str, str]:
        """The geography of each place; the only place has no name."""
        named = {"": self.geography} if isinstance(self.geography, str) else self.geography
        return named or {}


STATISTICS = ("mean", "total", "quantile", "deviation", "correlation")


class TolerancePart(Part):
    """What a cell may be off: so many records, or a share of itself, or the larger of both."""

    records: float = Field(default=0.0, ge=0)
    relative: float = Field(default=0.0, ge=0)


class TargetPart(Part):
    """One of `table` and `cells` holds the numbers; `mean`, `total`, `quantile`, … names the variable of a statistic."""

    model_config = ConfigDict(extra="forbid", strict=True, arbitrary_types_allowed=True)

    name: str | None = None
    unit: str
    table: Any = None
    read: ReadPart | None = None
    cells: list[dict[str, Any]] | None = None
    value: str | None = None
    mean: str | None = None
    total: str | None = None
    quantile: str | None = None
    deviation: str | None = None
    correlation: list[str] | None = Field(default=None, min_length=2, max_length=2)
    probability: float | None = Field(default=None, gt=0, lt=1)
    where: str | None = None
    of: str | None = None
    share: float | None = Field(default=None, ge=0, le=1)
    count: float | None = Field(default=None, ge=0)
    by: list[str] | None = None
    source: str = ""
    universe: str | None = None
    tolerance: float | TolerancePart = 0.0
    rounding: float | None = Field(default=None, gt=0)
    margin_of_error: str | None = None
    importance: Literal["exact"] | Annotated[float, Field(gt=0)] = 1.0
    zeros: Literal["sampling", "structural"] = "sampling"
    trust: float = Field(default=1.0, gt=0, le=1)
    open: bool = False
    rest: LevelPart | None = None
    given: list[str] | None = None
    base: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def sensible_tolerance(self) -> "TargetPart":
        if self.relative_tolerance < 0:
            raise ValueError("`tolerance` is zero or more")
        if self.tolerance_records and self.statistic is not None:
            raise ValueError(
                f"`tolerance: {{records: n}}` is for tables; of a {self.statistic} give a share, as in 0.02"
            )
        return self

    @property
    def tolerance_records(self) -> float:
        return self.tolerance.records if isinstance(self.tolerance, TolerancePart) else 0.0

    @property
    def relative_tolerance(self) -> float:
        return self.tolerance.relative if isinstance(self.tolerance, TolerancePart) else self.tolerance

    @model_validator(mode="after")
    def one_origin(self) -> "TargetPart":
        if self.where is not None:
            return self.of_condition()
        if any(x is not None for x in (self.share, self.count)):
            raise ValueError("`share` and `count` belong to the share of a condition: say of which with `where`")
        if self.of is not None and self.statistic is not None:
            raise ValueError("`of` makes the counts of a table absolute, or belongs to a condition that `where` gives")
        if self.of is not None and (self.rest is not None or self.given):
            raise ValueError("`of` leaves what is not named open: `rest` and `given` say something else")
        if (self.table is None) == (self.cells is None):
            raise ValueError("give either `table` (a file) or `cells` (rows in the spec), one of the two")
        if self.read is not None and self.table is None:
            raise ValueError("`read` says how a `table` is read: rows in the spec are read as they stand")
        if sum(getattr(self, name) is not None for name in STATISTICS) > 1:
            raise ValueError(f"a target is one of {', '.join(STATISTICS)}")
        if self.quantile is not None and self.probability is None:
            raise ValueError("a quantile needs `probability`, for instance 0.5 for the median")
        if self.trust < 1 and self.statistic is not None:
            raise ValueError("`trust` is for tables; means, totals and quantiles are met or left out")
        if self.base is not None and self.total is None:
            raise ValueError("`base` belongs to a total: the number of records that it is about")
        if (self.open or self.rest or self.given) and (self.mean or self.total or self.quantile):
            raise ValueError("`open`, `rest` and `given` are for tables of counts or shares")
        if self.open and self.rest is not None:
            raise ValueError("what is not listed is either open or the rest: give `open` or `rest`, one of the two")
        return self

    @property
    def statistic(self) -> str | None:
        """Which statistic it is, None for a table."""
        return next((name for name in STATISTICS if getattr(self, name) is not None), None)

    def of_condition(self) -> "TargetPart":
        """What a share or count of a condition takes beside `where`."""
        if (self.share is None) == (self.count is None):
            raise ValueError("`where` needs either `share` (of the records that `of` names) or `count`, one of the two")
        others = ("table", "cells", "value", *STATISTICS, "probability", "by", "margin_of_error")
        given = [name for name in others if getattr(self, name) is not None]
        if given:
            raise ValueError(f"`where` takes one number, share or count; remove {', '.join(given)}")
        if self.universe is not None:
            raise ValueError("`where` has its universe in `of`")
        return self


class RulePart(Part):
    name: str | None = None
    unit: str
    forbid: str
    sentence: str = ""


class IncludePart(Part):
    """Rules of a library: `names` and `levels` say how the spec calls what the library names; `only` and `without` choose."""

    include: str
    names: dict[str, str] = Field(default_factory=dict)
    levels: dict[str, str] = Field(default_factory=dict)
    only: list[str] = Field(default_factory=list)
    without: list[str] = Field(default_factory=list)


class LibraryRulePart(Part):
    """One rule in words, and one or more ways to say it: the first whose variables and levels the spec has is taken."""

    name: str
    sentence: str
    unit: str
    forbid: list[str] = Field(min_length=1)


class LibraryPart(Part):
    about: str
    names: list[str]
    rules: list[LibraryRulePart] = Field(min_length=1)


def _rule_shape(value: Any) -> str:
    if isinstance(value, str):
        return "a name"
    return "an include" if isinstance(value, dict) and "include" in value else "a rule"


RuleEntry = Annotated[
    Annotated[str, Tag("a name")] | Annotated[RulePart, Tag("a rule")] | Annotated[IncludePart, Tag("an include")],
    Discriminator(_rule_shape),
]


class RecordsPart(Part):
    """As many records as a target counts, or a share of them."""

    of: str
    share: float = Field(default=1.0, gt=0)


class RunPart(Part):
    records: Annotated[int, Field(ge=1)] | RecordsPart | None = None
    seed: int | None = Field(default=None, ge=0)
    llm: str | None = None


def _settings() -> type[RunPart]:
    """The `synthesis:` section: what is made, and every option of `Method` and `Budget`, under its key and with its limits."""
    shapes: dict[str, Any] = {}
    for group in (Method, Budget):
        for option in options_of(group):
            limits = Field(default=None, ge=option.metadata["low"], le=option.metadata["high"])
            shapes[key_of(option)] = (kind_of(group, option) | None, limits)
    return create_model("SettingsPart", __base__=RunPart, **shapes)


if TYPE_CHECKING:
    SettingsPart = RunPart
else:
    SettingsPart = _settings()


class DependenciesPart(Part):
    """A pair is written as a list of two names, or in one text, "age, income"; in `skip` a single name means all its pairs."""

    ask: list[list[str] | str] = Field(default_factory=list)
    skip: list[list[str] | str] = Field(default_factory=list)
    trust: Literal["safe", "balanced"] | dict[str, float | Literal["safe", "balanced"]] = Field(default_factory=dict)
    covariates: list[Literal["log_population"]] = Field(default_factory=list)


class Document(Part):
    llmsynthor: Literal[1]
    name: str = ""
    context: str = ""
    units: dict[str, UnitPart] = Field(min_length=1)
    targets: list[TargetPart] = Field(default_factory=list)
    rules: list[RuleEntry] = Field(default_factory=list)
    scenario: str = ""
    instead_of: str = ""
    accept: Literal["agreed", "all"] | None = None
    adjustments: AdjustmentParts = Field(default_factory=list)
    dependencies: DependenciesPart = Field(default_factory=DependenciesPart)
    seed: SeedPart | None = None
    geographies: dict[str, GeographyPart] = Field(default_factory=dict)
    sources: dict[str, SourcePart] = Field(default_factory=dict)
    synthesis: SettingsPart = Field(default_factory=SettingsPart)
    notes: list[dict[Literal["where", "what", "found", "advice"], str]] = Field(default_factory=list)
