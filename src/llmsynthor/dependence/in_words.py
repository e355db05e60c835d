"""An estimated dependence in words."""

from collections.abc import Sequence

import numpy as np

from llmsynthor.dependence.coarse import Coarse
from llmsynthor.dependence.copula import Dependence


def in_words(dependence: Dependence, variables: Sequence[Coarse], *, most: int = 2) -> str:
    """Say the cells of an estimate that move most records, as often as by chance or how many times so; "" without a table."""
    if dependence.table is None:
        return ""
    one, other = (next(v for v in variables if v.name == name) for name in dependence.pair)
    chance = np.outer(one.shares, other.shares)
    order = np.argsort(-np.abs(dependence.table - chance), axis=None, kind="stable")[:most]
    said = []
    for cell in order:
        x, y = np.unravel_index(int(cell), chance.shape)
        times = dependence.table[x, y] / max(chance[x, y], 1e-12)
        said.append(
            f"{one.name} {one.words[int(x)]} goes with {other.name} {other.words[int(y)]} {times:.2g} times as often as by chance"
        )
    return "; ".join(said)
