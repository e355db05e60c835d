"""The files of a PopGen folder: its configuration, marginals with heads of three rows, samples and mappings of zones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llmsynthor.errors import LLMSynthorError
from llmsynthor.files import read_bytes, read_text
from llmsynthor.imports.folders import MOST_BYTES, Frame, problem, split_rows
from llmsynthor.imports.starts import plain_id
from llmsynthor.spec.reading.yaml_text import read_yaml

LEVELS = ("region", "geo")
HOUSEHOLD, GROUP, PERSON = "household", "groupquarters", "person"
WORDS = {HOUSEHOLD: ("household", "hhld", "hh_"), GROUP: ("groupquarter", "group_quarter", "gq"), PERSON: ("person",)}
"""What names of files say of entities, where no configuration does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Marginal:
    """Counts of one variable of one entity: by zone, a number a category (None: an empty cell)."""

    entity: str
    level: str
    name: str
    categories: tuple[str, ...]
    counts: Mapping[str, tuple[float | None, ...]]
    file: str

    def total(self, zone: str) -> float:
        return sum(own or 0.0 for own in self.counts.get(zone, ()))


@dataclass(frozen=True, slots=True, kw_only=True)
class PopGen:
    """A PopGen folder: marginals, samples by entity, pairs of zones, names of columns, and what its scenario asks for."""

    folder: Path
    marginals: tuple[Marginal, ...]
    samples: Mapping[str, Frame]
    regions: tuple[tuple[str, str], ...]
    """Pairs of region and geo."""
    sample_geos: Mapping[str, frozenset[str]]
    """Sample geographies of each geo."""
    names: Mapping[str, str]
    scenario: Mapping[str, Any]


def read_folder(folder: Path) -> PopGen:
    """Read what PopGen reads, found as its configuration names it, else by the names of files; raises DataError."""
    if not folder.is_dir():
        raise problem(folder, "there is no such folder", "name the folder that holds PopGen's files")
    project = _project(folder)
    inputs = _mapping(project.get("inputs"))
    files = _located(folder, project, inputs) if inputs else _guessed(folder)
    names = {key: key for key in ("hid", "pid", "geo", "region", "sample_geo")} | {
        str(key): str(own) for key, own in _mapping(inputs.get("column_names")).items()
    }
    scenarios = project.get("scenario")
    first = scenarios[0] if isinstance(scenarios, list) and scenarios else scenarios
    marginals = [
        own
        for (part, level, entity), path in files.items()
        if part == "marginals"
        for own in read_marginals(path, entity, level)
    ]
    if not any(own.level == "geo" for own in marginals):
        advice = "put household_marginals.csv there, or a configuration.yaml that names it"
        raise problem(folder, "it holds no marginals of geos", advice)
    samples = {entity: _frame(path) for (part, _, entity), path in files.items() if part == "sample"}
    pairs = {key: _frame(path) for (part, key, _), path in files.items() if part == "mapping"}
    lies = pairs.get("geo_to_sample")
    sample_geos: dict[str, set[str]] = {}
    for geo, sample in _pairs(lies, (names["geo"], names["sample_geo"])):
        sample_geos.setdefault(geo, set()).add(sample)
    return PopGen(
        folder=folder,
        marginals=tuple(marginals),
        samples=samples,
        regions=tuple(_pairs(pairs.get("region_to_geo"), (names["region"], names["geo"]))),
        sample_geos={geo: frozenset(own) for geo, own in sample_geos.items()},
        names=names,
        scenario=_mapping(first),
    )


def _mapping(found: Any) -> Mapping[str, Any]:
    return found if isinstance(found, dict) else {}


def is_true(said: Any) -> bool:
    """Whether a word of a configuration says yes: yes, no, on and off are read as the texts that they are."""
    return bool(said) and str(said).casefold() not in ("no", "off")


def _project(folder: Path) -> Mapping[str, Any]:
    """The project of the first configuration; none where there is no such file."""
    paths = sorted(
        (*folder.glob("*.yaml"), *folder.glob("*.yml")), key=lambda own: (own.stem != "configuration", own.name)
    )
    for path in paths:
        try:
            project = _mapping(_mapping(read_yaml(read_text(path), where=str(path))).get("project"))
        except LLMSynthorError:
            if path.stem == "configuration":
                raise
            continue
        if project:
            return project
    return {}


Files = dict[tuple[str, str, str], Path]


def _located(folder: Path, project: Mapping[str, Any], inputs: Mapping[str, Any]) -> Files:
    """Files by part, level and entity, as the configuration names them."""
    location = _mapping(inputs.get("location"))
    base = folder / str(project.get("location", "."))
    found: Files = {}

    def place(key: tuple[str, str, str], name: Any) -> None:
        tried = [base / str(name), folder / str(name), folder / Path(str(name).replace("\\", "/")).name]
        path = next((own for own in tried if own.is_file()), None)
        if path is None:
            advice = "put the file there, or correct the configuration"
            raise problem(folder, "a file of the configuration is missing", advice, str(name))
        found[key] = path

    for key, name in _mapping(location.get("geo_corr_mapping")).items():
        place(("mapping", str(key), ""), name)
    for entity, name in _mapping(location.get("sample")).items():
        place(("sample", "", str(entity)), name)
    for level, named in _mapping(location.get("marginals")).items():
        for entity, name in _mapping(named).items():
            place(("marginals", str(level), str(entity)), name)
    return found


def _guessed(folder: Path) -> Files:
    """Files by part, level and entity, as their names say."""
    found: Files = {}
    for path in sorted(folder.glob("*.csv")):
        name = path.name.lower()
        entity = next((key for key, words in WORDS.items() if any(word in name for word in words)), "")
        if "mapping" in name or "corr" in name:
            key = "region_to_geo" if "region" in name and "sample" not in name else "region_to_sample"
            found["mapping", key if "region" in name else "geo_to_sample", ""] = path
        elif "marginal" in name and entity:
            found["marginals", "region" if "region" in name else "geo", entity] = path
        elif "sample" in name and entity:
            found["sample", "", entity] = path
    return found


def _rows(path: Path) -> list[list[str]]:
    """Rows of a CSV file, whatever ends its lines."""
    try:
        text = read_bytes(path, MOST_BYTES).decode("utf-8-sig")
    except (OSError, ValueError) as cause:
        raise problem(path, f"it cannot be read ({str(cause)[:100]})", "correct the file; CSV in UTF-8") from cause
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    rows = [[cell.strip() for cell in row] for row in split_rows(path, lines)]
    return [row for row in rows if any(row)]


def _frame(path: Path) -> Frame:
    rows = _rows(path)
    if not rows:
        raise problem(path, "it is empty", "give a header and rows")
    full = [tuple([*row, *[""] * len(rows[0])][: len(rows[0])]) for row in rows[1:]]
    return Frame(path=path, names=tuple(rows[0]), rows=tuple(full))


def _pairs(frame: Frame | None, names: tuple[str, str]) -> Sequence[tuple[str, str]]:
    if frame is None:
        return ()
    missing = [name for name in names if name not in frame.names]
    if missing:
        raise problem(frame.path, "a column is missing", "name it in column_names of the configuration", missing[0])
    one, other = (map(plain_id, frame.column(name)) for name in names)
    return list(dict.fromkeys(zip(one, other, strict=True)))


def read_marginals(path: Path, entity: str, level: str) -> list[Marginal]:
    """Read a file of marginals: a row of names, one of categories, one that names the zones, then counts; raises DataError.

    A file without rows of counts, as PopGen wants it where nothing is controlled, holds no marginals.
    """
    rows = _rows(path)
    if len(rows) < 2 or rows[0][0] != "variable_names" or rows[1][0] != "variable_categories":
        advice = "the first two rows begin with variable_names and variable_categories"
        raise problem(path, "it is no file of PopGen's marginals", advice, rows[0][0] if rows else None)
    width = max(map(len, rows))
    names, categories, *body = ([*row, *[""] * width][:width] for row in rows)
    if body and not any(body[0][1:]):
        body = body[1:]
    columns: dict[str, list[int]] = {}
    for k, name in enumerate(names[1:], start=1):
        if name:
            columns.setdefault(name, []).append(k)
    for row in body:
        for k in (k for own in columns.values() for k in own):
            _number(row[k], path, row[0], names[k])
    return [
        Marginal(
            entity=entity,
            level=level,
            name=name,
            categories=tuple(plain_id(categories[k]) for k in own),
            counts={plain_id(row[0]): tuple(_number(row[k], path, row[0], name) for k in own) for row in body},
            file=path.name,
        )
        for name, own in columns.items()
        if body
    ]


def _number(text: str, path: Path, zone: str, name: str) -> float | None:
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        where = f'{name} of zone "{zone}"'
        raise problem(path, f"a count of {where} is no number from 0 upwards", "correct the file", text)
    return number
