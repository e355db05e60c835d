"""What models were measured to know, remembered from run to run by the digest of their weights, so that each is asked once."""

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from llmsynthor.llm.backend import Identity
from llmsynthor.llm.models import cache_folder


def measured_file() -> Path:
    """The file beside the weights; it may be deleted at any time."""
    return cache_folder() / "measured.json"


def remember(identity: Identity, bench: str, found: Mapping[str, float]) -> None:
    """Keep what was measured of a model on a bench of this digest; a folder that cannot be written stays."""
    path = measured_file()
    known = _read(path)
    known[f"{identity.digest} {bench}"] = {"name": identity.name, **found}
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def recall(digest: str, bench: str) -> Any:
    """What was kept, None where nothing was."""
    return _read(measured_file()).get(f"{digest} {bench}")


def _read(path: Path) -> dict[str, Any]:
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}
