"""A published table in Python: one long frame, whatever its format."""

from os import PathLike
from pathlib import Path
from typing import Any

import polars as pl

from llmsynthor.errors import DataError, Problem
from llmsynthor.sources.recognise import read_long
from llmsynthor.sources.table import FLAG, MARGIN, VALUE, Reading, SourceError


def read_table(path: str | PathLike[str], **said: Any) -> pl.DataFrame:
    """Read a table as published, of any known format, as a long frame: what the file says, nothing left out or added up.

    A column of codes a dimension, `<dimension>_label` behind it where the file has labels, `value`, `flag` (what stands in place
    of a value or beside it) and `margin` (90 %) where there are any. `said` are `sheet`, `cells`, `head`, `skip_rows`,
    `separator`, `decimal`, `encoding`, `layout`, `matrix`, `labels`, `language`, `format`, as in `read:` of a target. Raises
    DataError with the reason.

    >>> from pathlib import Path; from tempfile import mkdtemp
    >>> file = Path(mkdtemp()) / "t.csv"
    >>> _ = file.write_text("Persons by sex;;\\nzone;m;f\\na;1,5;2\\n")
    >>> read_table(file).rows()
    [('a', 'm', 1.5, None), ('a', 'f', 2.0, None)]
    """
    where = Path(path)
    try:
        table = read_long(where, Reading(**said))
    except TypeError as cause:
        known = ", ".join(Reading.__dataclass_fields__)
        raise DataError(Problem(where=str(where), what=str(cause), advice=f"use {known}")) from cause
    except SourceError as cause:
        problem = Problem(where=str(where), what=cause.what, advice=cause.advice, found=cause.found or None)
        raise DataError(problem) from cause
    except (OSError, ValueError) as cause:
        raise DataError(
            Problem(where=str(where), what=f"it cannot be read ({cause})", advice="correct the path")
        ) from cause
    columns: list[pl.Expr | pl.Series] = []
    for dimension in table.dimensions:
        columns.append(pl.col(dimension.name))
        if any(label != code for code, label in dimension.labels.items()):
            labels = {code: dimension.label_of(code) for code in dimension.codes}
            codes = table.frame[dimension.name]
            columns.append(codes.replace_strict(labels, default=None).alias(f"{dimension.name}_label"))
    kept = [VALUE, FLAG, *([MARGIN] if table.has_margins else [])]
    return table.frame.select(*columns, *kept)
