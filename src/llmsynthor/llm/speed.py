"""How long a model's calls take on this machine, remembered from run to run, so that `check` can say it beforehand."""

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from llmsynthor.llm.backend import Identity
from llmsynthor.llm.models import cache_folder

READ = 0.15
"""What a token that is read takes, in tokens that are written: many are read at once, and most are known from the call before."""


def speed_file() -> Path:
    """The file beside the weights; it may be deleted at any time."""
    return cache_folder() / "speed.json"


def remember(identity: Identity, seconds: Mapping[str, float]) -> None:
    """Keep the mean seconds of a call, by kind (`write`, `score`), and of a `token`; a folder that cannot be written stays."""
    path = speed_file()
    known = _read(path)
    known[identity.name] = {**known.get(identity.name, {}), **{kind: round(own, 4) for kind, own in seconds.items()}}
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def expected_seconds(name: str, *, writes: int, scores: int, tokens: float = 0.0) -> float | None:
    """Seconds that so many calls, and tokens of texts, will take by those of earlier runs; None where nothing was measured."""
    known, wanted = _read(speed_file()).get(name, {}), {"write": writes, "score": scores, "token": tokens}
    if any(number and kind not in known for kind, number in wanted.items()):
        return None
    return sum(number * known.get(kind, 0.0) for kind, number in wanted.items())


def _read(path: Path) -> dict[str, dict[str, float]]:
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) and all(isinstance(own, dict) for own in known.values()) else {}
