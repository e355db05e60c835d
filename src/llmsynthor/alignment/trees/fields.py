"""Where everything stands in the two arrays that the kernels of nested records work on (`world.World`).

The first entries of `ints` say where each part begins: of the program (see `program`), of the pool (`pool`), of the ledger, and,
counted from where a workspace begins, of the parts of each workspace. (Two arrays, not forty: kernels hand them to each other all
the time.)
"""

(
    N_UNITS,
    N_TABLES,
    N_COMPUTED,
    N_COLUMNS,
    N_OPEN,
) = range(5)
(
    PARENT,
    N_OWN,
    OPS,
    CODE_START,
    COMPUTED_UNIT,
    COLUMN,
    KIND,
    SIZE,
    MAP_START,
    MAP_SIZE,
    SOURCE_PTR,
    SOURCE,
    UNIT,
    UNIT_PTR,
    UNIT_TABLE,
    OWN_PTR,
    OWN_TABLE,
    TABLE_PTR,
    TABLE_UNIT,
    TABLE_COLUMN,
    TABLE_PLACE,
    TABLE_OFFSET,
    OFFSETS,
    CELL_PTR,
    CELLS,
    AXIS_NUMBER,
    SINGLE,
    WHOLE,
    TOUCH_PTR,
    TOUCH,
    TOUCH_SCOPE,
    FAR_PTR,
    FAR,
    FAR_SCOPE,
    FREE_PTR,
    FREE_AXIS,
    COUNT_COLUMN,
    COUNT_SIZE,
    COUNT_START,
    COUNT_VALUE,
    IS_OPEN,
    OPEN_UNIT,
    HAS_CHILDREN,
    COUNTING_PTR,
    COUNTING,
    COUNTING_SIZE,
    TIE_PTR,
    TIE_FIRST,
    TIE_SECOND,
    TIE_START,
    TIE_BACK,
    TIE_MAP,
    BALANCE_PTR,
    BALANCE_AXIS,
    BALANCE_BASE,
    BALANCE_SIZE,
) = range(5, 61)
(
    CONSTANTS,
    EDGES,
) = range(61, 63)
(
    POOL_ROWS,
    POOL_FIRST,
    POOL_SIZE,
    POOL_GROUP_FIRST,
    POOL_GROUP_PTR,
    POOL_CODE_FIRST,
    POOL_WEIGHT,
    POOL_BELOW,
    POOL_LOG_SHARE,
) = range(63, 72)
(
    LEDGER_CELLS,
    LEDGER_SUMS,
) = range(72, 74)
(
    ROOM_ROWS,
    ROOM_CELLS,
    ROOM_FULL,
    ROOM_FIRST,
    ROOM_UNIT,
    ROOM_ANCESTOR,
    ROOM_LOW,
    ROOM_HIGH,
    ROOM_CODE,
    ROOM_CELL,
    ROOM_ORIGIN,
    ROOM_DIRTY,
    ROOM_LOG,
    ROOM_OLD_PLACE,
    ROOM_VALUE,
    ROOM_STACK,
    ROOM_FRAME,
    ROOM_OLD_VALUE,
) = range(74, 92)

HEADER = 92

REALS, LIMIT, LOGGED = 0, 1, 2
"""First entries of a workspace: where its part of `reals` begins, how many codes its record may come to have, and the lengths of
the logs of whole numbers and of others."""

WORKSPACE = 4

WEIGHT, BAD, ERROR, LINEAR, SQUARE, GROUP, LOW, HIGH = range(8)
WIDTH = 8
"""Columns of the ledger's cells (see `world.Ledger`): a cell is a line of the processor's cache."""

LOWEST, HIGHEST, PULL, SLACK, STEP, MEMBERS, EMPTY = range(7)
SUM_WIDTH = 7
"""Columns of the ledger's sums."""
