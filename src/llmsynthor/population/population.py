"""Coded records of one unit, and where each came from."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NO_PROPOSAL = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """`codes` (records, variables) on the grid; `proposal` (records,): the proposal a record was drawn from, or NO_PROPOSAL."""

    codes: NDArray[np.int32]
    proposal: NDArray[np.int64]

    def __post_init__(self) -> None:
        if len(self.codes) != len(self.proposal):
            raise ValueError(f"{len(self.codes)} records, but {len(self.proposal)} origins")

    def __len__(self) -> int:
        return len(self.codes)

    @classmethod
    def empty(cls, variables: int) -> "Population":
        return cls(codes=np.zeros((0, variables), dtype=np.int32), proposal=np.zeros(0, dtype=np.int64))


def merge(population: Population, added: Population) -> Population:
    """Put the added records behind the others."""
    return Population(
        codes=np.concatenate([population.codes, added.codes]),
        proposal=np.concatenate([population.proposal, added.proposal]),
    )
