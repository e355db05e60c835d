"""What new rows and values are drawn from: rows of each unit as its own tables have them, and how often each value occurs."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.layout import Layout

EVENLY = 0.15
"""Share of the values drawn evenly from all that are allowed: none that the rows lack is out of reach."""

Codes = NDArray[np.int32]
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


Pool = Mapping[str, Integers | Floats]
"""Parts of a pool by name.

Rows of unit u begin at `first[u]` of `rows`, `size[u]` in all, grouped by the numbers of children that they name. Groups of unit
u are numbered from `group_first[u]`; group g holds rows `group_ptr[g]` to `group_ptr[g + 1]` (not in) of its unit. `weight`
(cells,) are the log-weights under which the rows were drawn. Values of own variable a (numbered through) have cumulative shares
`below` and log-shares `log_share` from `code_first[a]` on.
"""


def make_pool(
    layout: Layout, drawn: Sequence[Codes], weight: Floats, allowed: Mapping[tuple[int, int], NDArray[np.bool_]]
) -> Pool:
    """Lay out drawn rows of every unit, shape (rows, own variables); `allowed` codes of a variable are those that may be drawn."""
    rows, first, group_first, group_ptr = list[NDArray[np.int32]](), [0], [0], [np.zeros(0, dtype=np.int64)]
    code_first, below, logs = [0], list[Floats](), list[Floats]()
    for unit, codes in enumerate(drawn):
        sizes = [layout.columns[unit][axis].axis.size for axis in layout.counting(unit)]
        group = np.zeros(len(codes), dtype=np.int64)
        for axis, size in zip(layout.counting(unit), sizes, strict=True):
            group = group * size + codes[:, axis]
        order = np.argsort(group, kind="stable")
        number = int(np.prod(sizes, dtype=np.int64))
        group_ptr.append(np.searchsorted(group[order], np.arange(number + 1)))
        group_first.append(group_first[-1] + number + 1)
        rows.append(codes[order].astype(np.int32).ravel())
        first.append(first[-1] + codes.size)
        for axis in range(layout.n_own(unit)):
            size = layout.columns[unit][axis].axis.size
            shares = _shares(codes[:, axis], allowed.get((unit, axis), np.ones(size, dtype=bool)))
            code_first.append(code_first[-1] + size)
            below.append(np.cumsum(shares))
            logs.append(np.log(np.maximum(shares, 1e-12)))
    return {
        "rows": np.concatenate(rows).astype(np.int64),
        "first": np.array(first[:-1], dtype=np.int64),
        "size": np.array([len(codes) for codes in drawn], dtype=np.int64),
        "group_first": np.array(group_first[:-1], dtype=np.int64),
        "group_ptr": np.concatenate(group_ptr).astype(np.int64),
        "code_first": np.array(code_first, dtype=np.int64),
        "weight": weight,
        "below": np.concatenate([*below, [0.0]]),
        "log_share": np.concatenate([*logs, [0.0]]),
    }


def _shares(codes: Codes, allowed: NDArray[np.bool_]) -> Floats:
    evenly = allowed / max(allowed.sum(), 1)
    seen = np.bincount(codes, minlength=len(allowed)) * allowed
    return np.asarray(EVENLY * evenly + (1 - EVENLY) * seen / seen.sum() if seen.sum() else evenly)
