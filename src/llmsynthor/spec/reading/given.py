"""Shares within groups: only how the rest is distributed within the columns of `given` is targeted.

Where another table states how many records the groups have, the shares are multiplied by it, and what rounding hides in them
is kept as margins of error; where none does, each group becomes a target of its own.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from llmsynthor.spec.expressions import Expression, ExpressionError, parse
from llmsynthor.spec.levels import Interval, Level
from llmsynthor.spec.reading.cells import Cell
from llmsynthor.spec.reading.partial import ROUNDED, WHOLES, condition_of
from llmsynthor.spec.reading.place import MOST_SHOWN, Place
from llmsynthor.spec.targets import Table, Target

Group = tuple[Level, ...]


def resolve_given(
    targets: Sequence[Target], given: Mapping[int, Sequence[str]], places: Mapping[int, Place]
) -> Iterator[Target]:
    """Turn tables of shares within groups into plain ones; `given` and `places` are by the number of the target.

    A table that was resolved says how many records its own cells have, for the next: hours within modes, purposes within hours.
    """
    joints = _joints(targets, given, places)
    for target in targets:
        columns = given.get(target.number)
        if columns is None:
            yield target
            continue
        if not _is_within(target, columns):
            places[target.number].problem(
                "`given` names some of the table's columns, not all",
                "name the columns within which the rest adds up",
                ", ".join(columns),
            )
            continue
        _warn_of_sums(target, columns, places[target.number])
        if target.number in joints:
            joint = joints[target.number]
            yield from [joint] if joint is not None else []
        else:
            assert isinstance(target, Table)
            yield from _each_group(target, columns, places[target.number])


def _warn_of_sums(target: Target, columns: Sequence[str], place: Place) -> None:
    """Say which groups of shares do not add up to a whole, where others do or nearly do: they are divided by their sums."""
    assert isinstance(target, Table)
    sums = {group: sum(target.values[row] for row in rows) for group, rows in _parts(target, columns).items()}
    whole = next((own for own in WHOLES if any(abs(total - own) <= ROUNDED * own for total in sums.values())), None)
    off = {group: total for group, total in sums.items() if whole is not None and abs(total - whole) > ROUNDED * whole}
    if target.value != "share" or not off:
        return
    shown = [
        f"{', '.join(f'{name} {level}' for name, level in zip(columns, group, strict=True))}: {total:g}"
        for group, total in list(off.items())[:MOST_SHOWN]
    ]
    more = f"; and {len(off) - MOST_SHOWN:,} more" if len(off) > MOST_SHOWN else ""
    what = f"the shares of groups do not add up to {whole:g}, and are divided by their sum"
    place.warn(what, "check that no row is missing; only how a group is shared out counts", "; ".join(shown) + more)


def _is_within(target: Target, columns: Sequence[str]) -> bool:
    return isinstance(target, Table) and bool(columns) and set(columns) < set(target.columns)


def _joints(
    targets: Sequence[Target], given: Mapping[int, Sequence[str]], places: Mapping[int, Place]
) -> dict[int, Table | None]:
    """Those whose groups another table counts, by number: first by the tables as they are, then by those that were resolved."""
    known = [target for target in targets if isinstance(target, Table) and target.number not in given]
    waiting = [
        target
        for target in targets
        if isinstance(target, Table) and target.number in given and _is_within(target, given[target.number])
    ]
    found = dict[int, Table | None]()
    while waiting:
        margins = [(target, _margin(target, given[target.number], known)) for target in waiting]
        ready = [(target, margin) for target, margin in margins if margin is not None]
        for target, margin in ready:
            joint = _joint(target, given[target.number], margin, places[target.number])
            found[target.number] = joint
            known += [joint] if joint is not None else []
        waiting = [target for target, margin in margins if margin is None] if ready else []
    return found


def _parts(table: Table, columns: Sequence[str]) -> dict[Group, list[int]]:
    """Rows of each group."""
    at = [table.columns.index(name) for name in columns]
    found: dict[Group, list[int]] = {}
    for row, cell in enumerate(table.cells):
        found.setdefault(tuple(cell[k] for k in at), []).append(row)
    return found


def _margin(table: Table, columns: Sequence[str], others: Sequence[Table]) -> dict[Group, float] | None:
    """How many records each group has, by the most important table that says so."""
    groups = _parts(table, columns)
    for other in sorted(others, key=lambda other: (-other.importance, len(other.columns))):
        about = (other.unit, str(other.universe or ""), other.trust >= 1) == (
            table.unit,
            str(table.universe or ""),
            True,
        )
        if not about or not set(columns) <= set(other.columns):
            continue
        at, found = [other.columns.index(name) for name in columns], dict.fromkeys(groups, 0.0)
        for cell, value in zip(other.cells, other.values, strict=True):
            held = [group for group in groups if all(_holds(a, cell[k]) for a, k in zip(group, at, strict=True))]
            if not held and any(_cuts(group, cell, at) for group in groups):
                break
            for group in held:
                found[group] += max(value, 0.0)
        else:
            return found if sum(found.values()) > 0 else None
    return None


def _holds(wide: Level, level: Level) -> bool:
    return wide.holds(level) if isinstance(wide, Interval) and isinstance(level, Interval) else wide == level


def _cuts(group: Group, cell: Cell, at: Sequence[int]) -> bool:
    """Whether a cell lies partly in a group."""
    pairs = [(a, cell[k]) for a, k in zip(group, at, strict=True)]
    return all(
        a.low < b.high and b.low < a.high if isinstance(a, Interval) and isinstance(b, Interval) else a == b
        for a, b in pairs
    )


def _joint(table: Table, columns: Sequence[str], margin: Mapping[Group, float], place: Place) -> Table | None:
    groups = _parts(table, columns)
    sums = {group: sum(table.values[row] for row in rows) for group, rows in groups.items()}
    said = {group: rows for group, rows in groups.items() if sums[group] > 0}
    total = sum(margin[group] for group in said)
    values, margins, cells = list[float](), list[float](), list[Cell]()
    for group, rows in said.items():
        weight = margin[group] / total / sums[group]
        for row in rows:
            error = table.margins_of_error[row] if table.margins_of_error is not None else 0.5 * table.resolution
            cells.append(table.cells[row])
            values.append(table.values[row] * weight)
            margins.append(error * weight)
    universe = table.universe
    unsaid = [group for group, number in margin.items() if group not in said and number > 0]
    if unsaid or not _covered(table, columns, place):
        ranges = {name: place.schema.find(place.unit, name)[1] for name in columns}
        text = condition_of(list(said), list(columns), ranges)
        universe = _both(table, text, place)
        if universe is None:
            return None
    return replace(
        table,
        cells=tuple(cells),
        values=tuple(values),
        value="share",
        margins_of_error=tuple(margins),
        rounding=None,
        universe=universe,
    )


def _covered(table: Table, columns: Sequence[str], place: Place) -> bool:
    """Whether every level of a category among the columns is listed."""
    for name in columns:
        levels = getattr(place.schema.find(place.unit, name)[1], "levels", ())
        at = table.columns.index(name)
        if not set(levels) <= {cell[at] for cell in table.cells}:
            return False
    return True


def _both(table: Table, text: str, place: Place) -> Expression | None:
    text = f"({table.universe.text}) and ({text})" if table.universe is not None else text
    try:
        return parse(text)
    except ExpressionError:
        advice = "give the number of records of every group, in a table of its own"
        place.problem("so many groups are missing that the others cannot be told", advice, f"{len(text):,} characters")
        return None


def _each_group(table: Table, columns: Sequence[str], place: Place) -> Iterator[Table]:
    ranges = {name: place.schema.find(place.unit, name)[1] for name in columns}
    kept = [k for k, name in enumerate(table.columns) if name not in columns]
    for group, rows in _parts(table, columns).items():
        universe = _both(table, condition_of([group], list(columns), ranges), place)
        if universe is None or sum(table.values[row] for row in rows) <= 0:
            continue
        margins = table.margins_of_error
        total = sum(table.values[row] for row in rows)
        words = ", ".join(f"{name} {level}" for name, level in zip(columns, group, strict=True))
        yield replace(
            table,
            name=f"{table.name}, {words}",
            columns=tuple(table.columns[k] for k in kept),
            cells=tuple(tuple(table.cells[row][k] for k in kept) for row in rows),
            values=tuple(table.values[row] / total for row in rows),
            margins_of_error=tuple(margins[row] / total for row in rows) if margins is not None else None,
            rounding=(table.rounding or table.resolution) / total,
            value="share",
            universe=universe,
        )
