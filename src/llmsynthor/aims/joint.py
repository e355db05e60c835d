"""Statements on the joint cells of a few axes of one or more units, as a linear program of masses.

A record of the top unit lies in a cell of its own axes; of a child unit, in a pair: the cell of its parent and its own. The masses
of pairs over one cell of parents are as many as the count variable says; a function over children bounds those that it is about.
Every population of records has such masses, so that what no masses meet no records can (the converse need not hold).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, vstack

from llmsynthor.aims.linear import Part, Program, Ratio
from llmsynthor.aims.statements import Averaged, Forbidden, Numbered, Statement, Tabled
from llmsynthor.aims.terrain import CHOICES, Key, Over, Terrain, Truth

LARGEST_SPACE = 20_000
"""Joint cells of one unit, with those of its parent, in a program that is tried."""

MOST_SHARES = 100
"""Cells of a table that are tried, beside its margins, to say a number."""

Booleans = NDArray[np.bool_]
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """The masses of one unit: `codes[key]` (masses,) is a class of each axis, `above` (masses,) the parent's cell, `first` its column."""

    unit: str
    codes: Mapping[Key, Integers]
    cell: Integers
    above: Integers
    cells: int
    first: int

    @property
    def size(self) -> int:
        return len(self.cell)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """Everything that a program is made of: chosen axes, the classes of their codes, the statements about them."""

    terrain: Terrain
    axes: frozenset[Key]
    statements: tuple[Statement, ...]
    over: tuple[Over, ...]
    definitions: tuple[Truth, ...]


def lay(terrain: Terrain, statements: Sequence[Statement], axes: frozenset[Key]) -> Layer:
    """Collect what speaks of the chosen axes alone, or has a margin that does."""
    kept: list[Statement] = []
    units = units_of(terrain, axes)
    for statement in statements:
        if isinstance(statement, Tabled):
            margin = statement.over(axes)
            kept += [margin] if margin is not None else []
        elif isinstance(statement, Numbered):
            kept += [statement] if statement.unit in units else []
        elif statement.axes <= axes:
            kept.append(statement)
    return Layer(
        terrain=terrain,
        axes=axes,
        statements=tuple(kept),
        over=tuple(over for over in terrain.over if axes_of(over) <= axes),
        definitions=tuple(truth for truth in terrain.definitions if set(truth.keys) <= axes),
    )


def axes_of(over: Over) -> frozenset[Key]:
    """The axes that a function over children ties together."""
    inside = over.condition.keys if over.condition is not None else (over.value,)
    return frozenset((over.key, *(key for key in inside if key is not None)))


def units_of(terrain: Terrain, axes: frozenset[Key]) -> tuple[str, ...]:
    """The units of the axes and those between them, the upper ones first; empty where they have no common line."""
    named = {unit for unit, _ in axes}
    lines = {unit: [unit, *(above.name for above in terrain.schema.ancestors(unit))] for unit in named}
    common = set.intersection(*(set(line) for line in lines.values())) if lines else set()
    tops = [unit.name for unit in terrain.schema.units if unit.name in common]
    between = {unit for line in lines.values() for unit in line[: line.index(tops[-1]) + 1]} if tops else set()
    return tuple(unit.name for unit in terrain.schema.units if unit.name in between)


def closed(terrain: Terrain, axes: frozenset[Key]) -> frozenset[Key]:
    """Add the numbers of children wherever a unit stands beside its parent."""
    units = units_of(terrain, axes)
    counts = {(str(terrain.schema[u].parent), str(terrain.schema[u].count)) for u in units[1:]}
    return axes | {key for key in counts if key in terrain.axes}


def classes(layer: Layer) -> dict[Key, Integers]:
    """Number the codes of every axis such that codes which nothing tells apart share a number."""
    told: dict[Key, list[NDArray[np.generic]]] = {key: [] for key in layer.axes}
    for statement in layer.statements:
        for truth in _truths(statement):
            _tell(told, truth)
        if isinstance(statement, Tabled | Averaged):
            for key, member in zip(statement.keys, statement.members, strict=True):
                told[key].append(member[:, None])
        if isinstance(statement, Averaged) and statement.target.statistic == "quantile":
            told[statement.value].append(_sides(layer.terrain, statement)[:, None])
    for truth in layer.definitions:
        _tell(told, Truth(keys=truth.keys, may=truth.may, may_not=truth.may))
    for over in layer.over:
        if over.condition is not None:
            _tell(told, over.condition)
        for key in (over.key, *([over.value] if over.value is not None else [])):
            told[key].append(np.arange(layer.terrain.axes[key].size)[:, None])
    return {key: _numbered(told[key], layer.terrain.axes[key].size) for key in layer.axes}


def _truths(statement: Statement) -> Iterator[Truth]:
    if isinstance(statement, Forbidden):
        yield statement.where
    elif not isinstance(statement, Numbered) and statement.universe is not None:
        yield statement.universe


def _tell(told: dict[Key, list[NDArray[np.generic]]], truth: Truth) -> None:
    for k, key in enumerate(truth.keys):
        for array in (truth.may, truth.may_not):
            told[key].append(np.moveaxis(array, k, 0).reshape(array.shape[k], -1))


def _numbered(told: Sequence[NDArray[np.generic]], size: int) -> Integers:
    if not told:
        return np.zeros(size, dtype=np.int64)
    distinct = [np.unique(array, axis=0, return_inverse=True)[1].ravel() for array in told]
    return np.asarray(np.unique(np.stack(distinct, axis=1), axis=0, return_inverse=True)[1]).ravel()


def _sides(terrain: Terrain, statement: Averaged) -> Integers:
    """Which side of each stated quantile a code may lie on, as one number per code."""
    low, high = terrain.axes[statement.value].ends
    values = np.unique(statement.target.values)
    return np.asarray(np.searchsorted(values, low) * (2 * len(values) + 2) + np.searchsorted(values, high, side="right"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Joint:
    """The spaces of a layer's units; `ends[key]` are least and greatest value of each class, `pick[key]` one code of each class."""

    layer: Layer
    spaces: tuple[Space, ...]
    ends: Mapping[Key, tuple[Floats, Floats]]
    pick: Mapping[Key, Integers]
    columns: int

    def space(self, unit: str) -> Space | None:
        return next((space for space in self.spaces if space.unit == unit), None)

    def looked_up(self, array: NDArray[np.generic], keys: Sequence[Key], space: Space) -> NDArray[np.generic]:
        """The entry of an array over codes for every mass of a space."""
        found: NDArray[np.generic] = array[tuple(self.pick[key][space.codes[key]] for key in keys)]
        return found


def join(layer: Layer) -> Joint | None:
    """Lay out the masses; None where there are too many."""
    number = classes(layer)
    pick = {key: np.unique(own, return_index=True)[1] for key, own in number.items()}
    units = units_of(layer.terrain, layer.axes)
    spaces: list[Space] = []
    first, cells_above = 0, dict[str, tuple[dict[Key, Integers], int]]()
    for position, unit in enumerate(units):
        own = sorted(key for key in layer.axes if key[0] == unit)
        shape = [len(pick[key]) for key in own]
        count = int(np.prod(shape, dtype=float))
        above_codes, above = cells_above[str(layer.terrain.schema[unit].parent)] if position else ({}, 1)
        if float(count) * above > LARGEST_SPACE:
            return None
        place = np.indices(shape).reshape(len(shape), -1) if shape else np.zeros((0, 1), dtype=np.int64)
        codes = {key: place[k] for k, key in enumerate(own)}
        cells_above[unit] = (codes, count)
        parent, cell = np.repeat(np.arange(above), count), np.tile(np.arange(count), above)
        every = {key: values[cell] for key, values in codes.items()} | {k: v[parent] for k, v in above_codes.items()}
        spaces.append(Space(unit=unit, codes=every, cell=cell, above=parent, cells=count, first=first))
        first += len(cell)
    ends = {key: _ends(layer.terrain, key, own) for key, own in number.items()}
    return Joint(layer=layer, spaces=tuple(spaces), ends=ends, pick=pick, columns=first)


def _ends(terrain: Terrain, key: Key, number: Integers) -> tuple[Floats, Floats]:
    low, high = terrain.axes[key].ends
    least, most = np.full(int(number.max()) + 1, np.inf), np.full(int(number.max()) + 1, -np.inf)
    np.minimum.at(least, number, low)
    np.maximum.at(most, number, high)
    return least, most


def fits(layer: Layer) -> bool:
    """Whether the joint cells are few enough."""
    return join(layer) is not None


class Rows:
    """Collects sparse rows of a program whose columns are the masses, then a scale for each table, then sums of numbers."""

    def __init__(self) -> None:
        self.data: list[Floats] = []
        self.rows: list[Integers] = []
        self.columns: list[Integers] = []
        self.count = 0

    def add(self, row: Integers, column: Integers, value: Floats | float) -> None:
        """Entries of rows, counted from the next that is free."""
        self.rows.append(np.asarray(row) + self.count)
        self.columns.append(np.asarray(column))
        self.data.append(np.broadcast_to(np.asarray(value, dtype=np.float64), np.shape(row)))

    def end(self, count: int) -> None:
        self.count += count

    def matrix(self, columns: int) -> csr_array:
        if not self.data:
            return csr_array((self.count, columns))
        data, rows, places = (np.concatenate(own) for own in (self.data, self.rows, self.columns))
        return csr_array((data, (rows, places)), shape=(self.count, columns))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """Where the sums of a number stand that several statements speak of: a column for each mass of the unit."""

    unit: str
    value: Key
    first: int


def program(joint: Joint) -> Program:
    """Write everything down as rows."""
    layer = joint.layer
    scales = [s for s in layer.statements if isinstance(s, Tabled)]
    columns, sums = joint.columns + len(scales), list[Sums]()
    numbers = [(s.unit, s.value) for s in layer.statements if isinstance(s, Averaged) and s.target.statistic != "quantile"]
    for unit, value in dict.fromkeys(number for number in numbers if numbers.count(number) > 1):
        space = joint.space(unit)
        if space is not None:
            sums.append(Sums(unit=unit, value=value, first=columns))
            columns += space.size
    always = Rows()
    for space in joint.spaces[1:]:
        _sizes(joint, space, always)
    for truth in layer.definitions:
        _define(joint, truth, always)
    for over in layer.over:
        _count_over(joint, over, always)
    for own in sums:
        _between(joint, own, always)
    parts = []
    for statement in layer.statements:
        part = None
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


def _parents(joint: Joint, space: Space) -> tuple[Space, Integers, Integers]:
    """The space above, and the columns and cells of its masses."""
    above = joint.space(str(joint.layer.terrain.schema[space.unit].parent))
    assert above is not None
    return above, above.first + np.arange(above.size), above.cell


def _sizes(joint: Joint, space: Space, rows: Rows) -> None:
    """As many children over a cell of parents as their count says."""
    above, columns, cells = _parents(joint, space)
    key = (above.unit, str(joint.layer.terrain.schema[space.unit].count))
    if key not in joint.ends:
        return
    low, high = (end[above.codes[key]] for end in joint.ends[key])
    own = space.first + np.arange(space.size)
    for sign, ends in ((1.0, high), (-1.0, low)):
        rows.add(space.above, own, sign)
        rows.add(cells, columns, -sign * ends)
        rows.end(above.cells)


def _define(joint: Joint, truth: Truth, rows: Rows) -> None:
    """No mass where a derived variable cannot be what it is said to be."""
    space = joint.space(truth.keys[0][0])
    if space is None:
        return
    never = np.flatnonzero(~joint.looked_up(truth.may, truth.keys, space).astype(bool))
    if len(never):
        rows.add(np.zeros(len(never), dtype=np.int64), space.first + never, 1.0)
        rows.end(1)


def _count_over(joint: Joint, over: Over, rows: Rows) -> None:
    """Bound the children of each cell of parents by the value of a function over them."""
    space = joint.space(over.child)
    if space is None:
        return
    above, columns, cells = _parents(joint, space)
    own, code = space.first + np.arange(space.size), joint.pick[over.key][above.codes[over.key]]
    ground = joint.layer.terrain.axes[over.key]
    if over.condition is not None:
        sure = ~joint.looked_up(over.condition.may_not, over.condition.keys, space).astype(bool)
        may = joint.looked_up(over.condition.may, over.condition.keys, space).astype(bool)
    if over.function in ("any", "all"):
        yes = code == CHOICES.index("yes")
        if over.function == "all":
            sure, may, yes = ~may, ~sure, ~yes
        in_yes = np.zeros(above.cells, dtype=bool)
        in_yes[cells] = yes
        rows.add(space.above[may], own[may], -1.0)
        rows.add(cells[yes], columns[yes], 1.0)
        rows.end(above.cells)
        never = sure & ~in_yes[space.above]
        rows.add(np.zeros(int(never.sum()), dtype=np.int64), own[never], 1.0)
        rows.end(1)
        return
    if over.value is None:
        low, high = ground.ends
        low = np.where(np.isinf(low), max(over.above, -1e9), low)[code]
        high = np.where(np.isinf(high), 1e9, high)[code]
        _bounded(rows, (space.above[may], own[may], 1.0), (cells, columns, low), above.cells)
        _bounded(rows, (space.above[sure], own[sure], -1.0), (cells, columns, -high), above.cells)
        return
    if isinstance(ground.levels[0], str):
        if over.function in ("first", "last"):
            _one_each(joint, over, space, rows, level=True)
        return
    _numbers_over(joint, over, space, rows)


def _bounded(
    rows: Rows, children: tuple[Integers, Integers, Floats | float], parents: tuple[Integers, Integers, Floats], count: int
) -> None:
    """The children's sum is at least the parents' sum, cell by cell; an infinite bound says nothing."""
    place, column, value = children
    cells, columns, bound = parents
    known = np.abs(bound) < 1e8
    told = np.zeros(count, dtype=bool)
    told[cells[known]] = True
    inside = told[place]
    rows.add(place[inside], column[inside], -np.broadcast_to(np.asarray(value, dtype=np.float64), place.shape)[inside])
    rows.add(cells[known], columns[known], bound[known])
    rows.end(count)


def _numbers_over(joint: Joint, over: Over, space: Space, rows: Rows) -> None:
    """A sum, mean, least, greatest or first number of the children."""
    assert over.value is not None
    above, columns, cells = _parents(joint, space)
    own = space.first + np.arange(space.size)
    low, high = (end[space.codes[over.value]] for end in joint.ends[over.value])
    a, b = (end[above.codes[over.key]] for end in joint.ends[over.key])
    a = np.where(np.isneginf(a), over.above, a)
    if not (np.isfinite(low).all() and np.isfinite(high).all()):
        return
    if over.function == "sum":
        scale = max(float(np.abs(np.concatenate([low, high])).max()), 1e-9)
        a, b = (np.nan_to_num(end, posinf=1e12, neginf=-1e12) / scale for end in (a, b))
        a, b = (np.where(np.abs(end) > 1e8, np.sign(end) * 1e9, end) for end in (a, b))
        _bounded(rows, (space.above, own, high / scale), (cells, columns, a), above.cells)
        _bounded(rows, (space.above, own, -low / scale), (cells, columns, -b), above.cells)
        return
    least, most = np.full(above.cells, -np.inf), np.full(above.cells, np.inf)
    least[cells], most[cells] = a, b
    some_low, some_high = least[space.above], most[space.above]
    if over.function == "mean":
        scale = max(float(np.abs(np.concatenate([low, high])).max()), 1e-9)
        for sign, ends, bound in ((-1.0, high, some_low), (1.0, low, some_high)):
            known = np.isfinite(bound)
            rows.add(space.above[known], own[known], sign * (ends[known] - bound[known]) / scale)
            rows.end(above.cells)
        return
    inside = (high >= some_low) & (low <= some_high)
    never = high < some_low if over.function == "min" else low > some_high if over.function == "max" else np.zeros(space.size, dtype=bool)
    told = np.isfinite(a)
    rows.add(np.zeros(int(never.sum()), dtype=np.int64), own[never], 1.0)
    rows.end(1)
    rows.add(space.above[inside], own[inside], -1.0)
    rows.add(cells[told], columns[told], 1.0)
    rows.end(above.cells)


def _one_each(joint: Joint, over: Over, space: Space, rows: Rows, *, level: bool) -> None:
    """Every parent whose first child is of a level has a child of it."""
    assert level and over.value is not None
    above, columns, cells = _parents(joint, space)
    own, wanted = space.first + np.arange(space.size), np.full(above.cells, -1)
    names = joint.layer.terrain.axes[over.value].levels
    index = {name: k for k, name in enumerate(names)}
    codes = np.array([*(index.get(name, -1) for name in joint.layer.terrain.axes[over.key].levels), -1])
    wanted[cells] = codes[joint.pick[over.key][above.codes[over.key]]]
    inside = joint.pick[over.value][space.codes[over.value]] == wanted[space.above]
    known = wanted[cells] >= 0
    rows.add(space.above[inside], own[inside], -1.0)
    rows.add(cells[known], columns[known], 1.0)
    rows.end(above.cells)


def _between(joint: Joint, own: Sums, rows: Rows) -> None:
    """The sum of a cell's numbers lies between its ends, scaled by the range."""
    space = joint.space(own.unit)
    assert space is not None
    low, high, shift, scale = _scaled(joint, own.value, space)
    places = np.arange(space.size)
    for sign, ends in ((-1.0, low), (1.0, high)):
        rows.add(places, own.first + places, sign)
        rows.add(places, space.first + places, -sign * ends)
        rows.end(space.size)
    del shift, scale


def _scaled(joint: Joint, value: Key, space: Space) -> tuple[Floats, Floats, float, float]:
    """Ends of the number in each mass, from 0 to 1 over its range; the shift and the scale."""
    low, high = joint.ends[value]
    finite_low, finite_high = low[np.isfinite(low)].min(), high[np.isfinite(high)].max()
    scale = max(float(finite_high - finite_low), 1e-9)
    low, high = (np.clip((end - finite_low) / scale, -1e6, 1e6)[space.codes[value]] for end in (low, high))
    return low, high, float(finite_low), scale


def _inside(joint: Joint, statement: Tabled | Averaged, space: Space) -> tuple[Integers, Booleans, Booleans]:
    """The cell of each mass, -1 outside; whether it may be, and whether it surely is in the universe."""
    shape = [len(column) for column in statement.levels]
    cell, listed = np.zeros(space.size, dtype=np.int64), np.ones(space.size, dtype=bool)
    for key, member, size in zip(statement.keys, statement.members, shape, strict=True):
        own = joint.looked_up(member, (key,), space).astype(np.int64)
        cell, listed = cell * size + np.maximum(own, 0), listed & (own >= 0)
    may = sure = listed
    if statement.universe is not None:
        may = listed & joint.looked_up(statement.universe.may, statement.universe.keys, space).astype(bool)
        sure = listed & ~joint.looked_up(statement.universe.may_not, statement.universe.keys, space).astype(bool)
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


def _shares(
    statement: Tabled, space: Space, cell: Integers, inside: Booleans, columns: int
) -> Iterator[Ratio]:
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
    low, high, shift, scale = _scaled(joint, statement.value, space)
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
    return Part(
        name=statement.name,
        is_rule=False,
        matrix=rows.matrix(columns),
        ratios=tuple(ratios),
        exact=exact.matrix(columns),
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
    surely = np.flatnonzero(~joint.looked_up(statement.where.may_not, statement.where.keys, space).astype(bool))
    return Part(name=statement.name, is_rule=True, matrix=_vector(space.first + surely, 1.0, columns))


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
