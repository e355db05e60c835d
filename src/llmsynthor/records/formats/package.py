"""A package: Parquet and CSV, described for Frictionless (datapackage.json), CSVW (csv-metadata.json) and Croissant."""

import hashlib
import json
from pathlib import Path
from typing import Any

from llmsynthor.records.formats.described import Described, describe
from llmsynthor.records.formats.made import Made
from llmsynthor.records.formats.places import telling

CSVW_KINDS = {"integer": "integer", "number": "double", "string": "string"}
CROISSANT_KINDS = {"integer": "sc:Integer", "number": "sc:Float", "string": "sc:Text"}
CROISSANT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}


def write_package(made: Made, out: Path) -> list[Path]:
    """Write the records twice, as Parquet and as CSV, and three descriptions of them; nothing refers to a network."""
    paths = []
    (out / "data").mkdir()
    for unit, frame in made.frames.items():
        for suffix in ("parquet", "csv"):
            path = out / "data" / f"{unit}.{suffix}"
            with telling(path):
                frame.write_parquet(path) if suffix == "parquet" else frame.write_csv(path)
            paths.append(path)
    columns = {unit: list(describe(made, unit)) for unit in made.frames}
    described = {
        "datapackage.json": _frictionless(made, columns),
        "csv-metadata.json": _csvw(columns),
        "croissant.json": _croissant(made, columns, out),
    }
    for name, content in described.items():
        path = out / name
        with telling(path):
            path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        paths.append(path)
    return paths


def _title(made: Made) -> str:
    return made.spec.name or "synthetic records"


def _slug(made: Made) -> str:
    plain = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in _title(made).lower())
    return "-".join(part for part in plain.split("-") if part)[:60] or "records"


def _frictionless(made: Made, columns: dict[str, list[Described]]) -> dict[str, Any]:
    resources = []
    for unit, own in columns.items():
        fields = []
        for column in own:
            limits: dict[str, Any] = {"required": True} if column.is_key else {}
            limits |= {"unique": True} if column.is_key else {}
            limits |= {"enum": list(column.levels)} if column.levels else {}
            limits |= {"minimum": column.low} if column.low is not None and column.kind == "number" else {}
            limits |= {"minimum": int(column.low)} if column.low is not None and column.kind == "integer" else {}
            about = {"title": column.label, "description": column.description}
            field = {"name": column.name, "type": column.kind, **{key: text for key, text in about.items() if text}}
            fields.append(field | ({"constraints": limits} if limits else {}))
        links = [
            {"fields": [c.name], "reference": {"resource": c.refers_to, "fields": [c.name]}} for c in own if c.refers_to
        ]
        schema: dict[str, Any] = {"fields": fields, "primaryKey": [f"{unit}_id"]}
        schema |= {"foreignKeys": links} if links else {}
        resources.append(
            {
                "name": unit,
                "path": f"data/{unit}.csv",
                "format": "csv",
                "mediatype": "text/csv",
                "encoding": "utf-8",
                "schema": schema,
            }
        )
    return {"name": _slug(made), "title": _title(made), "description": made.spec.context, "resources": resources}


def _csvw(columns: dict[str, list[Described]]) -> dict[str, Any]:
    tables = []
    for unit, own in columns.items():
        described = [
            {"name": c.name, "titles": c.name, "datatype": CSVW_KINDS[c.kind]}
            | ({"dc:description": c.label} if c.label else {})
            | ({"required": True} if c.is_key else {})
            for c in own
        ]
        links = [
            {
                "columnReference": c.name,
                "reference": {"resource": f"data/{c.refers_to}.csv", "columnReference": c.name},
            }
            for c in own
            if c.refers_to
        ]
        schema: dict[str, Any] = {"columns": described, "primaryKey": f"{unit}_id"}
        schema |= {"foreignKeys": links} if links else {}
        tables.append({"url": f"data/{unit}.csv", "tableSchema": schema})
    return {"@context": "http://www.w3.org/ns/csvw", "tables": tables}


def _croissant(made: Made, columns: dict[str, list[Described]], out: Path) -> dict[str, Any]:
    files = [
        {
            "@type": "cr:FileObject",
            "@id": f"{unit}.csv",
            "name": f"{unit}.csv",
            "contentUrl": f"data/{unit}.csv",
            "encodingFormat": "text/csv",
            "sha256": hashlib.sha256((out / "data" / f"{unit}.csv").read_bytes()).hexdigest(),
        }
        for unit in columns
    ]
    sets = [
        {
            "@type": "cr:RecordSet",
            "@id": unit,
            "name": unit,
            "key": {"@id": f"{unit}/{unit}_id"},
            "field": [_field(unit, column) for column in own],
        }
        for unit, own in columns.items()
    ]
    return {
        "@context": CROISSANT,
        "@type": "sc:Dataset",
        "name": _slug(made),
        "description": made.spec.context or _title(made),
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "license": "unknown: that of the sources",
        "distribution": files,
        "recordSet": sets,
    }


def _field(unit: str, column: Described) -> dict[str, Any]:
    found: dict[str, Any] = {
        "@type": "cr:Field",
        "@id": f"{unit}/{column.name}",
        "name": column.name,
        "dataType": CROISSANT_KINDS[column.kind],
        "source": {"fileObject": {"@id": f"{unit}.csv"}, "extract": {"column": column.name}},
    }
    if column.label:
        found["description"] = column.label
    if column.refers_to:
        owner = {"fileObject": {"@id": f"{column.refers_to}.csv"}, "extract": {"column": column.name}}
        found["references"] = owner  # by its file: readers join rows of files, not of record sets that are read already
    return found
