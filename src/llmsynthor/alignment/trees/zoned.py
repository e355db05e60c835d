"""Where in the frame cells lie: records of other zones need not be looked at for those that are in them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.frames import NONE, frame_functions
from llmsynthor.aims.layout import Layout
from llmsynthor.alignment.trees.moves import Piece
from llmsynthor.alignment.trees.program import Compiled

Booleans = NDArray[np.bool_]
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Zoned:
    """Pairs of a cell and a zone whose records can be in it, each shape (pairs,); `anywhere` (cells,) are cells that all can be in.

    `column` is the own column of top records that holds their zone, of `zones` codes.
    """

    column: int
    zones: int
    cell: Integers
    zone: Integers
    anywhere: Booleans

    def holding(self, marked: Booleans) -> Booleans | None:
        """The zones whose records can be in one of the marked cells (cells,): (zones,); None for all."""
        if (marked & self.anywhere).any():
            return None
        return np.bincount(self.zone[marked[self.cell]], minlength=self.zones) > 0


def zoned(layout: Layout, compiled: Compiled, frame: int) -> Zoned | None:
    """Lay out which cells the records of each zone can be in; None without a frame."""
    if frame == NONE:
        return None
    codes, zones = frame_functions(layout, frame), layout.columns[0][frame].axis.size
    anywhere = np.ones(len(compiled.fixed), dtype=np.bool_)
    cells, held = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
    for number, piece in enumerate(compiled.pieces):
        own = [k for k, place in enumerate(piece.places) if place in codes]
        if not own or piece.is_count:
            continue
        reached = _reached(piece, own, [codes[piece.places[k]] for k in own])
        pairs = np.unique(reached[reached[:, 0] >= 0], axis=0)
        cells.append(pairs[:, 0] + int(compiled.starts[number]))
        held.append(pairs[:, 1])
        anywhere[compiled.cells_of(number)] = False
    return Zoned(column=frame, zones=zones, cell=np.concatenate(cells), zone=np.concatenate(held), anywhere=anywhere)


def _reached(piece: Piece, own: Sequence[int], codes: Sequence[Integers]) -> Integers:
    """Every cell of a piece with every zone whose records can be in it, (pairs, 2); OUTSIDE where that is no cell."""
    offsets = piece.projection.offsets
    others = [np.unique(offset) for k, offset in enumerate(offsets) if k not in own]
    rest = reduce(lambda sums, more: np.add.outer(sums, more).ravel(), others, np.zeros(1, dtype=np.int64))
    first = sum((offsets[k][code] for k, code in zip(own, codes, strict=True)), np.zeros(len(codes[0]), dtype=np.int64))
    index = np.add.outer(first, np.unique(rest))
    zone = np.broadcast_to(np.arange(len(first))[:, None], index.shape)
    return np.stack([piece.projection.cells[index].ravel(), zone.ravel()], axis=1)
