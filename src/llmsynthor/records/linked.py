"""Records of nested units as frames: parents' columns, derived variables and functions over children, computed in polars."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from llmsynthor.errors import DataError, Problem
from llmsynthor.records.evaluate import count_true, evaluate_tree
from llmsynthor.records.levels import as_texts
from llmsynthor.spec.expressions import Aggregate, Expression, Node, Reference, operands, walk
from llmsynthor.spec.inputs import derived_in_order, inputs, is_position
from llmsynthor.spec.schema import Category, Coded, Schema

Rows = NDArray[np.int64]
TOGETHER = 256
"""Conditions that are counted in one go: each holds a bit of every record meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """How the n children of one unit hang on their p parents.

    `parents` (n,) is each child's row of its parent, `position` (n,) counts from 1 within the parent in the order of the rows,
    `previous` (n,) is the row of the child before, -1 for the first; `first` and `last` (p,) the rows of the first and the last
    child, -1 where there is none; `counts` (p,) the number of children.
    """

    parents: Rows
    position: Rows
    previous: Rows
    first: Rows
    last: Rows
    counts: Rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Nested:
    """Frames of all units, one row per record, and the links of each child unit to its parent."""

    schema: Schema
    frames: Mapping[str, pl.DataFrame]
    links: Mapping[str, Links]


def complete(frames: Mapping[str, pl.DataFrame], schema: Schema) -> dict[str, pl.DataFrame]:
    """Compute every derived variable of every unit, in the order of their dependence; rows keep their order.

    Frames have `<unit>_id` where there are children, children `<parent>_id`. A derived column that is there already is computed
    anew, unless what it is computed from is not there. Raises DataError.
    """
    return dict(nest(frames, schema).frames)


def nest(
    frames: Mapping[str, pl.DataFrame], schema: Schema, *, only: frozenset[tuple[str, str]] | None = None
) -> Nested:
    """Link the frames and compute their derived variables, or `only` those named; raises DataError."""
    links = {
        unit.name: link(frames[unit.parent], frames[unit.name], unit.parent, unit.name)
        for unit in schema.units
        if unit.parent is not None and unit.parent in frames and unit.name in frames
    }
    nested = Nested(schema=schema, frames=as_texts(frames), links=links)
    for unit, derived in derived_in_order(schema):
        if unit not in frames or (only is not None and (unit, derived.name) not in only):
            continue
        missing = sorted(c for c in inputs(derived.expression, unit) if not _there(nested, c))
        if missing and derived.name in nested.frames[unit].columns:
            continue
        if missing:
            names = ", ".join(f"{owner}.{name}" for owner, name in missing)
            advice = f"give the columns that it is computed from, or a column {derived.name}"
            what = f"the derived variable {derived.name} cannot be computed, columns are missing"
            raise DataError(Problem(where=f"records of {unit}", what=what, found=names, advice=advice))
        values = _typed(evaluate_nested(derived.expression, unit, nested), derived.variable)
        completed = {**nested.frames, unit: nested.frames[unit].with_columns(values.alias(derived.name))}
        nested = Nested(schema=schema, frames=completed, links=links)
    return nested


def link(parents: pl.DataFrame, children: pl.DataFrame, parent: str, child: str) -> Links:
    """Find each child's parent by `<parent>_id`; raises DataError for ids that are missing, repeated or strange."""
    key = f"{parent}_id"
    for unit, frame in ((parent, parents), (child, children)):
        if key not in frame.columns:
            advice = f"give each {unit} the id of its {parent}" if unit == child else "number the records"
            raise DataError(Problem(where=f"records of {unit}", what="a column is missing", found=key, advice=advice))
    rows = _parent_rows(parents[key], children[key])
    if rows is None:
        advice = "give each record an id of its own"
        raise DataError(Problem(where=f"records of {parent}", what="an id occurs twice", found=key, advice=advice))
    if (rows < 0).any():
        lost = str(children[key][int(np.flatnonzero(rows < 0)[0])])
        advice = f"remove these, or give their {parent}"
        what = f"{int((rows < 0).sum()):,} records have no {parent} of their {key}"
        raise DataError(Problem(where=f"records of {child}", what=what, found=lost, advice=advice))
    return _links(rows, parents.height)


def _parent_rows(own: pl.Series, wanted: pl.Series) -> Rows | None:
    """Row of each wanted id, -1 where there is none; None where an id occurs twice."""
    if own.dtype.is_integer() and wanted.dtype.is_integer() and not own.null_count() and not wanted.null_count():
        ids, asked = own.to_numpy().astype(np.int64), wanted.to_numpy().astype(np.int64)
        if len(ids) and (np.diff(ids) > 0).all():
            rows = np.minimum(np.searchsorted(ids, asked), len(ids) - 1)
            return np.where(ids[rows] == asked, rows, -1)
    if own.n_unique() < len(own):
        return None
    table = pl.DataFrame({"id": own.cast(pl.String), "row": np.arange(len(own))})
    joined = pl.DataFrame({"id": wanted.cast(pl.String)}).join(table, on="id", how="left", maintain_order="left")
    return joined["row"].fill_null(-1).to_numpy().astype(np.int64)


def _links(rows: Rows, parents: int) -> Links:
    counts = np.bincount(rows, minlength=parents)
    starts = np.cumsum(counts) - counts
    together = bool((np.diff(rows) >= 0).all())
    order = np.arange(len(rows)) if together else np.argsort(rows, kind="stable")
    ranked = np.empty(len(rows), dtype=np.int64)
    ranked[order] = np.arange(len(rows))
    position = ranked - starts[rows] + 1
    previous = np.where(position > 1, order[np.maximum(ranked - 1, 0)], -1) if len(rows) else ranked
    first = np.where(counts > 0, order[np.minimum(starts, max(len(rows) - 1, 0))], -1) if len(rows) else counts - 1
    ends = starts + counts - 1
    last = np.where(counts > 0, order[np.maximum(ends, 0)], -1) if len(rows) else counts - 1
    return Links(parents=rows, position=position, previous=previous, first=first, last=last, counts=counts)


def evaluate_nested(expression: Expression, unit: str, nested: Nested) -> pl.Series:
    """Evaluate on every record of `unit`; returns one value per record.

    A reference may name the unit's own variable, that of a unit above (`household.tenure`), or stand in a function over a child
    unit. Over no children `count` and `sum` give 0, `any` false, `all` true, `mean min max first last` a missing value; `previous`
    gives one for the first child. A comparison with a missing value is false, a sum or difference with one is missing.
    """
    return evaluate_at(expression.tree, unit, unit, nested)


def column(nested: Nested, unit: str, name: str) -> pl.Series:
    """Values of a column of a table of `unit`: an own variable, `position`, or that of a unit above (`household.tenure`)."""
    prefix, _, plain = name.rpartition(".")
    return _reference(Reference(prefix or None, plain), unit, unit, nested).alias(name)


def evaluate_at(node: Node, home: str, at: str, nested: Nested) -> pl.Series:
    """Evaluate on the records of unit `at`; names without a unit are those of `home`, which is `at` or its parent."""
    return evaluate_tree(node, _values([node], home, at, nested), nested.frames[at].height)


def count_nested(conditions: Sequence[Expression], unit: str, nested: Nested) -> list[int]:
    """Say for each condition of how many records of `unit` it is true; a missing one is false."""
    counted = list[int]()
    for first in range(0, len(conditions), TOGETHER):
        trees = [condition.tree for condition in conditions[first : first + TOGETHER]]
        counted += count_true(trees, _values(trees, unit, unit, nested), nested.frames[unit].height)
    return counted


def _values(trees: Sequence[Node], home: str, at: str, nested: Nested) -> dict[Node, pl.Series]:
    """The values, on the records of `at`, of all that trees refer to."""
    leaves: dict[Node, pl.Series] = {}
    for leaf in (leaf for tree in trees for leaf in _leaves(tree)):
        if leaf not in leaves:
            if isinstance(leaf, Reference):
                leaves[leaf] = _reference(leaf, home, at, nested)
            else:
                leaves[leaf] = _aggregate(leaf, home, at, nested)
    return leaves


def _leaves(node: Node) -> list[Reference | Aggregate]:
    if isinstance(node, Reference | Aggregate):
        return [node]
    return [leaf for operand in operands(node) for leaf in _leaves(operand)]


def _reference(reference: Reference, home: str, at: str, nested: Nested) -> pl.Series:
    owner = reference.unit or home
    if owner == at:
        if is_position(nested.schema[at], reference.name) and reference.name not in nested.frames[at].columns:
            return pl.Series(nested.links[at].position)
        return nested.frames[at][reference.name]
    parent = nested.schema[at].parent
    if parent is None:
        raise KeyError(str(reference))
    return _reference(Reference(owner, reference.name), owner, parent, nested).gather(nested.links[at].parents)


def _aggregate(node: Aggregate, home: str, at: str, nested: Nested) -> pl.Series:
    if node.function == "previous":
        return _gather(evaluate_at(node.operand, home, at, nested), nested.links[at].previous)
    below = {unit.name for unit in nested.schema.children(at)}
    child = next(r.unit for r in walk(node.operand) if r.unit in below)
    return _over(node.function, evaluate_at(node.operand, home, child, nested), nested.links[child])


def _gather(values: pl.Series, rows: Rows) -> pl.Series:
    """Take rows, a missing value where the row is -1; a missing condition is false."""
    taken = values.gather(pl.Series(rows).set(pl.Series(rows < 0), None))
    return taken.fill_null(value=False) if taken.dtype == pl.Boolean else taken


def _over(function: str, values: pl.Series, links: Links) -> pl.Series:
    """One value per parent over its children's; missing values are left out."""
    parents = len(links.counts)
    if function == "first":
        return _gather(values, links.first)
    if function == "last":
        return _gather(values, links.last)
    if function in ("count", "any", "all"):
        true = np.bincount(links.parents[values.to_numpy()], minlength=parents)
        return pl.Series({"count": true, "any": true > 0, "all": true == links.counts}[function])
    by = pl.DataFrame({"row": links.parents, "value": values}).group_by("row").agg(getattr(pl.col("value"), function)())
    rows = pl.DataFrame({"row": np.arange(parents)})
    found = rows.join(by, on="row", how="left", maintain_order="left")["value"]
    return found.fill_null(0) if function == "sum" else found


def _there(nested: Nested, entry: tuple[str, str]) -> bool:
    unit, name = entry
    frame = nested.frames.get(unit)
    return frame is not None and (name in frame.columns or is_position(nested.schema[unit], name))


def _typed(values: pl.Series, variable: Coded) -> pl.Series:
    """Whole numbers are rounded down."""
    if isinstance(variable, Category):
        return values.cast(pl.String)
    numbers = values.cast(pl.Float64)
    return numbers.floor().cast(pl.Int64, strict=False) if variable.integer else numbers
