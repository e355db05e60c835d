"""Which dimension of a published table is which variable of the spec, and which level each of its codes is."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from llmsynthor.sources.paths import leaves, levels_of, matcher, parts_of
from llmsynthor.sources.regions import is_numeric
from llmsynthor.sources.table import Dimension, LongTable
from llmsynthor.spec.labels import is_total
from llmsynthor.spec.reading.naming import candidates, named, reads, resolved, spelled
from llmsynthor.spec.reading.place import Place
from llmsynthor.spec.reading.read_part import ReadPart
from llmsynthor.spec.schema import Category, Numeric

SHOWN = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A variable, the dimension that it is, and the level of each code that is kept."""

    variable: str
    dimension: str
    levels: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Placing:
    """All variables of a table; `kept` codes by dimension, also of dimensions that are no variable (cells that count all)."""

    placed: tuple[Placed, ...]
    kept: Mapping[str, frozenset[str]]
    merges: bool

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(own.variable for own in self.placed)

    def rows(self, table: LongTable) -> pl.Series:
        """Which rows are kept."""
        mask = pl.repeat(value=True, n=table.frame.height, eager=True)
        for name, codes in self.kept.items():
            mask &= table.frame[name].is_in(list(codes))
        return mask

    def levels(self, variable: str, frame: pl.DataFrame) -> list[str | None]:
        """The level of each row."""
        own = next(placed for placed in self.placed if placed.variable == variable)
        return [own.levels[code] for code in frame[own.dimension]]


def place_dimensions(table: LongTable, read: ReadPart, place: Place) -> Placing | None:
    """Find a variable for each dimension, as said or by names and levels; what is left open is a problem."""
    before = place.errors
    work = _Work(table, read, place)
    work.said()
    work.cells()
    work.found()
    if place.errors > before:
        return None
    return Placing(
        placed=tuple(work.placed),
        kept=work.kept,
        merges=bool(read.levels or read.cells or read.label) or work.merges,
    )


class _Work:
    """What is placed so far, and what is left."""

    def __init__(self, table: LongTable, read: ReadPart, place: Place) -> None:
        self.table, self.read, self.place = table, read, place
        self.placed: list[Placed] = []
        self.kept: dict[str, frozenset[str]] = {}
        self.left = list(table.dimensions)
        self.merges = False

    def said(self) -> None:
        """Columns that the spec names."""
        zone = self.read.zone
        if isinstance(zone, str):
            own = next((d for d in self.left if d.role == "zone"), None) or (self.left[0] if self.left else None)
            if own is None:
                self.place.problem("the file has no column of zones", "name it: `zone: {VARIABLE: COLUMN}`", zone)
            else:
                self.put(zone, own)
        columns = {**(zone if isinstance(zone, dict) else {}), **self.read.columns}
        for variable, column in columns.items():
            own = named(self.left, column)
            if own is None:
                shown = ", ".join(d.name for d in self.table.dimensions)
                self.place.problem(f"`columns`: {variable} is no column of the file", f"it has: {shown}", column)
            else:
                self.put(variable, own)

    def put(self, variable: str, dimension: Dimension) -> None:
        """Take a dimension for a variable, less what is ignored and what the file calls the total."""
        name = resolved(variable, self.place)
        ignored = self.ignored(variable, dimension)
        total = {dimension.total} if dimension.total is not None and len(dimension.codes) > 1 else set()
        known = self.variable(name)
        if isinstance(known, Category) and dimension.total in known.levels:
            total = set()
        codes = [code for code in dimension.codes if code not in ignored and code not in total]
        said = self.read.levels.get(variable) or self.read.levels.get(name) or {}
        texts = spelled(codes, dimension, said, known)
        self.placed.append(Placed(variable=name, dimension=dimension.name, levels=texts))
        self.kept[dimension.name] = frozenset(texts)
        self.left.remove(dimension)
        unused = [own for own in said if own not in dimension.codes and own not in dimension.labels.values()]
        if unused:
            shown = "; ".join(dimension.shown(code) for code in dimension.codes[:SHOWN])
            self.place.problem(
                f"`levels` of {variable}: the file has no such code", f"it has: {shown}", ", ".join(unused)
            )

    def ignored(self, variable: str, dimension: Dimension) -> set[str]:
        """Codes that `ignore` leaves out, by code or label."""
        said = self.read.ignore
        names = [*said.get(variable, []), *said.get(dimension.name, [])] if isinstance(said, dict) else said
        return {code for code in dimension.codes if code in names or dimension.label_of(code) in names}

    def variable(self, name: str) -> Category | Numeric | None:
        try:
            _, found = self.place.schema.find(self.place.unit, name)
        except KeyError:
            return None
        return found if isinstance(found, Category | Numeric) else None

    def cells(self) -> None:
        """What `label` or `cells` say of the dimension of cells."""
        own = next((d for d in self.left if d.role == "cell"), None)
        if self.read.label is None and self.read.cells is None:
            return
        if own is None:
            self.place.problem("`label` and `cells` are for tables with a column for each cell", "leave them out")
            return
        self.left.remove(own)
        found = self.by_cells(own) if self.read.cells is not None else self.by_label(own)
        if found is None:
            return
        self.kept[own.name] = frozenset(found)
        names = list(next(iter(found.values())))
        for name in names:
            said = self.read.levels.get(name, {})
            texts = {code: str(said.get(levels[name], levels[name])) for code, levels in found.items()}
            self.placed.append(Placed(variable=resolved(name, self.place), dimension=own.name, levels=texts))

    def by_cells(self, own: Dimension) -> dict[str, dict[str, str]] | None:
        said = self.read.cells or {}
        by_label = {label: code for code, label in own.labels.items()}
        missing = [name for name in said if name not in own.codes and name not in by_label]
        if missing:
            shown = ", ".join(own.shown(code) for code in own.codes[:20])
            self.place.problem(
                "`cells` names columns that the file does not have", f"it has: {shown}", ", ".join(missing)
            )
            return None
        sets = {frozenset(levels) for levels in said.values()}
        if len(sets) > 1:
            shown = " and ".join("{" + ", ".join(sorted(names)) + "}" for names in list(sets)[:2])
            self.place.problem(
                "`cells` name different variables", "give each cell a level of the same variables", shown
            )
            return None
        return {(name if name in own.codes else by_label[name]): dict(levels) for name, levels in said.items()}

    def by_label(self, own: Dimension) -> dict[str, dict[str, str]] | None:
        try:
            pattern = matcher(self.read.label or "")
        except ValueError as cause:
            self.place.problem("`label` cannot be read", str(cause), self.read.label)
            return None
        found = {}
        ignore = self.read.ignore if isinstance(self.read.ignore, list) else []
        for code in own.codes:
            parts = "!!".join(parts_of(own.label_of(code)))
            match = pattern.fullmatch(parts)
            if match is not None and not set(match.groupdict().values()) & set(ignore):
                found[code] = match.groupdict()
        if not found:
            shown = "; ".join(own.label_of(code) for code in own.codes[:4])
            what, advice = "no label of the file is of this form", f"labels are such as: {shown}"
            if not own.labels:
                advice = "the file has no labels: name the table's variables.json under `read.labels`"
            self.place.problem(what, advice, self.read.label)
            return None
        return found

    def found(self) -> None:
        """What is left: by name, the parts of cells by their levels, then by levels; one code alone says nothing."""
        for own in list(self.left):
            variable = self.by_name(own)
            if variable is not None:
                self.put(variable, own)
        for own in [d for d in self.left if d.role == "cell"]:
            self.leaf_cells(own)
        if self.read.cells is not None:
            self.leave_out([own for own in self.left if self.is_count(own)])
        for own in list(self.left):
            codes = [code for code in own.codes if code not in self.ignored("", own)]
            if len(codes) <= 1:
                self.left.remove(own)
                self.kept[own.name] = frozenset(codes or own.codes)
                continue
            fitting = list(self.fitting([own.label_of(code) for code in codes], list(codes)))
            if len(fitting) == 1:
                self.place.warn(
                    f"{own.name} was taken for {fitting[0]}, whose levels it has",
                    f"if it is not meant, say so: `columns: {{VARIABLE: {own.name}}}`",
                )
                self.put(fitting[0], own)
            elif not self.leave_out([own]):
                self.unplaced(own)

    def is_count(self, own: Dimension) -> bool:
        """Whether a column beside the cells of a wide table holds numbers that are no category's levels."""
        fitting = (self.variable(resolved(name, self.place)) for name in self.fitting(own.codes, own.codes))
        return all(map(is_numeric, own.codes)) and not any(isinstance(known, Category) for known in fitting)

    def leave_out(self, beside: Sequence[Dimension]) -> bool:
        """Leave columns out that tell no rows apart, such as other counts of a wide table and names beside codes."""
        names = [own.name for own in beside]
        others = [own.name for own in self.table.dimensions if own.name not in names]
        if not names or not others or self.table.frame.select(others).is_duplicated().any():
            return False
        self.left = [own for own in self.left if own.name not in names]
        shown = ", ".join(names[:SHOWN]) + (f", and {len(names) - SHOWN:,} more" if len(names) > SHOWN else "")
        what = "columns that are not named, and tell no rows apart, were left out"
        self.place.warn(what, "if one is a variable, say so: `read: {columns: {VARIABLE: COLUMN}}`", shown)
        return True

    def by_name(self, own: Dimension) -> str | None:
        names = {name.casefold(): name for name in candidates(self.place)}
        taken = {placed.variable for placed in self.placed}
        for text in (own.name, own.label):
            name = names.get(text.strip().casefold())
            if name is not None and resolved(name, self.place) not in taken:
                return name
        return None

    def leaf_cells(self, own: Dimension) -> None:
        """Take the cells that are no sums of others, where they are cut by variables whose levels their labels are."""
        paths = {code: parts_of(own.label_of(code)) for code in own.codes if code not in self.ignored("", own)}
        codes = leaves(paths)
        cut = levels_of([paths[code] for code in codes])
        if cut is None or len(codes) < 2:
            if len({*paths}) > 1:
                return
            cut = None
        if cut is None or not cut[0]:
            return
        names = list[str]()
        for k in range(len(cut[0])):
            texts = [parts[k] for parts in cut]
            fitting = [name for name in self.fitting(texts, texts) if name not in names]
            if len(fitting) != 1:
                return
            names.append(fitting[0])
        self.left.remove(own)
        self.kept[own.name] = frozenset(codes)
        for k, name in enumerate(names):
            said = self.read.levels.get(name, {})
            levels = {code: str(said.get(parts[k], parts[k])) for code, parts in zip(codes, cut, strict=True)}
            self.placed.append(Placed(variable=resolved(name, self.place), dimension=own.name, levels=levels))
        dropped = [own.label_of(code) for code in own.codes if code not in codes]
        if dropped:
            shown = "; ".join(dropped[:SHOWN])
            self.place.warn("cells that are sums of others were left out", "see that they are totals", shown)

    def fitting(self, labels: Sequence[str], codes: Sequence[str]) -> Iterator[str]:
        """Variables that are not placed yet whose levels all labels, or all codes, are; totals aside."""
        taken = {placed.variable for placed in self.placed}
        for name in candidates(self.place):
            full = resolved(name, self.place)
            variable = self.variable(full)
            if variable is None or full in taken or name != full.rpartition(".")[2]:
                continue
            said = {**self.read.levels.get(name, {}), **self.read.levels.get(full, {})}
            texts = [own for own in labels if not is_total(own)], [own for own in codes if not is_total(own)]
            if any(own and all(reads(said.get(text, text), variable) for text in own) for own in texts):
                yield name

    def unplaced(self, own: Dimension) -> None:
        shown = "; ".join(own.shown(code) for code in own.codes[:SHOWN])
        more = f"; and {len(own.codes) - SHOWN:,} more" if len(own.codes) > SHOWN else ""
        name = own.name if own.role != "cell" else "its cells"
        advice = (
            f"say which variable it is, `read: {{columns: {{VARIABLE: {own.name}}}}}`, or take one code of it, "
            f"`read: {{where: {{{own.name}: {own.codes[0]}}}}}`"
        )
        if own.role == "cell":
            advice = (
                "say what they count: `read: {cells: {COLUMN: {VARIABLE: LEVEL}}}`"
                + (', or `label: "Total:!!{VARIABLE}"`' if own.labels else "")
                + "; `llmsynthor look` prints a block to fill in"
            )
        self.place.problem(f"it is not said which variable {name} is", advice, shown + more)
