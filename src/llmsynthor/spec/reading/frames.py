"""Tables as other libraries have them: frames of any kind, pandas Series and crosstabs, as one long frame of texts."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any

import polars as pl


def long_frame(table: Any, *, columns: Sequence[str] | None = None, value: str | None = None) -> pl.DataFrame | None:
    """Give a table in the long format, every column as text; None for what is no table.

    The indices of a pandas Series, and those of a frame whose columns have a name too (a crosstab), name the variables, unless
    `columns` does; their values stand under `value`, "share" where they add up to one, "count" otherwise. Raises ValueError
    with a sentence where a variable has no name.

    >>> long_frame(pl.DataFrame({"age": [3], "count": [5]})).rows()
    [('3', '5')]
    """
    if isinstance(table, pl.DataFrame | pl.LazyFrame):
        return table.lazy().collect().cast(pl.String)
    if hasattr(table, "items") and hasattr(table, "index") and not hasattr(table, "columns"):
        names = _names(columns or table.index.names)
        return _of_cells(((_key(key), number) for key, number in table.items()), names, value)
    if hasattr(table, "itertuples"):
        return _of_pandas(table, columns, value)
    if hasattr(table, "__arrow_c_stream__"):
        return pl.DataFrame(table).cast(pl.String)
    if isinstance(table, Mapping):
        return pl.DataFrame({name: [as_text(entry) for entry in column] for name, column in table.items()})
    return None


def _of_pandas(table: Any, columns: Sequence[str] | None, value: str | None) -> pl.DataFrame:
    if any(name is not None for name in table.columns.names):
        names = _names(columns or [*table.index.names, *table.columns.names])
        rows, across = list(table.index), list(table.columns)
        numbers = (number for row in table.itertuples(index=False, name=None) for number in row)
        keys = ((*_key(row), *_key(column)) for row, column in product(rows, across))
        return _of_cells(zip(keys, numbers, strict=True), names, value)
    plain = table.reset_index() if any(name is not None for name in table.index.names) else table
    texts = {str(name): [as_text(entry) for entry in plain[name]] for name in plain.columns}
    return pl.DataFrame({name: pl.Series(column, dtype=pl.String) for name, column in texts.items()})


def _of_cells(cells: Iterable[tuple[tuple[Any, ...], Any]], names: Sequence[str], value: str | None) -> pl.DataFrame:
    listed = list(cells)
    texts = [[as_text(entry) for entry in column] for column in zip(*(key for key, _ in listed), strict=True)]
    numbers = [number for _, number in listed]
    if listed and len(texts) != len(names):
        raise ValueError(f"the table has {len(texts)} variables, and {len(names)} names: {', '.join(names)}")
    columns = {name: pl.Series(column, dtype=pl.String) for name, column in zip(names, texts, strict=False)}
    return pl.DataFrame(columns | {value or value_word(numbers): pl.Series(map(as_text, numbers), dtype=pl.String)})


def value_word(values: Iterable[Any]) -> str:
    """What numbers without a name are: shares where they add up to one, else counts.

    >>> value_word([0.25, 0.75]), value_word([1, 3])
    ('share', 'count')
    """
    try:
        numbers = [float(number) for number in values]
    except (TypeError, ValueError):
        return "count"
    return "share" if abs(sum(numbers) - 1) < 1e-6 and len(numbers) > 1 else "count"


def _key(key: Any) -> tuple[Any, ...]:
    return key if isinstance(key, tuple) else (key,)


def _names(names: Sequence[Any]) -> list[str]:
    if any(name is None for name in names):
        raise ValueError("an index without a name does not say which variable it is: name it, or give columns=[…]")
    return [str(name) for name in names]


def as_text(value: Any) -> str | None:
    """A value as a cell of a table: what is missing in any library is None.

    >>> as_text(float("nan")), as_text(16), as_text("Male")
    (None, '16', 'Male')
    """
    if isinstance(value, str):
        return value
    if value is None or type(value).__name__ in ("NAType", "NaTType") or bool(value != value):  # noqa: PLR0124  (NaN)
        return None
    return str(value)
