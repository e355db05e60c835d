"""The command that holds a published table beside a run."""

import json
from pathlib import Path
from typing import Annotated

import typer

from llmsynthor.cli.saying import say


def add_to(app: typer.Typer) -> None:
    """Add the command to the others."""
    app.command()(audit)


def audit(
    run_folder: Annotated[Path, typer.Argument(metavar="DIR", help="A run folder.")],
    table: Annotated[Path, typer.Argument(metavar="TABLE", help="A published table of two variables, CSV or Parquet.")],
    unit: Annotated[str | None, typer.Option(help="The unit whose records it counts, where several could be.")] = None,
) -> None:
    """Compare a joint table that turned up later with a run that did not know it, as JSON: obtained, band, covered or not."""
    from llmsynthor.report.page import write_report
    from llmsynthor.run.audit import audit as audit_run

    found = audit_run(run_folder, table, unit=unit)
    write_report(run_folder)
    say(json.dumps(found.summary, indent=1, allow_nan=False))
