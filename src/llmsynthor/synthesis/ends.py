"""What a library knows of the records beyond the last cut of a number: how an open end such as "100,000 and more" goes on.

Tables say how many records it holds; sums and means hang on how far they reach.
"""

from collections.abc import Iterator

import numpy as np

from llmsynthor.aims.density import OPEN_END
from llmsynthor.aims.goals import Goal, Goals
from llmsynthor.dependence.copula import KNOWN
from llmsynthor.library.consulting import Consulted
from llmsynthor.library.matching import Match
from llmsynthor.library.trust import Sought
from llmsynthor.spec.levels import Interval
from llmsynthor.spec.schema import Numeric
from llmsynthor.spec.targets import Table

LEAST, NEXT_TO_NONE = 1e-4, 1e-6
"""Share of the records that a piece of an open end must hold, and what the last bin of the library has where nobody was seen in it:
joined to the one below it would be held for likelier than it is."""


def known_ends(goals: Goals, consulted: Consulted | None) -> tuple[Table, ...]:
    """A soft table of one column for each of the unit's own numbers that ends openly and is known to the library."""
    if consulted is None:
        return ()
    unit, found = goals.grid.unit, []
    own = {variable.name for variable in unit.coded if isinstance(variable, Numeric)}
    for match in consulted.matching.trusted.values():
        if match.wanted.name in own and match.entry is not None and match.entry.is_number:
            cut = _cut(goals, match)
            pieces = list(_pieces(consulted, match, cut[-1])) if cut else []
            if len(pieces) > 1:
                found.append(_table(unit.name, match, pieces, consulted.source))
    return tuple(found)


def _cut(goals: Goals, match: Match) -> list[Interval]:
    """The intervals in which a number is matched, where the last one is open and no given table cuts it."""
    levels = sorted((own for own in match.wanted.levels if isinstance(own, Interval)), key=lambda own: own.low)
    if len(levels) < max(3, len(match.wanted.levels)):
        return []
    last, name = levels[-1], match.wanted.name
    told = [level for goal in goals.given if name in goal.table.columns for level in _levels(goal, name)]
    is_open = last.low > 0 and last.high - last.low > OPEN_END * (last.low - levels[0].low)
    return levels if is_open and all(level.low <= last.low for level in told) else []


def _levels(goal: Goal, name: str) -> list[Interval]:
    return [level for level in goal.levels[goal.table.columns.index(name)] if isinstance(level, Interval)]


def _pieces(consulted: Consulted, match: Match, last: Interval) -> Iterator[tuple[Interval, float]]:
    """The bins of the library within an open end, with their shares of all records; below the last one small ones
    are joined from the top down."""
    assert match.entry is not None
    matching = consulted.matching
    sought = Sought(part=matching.part, weights=matching.weights, of_levels=matching.of_levels)
    masses = sought.masses(match.entry).sum(axis=0)[: match.entry.bins]
    lows = np.array(match.entry.ends[:-1]) / match.scale
    inside = [(float(low), float(mass)) for low, mass in zip(lows, masses, strict=True) if last.low <= low < last.high]
    whole = sum(mass for _, mass in inside)
    if whole <= 0 or inside[0][0] != last.low:
        return
    share, end, held = match.wanted.shares[match.wanted.levels.index(last)], last.high, 0.0
    for low, mass in reversed(inside):
        held += float(share) * mass / whole
        if held >= LEAST or low == last.low or end == last.high:
            yield Interval(low, end), max(held, NEXT_TO_NONE)
            end, held = low, 0.0


def _table(unit: str, match: Match, pieces: list[tuple[Interval, float]], source: str) -> Table:
    last = max((own for own in match.wanted.levels if isinstance(own, Interval)), key=lambda own: own.low)
    below = [(own, float(share)) for own, share in zip(match.wanted.levels, match.wanted.shares, strict=True)]
    cells = [*(cell for cell in below if cell[0] != last), *reversed(pieces)]
    return Table(
        name=f"{unit}: {match.wanted.name} beyond {last.low:g} (library)",
        unit=unit,
        columns=(match.wanted.name,),
        cells=tuple((level,) for level, _ in cells),
        values=tuple(share for _, share in cells),
        value="share",
        source=source,
        trust=KNOWN,
    )
