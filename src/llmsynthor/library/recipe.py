"""A recipe says what a library keeps of micro-data: variables in full words, fine bins, strata."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import yaml
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from llmsynthor.errors import DataError, Problem
from llmsynthor.files import OddFileError, read_text
from llmsynthor.library.store import VERSION

MOST_LEVELS, MOST_ENDS = 40, 40
"""A column of more different texts is no category; numbers are cut into so many fine bins where nobody says how."""

MISSING = ""
"""Key of the level of records without a value."""


class Counting(BaseModel):
    """A number of members: those with one of the `levels` of a variable, or `below` a number."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    variable: str
    levels: tuple[str, ...] = ()
    below: float | None = None


class Kept(BaseModel):
    """A variable of a library: `levels` say each value of the data in full words ("": records without one).

    `ends` cut a number finely, and `numbers` say which number a text stands for. `column` is its column, where that has another
    name; `first` takes the first member's, `count` a number of members. `ordered` levels lead from less to more.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    label: str
    unit: str = ""
    column: str = ""
    first: str = ""
    count: Counting | None = None
    levels: dict[str, str] = Field(default_factory=dict)
    ordered: bool = False
    ends: tuple[float, ...] = ()
    numbers: dict[str, float] = Field(default_factory=dict)


class Kin(BaseModel):
    """Who lives with whom: the variables of members `of` which it is kept, and the parent's variable that tells kinds apart."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kinds: str
    of: tuple[str, ...]


class Records(BaseModel):
    """One kind of record: its file, its columns, and what is kept. `with_parent` adds the parent's variables to each record."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: str
    weight: str = ""
    key: str = ""
    parent: str = ""
    order: str = ""
    with_parent: bool = False
    strata: dict[str, tuple[float, ...]] = Field(default_factory=dict, max_length=1)
    kinship: Kin | None = None
    variables: dict[str, Kept]


class Universe(BaseModel):
    """A part of the records that tables are often about, such as families: those of a `unit` whose `variable` has one of the
    values `levels`, and all records below them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    unit: str
    variable: str
    levels: tuple[str, ...]


class Recipe(BaseModel):
    """What a library is made of; cells of fewer than `least` records are left out. Each of `universes` is counted
    beside the whole."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    library: int = VERSION
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")
    title: str = ""
    source: str = ""
    licence: str = ""
    least: int = Field(default=5, ge=1)
    units: dict[str, Records] = Field(min_length=1)
    universes: dict[str, Universe] = Field(default_factory=dict)

    @property
    def about(self) -> dict[str, str]:
        return {"title": self.title, "source": self.source, "licence": self.licence}


def read_recipe(path: Path) -> Recipe:
    """Read a recipe; raises DataError with every problem."""
    try:
        raw = yaml.safe_load(read_text(path))
        return Recipe.model_validate(raw)
    except ValidationError as wrong:
        problems = [
            Problem(
                where=f"{path.name}: {'.'.join(map(str, error['loc']))}",
                what=error["msg"],
                advice="see docs/library.md for what a recipe may say",
            )
            for error in wrong.errors()
        ]
        raise DataError(*problems) from wrong
    except (OSError, OddFileError, ValueError, yaml.YAMLError) as wrong:
        problem = Problem(where=str(path), what="this recipe cannot be read", found=str(wrong)[:200], advice="mend it")
        raise DataError(problem) from wrong


def guess_recipe(name: str, files: Mapping[str, tuple[str, pl.DataFrame]]) -> Recipe:
    """A recipe for data that come without one: texts are categories in their own words, numbers are cut finely.

    `files` has for every unit the name of its file and its records. Columns of many different texts and keys are left out.
    """
    units = {}
    for unit, (file, frame) in files.items():
        kept = {column: own for column in frame.columns if (own := _guessed(frame[column])) is not None}
        weight = next((column for column in frame.columns if column.lower() in ("weight", "wgtp", "pwgtp")), "")
        kept = {column: own for column, own in kept.items() if column != weight}
        age = next((column for column, own in kept.items() if column.lower() == "age" and own.ends), "")
        strata: dict[str, tuple[float, ...]] = {age: (0.0, 3.0, 5.0, 15.0, 16.0, 18.0)} if age else {}
        if kept:
            units[unit] = Records(file=file, weight=weight, strata=strata, variables=kept)
    if not units:
        advice = "give columns of few different texts, or numbers"
        raise DataError(Problem(where=name, what="nothing in these data can be kept", advice=advice))
    return Recipe(name=name, units=units)


def _guessed(column: pl.Series) -> Kept | None:
    label = column.name.replace("_", " ").capitalize()
    missing = {MISSING: f"no {label.lower()}"} if column.null_count() else {}
    values = column.drop_nulls()
    if column.name.lower() in ("id", "serialno") or column.name.lower().endswith("_id") or not len(values):
        return None
    if column.dtype.is_numeric():
        ends = _fine_ends(values.cast(pl.Float64).to_numpy())
        if len(ends) < 3:
            return None
        if column.dtype.is_integer() and values.max() - values.min() <= 120:  # type: ignore[operator]  # a column of numbers
            ends = np.arange(float(values.min()), float(values.max()) + 1)  # type: ignore[arg-type]
        last = ends[-1] + 1 if column.dtype.is_integer() else np.nextafter(ends[-1], np.inf)
        edges = (*ends, last) if column.dtype.is_integer() else (*ends[:-1], last)
        return Kept(label=label, ends=tuple(map(float, edges)), levels=missing)
    words = [str(value) for value in values.cast(pl.String).unique().sort()]
    if not 2 <= len(words) <= MOST_LEVELS:
        return None
    return Kept(label=label, levels={word: word for word in words} | missing)


def _fine_ends(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ends of bins of about equal share; a value that many records have, such as 0, has a bin of its own."""
    distinct, counts = np.unique(values, return_counts=True)
    heavy = np.flatnonzero(counts * MOST_ENDS >= len(values))
    behind = np.minimum(distinct[np.minimum(heavy + 1, len(distinct) - 1)], distinct[heavy] + 1)
    alone = np.concatenate([distinct[heavy], behind])
    return np.unique(np.concatenate([np.quantile(values, np.linspace(0, 1, MOST_ENDS)), alone]))


def written(recipe: Recipe) -> str:
    """A recipe as a file, to be edited."""
    document: Any = recipe.model_dump(mode="json", exclude_defaults=True)
    return yaml.safe_dump({"library": VERSION, **document}, sort_keys=False, allow_unicode=True, width=120)
