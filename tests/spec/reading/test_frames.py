"""Tables of other libraries: what pandas and polars users have at hand is read as it is meant."""

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

import llmsynthor as ls
from llmsynthor.spec.levels import Interval, parse_interval

AGES = np.random.default_rng(5).integers(0, 100, 400)
PEOPLE = pd.DataFrame(
    {
        "age": pd.cut(AGES, [0, 16, 65, 100], right=False),
        "job": pd.Categorical(np.where(AGES % 3 > 0, "Works", "Rests"), categories=["Works", "Rests"]),
    }
)
RIGHT = pd.DataFrame({"age": pd.cut(AGES, [-1, 15, 64, 99]), "job": PEOPLE["job"]})
COUNTS = PEOPLE.groupby(["age", "job"], observed=False).size()


def read(table: Any, **more: Any) -> Any:
    spec = ls.Spec(
        units=[ls.unit("person", age=ls.integer(0, 100), job=ls.category("Works", "Rests"))],
        targets=[ls.table(table, unit="person", **more)],
    )
    return spec.targets[0]


def counted(target: Any) -> dict[Any, float]:
    return dict(zip(target.cells, target.values, strict=True))


@pytest.mark.parametrize(
    "table",
    [
        pd.crosstab(PEOPLE["age"], PEOPLE["job"]),
        pd.crosstab(RIGHT["age"], RIGHT["job"]),
        COUNTS,
        COUNTS.to_frame("count"),
        COUNTS.reset_index(name="count"),
        COUNTS.reset_index(name="count").astype({"age": str}),
        pl.DataFrame(COUNTS.reset_index(name="count").astype({"age": str})).with_columns(pl.col("age").cast(pl.Categorical)),
    ],
    ids=["crosstab", "crosstab of right-closed intervals", "series", "indexed", "long", "texts", "polars categorical"],
)  # fmt: skip
def test_the_same_table_in_any_coat(table: Any) -> None:
    """Crosstabs, Series, indexed and long frames, intervals closed on either side and categoricals say the same table."""
    wanted = {}
    for (age, job), number in COUNTS.items():
        wanted[Interval(age.left, age.right), job] = float(number)
    target = read(table)
    assert target.columns == ("age", "job")
    assert counted(target) == wanted
    assert target.value == "count"


def test_shares_are_told_from_counts() -> None:
    """Numbers without a name are shares where they add up to one."""
    assert read(PEOPLE["job"].value_counts(normalize=True)).value == "share"
    assert read(PEOPLE["job"].value_counts()).value == "count"


def test_columns_name_what_has_no_name() -> None:
    """An index without a name is a problem that says so, unless `columns` names it."""
    nameless = PEOPLE["job"].value_counts().rename_axis(None)
    with pytest.raises(ls.SpecError, match="index without a name"):
        read(nameless)
    assert read(nameless, columns=["job"]).columns == ("job",)


def test_missing_cells_are_named() -> None:
    """A missing number in a frame of pandas is a problem with its row, not a text "nan"."""
    with pytest.raises(ls.SpecError, match=r"row 2.*missing or no number"):
        read(pd.DataFrame({"job": ["Works", "Rests"], "count": [1.0, np.nan]}))
    with pytest.raises(ls.SpecError, match=r"row 1.*job is missing"):
        read(pd.DataFrame({"job": [None, "Rests"], "count": [1.0, 2.0]}))


@pytest.mark.parametrize(
    ("text", "low", "high"), [("(15, 24]", 16, 25), ("(-1, 16]", 0, 17), ("(-0.001, 3.0]", 0, 4), ("(-inf, 9]", 0, 10)]
)
def test_open_on_the_left(text: str, low: float, high: float) -> None:
    """Whole numbers in intervals that are open on the left, as pandas cuts them, are read half-open."""
    assert parse_interval(text, bounds=Interval(0, 100), integer=True) == Interval(low, high)


def test_open_on_the_left_is_refused_for_real_numbers() -> None:
    """Of real numbers the repair is said: no end is moved by guess."""
    with pytest.raises(ValueError, match="right=False"):
        parse_interval("(15, 24]", bounds=Interval(0, 100), integer=False)
