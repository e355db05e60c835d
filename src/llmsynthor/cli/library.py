"""Commands about libraries of dependence: list, show, match, build."""

from pathlib import Path
from typing import Annotated

import typer

from llmsynthor.cli.saying import say
from llmsynthor.options import Server, changed

library_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Libraries of dependence: what other records say of how variables hang together.",
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The name of a library, or the path of a library file.")]


@library_app.command("list")
def list_them() -> None:
    """List the libraries of the package."""
    from llmsynthor.library.shelf import open_library, shipped

    for name in shipped():
        library = open_library(name)
        units = ", ".join(f"{part.records:,} {part.unit} records" for part in library.within(""))
        beside = "".join(f"; {universe} beside" for universe in library.universes)
        say(f"{name:12} {library.about.get('title', '')} ({units}{beside})")


@library_app.command()
def show(name: Name) -> None:
    """Show what a library knows: its sources, its variables and their levels."""
    from llmsynthor.library.shelf import open_library

    library = open_library(name)
    for key, words in library.about.items():
        if words:
            say(f"{key}: {words}")
    say(f"digest: {library.digest}")
    for universe in library.universes:
        counted = ", ".join(f"{part.records:,} {part.unit} records" for part in library.within(universe))
        say(f"{universe} are counted beside the whole: {counted}")
    for part in library.within(""):
        strata = f", in strata of {part.strata}" if part.strata else ""
        say(f"{part.unit}: {part.records:,} records, {len(part.entries)} variables{strata}")
        for entry in part.entries:
            numbers = f"{entry.ends[0]:g} to under {entry.ends[-1]:g} {entry.unit}".strip() if entry.is_number else ""
            say(f"  {entry.name}: {entry.label} ({'; '.join([*([numbers] if numbers else []), *entry.words])})")
        if part.kinship is not None:
            say(f"  who lives with whom: {', '.join(part.kinship.names)}, by {part.kinship.kinds}")


@library_app.command()
def match(
    spec: Annotated[Path, typer.Argument(metavar="SPEC", help="A spec.yaml, or the folder that holds it.")],
    library: Annotated[str, typer.Option(help="A library's name, or the path of a library file.")] = "acs2024",
    llm: Annotated[
        str, typer.Option(help="The model that matches words, as in synthesize; none: numbers only.")
    ] = "local",
    out: Annotated[
        Path | None, typer.Option(help="Write the matches to this CSV file, the questions beside it.")
    ] = None,
    base_url: Annotated[str | None, typer.Option(help="Address of an OpenAI-compatible server.")] = None,
) -> None:
    """Say which variables of a spec a library knows, how sure that is, and what `like:` would change. Makes no records."""
    from llmsynthor.run.library import ledger_beside, match_spec, write_matches
    from llmsynthor.spec.specification import Spec

    ledger = ledger_beside(out) if out is not None else None
    found = match_spec(Spec.load(spec), library, llm, server=changed(Server(), {"base_url": base_url}), ledger=ledger)
    for row in found.to_dicts():
        figures = [f"{name} {row[name]:.2f}" for name in ("gap", "score") if row[name] is not None]
        said = f"{row['like']} ({', '.join([str(row['how']), *figures])})" if row["library_label"] else "nothing"
        used = "used" if row["trust"] != "none" else "not used"
        say(f"{row['unit']}.{row['variable']}: {said}; {used}: {row['in_words']}")
    taken = sum(row["trust"] != "none" for row in found.to_dicts())
    say(
        f"{taken} of {found.height} variables are matched with {library}. To overrule a match: like: NAME, or like: none."
    )
    if out is not None:
        say(str(write_matches(found, out)))


@library_app.command()
def build(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="A folder of micro-data (CSV, Parquet), or one file.")],
    out: Annotated[Path, typer.Option(help="Folder for the library and its recipe.")],
    recipe: Annotated[
        Path | None, typer.Option(help="A recipe; else library.yaml in the folder, else one is guessed.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the library, where the recipe is guessed.")] = None,
) -> None:
    """Build a library of your own from micro-data: pair tables, no records."""
    from llmsynthor.run.library import build as make

    file, digest, guessed = make(data, out, recipe=recipe, name=name)
    say(f"{file}: {file.stat().st_size:,} bytes, digest {digest}")
    if guessed:
        say(
            f"The recipe was guessed: say labels and levels in full words in {file.with_suffix('.yaml')}, and build again."
        )
