"""Who names which variable: a spec read once, so that cuts and laws need not read its targets and rules again."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from llmsynthor.spec.coded import coded_column
from llmsynthor.spec.expressions import Expression, references
from llmsynthor.spec.levels import Interval
from llmsynthor.spec.schema import Coded, Numeric, Unit
from llmsynthor.spec.specification import Spec
from llmsynthor.spec.targets import Statistic, Table, stated_population

Place = tuple[str, str]
"""Names of a unit and of one of its variables."""

SUMS, SECONDS = ("mean", "total"), ("deviation", "correlation")


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """What a spec says of one variable.

    `intervals` are those in which tables of its unit or of units below cut it; `tables` those of all records of its unit that
    have it as a column; `statistics` its means, totals and quantiles in the order of the spec, `from_below` those that units
    below state of it (a household's income, averaged over persons). `means` are the means that are asked for, and whether each is
    that of all records; NaN where nothing says how many records share a total. `expressions` are
    all that name it, with the units that they are about; `counts` says that it is the number of a unit's children, `seconds` that
    a deviation or correlation of it is asked for, `named` that a target has it as a column or as its variable.
    """

    variable: Coded
    unit: Unit
    intervals: frozenset[Interval]
    tables: tuple[Table, ...]
    statistics: tuple[Statistic, ...]
    from_below: tuple[Statistic, ...]
    means: tuple[tuple[float, bool], ...]
    expressions: tuple[tuple[Unit, Expression], ...]
    counts: bool
    seconds: bool
    named: bool

    @property
    def number(self) -> Numeric:
        assert isinstance(self.variable, Numeric)
        return self.variable

    @property
    def integer(self) -> bool:
        return isinstance(self.variable, Numeric) and self.variable.integer

    @property
    def is_summed(self) -> bool:
        """Whether means or totals of it are stated by its own unit."""
        return any(target.statistic in SUMS for target in self.statistics)

    @property
    def is_summed_below(self) -> bool:
        """Whether units below state means or totals of it: each value counts once for every child."""
        return any(target.statistic in SUMS for target in self.from_below)

    def stated(self, *kinds: str) -> Iterator[Statistic]:
        """The means, totals or quantiles of the variable, by their kind."""
        return (target for target in self.statistics if target.statistic in kinds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Uses:
    """The uses of all variables, derived ones included, by the names of their unit and their own.

    `intervals` has besides them those of computed columns that are no variables, such as the position among siblings;
    `conditions` are all rules and universes, `forbidden` the rules alone; `populations` the number of records that counts of each
    unit speak of, None where there are none; `asked` the mean that each cell of a mean or a total asks for.
    """

    of: Mapping[Place, Use]
    intervals: Mapping[Place, frozenset[Interval]]
    conditions: frozenset[Expression]
    forbidden: frozenset[Expression]
    populations: Mapping[str, float | None]
    asked: Mapping[Statistic, tuple[float, ...]]

    def __getitem__(self, place: Place) -> Use:
        return self.of[place]

    def is_computed(self, use: Use) -> bool:
        """Whether sums of derived numbers are asked for that move with a variable."""
        derived = [(owner, own) for owner, text in use.expressions for own in owner.derived if own.expression == text]
        further = (self.of[owner.name, own.name] for owner, own in derived)
        return any(other.is_summed or other.is_summed_below or self.is_computed(other) for other in further)


def read_uses(spec: Spec) -> Uses:
    """Go over the targets and expressions of a spec once."""
    intervals, tables, statistics, seconds, named = _read_targets(spec)
    expressions = defaultdict[Place, list[tuple[Unit, Expression]]](list)
    for owner, expression in expressions_of(spec):
        for place in {(reference.unit or owner.name, reference.name) for reference in references(expression)}:
            expressions[place].append((owner, expression))
    counts = {(str(unit.parent), str(unit.count)) for unit in spec.schema.units if unit.parent is not None}
    populations = {unit.name: stated_population(spec.targets, unit.name) for unit in spec.schema.units}
    sums = (target for target in spec.targets if isinstance(target, Statistic) and target.statistic in SUMS)
    asked = {target: _means_of(target, spec, populations[target.unit]) for target in sums}
    means = {
        (unit.name, variable.name): _wanted(statistics[unit.name, variable.name], asked)
        for unit in spec.schema.units
        for variable in unit.coded
    }
    from_below = defaultdict[Place, list[Statistic]](list)
    for (_, column), of_below in statistics.items():
        above, _, last = column.rpartition(".")
        if above:
            from_below[above, last] += of_below
    cut = {place: frozenset(found) for place, found in intervals.items()}
    found = {
        (unit.name, variable.name): Use(
            variable=variable,
            unit=unit,
            intervals=cut.get((unit.name, variable.name), frozenset()),
            tables=tuple(tables[unit.name, variable.name]),
            statistics=tuple(statistics[unit.name, variable.name]),
            from_below=tuple(from_below[unit.name, variable.name]),
            means=means.get((unit.name, variable.name), ()),
            expressions=tuple(expressions[unit.name, variable.name]),
            counts=(unit.name, variable.name) in counts,
            seconds=(unit.name, variable.name) in seconds,
            named=variable.name in named,
        )
        for unit in spec.schema.units
        for variable in (*unit.coded, *(derived.variable for derived in unit.derived))
    }
    forbidden = frozenset(rule.forbid for rule in spec.rules)
    conditions = forbidden | {t.universe for t in spec.targets if t.universe is not None}
    return Uses(
        of=found, intervals=cut, conditions=conditions, forbidden=forbidden, populations=populations, asked=asked
    )


def expressions_of(spec: Spec) -> Iterator[tuple[Unit, Expression]]:
    """Every expression of a spec with the unit that it is about."""
    for unit in spec.schema.units:
        yield from ((unit, derived.expression) for derived in unit.derived)
    for rule in spec.rules:
        yield spec.schema[rule.unit], rule.forbid
    for target in spec.targets:
        if target.universe is not None:
            yield spec.schema[target.unit], target.universe


def _read_targets(
    spec: Spec,
) -> tuple[
    defaultdict[Place, set[Interval]],
    defaultdict[Place, list[Table]],
    defaultdict[Place, list[Statistic]],
    set[Place],
    set[str],
]:
    """Intervals, tables of all records, and statistics by place; places with seconds; names that targets have."""
    intervals = defaultdict[Place, set[Interval]](set)
    tables, statistics = defaultdict[Place, list[Table]](list), defaultdict[Place, list[Statistic]](list)
    seconds, named = set[Place](), set[str]()
    for target in spec.targets:
        columns = target.columns if isinstance(target, Table) else target.by
        named |= set(columns)
        for position, column in enumerate(columns):
            prefix, _, last = column.rpartition(".")
            levels, _ = coded_column(target, position)
            intervals[prefix or target.unit, last] |= {level for level in levels if isinstance(level, Interval)}
        if isinstance(target, Statistic):
            named |= set(target.variables)
            statistics[target.unit, target.variable].append(target)
            if target.statistic in SECONDS:
                seconds |= {(target.unit, name) for name in target.variables}
        elif target.universe is None and target.trust >= 1:
            for column in dict.fromkeys(columns):
                tables[target.unit, column].append(target)
    return intervals, tables, statistics, seconds, named


def _wanted(
    statistics: Sequence[Statistic], asked: Mapping[Statistic, tuple[float, ...]]
) -> tuple[tuple[float, bool], ...]:
    return tuple(
        (mean, not target.by and target.universe is None) for target in statistics for mean in asked.get(target, ())
    )


def _means_of(target: Statistic, spec: Spec, counted: float | None) -> tuple[float, ...]:
    """The mean that each cell of a mean or a total asks for; NaN where nothing says how many records share a total."""
    if target.statistic == "mean":
        return target.values
    sizes = _group_sizes(target, spec, target.base or counted or spec.settings.records)
    return tuple(value / size for value, size in zip(target.values, sizes, strict=True))


def _group_sizes(target: Statistic, spec: Spec, population: float | None) -> tuple[float, ...]:
    """How many of a population's records each cell of a target is about, as a table of all records has it; NaN where none has."""
    unknown = (float("nan"),) * len(target.cells)
    if population is None or target.universe is not None:
        return unknown
    if not target.by:
        return (population,)
    for table in spec.targets:
        if not isinstance(table, Table) or table.unit != target.unit or table.universe is not None or table.trust < 1:
            continue
        if set(target.by) <= set(table.columns):
            places = [table.columns.index(name) for name in target.by]
            held = dict.fromkeys(target.cells, 0.0)
            for cell, value in zip(table.cells, table.values, strict=True):
                own = tuple(cell[place] for place in places)
                held[own] = held.get(own, 0.0) + value
            sizes = [held[cell] * population / sum(table.values) for cell in target.cells]
            if min(sizes) > 0:
                return tuple(sizes)
    return unknown
