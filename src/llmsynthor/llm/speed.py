"""How long a model's calls take on this machine, remembered from run to run, so that `check` can say it beforehand."""

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from llmsynthor.llm.backend import Identity
from llmsynthor.llm.models import cache_folder


def speed_file() -> Path:
    """The file beside the weights; it may be deleted at any time."""
    return cache_folder() / "speed.json"


def remember(identity: Identity, seconds: Mapping[str, float]) -> None:
    """Keep the mean seconds of a call, by kind (`write`, `score`); a folder that cannot be written is left alone."""
    path = speed_file()
    known = _read(path)
    known[identity.name] = {**known.get(identity.name, {}), **{kind: round(own, 4) for kind, own in seconds.items()}}
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def expected_seconds(name: str, *, writes: int, scores: int) -> float | None:
    """Seconds that so many calls will take, from those of earlier runs; None where nothing was measured."""
    known = _read(speed_file()).get(name, {})
    if ("write" not in known and writes) or ("score" not in known and scores):
        return None
    return writes * known.get("write", 0.0) + scores * known.get("score", 0.0)


def _read(path: Path) -> dict[str, dict[str, float]]:
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) and all(isinstance(own, dict) for own in known.values()) else {}
