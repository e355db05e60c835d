"""OMX, the matrices of transport models: HDF5 with `/data/NAME` and `/lookup/NAME`; one matrix at a time is read."""

import re
from pathlib import Path
from typing import Any

import polars as pl

from llmsynthor.sources.extras import needed
from llmsynthor.sources.table import FLAG, VALUE, Dimension, LongTable, Reading, SourceError

ZONES = re.compile(r"zone|taz|maz|tsz|area|geo", re.IGNORECASE)
MOST_CELLS = 100_000_000


def read_omx(path: Path, reading: Reading) -> LongTable:
    """Read the matrix that is named, or the only one; zones from a lookup, else 1 to n by position. Raises SourceError."""
    h5py = needed("h5py", "omx", for_what=str(path))
    try:
        with h5py.File(path, "r") as file:
            return _read(file, reading, h5py)
    except SourceError:
        raise
    except (OSError, RuntimeError, LookupError, TypeError, ValueError, AttributeError) as cause:  # damaged inside
        raise SourceError(f"it is no HDF5 file that can be read ({cause})"[:160], "save it again") from cause


def _read(file: Any, reading: Reading, h5py: Any) -> LongTable:
    data = file.get("data")
    names = sorted(data) if isinstance(data, h5py.Group) else []
    if not names:
        raise SourceError("it holds no matrix under /data", "it is no OMX file")
    name = reading.matrix or (names[0] if len(names) == 1 else None)
    if name is None or name not in names:
        shown = ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
        what = "it has more than one matrix" if reading.matrix is None else "there is no such matrix"
        raise SourceError(what, f"say which with `matrix`: {shown}", reading.matrix or f"{len(names)}")
    matrix = data[name]
    if len(matrix.shape) != 2 or matrix.shape[0] * matrix.shape[1] > MOST_CELLS:
        raise SourceError(
            "this is no matrix that can be read", "two sides, 100 million cells at most", str(matrix.shape)
        )
    zones, notes = _zones(file, matrix.shape[0], h5py)
    across = zones if matrix.shape[1] == len(zones) else tuple(str(k + 1) for k in range(matrix.shape[1]))
    values = matrix[()].astype("float64").ravel()
    frame = pl.DataFrame(
        {
            "origin": pl.Series([zone for zone in zones for _ in across], dtype=pl.String),
            "destination": pl.Series(list(across) * len(zones), dtype=pl.String),
            VALUE: pl.Series(values).fill_nan(None),
        }
    ).with_columns(pl.lit(None, dtype=pl.String).alias(FLAG))
    dimensions = (
        Dimension(name="origin", codes=zones, role="zone"),
        Dimension(name="destination", codes=across, role="zone"),
    )
    return LongTable(format="omx", dimensions=dimensions, frame=frame, title=f"matrix {name}", notes=notes)


def _zones(file: Any, number: int, h5py: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Ids of the zones by a lookup of the right length, each once: one that is named as zones are, that does not only count."""
    lookups = file.get("lookup")
    counted = tuple(str(k + 1) for k in range(number))
    found = dict[str, tuple[str, ...]]()
    for name in sorted(lookups) if isinstance(lookups, h5py.Group) else ():
        own = lookups[name]
        if isinstance(own, h5py.Dataset) and own.shape == (number,):
            ids = tuple(_text(entry) for entry in own[()])
            if len(set(ids)) == number:
                found[name] = ids
    if found:
        chosen = min(found, key=lambda name: (found[name] == counted, ZONES.search(name) is None, name))
        others = f"; others are {', '.join(own for own in found if own != chosen)}" if len(found) > 1 else ""
        return found[chosen], (f"zones by the lookup {chosen}{others}",)
    return tuple(str(k + 1) for k in range(number)), ("it has no lookup: zones are 1 to n, by their position",)


def _text(entry: Any) -> str:
    if isinstance(entry, bytes):
        return entry.decode("utf-8", "replace")
    number = float(entry)
    return str(int(number)) if number.is_integer() else repr(number)
