"""What a change touches: which computed columns and tables depend on a column, and on which rows of the top record.

Scopes: 1 the one row on the changed row's path to the top, 2 that row and the next of the same parent, 3 all rows of the unit.
"""

from collections.abc import Iterable, Mapping

from llmsynthor.aims.layout import Layout, Place
from llmsynthor.alignment.trees.bytecode import is_place
from llmsynthor.spec.expressions import Aggregate, Node, Reference, operands

ON_PATH, AND_NEXT, ALL = 1, 2, 3


def changed_columns(layout: Layout, unit: int, axes: Iterable[int]) -> dict[Place, int]:
    """Computed columns that a change of own columns of one record touches, with the scope of each, in order."""
    found: dict[Place, int] = {}
    changed: dict[Place, int] = {(unit, axis): ON_PATH for axis in axes}
    for place in layout.order:
        scopes = [
            _scope(layout, place[0], used[0], changed[used], through, unit)
            for used, through in used_columns(layout, place)
            if used in changed
        ]
        if scopes:
            found[place] = changed[place] = max(scopes)
    return found


def used_columns(layout: Layout, place: Place) -> list[tuple[Place, str]]:
    """Columns that a computed column reads, and whether through children, the record before, or by position."""
    expression = layout.columns[place[0]][place[1]].expression
    assert expression is not None
    return _uses(layout, expression.tree, place[0])


def _scope(layout: Layout, owner: int, used: int, scope: int, through: str, unit: int) -> int:
    if through == "previous":
        return AND_NEXT if scope == ON_PATH and used == owner else ALL
    if used == owner and through == "":
        return scope
    if owner in layout.lineage(unit) and layout.descends(used, owner):
        return ON_PATH if scope < ALL or owner == 0 else ALL
    return ALL


def _uses(layout: Layout, node: Node, unit: int, through: str = "") -> list[tuple[Place, str]]:
    """Columns that an expression of a unit reads, and whether through children or the record before."""
    if isinstance(node, Reference):
        if is_place(layout, unit, node):
            owner = unit if node.unit is None else layout.number(node.unit)
            return [((owner, -1), "position" if through == "" else through)]
        place = layout.place(unit, node)
        assert place is not None
        return [(place, through)]
    if isinstance(node, Aggregate):
        inner = "previous" if node.function == "previous" or through == "previous" else "children"
        return _uses(layout, node.operand, unit, inner)
    return [found for operand in operands(node) for found in _uses(layout, operand, unit, through)]


def touched_tables(tables: list[tuple[int, tuple[Place, ...]]], changed: Mapping[Place, int]) -> dict[int, int]:
    """Tables, by number, that read changed columns, with scopes; `tables` are units and columns."""
    found: dict[int, int] = {}
    for number, (owner, columns) in enumerate(tables):
        scopes = [changed[place] if place[0] == owner else ALL for place in columns if place in changed]
        if scopes:
            found[number] = max(scopes)
    return found
