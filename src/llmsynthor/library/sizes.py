"""Households of each size counted as often as the user has them: who lives with whom in many is not who does in few."""

import numpy as np
from numpy.typing import NDArray

from llmsynthor.library.kinship import BY_SIZE, Kinship, block_of

Floats = NDArray[np.float64]

LEAST = 1e-12


def of_kinds(kinship: Kinship, name: str, table: str, kinds: Floats, sizes: Floats) -> Floats:
    """Counts of the table "NAME table" in the user's kinds of household, its first axis.

    `kinds` bring the library's kinds to the user's, shape (library's, user's); `sizes` are how many households the user has of each
    kind and of each of the library's sizes. A library without sizes counts all households alike.
    """
    fine = kinship.tables[f"{name}{table}"]
    if not kinship.sizes:
        return np.asarray(np.einsum("k...,ka->a...", fine, kinds))
    by_size = kinship.tables[f"{name}{table} {BY_SIZE}"]
    heads = kinship.tables[f"{name} first {BY_SIZE}"].sum(axis=2)
    times = sizes / np.maximum(np.einsum("sk,ka->as", heads, kinds), LEAST)
    block = block_of(kinship.blocks[name], fine.shape[-1])
    axes = (-1,) if by_size.ndim == 3 else (-2, -1)
    seen = by_size.sum(axis=0)
    fine = _filled(fine, seen, block, axes)
    wanted = np.einsum("sk...,as->ka...", by_size, times)
    mean = wanted.sum(axis=axes, keepdims=True) / np.maximum(seen.sum(axis=axes, keepdims=True), LEAST)[:, None]
    ratio = np.where(seen[:, None] > 0, wanted / np.maximum(seen, LEAST)[:, None], mean)
    return np.asarray(np.einsum("ka,k...,ka...->a...", kinds, fine, _spread(ratio, block, axes), optimize=True))


def _filled(fine: Floats, seen: Floats, block: NDArray[np.int64], axes: tuple[int, ...]) -> Floats:
    """What single cells had too few records for is spread evenly over the empty ones of their block, which knows of them."""
    inside = np.eye(block.max() + 1)[block]
    missing = np.maximum(seen - _sums(fine, inside, axes), 0.0)
    empty = _sums((fine == 0).astype(np.float64), inside, axes)
    return np.where(fine == 0, _spread(missing / np.maximum(empty, 1.0), block, axes), fine)


def _sums(table: Floats, inside: Floats, axes: tuple[int, ...]) -> Floats:
    """Sums over the levels of each block; `inside` has shape (levels, blocks)."""
    found = table @ inside
    return np.asarray(found if len(axes) == 1 else np.swapaxes(np.swapaxes(found, -1, -2) @ inside, -1, -2))


def _spread(table: Floats, block: NDArray[np.int64], axes: tuple[int, ...]) -> Floats:
    """A table of blocks, with every level's own cell."""
    for axis in axes:
        table = np.take(table, block, axis=axis)
    return table
