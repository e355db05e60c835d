"""The kinds of targets of the conformance table: what each asks for in a reading, and when it is kept."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from .oracle import Column, Condition, Goal, Population, Statistic, Table
from .worlds import Reading

Goals = tuple[Goal, ...]


def nothing(reading: Reading) -> tuple[Condition, ...]:
    return ()


def unkept(goals: Sequence[Goal], population: Population) -> str:
    """Name the goals that do not hold, with how far off the worst of each is."""
    return "; ".join(f"{g.name}: {g.worst(population):.2f}" for g in goals if not g.holds(population))


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of target: its goals in a reading, the rules that go with it, and what is wrong with records (nothing: "").

    `away` are combinations that the hidden population does not have, though no rule says so; `times` as many records are made where
    what is looked for is a tendency.
    """

    name: str
    goals: Callable[[Reading], Goals]
    rules: Callable[[Reading], tuple[Condition, ...]] = nothing
    away: Callable[[Reading], tuple[Condition, ...]] = nothing
    judge: Callable[[Sequence[Goal], Population], str] = unkept
    times: int = 1


def table(reading: Reading, *columns: Column, name: str = "table", **more: object) -> Table:
    """Count columns of the reading's unit."""
    return Table(name=f"{name}, {reading.label}", unit=reading.unit, columns=columns, **more)  # type: ignore[arg-type]


def statistic(reading: Reading, kind: str, variable: Column, *by: Column, **more: object) -> Statistic:
    """Compute a statistic of the reading's unit."""
    return Statistic(
        name=f"{kind} of {variable.name}, {reading.label}",
        unit=reading.unit,
        kind=kind,
        variable=variable.name,
        whole=variable.name == reading.whole.name,
        by=by,
        **more,  # type: ignore[arg-type]
    )


def _groups(r: Reading) -> Table:
    return table(r, r.category, name="groups")


def _brackets(r: Reading) -> Table:
    return table(r, r.real, name="brackets")


def _numbers(r: Reading) -> Table:
    return table(r, r.whole, name="numbers")


def moved(counts: list[float]) -> list[float]:
    """Another source of one fact: a fifth of the largest cell lies in the smallest."""
    found, share = list(counts), int(max(counts) / 5)
    found[counts.index(max(counts))] -= share
    found[counts.index(min(counts))] += share
    return found


def nudged(counts: list[float]) -> list[float]:
    """Another source, off by less than its margin."""
    found, share = list(counts), max(2, int(max(counts) / 20))
    found[counts.index(max(counts))] -= share
    found[counts.index(min(counts))] += share
    return found


def wide(values: list[float]) -> list[float]:
    return [max(4.0, max(values) / 10)] * len(values)


def _sources(r: Reading) -> Goals:
    better = table(r, r.category, name="better source", more={"importance": 1e6})
    return better, table(r, r.category, name="worse source", change=moved)


def _first_holds(goals: Sequence[Goal], population: Population) -> str:
    """The better source holds; the worse one must then be off."""
    better, worse = goals
    return unkept([better], population) or ("" if worse.worst(population) >= 1 else f"{worse.name} did not yield")


def _means_of_sources(r: Reading) -> Goals:
    better = statistic(r, "mean", r.real, more={"importance": 1e6})
    worse = statistic(r, "mean", r.real, change=lambda mean: mean * 1.02)
    return replace(better, name=f"better {better.name}"), replace(worse, name=f"worse {worse.name}")


def _noisy(r: Reading) -> Goals:
    return table(r, r.category, name="census"), table(r, r.category, name="survey", change=nudged, margins=wide)


def _inside_margins(goals: Sequence[Goal], population: Population) -> str:
    """The census holds to the record, and the survey is off by no more than its margin."""
    census, survey = goals
    assert isinstance(survey, Table)
    return unkept([census], population) or (
        "" if survey.worst(population) <= wide(list(survey.values))[0] else f"{survey.name} left its margin"
    )


def _structural(r: Reading) -> Goals:
    joint = table(r, r.category, r.other, name="joint", more={"zeros": "structural"})
    return joint, table(r, r.other, name="other, elsewhere", change=moved)


def _zeros_stay(goals: Sequence[Goal], population: Population) -> str:
    """However the sources disagree, no record lies in a structural zero."""
    joint = goals[0]
    assert isinstance(joint, Table)
    counts, _ = joint.counts(population)
    found = [int(n) for n, asked in zip(counts, joint.values, strict=True) if asked == 0 and n]
    return f"records in structural zeros: {found}" if found else ""


def _soft(r: Reading) -> Goals:
    joint = table(r, r.category, r.other, name="joint", more={"trust": 0.7})
    return _groups(r), table(r, r.other, name="others"), joint


def _leans(goals: Sequence[Goal], population: Population) -> str:
    """The hard tables hold, and the records lie nearer to the soft one than independent records would."""
    one, other, joint = goals
    assert isinstance(one, Table) and isinstance(other, Table) and isinstance(joint, Table)
    whole = sum(one.values)
    even = [a * b / whole for a in one.values for b in other.values]
    apart = sum(abs(a - b) for a, b in zip(even, joint.values, strict=True))
    left = sum(abs(error) for error in joint.errors(population))
    return unkept([one, other], population) or (
        "" if left < 0.9 * apart else f"{left:.0f} of {apart:.0f} records apart"
    )


def _all_together(r: Reading) -> Goals:
    return (
        table(r, r.category, r.other, name="joint"),
        table(r, r.real, r.category, name="brackets"),
        table(r, r.other, name="inside", universe=r.universe),
        _numbers(r),
        statistic(r, "mean", r.real, r.other),
        statistic(r, "total", r.real),
        statistic(r, "quantile", r.whole, probability=0.5),
    )


KINDS = (
    Kind(name="counts", goals=lambda r: (table(r, r.category),)),
    Kind(name="shares", goals=lambda r: (table(r, r.category, value="share"),)),
    Kind(name="whole numbers", goals=lambda r: (_numbers(r),)),
    Kind(name="two-way", goals=lambda r: (table(r, r.category, r.other),)),
    Kind(
        name="two-way with numbers",
        goals=lambda r: (table(r, r.real, r.category), table(r, r.whole, r.other, name="2")),
    ),
    Kind(name="universe", goals=lambda r: (table(r, r.category, universe=r.universe),)),
    Kind(name="cuts that differ", goals=lambda r: (_brackets(r), table(r, r.real_elsewhere, r.category))),
    Kind(name="structural zeros", goals=_structural, away=lambda r: (r.impossible,), judge=_zeros_stay),
    Kind(
        name="rule",
        goals=lambda r: (table(r, r.category, r.other), _brackets(r)),
        rules=lambda r: (r.rule, r.impossible),
    ),
    Kind(name="soft", goals=_soft, judge=_leans, times=5),
    Kind(name="importance", goals=_sources, judge=_first_holds),
    Kind(name="margin of error", goals=_noisy, judge=_inside_margins),
    Kind(name="mean", goals=lambda r: (_brackets(r), statistic(r, "mean", r.real))),
    Kind(name="mean without a table", goals=lambda r: (_groups(r), statistic(r, "mean", r.real))),
    Kind(name="mean of whole numbers", goals=lambda r: (_groups(r), statistic(r, "mean", r.whole))),
    Kind(name="mean by group", goals=lambda r: (_groups(r), _brackets(r), statistic(r, "mean", r.real, r.category))),
    Kind(
        name="mean of whole numbers by group", goals=lambda r: (_groups(r), statistic(r, "mean", r.whole, r.category))
    ),
    Kind(name="mean in a universe", goals=lambda r: (_brackets(r), statistic(r, "mean", r.real, universe=r.universe))),
    Kind(
        name="importance of means",
        goals=_means_of_sources,
        judge=lambda goals, population: unkept(goals[:1], population),
    ),
    Kind(name="total", goals=lambda r: (_groups(r), _brackets(r), statistic(r, "total", r.real))),
    Kind(name="total of whole numbers", goals=lambda r: (_groups(r), statistic(r, "total", r.whole))),
    Kind(name="total by group", goals=lambda r: (_groups(r), _brackets(r), statistic(r, "total", r.real, r.category))),
    Kind(name="quantile", goals=lambda r: (_brackets(r), statistic(r, "quantile", r.real, probability=0.5))),
    Kind(
        name="quantile without a table", goals=lambda r: (_groups(r), statistic(r, "quantile", r.real, probability=0.9))
    ),
    Kind(
        name="quantile of whole numbers",
        goals=lambda r: (_groups(r), statistic(r, "quantile", r.whole, probability=0.5)),
    ),
    Kind(
        name="quantile by group",
        goals=lambda r: (_groups(r), _brackets(r), statistic(r, "quantile", r.real, r.category, probability=0.25)),
    ),
    Kind(
        name="total in a universe",
        goals=lambda r: (_groups(r), _brackets(r), statistic(r, "total", r.real, universe=r.universe)),
    ),
    Kind(
        name="quantile in a universe",
        goals=lambda r: (
            _groups(r),
            _brackets(r),
            statistic(r, "quantile", r.whole, universe=r.universe, probability=0.5),
        ),
    ),
    Kind(name="all together", goals=_all_together),
)
