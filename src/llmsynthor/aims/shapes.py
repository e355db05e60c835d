"""The shape of a tabled number inside the intervals of its table, where rules or other targets cut it finer.

Largest entropy counts in how many ways a record can go on: of the ages 15 to 19 it would make 16 to 19 out of proportion likely if
only they may work, each in several sectors, although no table says anything of single ages. How many have a value is a fact that
tables state of wider intervals, and smooth inside them as far as anyone knows; what others are like at that value is no reason to
change it. So records lean towards the smooth density of the finest table, softly: where tables say otherwise, it yields.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from llmsynthor.aims.density import WIDER_END
from llmsynthor.aims.goals import Goals, bring_table, finest_table
from llmsynthor.aims.grid import Axis
from llmsynthor.aims.uses import Uses
from llmsynthor.spec.levels import Interval
from llmsynthor.spec.targets import Table

TRUST = 0.9
"""How far records lean towards a shape: a cell that all else would make e times as full as it comes to rest a tenth off."""


def with_shapes(wide: Goals, own: Goals, uses: Uses, variables: int) -> tuple[Goals, Goals]:
    """Add the shapes of a unit's own numbers, the first `variables` axes of its grid, to what it must meet and to its first draw.

    Numbers of which means, quantiles or sums say more, or that count children, take their shape from these.
    """
    tables = tuple(_shapes(own, uses, variables))
    return _with(wide, tables), _with(own, tables)


def _with(goals: Goals, tables: tuple[Table, ...]) -> Goals:
    shapes = (replace(bring_table(table, goals.grid), is_shape=True) for table in tables)
    return replace(goals, tables=(*goals.tables, *shapes))


def _shapes(goals: Goals, uses: Uses, variables: int) -> Iterator[Table]:
    margins = None
    for number, axis in enumerate(goals.grid.axes[:variables]):
        use = uses[goals.grid.unit.name, axis.name]
        if use.counts or use.seconds or use.statistics or use.from_below or uses.is_computed(use):
            continue
        finest = finest_table([goal for goal in goals.given if goal.table.universe is None], axis.name)
        if finest is None or number == goals.frame or not isinstance(axis.levels[0], Interval):
            continue
        stated = finest.levels[finest.table.columns.index(axis.name)]
        cells = _cells(axis, [level for level in stated if isinstance(level, Interval)])
        if len(cells) <= len(stated):
            continue
        margins = goals.margins() if margins is None else margins
        yield Table(
            name=f"shape of {axis.name}",
            unit=goals.grid.unit.name,
            columns=(axis.name,),
            cells=tuple((level,) for level in cells),
            values=tuple(float(margins[number][axis.within(level)].sum()) for level in cells),
            value="share",
            trust=TRUST,
        )


def _cells(axis: Axis, stated: Sequence[Interval]) -> list[Interval]:
    """The cells of an axis; an open last interval of a table is one: what it holds nobody knows, others may tell."""
    own = [level for level in axis.levels if isinstance(level, Interval)]
    if len(stated) > 1 and stated[-1].high - stated[-1].low > WIDER_END * (stated[-2].high - stated[-2].low):
        return [*(level for level in own if level.high <= stated[-1].low), stated[-1]]
    return own
