"""Labels that are paths, `Total:!!Male:!!Under 5 years`: which cells are sums of others, and what the rest is cut by."""

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise

PART = "!!"


def parts_of(label: str) -> tuple[str, ...]:
    """The parts of a path, without colons behind them.

    >>> parts_of("Estimate!!Total:!!Male:!!Under 5 years")
    ('Estimate', 'Total', 'Male', 'Under 5 years')
    """
    return tuple(part.strip().rstrip(":").strip() for part in label.split(PART))


def leaves(paths: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Codes whose path no other goes on from: the cells that are no sums of others."""
    inner = {path[:k] for path in paths.values() for k in range(len(path))}
    return tuple(code for code, path in paths.items() if path not in inner)


def levels_of(paths: Sequence[tuple[str, ...]]) -> tuple[tuple[str, ...], ...] | None:
    """Cut paths of one length into their levels, without those where all say the same; None where lengths differ.

    >>> levels_of([("Total", "Male", "young"), ("Total", "Female", "young"), ("Total", "Male", "old")])
    (('Male', 'young'), ('Female', 'young'), ('Male', 'old'))
    """
    if len({len(path) for path in paths}) != 1:
        return None
    kept = [k for k in range(len(paths[0])) if len({path[k] for path in paths}) > 1]
    return tuple(tuple(path[k] for k in kept) for path in paths)


def matcher(pattern: str) -> re.Pattern[str]:
    """A pattern such as `Estimate!!Total:!!{sex}:!!{age}` as a regular expression; raises ValueError.

    Each name in braces takes one part of the path; colons behind parts may be there or not.
    """
    names = re.findall(r"\{(\w+)\}", pattern)
    if not names or len(set(names)) < len(names):
        raise ValueError("a pattern names each variable once in braces, as in Total:!!{sex}:!!{age}")
    if re.search(r"\}\{", pattern):
        raise ValueError("two names stand side by side: there must be something between them")
    pieces = []
    for part in pattern.split(PART):
        plain = part.strip().rstrip(":").strip()
        texts = re.split(r"\{(\w+)\}", plain)
        pieces.append("".join(f"(?P<{own}>[^!]+?)" if k % 2 else re.escape(own) for k, own in enumerate(texts)) + ":?")
    return re.compile("(?:Estimate!!)?" + PART.join(pieces).removeprefix(re.escape("Estimate") + ":?" + PART))


def rising(numbers: Sequence[float]) -> bool:
    """Whether each number is above the one before."""
    return all(a < b for a, b in pairwise(numbers))
