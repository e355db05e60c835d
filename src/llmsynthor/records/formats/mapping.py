"""A map from the columns of another program to the spec's variables: found by names, written to be edited, read again."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from llmsynthor.errors import DataError, Problem, SpecError
from llmsynthor.files import read_text
from llmsynthor.records.formats.made import Made
from llmsynthor.spec.reading.yaml_text import read_yaml
from llmsynthor.spec.schema import Category

Columns = dict[str, str | float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Map:
    """`tables`: for each table of the other program its columns, each a variable or a constant; `codes` by column and level."""

    tables: Mapping[str, Columns]
    codes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def written(self) -> dict[str, Any]:
        return {
            **{name: dict(own) for name, own in self.tables.items()},
            "codes": {k: dict(v) for k, v in self.codes.items()},
        }


def read_map(path: Path, default: Map) -> Map:
    """Read a map, what it does not say is as in the default; raises SpecError."""
    try:
        said = read_yaml(read_text(path), where=str(path))
    except (OSError, ValueError) as cause:
        raise SpecError(
            Problem(where=str(path), what=f"it cannot be read ({cause})", advice="correct the path")
        ) from cause
    return merged_map(said, default, str(path))


def merged_map(said: Any, default: Map, where: str) -> Map:
    """A map of plain values over the default; raises SpecError for tables and columns that the program does not have."""
    if not isinstance(said, Mapping) or not all(isinstance(own, Mapping) for own in said.values()):
        raise SpecError(Problem(where=where, what="a map has tables with columns", advice="write one with --write-map"))
    tables = {name: dict(own) for name, own in default.tables.items()}
    for name, own in said.items():
        if name == "codes":
            continue
        if name not in tables:
            advice = f"use one of: {', '.join(tables)}, codes"
            raise SpecError(Problem(where=where, what="there is no such table", found=str(name), advice=advice))
        strange = [str(column) for column in own if column not in tables[name]]
        if strange:
            advice = f"{name} has: {', '.join(tables[name])}"
            raise SpecError(
                Problem(where=where, what="there is no such column", found=", ".join(strange), advice=advice)
            )
        tables[name] |= {column: entry for column, entry in own.items() if entry is not None}
    codes = {**default.codes, **{str(key): dict(own) for key, own in dict(said.get("codes", {})).items()}}
    return Map(tables=tables, codes=codes)


def variable_like(made: Made, unit: str, patterns: Sequence[str]) -> str | None:
    """A variable of a unit whose name or label is like one of the patterns, the first pattern first."""
    shown = [variable for variable in made.spec.schema[unit].shown if variable.name in made.frames[unit].columns]
    for pattern in patterns:
        for variable in shown:
            if re.search(pattern, variable.name, re.IGNORECASE) or re.fullmatch(pattern, variable.label, re.IGNORECASE):
                return variable.name
    return None


def codes_like(made: Made, unit: str, name: str | None, words: Mapping[str, Any]) -> dict[str, Any]:
    """A code for each level of a category whose text is like a pattern; patterns are tried in their order."""
    if name is None:
        return {}
    variable = made.spec.schema[unit].variable(name)
    if not isinstance(variable, Category):
        return {}
    found = {}
    for level in variable.levels:
        code = next((code for word, code in words.items() if re.search(word, level, re.IGNORECASE)), None)
        if code is not None:
            found[level] = code
    return found


def mapped(made: Made, unit: str, column: str, entry: str | float, codes: Mapping[str, Mapping[str, Any]]) -> pl.Series:
    """The values of a column of the other program; raises DataError where a level has no code."""
    frame = made.frames[unit]
    if not isinstance(entry, str):
        return pl.Series(column, [entry]).new_from_index(0, frame.height)
    if entry not in frame.columns:
        advice = f"name one of: {', '.join(frame.columns)}; or a number"
        raise DataError(Problem(where=f"map {column}", what=f"{unit} has no such variable", found=entry, advice=advice))
    said = codes.get(column, codes.get(entry))
    values = frame[entry]
    if said:
        levels = [text for text in values.cast(pl.String).unique().to_list() if text is not None]
        missing = [level for level in levels if level not in {str(key) for key in said}]
        if missing:
            advice = f"give them: codes: {{{column}: {{{missing[0]}: CODE}}}}; --write-map writes the map to edit"
            raise DataError(
                Problem(where=f"map {column}", what="levels have no code", found=", ".join(missing[:8]), advice=advice)
            )
        table = {str(key): code for key, code in said.items()}
        return values.cast(pl.String).replace_strict(table, default=None).alias(column)
    return values.alias(column)


def whole(values: pl.Series, where: str) -> pl.Series:
    """Values as whole numbers; raises DataError where they are none."""
    try:
        return values.cast(pl.Float64).round().cast(pl.Int64)
    except pl.exceptions.PolarsError as cause:
        advice = "give a code for each level under `codes`; --write-map writes the map to edit"
        found = str(values.cast(pl.String).unique().head(3).to_list())
        raise DataError(
            Problem(where=f"map {where}", what="its values are no numbers", found=found, advice=advice)
        ) from cause
