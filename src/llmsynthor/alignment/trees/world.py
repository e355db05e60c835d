"""The two arrays that the kernels of nested records work on: program, pool, ledger and workspaces behind each other."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from llmsynthor.alignment.trees import fields as key
from llmsynthor.alignment.trees.kernels import World
from llmsynthor.alignment.trees.pool import Pool
from llmsynthor.alignment.trees.program import Compiled

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

STACK = 128
"""Values that an expression may hold at once; it is nested less deeply than this."""

LOGGED = 400
"""Rows that the log of a walk has room for, beside four times those of the record."""

MANY = 4
"""A log is long enough for so many changes of every row."""


class Ledger(NamedTuple):
    """What a further record in each cell is worth, and how far the counts are off.

    `cells` (cells, 8): log-weight; 1 where the cell is forbidden; records too many (d); what an error costs, by |d| and by d²;
    the number of the sum that the cell adds to, 0 for none, and the least and the largest value that it adds. `sums`
    (groups, 7): the least and the largest that a sum can be, less what is wanted; what a sum out of reach costs, for each unit
    that is beyond the slack; the slack; what the last unit is besides; the records in the group, and how far out of reach it is
    without any.
    """

    cells: Floats
    sums: Floats


def make_world(
    compiled: Compiled, rows: int, *, pool: Pool | None = None, sums: int = 0, spaces: int = 1
) -> tuple[World, tuple[int, ...]]:
    """Lay out a program with room for so many sums, and workspaces for top records of so many rows; returns where those begin."""
    program, n_cells = compiled.program, len(compiled.fixed)
    whole, real = _room(rows, program.n_units, program.n_columns, program.n_tables)
    header = np.zeros(key.HEADER, dtype=np.int64)
    header[: key.PARENT] = program.n_units, program.n_tables, program.n_computed, program.n_columns, program.n_open
    header[key.ROOM_ROWS : key.ROOM_FIRST] = (
        rows,
        rows * program.n_tables,
        whole["old_place"] - 3 * (rows + 1) * (program.n_columns + program.n_tables),
    )
    ints, reals = [header], list[Floats]()
    at = {"ints": key.HEADER, "reals": 0}
    named = {f"pool_{name}": values for name, values in (pool or {}).items()}
    ledger = {"ledger_cells": np.zeros(key.WIDTH * n_cells), "ledger_sums": np.zeros(key.SUM_WIDTH * sums)}
    for name, values in {**program.arrays, **named, **ledger}.items():
        kind = "reals" if values.dtype == np.float64 else "ints"
        header[getattr(key, name.upper())] = at[kind]
        at[kind] += values.size
        (reals if kind == "reals" else ints).append(values.ravel())  # type: ignore[arg-type]
    _place(header, whole, key.WORKSPACE)
    _place(header, real, 0)
    width, depth = key.WORKSPACE + sum(whole.values()), sum(real.values())
    begun = tuple(at["ints"] + k * width for k in range(spaces))
    for k in range(spaces):
        own = np.zeros(width, dtype=np.int64)
        own[key.REALS] = at["reals"] + k * depth
        ints.append(own)
        reals.append(np.zeros(depth))
    return World(ints=np.concatenate(ints), reals=np.concatenate(reals)), begun


def _room(rows: int, n_units: int, n_columns: int, n_tables: int) -> tuple[dict[str, int], dict[str, int]]:
    logged = (MANY * (rows + 1) + LOGGED) * (n_columns + n_tables)
    whole = {
        "first": n_units + 1,
        "unit": rows,
        "ancestor": rows * n_units,
        "low": rows * n_units,
        "high": rows * n_units,
        "code": rows * n_columns,
        "cell": rows * n_tables,
        "origin": 2 * rows,
        "dirty": n_units * n_columns,
        "log": 3 * logged,
        "old_place": logged,
    }
    real = {"value": rows * n_columns, "stack": STACK, "frame": 4 * STACK, "old_value": logged}
    return whole, real


def _place(header: Integers, sizes: Mapping[str, int], at: int) -> None:
    for name, size in sizes.items():
        header[getattr(key, f"ROOM_{name.upper()}")] = at
        at += size


def write_ledger(world: World, ledger: Ledger) -> None:
    """Put a ledger in its place."""
    for name, values in (("LEDGER_CELLS", ledger.cells), ("LEDGER_SUMS", ledger.sums)):
        at = int(world.ints[getattr(key, name)])
        world.reals[at : at + values.size] = values.ravel()


def errors_of(world: World, cells: int) -> Floats:
    """Records too many in each cell, shape (cells,)."""
    at = int(world.ints[key.LEDGER_CELLS])
    return world.reals[at : at + key.WIDTH * cells].reshape(cells, key.WIDTH)[:, key.ERROR]
