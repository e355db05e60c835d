"""One self-contained HTML file from a run folder. Nothing is loaded from anywhere; the same folder gives the same bytes."""

import os
from pathlib import Path

from llmsynthor.errors import Problem, RunFolderError


def write_report(run_folder: Path) -> Path:
    """Write `report.html` into a run folder; raises RunFolderError when it cannot be read or written."""
    from llmsynthor.report.contents import gather  # noqa: PLC0415  (pictures need heavy imports)

    path = run_folder / "report.html"
    html = render(gather(run_folder))
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_text(html, encoding="utf-8")
        partial.replace(path)
    except OSError as cause:
        advice = "make room or choose a folder that can be written; the records are there already"
        raise RunFolderError(Problem(where=str(path), what=f"it cannot be written ({cause})", advice=advice)) from cause
    return path


def render(contents: dict[str, object]) -> str:
    """Fill the template; every value is escaped, pictures excepted."""
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415  (keeps the import quick)

    loader = PackageLoader("llmsynthor.report")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("report.html.j2").render(**contents)
