"""JSON-stat, versions 1 and 2: values in one long list (or a sparse mapping), in the order of the dimensions."""

import json
from collections.abc import Mapping, Sequence
from itertools import product
from math import prod
from typing import Any

from llmsynthor.sources.table import Dimension, LongTable, Role, SourceError, built, free_name

MOST_CELLS = 20_000_000
ROLES: dict[str, Role] = {"geo": "zone", "time": "time", "metric": "measure"}


def is_json_stat(document: Any) -> bool:
    """Whether a document is a dataset, a bundle of them, or a collection."""
    if not isinstance(document, dict):
        return False
    if document.get("class") in ("dataset", "collection", "dimension") and "version" in document:
        return True
    return _is_dataset(document) or any(_is_dataset(own) for own in document.values())


def _is_dataset(document: Any) -> bool:
    return isinstance(document, dict) and isinstance(document.get("dimension"), dict) and "value" in document


def read_json_stat(text: str) -> LongTable:
    """Read the dataset of a document; raises SourceError where there is none, or more than one."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as cause:
        raise SourceError(f"it is no JSON ({cause})"[:160], "download it again") from cause
    if not isinstance(document, dict):
        raise SourceError("it is no JSON-stat", "a dataset is a mapping")
    if document.get("class") == "collection":
        items = (document.get("link") or {}).get("item") or []
        inside = [own for own in items if _is_dataset(own)]
        if len(inside) != 1:
            names = "; ".join(str(own.get("href", own.get("label", ""))) for own in items[:4] if isinstance(own, dict))
            raise SourceError("it is a collection: a list of tables, no table", "download one of them", names)
        document = inside[0]
    if not _is_dataset(document):
        bundle = {name: own for name, own in document.items() if _is_dataset(own)}
        if len(bundle) != 1:
            what = "it holds more than one table" if bundle else "it holds no table"
            raise SourceError(what, "download one of them", ", ".join(map(str, list(bundle or document)[:5])))
        (document,) = bundle.values()
    return _dataset(document)


def _dataset(document: Mapping[str, Any]) -> LongTable:
    about = document["dimension"]
    ids, size = document.get("id", about.get("id")), document.get("size", about.get("size"))
    if not isinstance(ids, list) or not isinstance(size, list) or len(ids) != len(size):
        raise SourceError("it does not say its dimensions", "`id` and `size` list them", str(ids)[:60])
    roles = _roles(document.get("role") or about.get("role") or {})
    dimensions: list[Dimension] = []
    for name, number in zip(ids, size, strict=True):
        taken = [dimension.name for dimension in dimensions]
        dimensions.append(_dimension(str(name), _whole(number), about.get(name), roles.get(str(name), ""), taken))
    total = prod(len(dimension.codes) for dimension in dimensions)
    if total > MOST_CELLS:
        raise SourceError(f"it has {total:,} cells, more than the {MOST_CELLS:,} that are read", "ask for a part of it")
    values = _values(document["value"], total)
    flags = _flags(document.get("status"), total)
    keys = list(product(*(dimension.codes for dimension in dimensions)))
    columns = {own.name: [key[k] for key in keys] for k, own in enumerate(dimensions)}
    numbers = list[float | None]()
    for k, value in enumerate(values):
        number, flag = _number(value)
        numbers.append(number)
        flags[k] = flags[k] or flag
    if not any(number is not None for number in numbers):
        shown = next((str(value) for value in values if value is not None), "null")
        raise SourceError("none of its values is a number", "it is no table of numbers", shown[:40])
    title = str(document.get("label") or document.get("title") or "")
    source = str(document.get("source") or "")
    return built("json-stat", dimensions, columns, numbers, flags, title=title, notes=[source] if source else [])


def _whole(number: Any) -> int:
    """A size, which version 1 may write as a text."""
    try:
        return int(number)
    except (TypeError, ValueError) as cause:
        raise SourceError("a size is no whole number", "download the file again", str(number)[:40]) from cause


def _roles(said: Mapping[str, Any]) -> dict[str, Role]:
    return {str(name): ROLES[role] for role, names in said.items() if role in ROLES for name in names}


def _dimension(name: str, number: int, about: Any, role: Role, taken: Sequence[str]) -> Dimension:
    about = about if isinstance(about, Mapping) else {}
    category = about.get("category") or {}
    index, labels = category.get("index"), category.get("label") or {}
    if isinstance(index, Mapping):
        codes = [str(code) for code, _ in sorted(index.items(), key=lambda pair: _whole(pair[1]))]
    elif isinstance(index, list):
        codes = [str(code) for code in index]
    else:
        codes = [str(code) for code in labels]
    if len(codes) != number:
        what = f"the dimension {name} has {len(codes)} codes where its size is {number}"
        raise SourceError(what, "download the file again")
    said = {str(code): str(label) for code, label in labels.items()} if isinstance(labels, Mapping) else {}
    return Dimension(
        name=free_name(name, taken), codes=tuple(codes), labels=said, label=str(about.get("label") or ""), role=role
    )


def _values(value: Any, total: int) -> list[Any]:
    """All values: a list, or a mapping of those that there are."""
    if isinstance(value, Mapping):
        found: list[Any] = [None] * total
        for key, own in value.items():
            k = _whole(key)
            if not 0 <= k < total:
                raise SourceError("a value lies outside the table", "download the file again", str(key))
            found[k] = own
        return found
    if not isinstance(value, list) or len(value) != total:
        count = len(value) if isinstance(value, list) else 0
        raise SourceError(f"it has {count:,} values where its dimensions make {total:,}", "download the file again")
    return value


def _flags(status: Any, total: int) -> list[str | None]:
    """Marks of the values: one for all, a list, or a mapping of those that have one; Eurostat wraps them once more."""
    if isinstance(status, Mapping) and "value" in status and isinstance(status["value"], list | Mapping):
        status = status["value"]
    if isinstance(status, str):
        return [status] * total
    if isinstance(status, Mapping):
        marks = {str(key): str(own) for key, own in status.items() if own is not None}
        return [marks.get(str(k)) for k in range(total)]
    if isinstance(status, list):
        if len(status) == 1:
            return [None if status[0] is None else str(status[0])] * total
        return [None if own is None else str(own) for own in (*status, *[None] * total)][:total]
    return [None] * total


def _number(value: Any) -> tuple[float | None, str | None]:
    if value is None:
        return None, None
    if isinstance(value, bool):
        return None, str(value)
    if isinstance(value, int | float):
        return float(value), None
    try:
        return float(str(value)), None
    except ValueError:
        return None, str(value)[:40]
