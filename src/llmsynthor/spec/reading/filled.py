"""What a spec leaves out and its tables tell: the levels of a category, the range of a number, the only unit there is."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from llmsynthor.errors import Problem
from llmsynthor.spec.labels import is_total, read_interval
from llmsynthor.spec.levels import Interval
from llmsynthor.spec.reading.columns import from_cells, from_table
from llmsynthor.spec.reading.place import Place
from llmsynthor.spec.schema import Schema

FAR = 1e14
"""Beyond all ends: an interval that reaches there is open."""

KINDS = ("category", "integer", "number")


def filled(raw: Mapping[str, Any], folder: Path) -> tuple[dict[str, Any], list[Problem]]:
    """A document in which variables have levels and ranges, and targets of the only unit its name; what was assumed is a warning.

    What cannot be told is left as it is: the checks say that it is missing.
    """
    units = raw.get("units")
    if not isinstance(units, Mapping) or not all(isinstance(unit, Mapping) for unit in units.values()):
        return dict(raw), []
    targets = raw.get("targets")
    lists = {name: own for name in ("targets", "rules") if isinstance(own := raw.get(name), list)}
    if len(units) == 1:
        only = str(next(iter(units)))
        lists = {name: [_of_unit(entry, only) for entry in own] for name, own in lists.items()}
    notes = list[Problem]()
    told = _Told(targets=lists.get("targets", []) if isinstance(targets, list) else [], folder=folder)
    found = {
        name: {**unit, "variables": _variables(str(name), unit["variables"], told, notes)}
        if isinstance(unit.get("variables"), Mapping)
        else unit
        for name, unit in units.items()
    }
    return {**raw, **lists, "units": found}, notes


def _of_unit(entry: Any, unit: str) -> Any:
    plain = isinstance(entry, Mapping) and "unit" not in entry and "include" not in entry
    return {"unit": unit, **entry} if plain else entry


def _variables(unit: str, said: Mapping[str, Any], told: "_Told", notes: list[Problem]) -> dict[str, Any]:
    found = dict[str, Any]()
    for name, part in said.items():
        own = {"kind": part} if part in KINDS else part
        missing = {"category": "levels", "integer": "range", "number": "range"}
        key = (
            missing.get(own.get("kind", "")) if isinstance(own, Mapping) and isinstance(own.get("kind"), str) else None
        )
        if key is not None and key not in own:
            texts = told.texts(unit, str(name))
            value = _levels(texts) if key == "levels" else _range(unit, str(name), own["kind"], texts, notes)
            own = {**own, key: value} if value is not None else own
        found[name] = own
    return found


class _Told:
    """The columns of the tables of a document, read once."""

    def __init__(self, targets: Sequence[Any], folder: Path) -> None:
        self._targets, self._folder = targets, folder
        self._columns: list[tuple[str, dict[str, list[str]]]] | None = None

    def texts(self, unit: str, name: str) -> list[str]:
        """All that tables say in the column of a variable, each once, in the order in which they say it."""
        if self._columns is None:
            self._columns = list(self._read())
        found = dict[str, None]()
        for owner, columns in self._columns:
            wanted = name if owner == unit else f"{unit}.{name}"
            for column, texts in columns.items():
                if column.casefold() == wanted.casefold():
                    found |= dict.fromkeys(texts)
        return list(found)

    def _read(self) -> Iterator[tuple[str, dict[str, list[str]]]]:
        quiet = Place(where="", schema=Schema(units=()), unit="", problems=[])
        for target in self._targets:
            if not isinstance(target, Mapping):
                continue
            cells = target.get("cells")
            frame = None
            if isinstance(cells, list) and all(isinstance(row, Mapping) for row in cells):
                frame = from_cells(cells, quiet)
            elif target.get("table") is not None:
                frame = from_table(target["table"], [], self._folder, quiet)
            if frame is not None:
                yield str(target.get("unit")), {c: [t.strip() for t in frame[c].to_list() if t] for c in frame.columns}


def _levels(texts: Sequence[str]) -> list[str] | None:
    found = [text for text in texts if text and not is_total(text)]
    return found or None


def _range(unit: str, name: str, kind: str, texts: Sequence[str], notes: list[Problem]) -> list[float] | None:
    """From the least end to the greatest; where a class is open, as far again as the widest class reaches."""
    intervals = list[Interval]()
    for text in texts:
        try:
            intervals.append(read_interval(text, bounds=Interval(-FAR, FAR), integer=kind == "integer"))
        except ValueError:
            continue
    lows = [own.low for own in intervals if own.low > -FAR]
    highs = [own.high for own in intervals if own.high < FAR]
    ends = sorted({*lows, *highs})
    if not ends or (len(ends) < 2 and len(intervals) < 2):
        return None
    widths = [own.high - own.low for own in intervals if own.low > -FAR and own.high < FAR]
    step = max(widths, default=max(abs(ends[-1]), 1.0))
    low, high = ends[0], ends[-1]
    opened = [any(own.low <= -FAR for own in intervals), any(own.high >= FAR for own in intervals)]
    low = min(low, 0.0) if opened[0] and ends[0] >= 0 else low - step if opened[0] else low
    high = high + step if opened[1] else high
    if any(opened):
        what = "the tables leave an end of its classes open, and no range is given"
        advice = f"give its range: [{low:g}, {high:g}] is assumed"
        where = f"units.{unit}.variables.{name}"
        notes.append(Problem(where=where, what=what, found=f"[{low:g}, {high:g})", advice=advice, severity="warning"))
    return [low, high]
