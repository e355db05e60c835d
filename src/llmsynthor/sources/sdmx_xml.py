"""SDMX-ML by pysdmx: data messages that can be read by themselves. Entities and document types are refused."""

import re
from pathlib import Path
from typing import Any
from xml.parsers.expat import ExpatError

from llmsynthor.errors import DataError
from llmsynthor.files import read_bytes
from llmsynthor.sources.extras import needed
from llmsynthor.sources.sdmx_csv import ATTRIBUTES, FLAGS, NORMAL
from llmsynthor.sources.table import Dimension, LongTable, Role, SourceError, built, distinct

MOST_BYTES = 256 << 20
BROKEN = (ExpatError, SyntaxError, ValueError, LookupError, TypeError, AttributeError, ImportError, RuntimeError)
"""What pysdmx and the readers of XML below it raise for what is no message."""

ENTITIES = re.compile(rb"<!\s*(DOCTYPE|ENTITY)", re.IGNORECASE)


def is_sdmx_xml(text: str) -> bool:
    """Whether the beginning of a file is an SDMX message."""
    return "sdmx" in text.casefold() and (_root(text).endswith("Data") or _root(text) == "Structure")


def _root(text: str) -> str:
    """The name of the outermost element, without its prefix."""
    found = re.search(r"<(?:\w+:)?(\w+)[\s>]", re.sub(r"<!--.*?-->|<\?.*?\?>", "", text, flags=re.DOTALL))
    return found[1] if found else ""


def read_sdmx_xml(path: Path) -> LongTable:
    """Read the data set of a message; raises SourceError for structures, for more than one, and where it needs its structure."""
    data = read_bytes(path, MOST_BYTES)
    if ENTITIES.search(data):
        raise SourceError(
            "it declares a document type or entities: such XML is not read", "download it again", "<!DOCTYPE"
        )
    head = data[:4000].decode("utf-8", "replace")
    if _root(head) == "Structure":
        raise SourceError("it describes a structure and holds no data", "give the file with the data")
    pysdmx = needed("pysdmx.io", "sdmx", for_what=str(path))
    errors = needed("pysdmx.errors", "sdmx", for_what=str(path))
    try:
        message = pysdmx.read_sdmx(str(path), validate=False)
        found = list(message.data or ())
    except DataError:
        raise
    except (*BROKEN, errors.PysdmxError) as cause:
        raise _unreadable(cause) from cause
    if len(found) != 1:
        raise SourceError(f"it holds {len(found)} data sets", "ask for one of them")
    return _table(found[0])


def _unreadable(cause: Exception) -> SourceError:
    advice = "download the same table as SDMX-CSV, which says all by itself"
    return SourceError(f"it cannot be read ({type(cause).__name__}: {str(cause)[:100]})", advice)


def _table(dataset: Any) -> LongTable:
    frame = dataset.data
    names = [str(name) for name in frame.columns]
    value = next((name for name in names if name.upper() in ("OBS_VALUE", "OBSVALUE")), None)
    if value is None:
        raise SourceError("it has no OBS_VALUE", "download the same table as SDMX-CSV", ", ".join(names[:8]))
    dimensions, columns = list[Dimension](), dict[str, list[str]]()
    for name in names:
        if name == value or name.upper() in ATTRIBUTES:
            continue
        own = ["" if entry is None else str(entry) for entry in frame[name]]
        role: Role = "time" if name.upper() == "TIME_PERIOD" else "zone" if name.upper() in ("GEO", "REF_AREA") else ""
        dimensions.append(Dimension(name=name, codes=distinct(own), role=role))
        columns[name] = own
    marks = [name for name in names if name.upper() in FLAGS]
    values, flags = list[float | None](), list[str | None]()
    for row, entry in enumerate(frame[value]):
        text = str(entry)
        try:
            number = None if entry is None or text in ("", "nan", "NaN", "None", "<NA>") else float(text)
        except ValueError as cause:
            raise SourceError("a value is no number", "correct it, or download the table again", text[:80]) from cause
        said = [str(frame[name].iloc[row]) for name in marks]
        values.append(number)
        flags.append(next((own for own in said if own not in (*NORMAL, "nan", "None", "<NA>")), None))
    if not any(number is not None for number in values):
        advice = "it is cross-sectional, or its structure is needed: download the same table as SDMX-CSV"
        raise SourceError("none of its values is a number", advice, f"{len(values)} observations")
    return built("sdmx-ml", dimensions, columns, values, flags, title=str(getattr(dataset, "short_urn", "")))
