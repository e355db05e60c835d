"""The files of a PopulationSim folder, found as its settings name them."""

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from llmsynthor.errors import DataError, LLMSynthorError, Problem
from llmsynthor.files import read_bytes, read_text
from llmsynthor.spec.reading.yaml_text import read_yaml

UNITS = {"households": "household", "persons": "person"}
MOST_BYTES = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A CSV file without its comments: rows of texts by the names that settings give its columns."""

    path: Path
    names: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def column(self, name: str) -> list[str]:
        k = self.names.index(name)
        return [row[k] for row in self.rows]


class Folder:
    """The files of the folder, under the names that its settings give them."""

    def __init__(self, folder: Path, configs: str, data: str) -> None:
        if not folder.is_dir():
            raise problem(folder, "there is no such folder", "name the folder that holds configs and data")
        self.configs = folder / configs if (folder / configs).is_dir() else folder
        self.data = folder / data if (folder / data).is_dir() else folder
        path = self.configs / "settings.yaml"
        read = read_yaml(read_text(path), where=str(path)) if path.is_file() else {}
        self.settings: dict[str, Any] = read if isinstance(read, dict) else {}
        self.tables = {
            str(own.get("tablename")): own
            for key in ("input_table_list", "repop_input_table_list")
            for own in (self.settings.get(key) or [])
            if isinstance(own, dict) and (key == "input_table_list" or "input_table_list" not in self.settings)
        }
        self.total = str(self.settings.get("total_hh_control", "num_hh"))
        self.weight = str(self.settings.get("household_weight_col", ""))
        self.id = str(self.settings.get("household_id_col", "hh_id"))

    def controls(self) -> Frame:
        names = [str(self.settings.get("control_file_name", "controls.csv")), "controls.csv", "repop_controls.csv"]
        path = next((self.configs / name for name in names if (self.configs / name).is_file()), None)
        if path is None:
            raise problem(self.configs, "it holds no controls.csv", "name the folder of configs with --configs")
        return read_frame(path, {})

    def table(self, name: str, patterns: Sequence[str] = ()) -> Frame | None:
        """A table of settings, or the file that looks like it."""
        about = self.tables.get(name)
        if about is not None and (self.data / str(about.get("filename"))).is_file():
            said = about.get("rename_columns") or about.get("column_map") or {}
            renames = {str(old): str(new) for old, new in said.items()}
            return read_frame(self.data / str(about["filename"]), renames)
        found = [
            path for path in sorted(self.data.glob("*.csv")) if any(re.search(p, path.name, re.I) for p in patterns)
        ]
        return read_frame(found[0], {}) if found else None

    def totals(self, level: str) -> Frame | None:
        """Control totals of a level."""
        return self.table(f"{level}_control_data", (rf"{level}.*control|control.*{level}", "control_totals"))

    def seeds(self) -> dict[str, Frame]:
        found = {unit: self.table(table, (rf"seed_{table}",)) for table, unit in UNITS.items()}
        return {unit: frame for unit, frame in found.items() if frame is not None}


def problem(where: Path, what: str, advice: str, found: str | None = None) -> LLMSynthorError:
    return DataError(Problem(where=str(where), what=what, advice=advice, found=found))


def split_rows(path: Path, text: str) -> list[list[str]]:
    """The rows of a CSV text; raises DataError where a field is far too long, as behind a quote that is never closed."""
    try:
        return list(csv.reader(StringIO(text)))
    except csv.Error as cause:
        raise problem(path, f"it is no CSV ({cause})", "correct the file: a quote may not be closed") from cause


def read_frame(path: Path, renames: Mapping[str, str]) -> Frame:
    """Read a CSV file as pandas does with `comment="#"`; raises DataError."""
    try:
        text = read_bytes(path, MOST_BYTES).decode("utf-8-sig")
    except (OSError, ValueError) as cause:
        raise problem(path, f"it cannot be read ({str(cause)[:100]})", "correct the file; CSV in UTF-8") from cause
    lines = [line.partition("#")[0] if '"' not in line else line for line in text.splitlines()]
    rows = [row for row in split_rows(path, "\n".join(line for line in lines if line.strip(" ,"))) if row]
    if not rows or rows[0][0].startswith("#"):
        raise problem(path, "it is empty", "give a header and rows")
    names = [renames.get(name.strip(), name.strip()) for name in rows[0]]
    full = [
        [*(cell.strip() for cell in row), *[""] * len(names)][: len(names)]
        for row in rows[1:]
        if not row[0].startswith("#")
    ]
    return Frame(path=path, names=tuple(names), rows=tuple(tuple(row) for row in full))
