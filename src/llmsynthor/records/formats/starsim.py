"""starsim and covasim: people with whole-number ids from 0, and the contacts of households, all pairs of each."""

from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from llmsynthor.errors import DataError, Problem
from llmsynthor.records.formats.made import Made
from llmsynthor.records.formats.mapping import Map, codes_like, mapped, variable_like, whole
from llmsynthor.records.formats.places import telling
from llmsynthor.records.formats.roles import units_of

SEX = {r"^(f|female|woman|women|weiblich|femme|mujer)": 1, r"^(m|male|man|men|männlich|homme|hombre)": 0}
MOST_IN_CONTACT = 200
"""Members of a household whose pairs are all written; larger ones (institutions) have none."""


def default_map(made: Made) -> Map:
    """Age and sex, by the names of variables."""
    _, person = units_of(made)
    sex = variable_like(made, person, (r"^sex$", r"sex|gender"))
    return Map(
        tables={"people": {"age": variable_like(made, person, (r"^age$", r"^agep$", r"age")), "female": sex}},
        codes={"female": codes_like(made, person, sex, SEX)},
    )


def write_starsim(made: Made, out: Path, said: Map) -> list[Path]:
    """Write `people.csv` (uid, age, female, household_id, position) and `contacts_household.csv` (p1, p2, beta)."""
    household, person = units_of(made)
    columns = said.tables["people"]
    frame = made.frames[person]
    found = {"uid": pl.Series(np.arange(frame.height))}
    for name in ("age", "female"):
        entry = columns.get(name)
        if entry is None:
            advice = "name a variable, or a number for all, in a map: --write-map writes one to edit"
            problem = Problem(where="export starsim", what=f"it is not said what people.{name} is", advice=advice)
            raise DataError(problem)
        values = mapped(made, person, name, entry, said.codes)
        found[name] = values.cast(pl.Float64) if name == "age" else whole(values, name)
    people = pl.DataFrame(found).with_columns(
        household_id=frame[f"{household}_id"], position=frame["position"].cast(pl.Int64)
    )
    rows = frame[f"{household}_id"].rank("dense").to_numpy().astype(np.int64)
    first, second = household_pairs(rows)
    contacts = pl.DataFrame({"p1": first, "p2": second}).with_columns(beta=pl.lit(1.0))
    for name, table in (("people.csv", people), ("contacts_household.csv", contacts)):
        with telling(out / name):
            table.write_csv(out / name)
    return [out / "people.csv", out / "contacts_household.csv"]


def household_pairs(households: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """All pairs of rows with the same household, the lower row first; shape (pairs,) each.

    >>> first, second = household_pairs(np.array([1, 1, 2, 1]))
    >>> list(zip(first.tolist(), second.tolist()))
    [(0, 1), (0, 3), (1, 3)]
    """
    order = np.argsort(households, kind="stable")
    _, starts, counts = np.unique(households[order], return_index=True, return_counts=True)
    one, other = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.int64)]
    for size in np.unique(counts):
        if 1 < size <= MOST_IN_CONTACT:
            places = starts[counts == size][:, None]
            left, right = np.triu_indices(size, 1)
            one.append(order[places + left].ravel())
            other.append(order[places + right].ravel())
    first, second = np.concatenate(one), np.concatenate(other)
    by = np.lexsort((second, first))
    return first[by], second[by]
