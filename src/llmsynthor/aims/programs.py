"""Targets and rules as rows of a linear program of the masses of joint cells."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from scipy.sparse import csr_array, vstack

from llmsynthor.aims.joint import Booleans, Floats, Integers, Joint, Space
from llmsynthor.aims.linear import Part, Program, Ratio
from llmsynthor.aims.links import Rows, Sums, between, count_over, define, scaled, sizes
from llmsynthor.aims.statements import Averaged, Forbidden, Numbered, Tabled
from llmsynthor.aims.terrain import Key, Truth

FEW_PLACES = 4
"""Classes in which a rule is broken, up to which they are marked one by one."""

MOST_SHARES = 100
"""Cells of a table that are tried, beside its margins, to say a number."""


def program(joint: Joint, *, together: bool = False) -> Program:
    """Write everything down as rows; rules, which may be thousands, as one part where they are taken together."""
    layer = joint.layer
    scales = [s for s in layer.statements if isinstance(s, Tabled)]
    columns, sums = joint.columns + len(scales), list[Sums]()
    numbers = [
        (s.unit, s.value) for s in layer.statements if isinstance(s, Averaged) and s.target.statistic != "quantile"
    ]
    for unit, value in dict.fromkeys(number for number in numbers if numbers.count(number) > 1):
        space = joint.space(unit)
        if space is not None:
            sums.append(Sums(unit=unit, value=value, first=columns))
            columns += space.size
    always = Rows()
    for space in joint.spaces[1:]:
        sizes(joint, space, always)
    for truth in layer.definitions:
        define(joint, truth, always)
    for over in layer.over:
        count_over(joint, over, always)
    for own in sums:
        between(joint, own, always)
    rules = [s for s in layer.statements if isinstance(s, Forbidden)] if together else []
    parts = [_rules(joint, rules, columns)] if rules else []
    for statement in layer.statements:
        part = None
        if together and isinstance(statement, Forbidden):
            continue
        if isinstance(statement, Tabled):
            scale = joint.columns + next(k for k, other in enumerate(scales) if other is statement)
            part = _table(joint, statement, scale, columns)
        elif isinstance(statement, Averaged):
            found = next((s for s in sums if (s.unit, s.value) == (statement.unit, statement.value)), None)
            part = _average(joint, statement, found, columns)
        elif isinstance(statement, Forbidden):
            part = _rule(joint, statement, columns)
        else:
            part = _number(joint, statement, columns)
        parts += [part] if part is not None else []
    top = joint.spaces[0]
    total = _vector(top.first + np.arange(top.size), 1.0, columns)
    return Program(always=always.matrix(columns), total=total, parts=tuple(parts))


def _vector(places: Integers, values: Floats | float, columns: int) -> csr_array:
    data = np.broadcast_to(np.asarray(values, dtype=np.float64), np.shape(places))
    return csr_array((data, (np.zeros(len(places), dtype=np.int64), places)), shape=(1, columns))


def _inside(joint: Joint, statement: Tabled | Averaged, space: Space) -> tuple[Integers, Booleans, Booleans]:
    """The cell of each mass, -1 outside; whether it may be, and whether it surely is in the universe."""
    shape = [len(column) for column in statement.levels]
    cell, listed = np.zeros(space.size, dtype=np.int64), np.ones(space.size, dtype=bool)
    for key, member, size in zip(statement.keys, statement.members, shape, strict=True):
        own = joint.looked_up(member, (key,), space).astype(np.int64)
        cell, listed = cell * size + np.maximum(own, 0), listed & (own >= 0)
    may = sure = listed
    if statement.universe is not None:
        may = listed & joint.told(statement.universe.may, statement.universe, space)
        sure = listed & ~joint.told(statement.universe.may_not, statement.universe, space)
    return cell, may, sure


def _said(columns: Sequence[str], levels: Sequence[Sequence[object]], number: int) -> str:
    place = np.unravel_index(number, [len(column) for column in levels]) if levels else ()
    return ", ".join(f"{name} {column[int(k)]}" for name, column, k in zip(columns, levels, place, strict=True))


def _table(joint: Joint, statement: Tabled, scale: int, columns: int) -> Part | None:
    """Masses of the cells are the stated shares of one total, within what rounding hides."""
    space = joint.space(statement.unit)
    if space is None:
        return None
    cell, may, sure = _inside(joint, statement, space)
    own, size = space.first + np.arange(space.size), statement.stated.size
    matrices = []
    for low, high in ((statement.low, statement.high), (statement.stated, statement.stated)):
        rows, every, at = Rows(), np.arange(size), np.full(size, scale)
        rows.add(every, at, low.ravel())
        rows.add(cell[may], own[may], -1.0)
        rows.end(size)
        rows.add(every, at, -high.ravel())
        rows.add(cell[sure], own[sure], 1.0)
        rows.end(size)
        matrices.append(rows.matrix(columns))
    ratios = tuple(_shares(statement, space, cell, may, columns)) if (may == sure).all() else ()
    return Part(name=statement.name, is_rule=False, matrix=matrices[0], ratios=ratios, exact=matrices[1])


def _shares(statement: Tabled, space: Space, cell: Integers, inside: Booleans, columns: int) -> Iterator[Ratio]:
    """The shares of a table's cells, where they are few, and of its one-way margins."""
    own, shape = space.first + np.arange(space.size), statement.stated.shape
    base = _vector(own[inside], 1.0, columns)
    names = [key[1] if key[0] == statement.unit else ".".join(key) for key in statement.keys]
    at = np.unravel_index(cell, shape)
    margins = [(k,) for k in range(len(shape))] if len(shape) > 1 else []
    for kept in [*margins, *([tuple(range(len(shape)))] if statement.stated.size <= MOST_SHARES else [])]:
        stated = statement.stated.sum(axis=tuple(k for k in range(len(shape)) if k not in kept)).ravel()
        some = [shape[k] for k in kept]
        place = np.ravel_multi_index([at[k] for k in kept], some)
        for number, share in enumerate(stated):
            mass = _vector(own[inside & (place == number)], 1.0, columns)
            yield Ratio(
                words=_said([names[k] for k in kept], [statement.levels[k] for k in kept], number),
                stated=float(share) * statement.scale,
                least=mass,
                most=mass,
                base=base,
                scale=statement.scale,
                percent=statement.percent,
            )


def _average(joint: Joint, statement: Averaged, sums: Sums | None, columns: int) -> Part | None:
    space = joint.space(statement.unit)
    if space is None or (statement.target.statistic == "total" and statement.population is None):
        return None
    if statement.target.statistic == "quantile":
        return _quantile(joint, statement, space, columns)
    group, may, sure = _inside(joint, statement, space)
    own, rows, exact = space.first + np.arange(space.size), Rows(), Rows()
    low, high, shift, scale = scaled(joint, statement.value, space)
    if not (may == sure).all():
        return None
    ratios = list[Ratio]()
    for k, stated in enumerate(statement.stated.ravel()):
        if not np.isfinite(stated):
            continue
        here = np.flatnonzero(may & (group == k))
        bounds = statement.low.ravel()[k], statement.high.ravel()[k]
        if statement.target.statistic == "total":
            everywhere = np.arange(space.size)
            base, unit = everywhere, float(statement.population or 1.0)
        else:
            base, unit = here, 1.0
        least = _sum_vector(own[here], low[here], shift, scale, sums, here, columns)
        most = _sum_vector(own[here], high[here], shift, scale, sums, here, columns)
        mass = _vector(own[base], 1.0, columns)
        for sign, bound, vector in ((1.0, bounds[0], most), (-1.0, bounds[1], least)):
            for written, value in ((rows, bound), (exact, float(stated))):
                row = ((mass * (value / unit) - vector) * (sign / scale)).tocoo()
                written.add(np.zeros(row.nnz, dtype=np.int64), row.coords[1], row.data)
                written.end(1)
        words = f"{statement.target.statistic} of {statement.value[1]}"
        where = _said([key[1] for key in statement.keys], statement.levels, k)
        name = f"{words}, {where}" if where else words
        ratios.append(Ratio(words=name, stated=float(stated), least=least, most=most, base=mass, scale=unit))
    if statement.target.statistic == "total" and len(ratios) > 1:
        ratios.append(_of_all(ratios, f"total of {statement.value[1]} over all that are listed"))
    return Part(
        name=statement.name,
        is_rule=False,
        matrix=rows.matrix(columns),
        ratios=tuple(ratios),
        exact=exact.matrix(columns),
    )


def _of_all(ratios: Sequence[Ratio], words: str) -> Ratio:
    """The sum of the totals of all groups: where none of them is out of reach by itself, all together may be."""
    return replace(
        ratios[0],
        words=words,
        stated=sum(ratio.stated for ratio in ratios),
        least=sum((ratio.least for ratio in ratios[1:]), ratios[0].least),
        most=sum((ratio.most for ratio in ratios[1:]), ratios[0].most),
    )


def _sum_vector(
    own: Integers, ends: Floats, shift: float, scale: float, sums: Sums | None, here: Integers, columns: int
) -> csr_array:
    """The least or greatest sum of the numbers of some masses, or the column that stands for it."""
    if sums is None:
        return _vector(own, shift + scale * ends, columns)
    places = np.concatenate([own, sums.first + here])
    return _vector(places, np.concatenate([np.full(len(own), shift), np.full(len(own), scale)]), columns)


def _quantile(joint: Joint, statement: Averaged, space: Space, columns: int) -> Part | None:
    """At most a share of each group's records lies below the value, and at least as many below or on it."""
    group, may, sure = _inside(joint, statement, space)
    if not (may == sure).all():
        return None
    own, share, rows = space.first + np.arange(space.size), statement.target.probability or 0.0, Rows()
    low, high = (end[space.codes[statement.value]] for end in joint.ends[statement.value])
    for k, value in enumerate(statement.stated.ravel()):
        if np.isfinite(value):
            here = np.flatnonzero(may & (group == k))
            zero = np.zeros(len(here), dtype=np.int64)
            rows.add(zero, own[here], (high[here] < value - 1e-9).astype(np.float64) - share)
            rows.end(1)
            rows.add(zero, own[here], share - (low[here] <= value + 1e-9).astype(np.float64))
            rows.end(1)
    return Part(name=statement.name, is_rule=False, matrix=rows.matrix(columns))


def _rule(joint: Joint, statement: Forbidden, columns: int) -> Part | None:
    space = joint.space(statement.unit)
    if space is None:
        return None
    surely = np.flatnonzero(~joint.told(statement.where.may_not, statement.where, space))
    ends = np.array([0, len(surely)])
    row = csr_array((np.ones(len(surely)), space.first + surely, ends), shape=(1, columns))
    return Part(name=statement.name, is_rule=True, matrix=row)


def _rules(joint: Joint, statements: Sequence[Forbidden], columns: int) -> Part:
    """No mass at all where any of the rules is surely broken: rules of the same axes are laid on each other first."""
    surely, groups = np.zeros(columns, dtype=np.bool_), dict[tuple[str, tuple[Key, ...]], list[Truth]]()
    for statement in statements:
        groups.setdefault((statement.unit, statement.where.keys), []).append(statement.where)
    for (unit, keys), truths in groups.items():
        space = joint.space(unit)
        if space is None:
            continue
        broken = np.zeros([len(joint.pick[key]) for key in keys], dtype=np.bool_)
        for truth in truths:
            _lay_on(broken, truth, [joint.pick[key] for key in keys])
        surely[space.first : space.first + space.size] |= broken[tuple(space.codes[key] for key in keys)]
    return Part(name="", is_rule=True, matrix=_vector(np.flatnonzero(surely), 1.0, columns))


def _lay_on(broken: Booleans, truth: Truth, picks: Sequence[Integers]) -> None:
    """Mark where a rule is surely broken, in an array over the classes of its axes."""
    sure = ~truth.may_not
    own = [given[pick] for given, pick in zip(truth.classes, picks, strict=True)] if truth.classes else list(picks)
    places = np.argwhere(sure)
    if len(places) > FEW_PLACES:
        broken |= sure[np.ix_(*own)]
        return
    for place in places:
        broken[np.ix_(*(np.flatnonzero(classes == k) for classes, k in zip(own, place, strict=True)))] = True


def _number(joint: Joint, statement: Numbered, columns: int) -> Part | None:
    """As many records of a unit for each of the top as the totals of counts say."""
    space, top = joint.space(statement.unit), joint.spaces[0]
    if space is None or top.unit != joint.layer.terrain.schema.top.name or space is top:
        return None
    mass = _vector(space.first + np.arange(space.size), 1.0, columns)
    base = _vector(top.first + np.arange(top.size), 1.0, columns)
    ratio = Ratio(
        words=f"records of {statement.unit}",
        stated=statement.stated * statement.scale,
        least=mass,
        most=mass,
        base=base,
        scale=statement.scale,
    )
    matrix = vstack([base * statement.low - mass, mass - base * statement.high]).tocsr()
    exact = vstack([base * statement.stated - mass, mass - base * statement.stated]).tocsr()
    return Part(name=statement.name, is_rule=False, matrix=matrix, ratios=(ratio,), exact=exact, aside=True)
