"""Statements on the joint cells of a few axes of one or more units, as a linear program of masses.

A record of the top unit lies in a cell of its own axes; of a child unit, in a pair: the cell of its parent and its own. The masses
of pairs over one cell of parents are as many as the count variable says; a function over children bounds those that it is about.
Every population of records has such masses, so that what no masses meet no records can (the converse need not hold).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.statements import Averaged, Forbidden, Numbered, Statement, Tabled
from llmsynthor.aims.terrain import Key, Over, Terrain, Truth

LARGEST_SPACE = 20_000
"""Joint cells of one unit, with those of its parent, in a program that is tried."""

Booleans = NDArray[np.bool_]
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """The masses of one unit: `codes[key]` (masses,) a class of each axis, `above` the parent's cell, `first` its column."""

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


class Statements(tuple[Statement, ...]):
    """All that is said, found by the axes that it is about, however much there is."""

    @cached_property
    def _places(self) -> tuple[dict[Key, list[int]], list[int]]:
        places, general = dict[Key, list[int]](), list[int]()
        for number, statement in enumerate(self):
            own = statement.axes
            for key in own:
                places.setdefault(key, []).append(number)
            general += [] if own else [number]
        return places, general

    def about(self, axes: frozenset[Key]) -> list[Statement]:
        """What names one of the axes, and what names none at all, in order."""
        places, general = self._places
        found = set(general).union(*(places.get(key, ()) for key in axes))
        return [self[number] for number in sorted(found)]


def lay(terrain: Terrain, statements: Statements, axes: frozenset[Key]) -> Layer:
    """Collect what speaks of the chosen axes alone, or has a margin that does."""
    kept: list[Statement] = []
    units = units_of(terrain, axes)
    for statement in statements.about(axes):
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
        _tell(told, replace(truth, may_not=truth.may))
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
        if truth.classes:
            told[key].append(truth.classes[k][:, None])
            continue
        for array in (truth.may, truth.may_not):
            told[key].append(np.moveaxis(array, k, 0).reshape(array.shape[k], -1))


def _numbered(told: Sequence[NDArray[np.generic]], size: int) -> Integers:
    if not told:
        return np.zeros(size, dtype=np.int64)
    own = {
        (array.ctypes.data, array.shape, array.strides, array.dtype.str): array for array in told
    }  # rules share classes
    distinct = [_distinct(array) for array in own.values()]
    return np.asarray(np.unique(np.stack(distinct, axis=1), axis=0, return_inverse=True)[1]).ravel()


def _distinct(array: NDArray[np.generic]) -> Integers:
    """Number the rows of an array such that equal ones share a number, in their order; truth values are packed for that."""
    if array.shape[1] == 1:
        return np.asarray(array.ravel(), dtype=np.int64)
    if array.dtype != np.bool_:
        return np.asarray(np.unique(array, axis=0, return_inverse=True)[1]).ravel()
    packed = np.ascontiguousarray(np.packbits(array.astype(np.bool_), axis=1))
    rows = packed.view(np.dtype((np.void, packed.shape[1]))).ravel()
    return np.asarray(np.unique(rows, return_inverse=True)[1]).ravel()


def _sides(terrain: Terrain, statement: Averaged) -> Integers:
    """Which side of each stated quantile a code may lie on, as one number per code."""
    low, high = terrain.axes[statement.value].ends
    values = np.unique(statement.target.values)
    return np.asarray(
        np.searchsorted(values, low) * (2 * len(values) + 2) + np.searchsorted(values, high, side="right")
    )


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

    def told(self, array: Booleans, truth: Truth, space: Space) -> Booleans:
        """What a condition says, as one of its two arrays, for every mass of a space."""
        if truth.classes:
            at = [own[self.pick[key]][space.codes[key]] for own, key in zip(truth.classes, truth.keys, strict=True)]
        else:
            at = [self.pick[key][space.codes[key]] for key in truth.keys]
        return np.asarray(array[tuple(at)], dtype=np.bool_)

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
