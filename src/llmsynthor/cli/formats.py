"""Commands for tables as published: look at one, begin a spec from some, import the folder of another tool, export a run."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from llmsynthor.cli.saying import say
from llmsynthor.errors import DataError, Problem

Decimal = Annotated[str | None, typer.Option(help="The sign of decimals, . or , where it cannot be told.")]
Sheet = Annotated[str | None, typer.Option(help="Sheet of a workbook, layer of a GeoPackage.")]


def look(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A table as published, of any known format.")],
    sheet: Sheet = None,
    cells: Annotated[str | None, typer.Option(help="Cells of the sheet, as A5:G64.")] = None,
    head: Annotated[int | None, typer.Option(help="How many rows the head has.")] = None,
    skip_rows: Annotated[int, typer.Option(help="Rows above the table.")] = 0,
    separator: Annotated[str | None, typer.Option(help="The sign between fields.")] = None,
    decimal: Decimal = None,
    encoding: Annotated[str | None, typer.Option(help="Encoding of the file.")] = None,
    layout: Annotated[str | None, typer.Option(help="long, wide or matrix.")] = None,
    matrix: Annotated[str | None, typer.Option(help="Matrix of an OMX file.")] = None,
    labels: Annotated[str | None, typer.Option(help="variables.json of a table of the Census API.")] = None,
    language: Annotated[str | None, typer.Option(help="Language of a PX file.")] = None,
) -> None:
    """Say what a file holds: dimensions, codes, totals, gaps, margins. Prints a target with its read: block to paste."""
    from llmsynthor.imports.starting import read_source, sheets_of, target_lines
    from llmsynthor.sources.looking import describe
    from llmsynthor.sources.recognise import recognise_or_none
    from llmsynthor.sources.table import Reading

    kinds: dict[str, Literal["long", "wide", "matrix"]] = {"long": "long", "wide": "wide", "matrix": "matrix"}
    signs: dict[str, Literal[".", ","]] = {".": ".", ",": ","}
    _one_of("--layout", layout, kinds)
    _one_of("--decimal", decimal, signs)
    said = Reading(
        sheet=int(sheet) if sheet is not None and sheet.isdecimal() and len(sheet) < 6 else sheet,
        cells=cells,
        head=head,
        skip_rows=skip_rows,
        separator=separator,
        decimal=signs[decimal] if decimal else None,
        encoding=encoding,
        layout=kinds[layout] if layout else None,
        matrix=matrix,
        labels=labels,
        language=language,
    )
    if sheet is None and recognise_or_none(file) == "excel":
        found = sheets_of(file)
        if len(found) != 1:
            for name, rows, columns in found:
                say(f'sheet "{name}": {rows:,} rows, {columns:,} columns')
            say(f'{len(found)} sheets hold tables: look at one with --sheet "NAME"')
            return
    source = read_source(file, said)
    for line in describe(file, source.table, source.found):
        say(line)
    say("")
    for line in target_lines(source, Path.cwd()):
        say(line)


def _one_of(option: str, value: str | None, known: dict[str, Any]) -> None:
    if value is not None and value not in known:
        raise DataError(
            Problem(where=option, what="there is no such value", found=value, advice=f"use one of: {' '.join(known)}")
        )


def init(
    files: Annotated[list[Path], typer.Argument(metavar="FILES...", help="Tables as published.")],
    out: Annotated[Path, typer.Option(help="The spec to write.")] = Path("spec.yaml"),
    sheet: Sheet = None,
    decimal: Decimal = None,
    name: Annotated[str, typer.Option(help="Name of the spec.")] = "",
    force: Annotated[bool, typer.Option("--force", help="Replace the spec that is there.")] = False,
) -> None:
    """Write a whole spec from tables as published: levels and ranges from the tables, what is to decide as comments."""
    from llmsynthor.imports.starting import read_source, write_spec
    from llmsynthor.imports.writing import write_new
    from llmsynthor.sources.table import Reading

    signs: dict[str, Literal[".", ","]] = {".": ".", ",": ","}
    _one_of("--decimal", decimal, signs)
    said = Reading(sheet=sheet, decimal=signs[decimal] if decimal else None)
    sources = [read_source(file, said) for file in files]
    text = write_spec(sources, out.resolve().parent, name=name)
    say(str(write_new(out, text, force=force)))
    say(f"{text.count('# decide:')} places are to be decided: read it, then `llmsynthor check {out}`")


def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    kind: Annotated[
        str,
        typer.Argument(
            metavar="KIND",
            help="csv, excel, sqlite, duckdb, postgres, package, geoparquet, activitysim, populationsim, matsim or starsim.",
        ),
    ],
    out: Annotated[Path | None, typer.Option(help="A new or empty folder.")] = None,
    map_file: Annotated[
        Path | None, typer.Option("--map", help="YAML that maps columns to variables, levels to codes.")
    ] = None,
    write_map: Annotated[
        Path | None,
        typer.Option("--write-map", help="Write the map that would be taken to this file, to edit; nothing else."),
    ] = None,
) -> None:
    """Write the records of a finished run for other programs. Children carry their position and the ids of all above."""
    from llmsynthor.imports.writing import write_new
    from llmsynthor.records.formats.export import export as write
    from llmsynthor.records.formats.export import map_of
    from llmsynthor.records.formats.made import read_made
    from llmsynthor.spec.reading.yaml_text import write_yaml

    made = read_made(run)
    if write_map is not None:
        say(str(write_new(write_map, write_yaml(map_of(made, kind)))))
        return
    if out is None:
        raise DataError(
            Problem(where="--out", what="it is not said where to write", advice="name a new or empty folder")
        )
    for path in write(made, kind, out, map_file):
        say(str(path))


import_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Folders of other tools become specs.")


@import_app.command("populationsim")
def import_from_populationsim(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder that holds configs and data.")],
    out: Annotated[Path, typer.Option(help="Folder for the spec and its tables.")],
    configs: Annotated[
        str, typer.Option("--configs", "-c", help="Folder of controls.csv and settings.yaml.")
    ] = "configs",
    data: Annotated[str, typer.Option("--data", "-d", help="Folder of control totals, crosswalk, seeds.")] = "data",
    force: Annotated[bool, typer.Option("--force", help="Replace what an import wrote before.")] = False,
) -> None:
    """Make a spec of PopulationSim's controls, control totals, crosswalk and settings; of seeds, records for --start."""
    from llmsynthor.imports.populationsim import import_populationsim

    made = import_populationsim(folder, out, configs=configs, data=data, force=force)
    for note in made.notes:
        say(f"note: {note}")
    say(str(made.spec))


@import_app.command("popgen")
def import_from_popgen(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="The folder that holds configuration.yaml and its files.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for the spec and its tables.")],
    force: Annotated[bool, typer.Option("--force", help="Replace what an import wrote before.")] = False,
) -> None:
    """Make a spec of PopGen's marginals and mappings of geos and regions; of samples, records for --start."""
    from llmsynthor.imports.popgen import import_popgen

    made = import_popgen(folder, out, force=force)
    for note in made.notes:
        say(f"note: {note}")
    say(str(made.spec))


@import_app.command("census")
def import_from_census(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILES...", help="CSV of data.census.gov, JSON of the Census API.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for the spec.")],
    force: Annotated[bool, typer.Option("--force", help="Replace the spec that is there.")] = False,
) -> None:
    """Make a spec of tables of the US Census Bureau, with their margins of error; the tables stay where they are."""
    init(files, out=out / "spec.yaml", sheet=None, decimal=None, name="", force=force)


def add_to(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command()(look)
    app.command()(init)
    app.command()(export)
    app.add_typer(import_app, name="import")
