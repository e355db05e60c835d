"""Micro-data become a library: every pair of variables is counted in strata, and rare cells are left out."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import combinations_with_replacement
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from llmsynthor.errors import DataError, Problem
from llmsynthor.files import OddFileError, check_regular
from llmsynthor.library.kinship import BY_SIZE, PLACES, SIZES, Kinship, block_of, block_starts
from llmsynthor.library.recipe import MISSING, Kept, Kin, Recipe, Records
from llmsynthor.library.store import Entry, Library, Names, Part

Codes = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Coded:
    """Records of one unit as codes (records,), by variable; -1 where a record has none."""

    entries: tuple[Entry, ...]
    codes: Mapping[str, Codes]
    weights: Floats

    @property
    def kept(self) -> NDArray[np.bool_]:
        found = np.ones(len(self.weights), dtype=bool)
        for codes in self.codes.values():
            found &= codes >= 0
        return found


def build_library(recipe: Recipe, folder: Path) -> Library:
    """Count what a recipe keeps of the files in a folder; raises DataError."""
    frames = {unit: read_frame(folder / records.file) for unit, records in recipe.units.items()}
    parts = list(_parts(recipe, frames))
    for name in recipe.universes:
        parts += [replace(part, universe=name) for part in _parts(recipe, _inside(recipe, name, frames))]
    return Library(name=recipe.name, about=recipe.about, parts=tuple(parts))


def _parts(recipe: Recipe, frames: Mapping[str, pl.DataFrame]) -> Iterator[Part]:
    coded = {unit: _coded(recipe, unit, frames) for unit in recipe.units}
    yield from (_part(recipe, unit, coded, frames) for unit in recipe.units)


def _inside(recipe: Recipe, name: str, frames: Mapping[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """The records of a universe, and those below them; of units that have nothing to do with it all."""
    universe = recipe.universes[name]
    if universe.unit not in recipe.units:
        advice = f"use one of: {', '.join(recipe.units)}"
        raise DataError(
            Problem(where=f"universes.{name}", what="there is no such unit", found=universe.unit, advice=advice)
        )
    frame, found = frames[universe.unit], dict(frames)
    kept = recipe.units[universe.unit].variables.get(universe.variable)
    column = _find(frame, (kept.column if kept is not None else "") or universe.variable, f"universes.{name}")
    found[universe.unit] = frame.filter(column.cast(pl.String).is_in(list(universe.levels)))
    for unit, records in recipe.units.items():
        if records.parent in found and found[records.parent] is not frames[records.parent]:
            keys = found[records.parent].select(pl.col(recipe.units[records.parent].key).alias(records.key))
            found[unit] = frames[unit].join(keys, on=records.key, how="semi", maintain_order="left")
    return found


def read_frame(path: Path) -> pl.DataFrame:
    """Read Parquet or CSV; raises DataError."""
    try:
        check_regular(path)
        return pl.read_parquet(path) if path.suffix == ".parquet" else pl.read_csv(path, infer_schema_length=None)
    except (OSError, OddFileError, pl.exceptions.PolarsError) as wrong:
        advice = "give Parquet or CSV files"
        found = str(wrong).splitlines()[0][:120]
        raise DataError(Problem(where=str(path), what="it cannot be read", found=found, advice=advice)) from wrong


def _coded(recipe: Recipe, unit: str, frames: Mapping[str, pl.DataFrame]) -> _Coded:
    records, frame = recipe.units[unit], frames[unit]
    entries, codes = [], {}
    for name, kept in records.variables.items():
        entry, own = _encode(name, kept, _column(recipe, unit, name, kept, frames))
        entries.append(entry)
        codes[name] = own
    weights = frame[records.weight].cast(pl.Float64).to_numpy() if records.weight else np.ones(frame.height)
    return _Coded(entries=tuple(entries), codes=codes, weights=weights / max(weights.mean(), 1e-300))


def _column(recipe: Recipe, unit: str, name: str, kept: Kept, frames: Mapping[str, pl.DataFrame]) -> pl.Series:
    """The values of a variable: a column, that of the first member, or a number of members."""
    records, frame = recipe.units[unit], frames[unit]
    if not kept.first and kept.count is None:
        return _find(frame, kept.column or name, f"{unit}.{name}")
    child, members = next(
        ((own, frames[key]) for key, own in recipe.units.items() if own.parent == unit), (None, pl.DataFrame())
    )
    if child is None:
        advice = f"give a unit with parent: {unit}"
        raise DataError(Problem(where=f"{unit}.{name}", what="no unit has members of this one", advice=advice))
    if kept.count is None:
        ordered = members.sort(child.order) if child.order else members
        own = ordered.group_by(child.key, maintain_order=True).agg(pl.col(kept.first).first().alias(name))
    else:
        counting = kept.count
        inside = (
            pl.col(counting.variable).cast(pl.String).is_in(list(counting.levels))
            if counting.below is None
            else pl.col(counting.variable) < counting.below
        )
        own = members.group_by(child.key).agg(inside.sum().cast(pl.Int64).alias(name))
    keys = frame.select(pl.col(records.key).alias(child.key))
    return keys.join(own, on=child.key, how="left", maintain_order="left")[name]


def _find(frame: pl.DataFrame, column: str, where: str) -> pl.Series:
    if column not in frame.columns:
        advice = f"use one of: {', '.join(frame.columns)}"
        raise DataError(Problem(where=where, what="there is no such column", found=column, advice=advice))
    return frame[column]


def _encode(name: str, kept: Kept, column: pl.Series) -> tuple[Entry, Codes]:
    """A column as codes; numbers beyond the ends fall into the last bins, what has no level is left out (-1)."""
    if kept.ends:
        words = tuple(dict.fromkeys(kept.levels.values()))
        if kept.numbers:
            column = column.replace_strict(kept.numbers, default=None, return_dtype=pl.Float64)
        values = column.cast(pl.Float64).to_numpy()
        ends = np.array(kept.ends)
        codes = np.clip(np.searchsorted(ends, values, side="right") - 1, 0, len(ends) - 2)
        codes = np.where(np.isnan(values), len(ends) - 1 if MISSING in kept.levels else -1, codes)
    else:
        words = tuple(dict.fromkeys(kept.levels.values()))
        place = {value: words.index(word) for value, word in kept.levels.items()}
        texts = column.cast(pl.String).fill_null(MISSING)
        unknown = sorted(set(texts.unique()) - set(place) - {MISSING})
        if unknown:
            advice = f"say in words what it means, under levels of {name}"
            raise DataError(Problem(where=name, what="the recipe has no such level", found=unknown[0], advice=advice))
        codes = texts.replace_strict(place, default=-1, return_dtype=pl.Int64).to_numpy()
    entry = Entry(name=name, label=kept.label, unit=kept.unit, ends=kept.ends, words=words, ordered=kept.ordered)
    return entry, codes.astype(np.int64)


def _part(recipe: Recipe, unit: str, coded: Mapping[str, _Coded], frames: Mapping[str, pl.DataFrame]) -> Part:
    records, own = recipe.units[unit], coded[unit]
    if records.with_parent:
        own = _with_parent(records, own, coded[records.parent], frames[unit], frames[records.parent], recipe)
    strata, starts = next(iter(records.strata.items()), ("", (0.0,)))
    stratum, kept = np.zeros(len(own.weights), dtype=np.int64), own.kept
    if strata:
        lows = np.array(own.entries[[e.name for e in own.entries].index(strata)].ends)[own.codes[strata]]
        stratum = np.maximum(np.searchsorted(np.array(starts), lows, side="right") - 1, 0)
    size = {entry.name: entry.size for entry in own.entries}
    tables: dict[Names, Floats] = {}
    for one, other in combinations_with_replacement(size, 2):
        shape = (len(starts), size[one]) if one == other else (len(starts), size[one], size[other])
        codes = (stratum, own.codes[one]) if one == other else (stratum, own.codes[one], own.codes[other])
        tables[one, other] = _counted(codes, shape, own.weights, kept, recipe.least)
    kinship = None
    if records.kinship is not None:
        kinship = _kinship(recipe, unit, records.kinship, coded, frames)
    return Part(
        unit=unit,
        entries=own.entries,
        strata=strata,
        starts=tuple(starts),
        records=int(kept.sum()),
        tables=tables,
        kinship=kinship,
    )


def _counted(
    codes: tuple[Codes, ...], shape: tuple[int, ...], weights: Floats, kept: NDArray[np.bool_], least: int
) -> Floats:
    """Weighted counts, scaled to the number of records; cells of fewer than `least` records are nothing."""
    flat = np.ravel_multi_index([own[kept] for own in codes], shape)
    size = int(np.prod(shape))
    counts = np.bincount(flat, minlength=size)
    found = np.bincount(flat, weights=weights[kept], minlength=size).round()
    return np.asarray(np.where(counts >= least, found, 0.0).reshape(shape))


def _with_parent(
    records: Records, own: _Coded, parent: _Coded, frame: pl.DataFrame, parents: pl.DataFrame, recipe: Recipe
) -> _Coded:
    """Records with the variables of their parents."""
    row = _row_of_parent(records, frame, parents, recipe)
    theirs = recipe.units[records.parent].variables
    added = [e for e in parent.entries if not theirs[e.name].first and theirs[e.name].count is None]
    codes = {entry.name: np.where(row >= 0, parent.codes[entry.name][row], -1) for entry in added}
    return _Coded(entries=(*own.entries, *added), codes={**own.codes, **codes}, weights=own.weights)


def _row_of_parent(records: Records, frame: pl.DataFrame, parents: pl.DataFrame, recipe: Recipe) -> Codes:
    key = recipe.units[records.parent].key
    rows = parents.select(pl.col(key).alias(records.key)).with_row_index("row")
    found = frame.select(records.key).join(rows, on=records.key, how="left", maintain_order="left")["row"]
    return np.asarray(found.cast(pl.Int64).fill_null(-1).to_numpy())


def _kinship(
    recipe: Recipe, unit: str, kin: Kin, coded: Mapping[str, _Coded], frames: Mapping[str, pl.DataFrame]
) -> Kinship:
    """Count members beside the first one, in kinds and sizes of household, and beside the member before."""
    records = recipe.units[unit]
    own, parent = coded[unit], coded[records.parent]
    order = frames[unit].with_row_index("row").sort(records.key, records.order)["row"].to_numpy()
    row = _row_of_parent(records, frames[unit], frames[records.parent], recipe)[order]
    first = np.flatnonzero(np.r_[True, row[1:] != row[:-1]])
    members = np.diff(np.r_[first, len(row)])
    head = np.repeat(first, members)
    place = np.arange(len(row)) - head
    size = np.repeat(np.searchsorted(np.array(SIZES), members, side="right") - 1, members)
    kind = parent.codes[kin.kinds][row]
    kinds = next(entry for entry in parent.entries if entry.name == kin.kinds).size
    weights = parent.weights[row]
    blocks = {entry.name: block_starts(entry.bins, len(entry.words)) for entry in own.entries if entry.name in kin.of}
    tables = dict(_kin_tables(recipe, blocks, own, order, (head, place, kind, size), (kinds, weights)))
    return Kinship(kinds=kin.kinds, names=kin.of, tables=tables, sizes=SIZES, blocks=blocks)


def _kin_tables(
    recipe: Recipe,
    blocks: Mapping[str, tuple[int, ...]],
    own: _Coded,
    order: Codes,
    where: tuple[Codes, Codes, Codes, Codes],
    about: tuple[int, Floats],
) -> Iterator[tuple[str, Floats]]:
    (head, place, kind, size), (kinds, weights) = where, about
    second = np.minimum(place - 1, 1).clip(0)
    for name, starts in blocks.items():
        codes = own.codes[name][order]
        before = np.r_[codes[:1], codes[:-1]]
        known = (codes >= 0) & (kind >= 0)
        beside = known & (codes[head] >= 0)
        levels = next(entry.size for entry in own.entries if entry.name == name)
        block = block_of(starts, levels)
        for key, outer, inner, kept in (
            (name, ((second, len(PLACES)),), (codes[head], codes), beside & (place > 0)),
            (f"{name} before", (), (before, codes), beside & (place > 1) & (before >= 0)),
            (f"{name} first", (), (codes,), known & (place == 0)),
        ):
            at, shape = [kind, *(axis for axis, _ in outer)], [kinds, *(length for _, length in outer)]
            fine = (*shape, *([levels] * len(inner)))
            yield key, _counted((*at, *inner), fine, weights, kept, recipe.least)
            coarse = (len(SIZES), *shape, *([len(starts)] * len(inner)))
            in_blocks = (block[axis] for axis in inner)
            yield f"{key} {BY_SIZE}", _counted((size, *at, *in_blocks), coarse, weights, kept, recipe.least)
