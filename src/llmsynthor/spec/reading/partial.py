"""Tables that say only a part: open cells, a rest that is not listed, shares within groups."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, product

from llmsynthor.spec.expressions import LONGEST, Expression, ExpressionError, parse
from llmsynthor.spec.levels import Interval, Level, number_text
from llmsynthor.spec.reading.cells import Cell, read_level
from llmsynthor.spec.reading.place import Place
from llmsynthor.spec.schema import Category, Numeric
from llmsynthor.spec.targets import last_digit

CLEARLY = 0.02
"""A sum of shares that is less than the whole by more than this part of it lacks something."""


WHOLES, ROUNDED = (100.0, 1.0), 0.015
"""What the shares of a group add up to, and by what part of it published ones, which are rounded, may be off."""


def base_of(values: Sequence[float], *, percent: bool) -> float:
    """What the shares add up to when nothing is missing: 1 or 100.

    >>> base_of([0.2, 0.8], percent=False), base_of([7.8], percent=False), base_of([0.5], percent=True)
    (1.0, 100.0, 100.0)
    """
    return 100.0 if percent or sum(values) > 1 + CLEARLY else 1.0


def add_rest(
    cells: list[Cell],
    values: list[float],
    columns: Sequence[str],
    given: Sequence[str],
    rest: str,
    place: Place,
    *,
    percent: bool,
) -> None:
    """Give what is missing to one or to 100 to the level that `rest` names, in each group of `given`; in place."""
    free = [name for name in columns if name not in given]
    if len(free) != 1:
        advice = "list the cells; or name the other columns under `given` if they say within what the shares are"
        place.problem("`rest` needs a table of one column", advice, ", ".join(columns))
        return
    _, variable = place.schema.find(place.unit, free[0])
    assert isinstance(variable, Category | Numeric)
    try:
        level = read_level(rest, variable)
    except ValueError as error:
        place.problem(f"rest: {free[0]} {error}", "name a level of the variable that the table does not list", rest)
        return
    at = columns.index(free[0])
    if any(cell[at] == level for cell in cells):
        place.problem("`rest` names a level that the table lists", "leave one of the two out", rest)
        return
    groups: dict[Cell, list[float]] = {}
    for cell, value in zip(cells, values, strict=True):
        groups.setdefault(cell[:at] + cell[at + 1 :], []).append(value)
    whole = max(base_of(own, percent=percent) for own in groups.values())
    for group, own in groups.items():
        left = round(whole - sum(own), 12)
        if left < -0.5 * last_digit(own) * len(own):
            place.problem("the shares add up to more than the whole: there is no rest", "correct them", f"{sum(own):g}")
            return
        cells.append((*group[:at], level, *group[at:]))
        values.append(max(left, 0.0))


def unlisted(cells: Sequence[Cell], columns: Sequence[str], place: Place) -> Iterator[Cell]:
    """Yield the combinations of levels that a table does not list; of categories all levels, of numbers those that occur."""
    listed = set(cells)
    levels: list[Sequence[Level]] = []
    for k, name in enumerate(columns):
        _, variable = place.schema.find(place.unit, name)
        occurring = sorted({cell[k] for cell in cells}, key=str)
        levels.append(variable.levels if isinstance(variable, Category) else occurring)
    return (cell for cell in product(*levels) if cell not in listed)


def missing_shares(
    cells: Sequence[Cell], values: Sequence[float], columns: Sequence[str], place: Place, *, percent: bool
) -> None:
    """Name shares that add up to clearly less than the whole while cells are missing."""
    total = sum(values)
    whole = base_of(values, percent=percent)
    room = max(CLEARLY * whole, 0.5 * last_digit(values) * len(values))
    missing = next(unlisted(cells, columns, place), None)
    if total >= whole - room or missing is None:
        return
    named = ", ".join(f"{name} {level}" for name, level in zip(columns, missing, strict=True))
    rest = "or, if the rest is unknown, write `open: true`"
    if len(columns) == 1:
        rest = f'or write `rest: "{missing[0]}"`, which gives it the rest'
    place.problem(
        f"the shares add up to {total:g}, clearly less than {whole:g}, and cells are missing, such as {named}",
        f"add the missing cells with their shares, {rest}; if the table is about some of the records, say which: universe",
        f"{total:g}",
    )


def within_groups(
    cells: Sequence[Cell], values: Sequence[float], columns: Sequence[str]
) -> tuple[tuple[str, ...], float] | None:
    """The columns within whose every group the values add up to 100 (or 1), if there are such."""
    room = 0.5 * last_digit(values) + 1e-9
    if any(abs(sum(values) - whole) <= CLEARLY * whole for whole in WHOLES):
        return None
    for size in range(1, len(columns)):
        for some in combinations(range(len(columns)), size):
            sums: dict[Cell, list[float]] = {}
            for cell, value in zip(cells, values, strict=True):
                sums.setdefault(tuple(cell[k] for k in some), []).append(value)
            for whole in WHOLES:
                near = all(
                    abs(sum(own) - whole) <= min(room * len(own), ROUNDED * whole) + 1e-9 for own in sums.values()
                )
                if len(sums) > 1 and near and all(len(own) > 1 for own in sums.values()):
                    return tuple(columns[k] for k in some), whole
    return None


def without_open(
    universe: Expression | None, listed: Sequence[Cell], opened: Sequence[Cell], columns: Sequence[str], place: Place
) -> Expression | None:
    """The universe of a table less its open cells; adds a problem where there are too many to be told."""
    ranges = {name: place.schema.find(place.unit, name)[1] for name in columns}
    closed, free = condition_of(listed, columns, ranges), condition_of(opened, columns, ranges)
    text = f"not ({free})" if len(free) + 6 <= len(closed) else closed
    if universe is not None:
        text = f"({universe.text}) and ({text})"
    try:
        return parse(text)
    except ExpressionError:
        place.problem(
            "so many cells are open that the others cannot be told in one condition",
            f"say in a universe which records the table is about (at most {LONGEST:,} characters), or leave the table out",
            f"{len(opened):,} open cells",
        )
        return None


def condition_of(cells: Sequence[Cell], columns: Sequence[str], variables: Mapping[str, object]) -> str:
    """Say in an expression that a record lies in one of the cells; cells that differ in one column alone are told together."""
    if not columns:
        return "True"
    best = ""
    for k in range(len(columns)):
        groups: dict[Cell, list[Level]] = {}
        for cell in cells:
            groups.setdefault(cell[:k] + cell[k + 1 :], []).append(cell[k])
        alike: dict[tuple[Level, ...], list[Cell]] = {}
        for rest, own in groups.items():
            alike.setdefault(tuple(sorted(own, key=str)), []).append(rest)
        others = [name for name in columns if name != columns[k]]
        parts = []
        for chosen, rests in alike.items():
            told = [_one_of(columns[k], chosen, variables)]
            if others:
                told.append(_group(condition_of(rests, others, variables)))
            parts.append(" and ".join(told))
        text = " or ".join(f"({part})" for part in parts) if len(parts) > 1 else parts[0]
        best = text if not best or len(text) < len(best) else best
    return best


def _group(text: str) -> str:
    return f"({text})" if " or " in text else text


def _one_of(name: str, levels: Sequence[Level], variables: Mapping[str, object]) -> str:
    texts = [level for level in levels if isinstance(level, str)]
    if texts:
        return f"{name} == {texts[0]!r}" if len(texts) == 1 else f"{name} in ({', '.join(map(repr, texts))})"
    merged: list[Interval] = []
    for level in sorted(level for level in levels if isinstance(level, Interval)):
        if merged and merged[-1].high == level.low:
            merged[-1] = Interval(merged[-1].low, level.high)
        else:
            merged.append(level)
    said = [f"{number_text(own.low)} <= {name} and {name} < {number_text(own.high)}" for own in merged]
    return "(" + " or ".join(said) + ")" if len(said) > 1 else said[0]
