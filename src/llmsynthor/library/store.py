"""A library of dependence: variables in words, pair tables in strata, one compressed file; nothing of it is code.

A library file is a zip of two members: `library.json` says what the tables are, `counts.bin` holds them one after another as
little-endian 32-bit integers. The digest is that of the content, so that packing it anew changes nothing.
"""

import hashlib
import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from io import BytesIO
from itertools import combinations_with_replacement, pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmsynthor.errors import DataError, Problem
from llmsynthor.files import OddFileError, read_bytes
from llmsynthor.library.kinship import Kinship
from llmsynthor.spec.levels import Interval, number_text

VERSION = 1
MOST_BYTES, MOST_CELLS = 16 << 20, 64 << 20
WRITTEN = (1980, 1, 1, 0, 0, 0)
"""Date of the members of a zip: the same library is the same bytes."""

Floats = NDArray[np.float64]
Names = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A variable of a library. A number has the `ends` of its fine bins, in `unit`; `words` are levels in words, behind the bins
    (of a number: those who have none, such as children without an income). `ordered` words lead from less to more."""

    name: str
    label: str
    unit: str = ""
    ends: tuple[float, ...] = ()
    words: tuple[str, ...] = ()
    ordered: bool = False

    @property
    def bins(self) -> int:
        return max(len(self.ends) - 1, 0)

    @property
    def size(self) -> int:
        return self.bins + len(self.words)

    @property
    def is_number(self) -> bool:
        return self.bins > 0

    @property
    def intervals(self) -> tuple[Interval, ...]:
        return tuple(Interval(low, high) for low, high in zip(self.ends, self.ends[1:], strict=False))

    @property
    def levels(self) -> tuple[str, ...]:
        """All levels in words."""
        unit = f" {self.unit}" if self.unit else ""
        return (*(f"{number_text(a)} to {number_text(b)}{unit}" for a, b in _pairs(self.ends)), *self.words)


def _pairs(ends: tuple[float, ...]) -> Iterator[tuple[float, float]]:
    return pairwise(ends)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Pair tables of one kind of record, of all of them or of those of a `universe`.

    `strata` names the number whose `starts` begin the strata ("": there is only one).

    `tables` has counts of every pair in the order of the entries, shape (strata, levels of one, levels of the other);
    an entry with itself has its own counts, shape (strata, levels).
    """

    unit: str
    entries: tuple[Entry, ...]
    universe: str = ""
    strata: str = ""
    starts: tuple[float, ...] = (0.0,)
    records: int = 0
    tables: Mapping[Names, Floats] = field(repr=False)
    kinship: Kinship | None = None

    def __getitem__(self, name: str) -> Entry:
        for entry in self.entries:
            if entry.name == name:
                return entry
        raise KeyError(name)

    def margin(self, name: str) -> Floats:
        """Counts (strata, levels)."""
        return self.tables[name, name]

    def pair(self, one: str, other: str) -> Floats:
        """Counts (strata, levels of one, levels of the other)."""
        if (one, other) in self.tables:
            return self.tables[one, other]
        return np.swapaxes(self.tables[other, one], 1, 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """What is known of dependence from one source; `about` says the context, the sources and the licence in words."""

    name: str
    about: Mapping[str, str]
    parts: tuple[Part, ...]
    digest: str = ""

    @property
    def universes(self) -> tuple[str, ...]:
        """Names of the universes that are counted beside the whole."""
        return tuple(dict.fromkeys(part.universe for part in self.parts if part.universe))

    def within(self, universe: str) -> tuple[Part, ...]:
        """The parts of a universe, "" for the whole."""
        return tuple(part for part in self.parts if part.universe == universe)

    def __getitem__(self, unit: str) -> Part:
        for part in self.parts:
            if part.unit == unit and not part.universe:
                return part
        raise KeyError(unit)


def write_library(library: Library, path: Path) -> str:
    """Write a library file; returns the digest of its content."""
    about, counts = _packed(library)
    made = BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_LZMA) as file:
        for name, content in (("library.json", about), ("counts.bin", counts)):
            file.writestr(zipfile.ZipInfo(name, date_time=WRITTEN), content, zipfile.ZIP_LZMA)
    path.write_bytes(made.getvalue())
    return _digest(about, counts)


def _packed(library: Library) -> tuple[bytes, bytes]:
    parts, counts = [], []
    for part in library.parts:
        about: dict[str, Any] = {
            "unit": part.unit,
            "strata": part.strata,
            "starts": part.starts,
            "records": part.records,
            "entries": [_about(entry) for entry in part.entries],
            **({"universe": part.universe} if part.universe else {}),
        }
        counts += [_stored(part, names).ravel() for names in _names(part.entries)]
        if part.kinship is not None:
            about["kinship"] = part.kinship.about
            counts += [table.ravel() for table in part.kinship.tables.values()]
        parts.append(about)
    document = {"library": VERSION, "name": library.name, "about": dict(library.about), "parts": parts}
    whole = np.concatenate(counts).round().astype("<i4")
    # bytes of one place beside each other: that is packed far better
    planes = whole.view(np.uint8).reshape(-1, 4).T
    return json.dumps(document, ensure_ascii=False, indent=1).encode(), planes.tobytes()


def _about(entry: Entry) -> dict[str, Any]:
    """An entry in the document of a library; that its words have an order is said only where they do."""
    return {key: value for key, value in asdict(entry).items() if key != "ordered" or value}


def _names(entries: tuple[Entry, ...]) -> Iterator[Names]:
    return combinations_with_replacement([entry.name for entry in entries], 2)


def _digest(about: bytes, counts: bytes) -> str:
    return hashlib.sha256(about + b"\0" + counts).hexdigest()


def _stored(part: Part, names: Names) -> Floats:
    """A pair with the number that makes the strata needs no strata of its own."""
    table = part.tables[names]
    return table.sum(axis=0) if part.strata in names else table


def _shape(entries: Mapping[str, Entry], names: Names, strata: int, of: str) -> tuple[int, ...]:
    one, other = names
    cells = (entries[one].size,) if one == other else (entries[one].size, entries[other].size)
    return cells if of in names else (strata, *cells)


def read_library(path: Path) -> Library:
    """Read a library file; raises DataError for what is none."""
    try:
        return _unpacked(read_bytes(path, MOST_BYTES))
    except FileNotFoundError as missing:
        advice = "give the name of a library (llmsynthor library list) or the path of a library file"
        raise DataError(
            Problem(where="library", what="there is no such file", found=str(path), advice=advice)
        ) from missing
    except (OSError, OddFileError, zipfile.BadZipFile, ValueError, KeyError, TypeError, LookupError) as wrong:
        advice = "make it again with llmsynthor library build"
        raise DataError(
            Problem(where=str(path), what="it is no library of dependence", found=str(wrong)[:120], advice=advice)
        ) from wrong


def _unpacked(content: bytes) -> Library:
    with zipfile.ZipFile(BytesIO(content)) as file:
        if any(entry.file_size > 4 * MOST_CELLS for entry in file.infolist()):
            raise ValueError("it is larger than any library")
        about, counts = file.read("library.json"), file.read("counts.bin")
    document = json.loads(about)
    if document.get("library") != VERSION:
        raise ValueError(f"its version is {document.get('library')}, not {VERSION}")
    planes = np.frombuffer(counts, dtype=np.uint8).reshape(4, -1)
    numbers = np.ascontiguousarray(planes.T).view("<i4").ravel().astype(np.float64)
    if (numbers < 0).any():
        raise ValueError("a count is negative")
    parts, at = [], 0
    for own in document["parts"]:
        part, at = _part(own, numbers, at)
        parts.append(part)
    if at != len(numbers):
        raise ValueError("it has more counts than tables")
    about_words = {str(key): str(value) for key, value in document["about"].items()}
    return Library(name=str(document["name"]), about=about_words, parts=tuple(parts), digest=_digest(about, counts))


def _part(own: Mapping[str, Any], numbers: Floats, at: int) -> tuple[Part, int]:
    entries = tuple(_entry(entry) for entry in own["entries"])
    by_name = {entry.name: entry for entry in entries}
    starts = tuple(float(start) for start in own["starts"])
    tables: dict[Names, Floats] = {}
    for names in _names(entries):
        shape = _shape(by_name, names, len(starts), own["strata"])
        size = int(np.prod(shape))
        table = numbers[at : at + size].reshape(shape)
        tables[names] = _in_strata(table, names, by_name, own["strata"], starts) if own["strata"] in names else table
        at += size
    kinship = None
    if "kinship" in own:
        kinship, at = Kinship.unpacked(own["kinship"], numbers, at)
        kinship.check({name: entry.size for name, entry in by_name.items()})
    part = Part(
        unit=str(own["unit"]),
        entries=entries,
        universe=str(own.get("universe", "")),
        strata=str(own["strata"]),
        starts=starts,
        records=int(own["records"]),
        tables=tables,
        kinship=kinship,
    )
    return part, at


def _entry(raw: Mapping[str, Any]) -> Entry:
    return Entry(
        name=str(raw["name"]),
        label=str(raw["label"]),
        unit=str(raw["unit"]),
        ends=tuple(float(end) for end in raw["ends"]),
        words=tuple(str(word) for word in raw["words"]),
        ordered=bool(raw.get("ordered", False)),
    )


def stratum_of_bins(entry: Entry, starts: tuple[float, ...]) -> NDArray[np.int64]:
    """Which stratum each level of the number that makes the strata lies in, shape (levels,); words lie in the first."""
    lows = np.array([*entry.ends[:-1], *([starts[0]] * len(entry.words))])
    return np.maximum(np.searchsorted(np.array(starts), lows, side="right") - 1, 0)


def _in_strata(
    table: Floats, names: Names, entries: Mapping[str, Entry], strata: str, starts: tuple[float, ...]
) -> Floats:
    """Give a table with the number of the strata its axis of strata."""
    stratum = stratum_of_bins(entries[strata], starts)
    inside = stratum[None, :] == np.arange(len(starts))[:, None]
    if names[0] == names[1]:
        return np.asarray(table[None] * inside)
    return np.asarray(table[None] * (inside[:, :, None] if names[0] == strata else inside[:, None, :]))
