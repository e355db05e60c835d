"""Random small specs, second half: targets of every kind counted from a hidden population, and the judgement of what comes out.

All that is asked for was counted from one population that keeps every rule, so it can be had at once: whoever says that
something cannot be, or that sources disagree, says what is not true.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from .oracle import Column, Condition, Goal, Population, Shape, Statistic, Table, document, miscounted, read
from .random_shapes import Making, Variable, condition, draw_population, draw_rules, draw_shape

SAMPLE = 200
LEAST_INSIDE = 8
"""Records that a universe holds at least."""

MOST_CELLS = 80
EXCUSES = re.compile(r"leave no room|cannot|exclude|contradict|conflict|yielded to", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A spec and the population that it was counted from."""

    shape: Shape
    hidden: Population
    rules: tuple[Condition, ...]
    goals: tuple[Goal, ...]
    seed: int

    @property
    def records(self) -> int:
        return len(self.hidden.tops)

    def stated(self) -> tuple[Goal, ...]:
        """Count the targets; one about records that the population does not have is left out."""
        stated = (goal.state(self.hidden) for goal in self.goals)
        return tuple(g for g in stated if (any(g.values) if isinstance(g, Table) else g.values))

    def document(self) -> dict[str, Any]:
        """Write the spec."""
        told = document(self.shape, self.stated(), self.rules)
        return {**told, "synthesis": {"records": self.records, "seed": self.seed}}


def draw_case(rng: Random, *, largest: int = 300) -> Case:
    """Draw a spec: every choice comes from `rng`, the values of the hidden population from a seed that it gives."""
    making = draw_shape(rng)
    seed = rng.randrange(10_000)
    draws = Random(seed)
    sample = [making.draw(draws) for _ in range(SAMPLE)]
    rules = draw_rules(rng, making, sample)
    hidden = draw_population(making, rules, rng.choice((30, 60, 100, 200, largest)), draws)
    goals: list[Goal] = [
        Table(name=f"number of {v.name}", unit=v.unit, columns=(_each(v),)) for v in making.variables if v.children
    ]
    goals += [_goal(rng, making, hidden, number) for number in range(rng.randint(3, 9))]
    return Case(shape=making.shape, hidden=hidden, rules=tuple(rules), goals=tuple(goals), seed=seed)


def _each(variable: Variable) -> Column:
    return Column(name=variable.name, levels=tuple((k, k + 1) for k in range(variable.low, variable.high)))


def _goal(rng: Random, making: Making, hidden: Population, number: int) -> Goal:
    filled = [unit for unit in making.shape.units if len(hidden.records(unit)) >= LEAST_INSIDE]
    unit = rng.choice(filled)
    seen = list(making.seen_from(unit))
    numbers = [v for v in seen if v.is_number]
    universe = _universe(rng, unit, seen, hidden) if rng.random() < 0.2 else None
    if numbers and rng.random() < 0.35:
        variable = rng.choice(numbers)
        others = [v for v in seen if v is not variable and (v.levels or v.high - v.low <= 6)]
        return _statistic(rng, hidden, unit, variable, others, universe, number)
    columns: list[Column] = []
    for variable in rng.sample(seen, min(len(seen), rng.choice((1, 2, 2, 3, 3)))):
        column = variable.column(rng, unit)
        if _cells([*columns, column]) <= MOST_CELLS:
            columns.append(column)
    more: dict[str, Any] = {}
    if rng.random() < 0.15:
        more["zeros"] = "structural"
    elif rng.random() < 0.15:
        more["importance"] = rng.choice((0.1, 10))
    elif rng.random() < 0.15:
        more["trust"] = rng.choice((0.3, 0.7))
    noisy = rng.random() < 0.1 and not more
    return Table(
        name=f"table {number}",
        unit=unit,
        columns=tuple(columns),
        value=rng.choice(("count", "count", "share")),
        universe=universe,
        more=more,
        margins=_margins if noisy else None,
        sparse=rng.random() < 0.7,
    )


def _cells(columns: Sequence[Column]) -> int:
    product = 1
    for column in columns:
        product *= len(column.levels)
    return product


def _margins(values: list[float]) -> list[float]:
    return [max(values) / 20 for _ in values]


def _universe(rng: Random, unit: str, seen: list[Variable], hidden: Population) -> Condition | None:
    """A condition on one variable, own, the parent's or derived, that enough records meet and some do not."""
    own = [v for v in seen if v.unit == unit]
    text, holds = condition(rng, rng.choice(own))
    records = hidden.records(unit)
    inside = sum(map(bool, map(holds, records)))
    return Condition(unit=unit, text=text, holds=holds) if LEAST_INSIDE <= inside < len(records) else None


def _statistic(
    rng: Random,
    hidden: Population,
    unit: str,
    variable: Variable,
    others: list[Variable],
    universe: Condition | None,
    number: int,
) -> Statistic:
    kind = rng.choice(("mean", "mean", "total", "quantile"))
    whole = Statistic(
        name=f"{kind} {number}",
        unit=unit,
        kind=kind,
        variable=variable.name if variable.unit == unit else f"{variable.unit}.{variable.name}",
        whole=variable.kind == "integer",
        universe=universe,
        probability=rng.choice((0.1, 0.25, 0.5, 0.9)) if kind == "quantile" else None,
    )
    if not others or rng.random() < 0.6:
        return whole
    grouped = replace(whole, by=(rng.choice(others).column(rng, unit),))
    return grouped if len(grouped.groups(hidden)) == len(grouped.by[0].levels) else whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What came of a case.

    `broken` counts broken rules and wrong numbers of children; `tables` and `statistics` say by name how far off each hard target
    is and whether that is near enough; `untrue` are sentences that the hidden population refutes; `error` is an exception.
    """

    broken: int = 0
    tables: Mapping[str, tuple[float, bool]] = field(default_factory=dict)
    statistics: Mapping[str, tuple[float, bool]] = field(default_factory=dict)
    untrue: tuple[str, ...] = ()
    error: str = ""

    @property
    def missed(self) -> tuple[str, ...]:
        """Name the tables and statistics that are not within a record, or rounding."""
        return tuple(
            f"{name} off by {off:.4g}" for name, (off, near) in {**self.tables, **self.statistics}.items() if not near
        )

    @property
    def faults(self) -> tuple[str, ...]:
        """All that is wrong, the worst first."""
        first = [self.error] if self.error else []
        first += [f"{self.broken} rules broken"] if self.broken else []
        return (*first, *self.missed, *self.untrue)


Synthesize = Callable[..., Any]


def judge(case: Case, synthesize: Synthesize) -> Verdict:
    """Make records and judge them; an exception is a verdict too, since every case has a solution."""
    stated = case.stated()
    try:
        solution = synthesize(
            document(case.shape, stated, case.rules), records=case.records, llm="none", seed=case.seed
        )
    except Exception as error:  # noqa: BLE001  (whatever goes wrong is what is looked for)
        return Verdict(error=f"{type(error).__name__}: {error}")
    population = read(solution.records, case.shape)
    hard = [goal for goal in stated if goal.more.get("trust", 1) >= 1]
    found = {goal.name: (goal.worst(population), goal.holds(population)) for goal in hard}
    tables = {goal.name for goal in hard if isinstance(goal, Table)}
    return Verdict(
        broken=sum(map(population.broken, case.rules)) + miscounted(population, case.shape),
        tables={name: off for name, off in found.items() if name in tables},
        statistics={name: off for name, off in found.items() if name not in tables},
        untrue=tuple(_untrue(solution, hard, population)),
    )


def _untrue(solution: Any, goals: Sequence[Goal], population: Population) -> list[str]:
    """Sentences that are not so: a status that the oracle denies, a conflict or an impossibility where a solution exists."""
    said = dict(solution.alignment.select("name", "status").iter_rows())
    found = [
        f"{g.name} is said to be {said[g.name]}"
        for g in goals
        if (said[g.name] in ("exact", "exact")) != g.is_exact(population)
    ]
    found += [f"{name}: {status}" for name, status in said.items() if EXCUSES.search(status)]
    conflicts = solution.disagreements.filter(solution.disagreements["kind"] == "conflict")
    found += [f"{name} is said to disagree" for name in conflicts["target"].unique(maintain_order=True)]
    found += [f"said: {sentence}" for sentence in solution.manifest["alignment"]["contradictions"]]
    if EXCUSES.search(solution.stop_reason):
        found.append(f"said: {solution.stop_reason}")
    return found


def smaller(case: Case) -> "list[Case]":
    """Cases with one target or rule less, or half the records: the steps of shrinking."""
    goals = [replace(case, goals=case.goals[:k] + case.goals[k + 1 :]) for k in range(len(case.goals) - 1, -1, -1)]
    rules = [replace(case, rules=case.rules[:k] + case.rules[k + 1 :]) for k in range(len(case.rules))]
    half = Population(case.hidden.tops[: max(10, case.records // 2)])
    halved = [replace(case, hidden=half)] if case.records > 10 else []
    return [replace_all for replace_all in (*halved, *goals, *rules) if replace_all.goals]


def shrink(case: Case, is_bad: Callable[[Case], bool], tries: int = 60) -> Case:
    """Make a case smaller while it stays bad."""
    left = tries
    while left > 0:
        for candidate in smaller(case):
            left -= 1
            if left <= 0 or is_bad(candidate):
                break
        else:
            return case
        if left <= 0:
            return case
        case = candidate
    return case
