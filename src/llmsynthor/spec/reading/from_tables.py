"""`levels: from tables`: the levels of a category are those that the tables of the spec have in its column."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from llmsynthor.errors import Problem
from llmsynthor.spec.labels import is_total
from llmsynthor.spec.reading.columns import from_cells, from_table
from llmsynthor.spec.reading.document import FROM_TABLES, CategoryPart, Document, TargetPart
from llmsynthor.spec.reading.naming import named
from llmsynthor.spec.reading.place import Place
from llmsynthor.spec.reading.published import is_published, table_of
from llmsynthor.spec.schema import Schema


def with_levels(document: Document, folder: Path, problems: list[Problem]) -> Document:
    """A document whose categories have the levels of the tables where they ask for them; changes nothing else."""
    wanted = [
        (unit, name)
        for unit, part in document.units.items()
        for name, variable in part.variables.items()
        if isinstance(variable, CategoryPart) and variable.levels == FROM_TABLES
    ]
    if not wanted:
        return document
    read: dict[int, Any] = {}
    for unit, name in wanted:
        levels = list(dict.fromkeys(_levels(unit, name, document, folder, read)))
        variable = document.units[unit].variables[name]
        assert isinstance(variable, CategoryPart)
        if not levels:
            where, advice = f"units.{unit}.variables.{name}", "list its levels, or say in `read` which column it is"
            what = "no table has a column for it, whose levels it could have"
            problems.append(Problem(where=where, what=what, found=FROM_TABLES, advice=advice))
            levels = ["unknown"]
        document.units[unit].variables[name] = variable.model_copy(update={"levels": levels})
    return document


def _levels(unit: str, name: str, document: Document, folder: Path, read: dict[int, Any]) -> Iterator[str]:
    """The texts of the variable's column in every table that has one, in their order."""
    for number, part in enumerate(document.targets):
        if part.unit not in document.units or (part.table is None and part.cells is None):
            continue
        if part.unit != unit and unit not in _above(part.unit, document):
            continue
        names = [name, f"{unit}.{name}"]
        place = Place(where=f"targets[{number}]", schema=Schema(units=()), unit=part.unit, problems=[])
        if part.cells is None and is_published(part, folder):
            yield from _of_published(part, names, folder, number, read, place)
            continue
        if number not in read:
            value = [part.value] if part.value else []
            own = from_cells(part.cells, place) if part.cells is not None else None
            read[number] = (
                own
                if part.cells is not None
                else from_table(part.table, [*names, "count", "share", *value], folder, place)
            )
        frame = read[number]
        column = _column(frame.columns, names) if frame is not None else None
        if column is not None:
            texts = frame[column].drop_nulls().unique(maintain_order=True).to_list()
            yield from (text.strip() for text in texts if not is_total(text))


def _column(columns: Sequence[str], names: Sequence[str]) -> str | None:
    """The column of a table that is called by one of the names; capitals and blanks around it make no difference."""
    wanted = {name.casefold() for name in names}
    return next((column for column in columns if column.strip().casefold() in wanted), None)


def _of_published(
    part: TargetPart, names: list[str], folder: Path, number: int, read: dict[int, Any], place: Place
) -> Iterator[str]:
    if number not in read:
        read[number] = table_of(part, folder, place)
    table, said = read[number], part.read
    if table is None:
        return
    zone = said.zone if said is not None else None
    columns = {**(zone if isinstance(zone, dict) else {}), **(said.columns if said is not None else {})}
    called = next((columns[name] for name in names if name in columns), names[0])
    dimension = named(table.dimensions, called)
    if isinstance(zone, str) and zone in names:
        dimension = next((d for d in table.dimensions if d.role == "zone"), None)
    if dimension is None:
        yield from _of_cells(said.cells if said is not None else None, names)
        return
    maps = said.levels if said is not None else {}
    renamed: Mapping[str, str] = next((maps[name] for name in names if name in maps), {})
    ignored = said.ignore if said is not None else []
    left = [*ignored.get(names[0], []), *ignored.get(called, [])] if isinstance(ignored, dict) else ignored
    for code in dimension.codes:
        label = dimension.label_of(code)
        if code == dimension.total or code in left or label in left or is_total(label):
            continue
        text = code if dimension.role == "zone" else label
        yield str(renamed.get(code, renamed.get(label, text)))


def _of_cells(cells: Mapping[str, Mapping[str, str]] | None, names: list[str]) -> Iterator[str]:
    for levels in (cells or {}).values():
        yield from (str(levels[name]) for name in names if name in levels)


def _above(unit: str, document: Document) -> Iterator[str]:
    parent = document.units[unit].parent
    seen = {unit}
    while parent is not None and parent in document.units and parent not in seen:
        yield parent
        seen.add(parent)
        parent = document.units[parent].parent
