"""Files that an import writes: new ones, beside what is there."""

from pathlib import Path

from llmsynthor.errors import Problem, RunFolderError


def write_new(path: Path, text: str, *, force: bool = False) -> Path:
    """Write a text file that is not there yet; raises RunFolderError where it is, or cannot be written."""
    if path.exists() and not force:
        advice = "name another file with --out, or use --force to replace it"
        raise RunFolderError(Problem(where=str(path), what="there is a file of this name", advice=advice))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as cause:
        advice = "name a place that can be written"
        raise RunFolderError(Problem(where=str(path), what=f"it cannot be written ({cause})", advice=advice)) from cause
    return path
