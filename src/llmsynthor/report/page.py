"""One self-contained HTML file from a run folder. Nothing is loaded from anywhere; the same folder gives the same bytes."""

from pathlib import Path

from llmsynthor.errors import Problem, RunFolderError
from llmsynthor.files import write_beside
from llmsynthor.spec.specification import Spec


def write_report(run_folder: Path, spec: Spec | None = None, status: str = "") -> Path:
    """Write `report.html`, and `zones.csv` where there are zones, into a run folder; raises RunFolderError where it cannot.

    `spec` is the one in the folder, where it is known already: reading a large one takes as long as the rest. `status` is how the
    run has ended, where run.json will say so only when the report is there.
    """
    from llmsynthor.report.contents import gather  # noqa: PLC0415  (pictures need heavy imports)

    path = run_folder / "report.html"
    contents = gather(run_folder, spec, status)
    html, zones = _rendered(contents, run_folder), contents["zones"]
    try:
        write_beside(path, lambda partial: partial.write_text(html, encoding="utf-8"))
        if zones is not None and not zones.is_empty():
            write_beside(run_folder / "zones.csv", zones.write_csv)
    except OSError as cause:
        advice = "make room or choose a folder that can be written; the records are there already"
        raise RunFolderError(Problem(where=str(path), what=f"it cannot be written ({cause})", advice=advice)) from cause
    return path


def _rendered(contents: dict[str, object], run_folder: Path) -> str:
    from jinja2 import UndefinedError  # noqa: PLC0415  (keeps the import quick)

    try:
        return render(contents)
    except UndefinedError as cause:
        advice = "name the folder of a run; repeating the run in its folder writes the file anew"
        problem = Problem(where=str(run_folder / "run.json"), what=f"an entry is missing ({cause})", advice=advice)
        raise RunFolderError(problem) from cause


def render(contents: dict[str, object]) -> str:
    """Fill the template; every value is escaped, pictures excepted."""
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415  (keeps the import quick)

    loader = PackageLoader("llmsynthor.report")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("report.html.j2").render(**contents)
