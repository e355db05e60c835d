"""What a change touches: which computed columns and tables depend on a column, and on which rows of the top record.

Scopes: 1 the one row on the changed row's path to the top, 2 that row and the next of the same parent, 3 all rows of the unit.
"""

from collections.abc import Iterable, Mapping

from llmsynthor.aims.layout import Layout, Place
from llmsynthor.alignment.trees.bytecode import is_place
from llmsynthor.spec.expressions import Aggregate, Node, Reference, operands

ON_PATH, AND_NEXT, ALL = 1, 2, 3


def changed_columns(layout: Layout, unit: int, axes: Iterable[int], *, whole: bool = False) -> dict[Place, int]:
    """Computed columns that a change of own columns of one record touches, with the scope of each, in order.

    With `whole` a record changes places with another of the unit, with all below it: what it brings along is not touched.
    """
    found: dict[Place, int] = {}
    changed: dict[Place, int] = {} if whole else {(unit, axis): ON_PATH for axis in axes}
    for place in layout.order:
        scope = _touched(layout, place, unit, changed, whole=whole)
        if scope:
            found[place] = changed[place] = scope
    return found


def _touched(layout: Layout, place: Place, unit: int, changed: Mapping[Place, int], *, whole: bool) -> int:
    expression = layout.columns[place[0]][place[1]].expression
    assert expression is not None
    scope = 0
    for used, through in _uses(layout, expression.tree, place[0]):
        if used in changed:
            scope = max(scope, _scope(layout, place[0], used[0], changed[used], through, unit))
        if whole:
            scope = max(scope, _moved_scope(layout, place[0], used[0], through, unit))
    return scope


def _scope(layout: Layout, owner: int, used: int, scope: int, through: str, unit: int) -> int:
    if through == "previous":
        return AND_NEXT if scope == ON_PATH and used == owner else ALL
    if used == owner and through == "":
        return scope
    if owner in layout.lineage(unit) and layout.descends(used, owner):
        return ON_PATH if scope < ALL or owner == 0 else ALL
    return ALL


def _moved_scope(layout: Layout, owner: int, used: int, through: str, unit: int) -> int:
    """Scope by reason of the move alone: a record has other parents now, parents have other children, neighbours changed."""
    below = owner == unit or layout.descends(owner, unit)
    if below and layout.descends(unit, used):
        return ALL
    if through in ("previous", "position") and owner == unit:
        return ALL
    inside = used == unit or layout.descends(used, unit)
    return ALL if inside and layout.descends(unit, owner) else 0


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


def crossing_tables(layout: Layout, tables: list[tuple[int, tuple[Place, ...]]], unit: int) -> set[int]:
    """Tables that can tell when two records of a unit change places with all below them."""
    changed = changed_columns(layout, unit, (), whole=True)
    found = set(touched_tables(tables, changed))
    for number, (owner, columns) in enumerate(tables):
        below = owner == unit or layout.descends(owner, unit)
        if below and any(layout.descends(unit, place[0]) for place in columns):
            found.add(number)
    return found


def needed_columns(layout: Layout, places: Iterable[Place]) -> set[int]:
    """Computed columns that have to be known for `places` to be, as numbers in the layout's order."""
    wanted = set(places)
    found = set()
    for number in range(len(layout.order) - 1, -1, -1):
        owner, position = layout.order[number]
        expression = layout.columns[owner][position].expression
        if (owner, position) in wanted and expression is not None:
            found.add(number)
            wanted |= {used for used, _ in _uses(layout, expression.tree, owner)}
    return found
