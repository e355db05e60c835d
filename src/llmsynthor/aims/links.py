"""What ties units together, as rows of a program: numbers of children, derived variables, functions over children."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from llmsynthor.aims.joint import Floats, Integers, Joint, Space
from llmsynthor.aims.terrain import CHOICES, Key, Over, Truth

NOTHING = 1e9
"""A bound so far off says nothing."""


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


def _parents(joint: Joint, space: Space) -> tuple[Space, Integers, Integers]:
    """The space above, and the columns and cells of its masses."""
    above = joint.space(str(joint.layer.terrain.schema[space.unit].parent))
    assert above is not None
    return above, above.first + np.arange(above.size), above.cell


def sizes(joint: Joint, space: Space, rows: Rows) -> None:
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


def define(joint: Joint, truth: Truth, rows: Rows) -> None:
    """No mass where a derived variable cannot be what it is said to be."""
    space = joint.space(truth.keys[0][0])
    if space is None:
        return
    never = np.flatnonzero(~joint.looked_up(truth.may, truth.keys, space).astype(bool))
    if len(never):
        rows.add(np.zeros(len(never), dtype=np.int64), space.first + never, 1.0)
        rows.end(1)


def count_over(joint: Joint, over: Over, rows: Rows) -> None:
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
    rows: Rows,
    children: tuple[Integers, Integers, Floats | float],
    parents: tuple[Integers, Integers, Floats],
    count: int,
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
    never = np.zeros(space.size, dtype=bool)
    if over.function in ("min", "max"):
        never = high < some_low if over.function == "min" else low > some_high
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


def between(joint: Joint, own: Sums, rows: Rows) -> None:
    """The sum of a cell's numbers lies between its ends, scaled by the range."""
    space = joint.space(own.unit)
    assert space is not None
    low, high, shift, scale = scaled(joint, own.value, space)
    places = np.arange(space.size)
    for sign, ends in ((-1.0, low), (1.0, high)):
        rows.add(places, own.first + places, sign)
        rows.add(places, space.first + places, -sign * ends)
        rows.end(space.size)
    del shift, scale


def scaled(joint: Joint, value: Key, space: Space) -> tuple[Floats, Floats, float, float]:
    """Ends of the number in each mass, from 0 to 1 over its range; the shift and the scale.

    A mass in no cell of the axis may have any number: its ends are far outside the range.
    """
    low, high = joint.ends[value]
    every_low, every_high = joint.layer.terrain.axes[value].ends
    finite_low = every_low.min(initial=np.inf, where=np.isfinite(every_low))
    finite_high = every_high.max(initial=-np.inf, where=np.isfinite(every_high))
    if not np.isfinite(finite_low) or not np.isfinite(finite_high):
        finite_low, finite_high = 0.0, 0.0
    scale = max(float(finite_high - finite_low), 1e-9)
    low, high = (np.clip((end - finite_low) / scale, -1e6, 1e6)[space.codes[value]] for end in (low, high))
    return low, high, float(finite_low), scale
