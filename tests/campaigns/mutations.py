"""Inputs that were right once: bytes and values changed at random, by a generator that is handed in."""

import json
from random import Random
from typing import Any

ODD_VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 10**30, 1e308, float("nan"), float("inf"), "", "x", "\ud800", "\x00\x1b[31m", "\u202e", "9" * 5_000,
    [], {}, [[]], [None], {"": None}, ["x"] * 50, {"a": {"b": []}},
)  # fmt: skip
ODD_BYTES = (
    b"\x00",
    b"\xff\xfe",
    b"{",
    b"[",
    b'"',
    b",",
    b"\n",
    b"\r\n\r\n",
    b"&a",
    b"*a",
    b"!!",
    b": ",
    b"- ",
    b"<",
    b"\x1b",
    b"1e999",
)


def change_bytes(given: bytes, rng: Random) -> bytes:
    """Cut, flip, double, insert or move a piece, once to four times."""
    found = bytearray(given)
    for _ in range(rng.randint(1, 4)):
        at, size = rng.randrange(len(found) + 1), rng.choice((1, 1, 4, 64))
        deed = rng.randrange(6)
        if deed == 0:
            del found[at:]
        elif deed == 1:
            del found[at : at + size]
        elif deed == 2 and at < len(found):
            found[at] ^= 1 << rng.randrange(8)
        elif deed == 3:
            found[at:at] = rng.choice(ODD_BYTES) * rng.choice((1, 1, 3))
        elif deed == 4:
            found[at:at] = found[at : at + size] * rng.choice((1, 5))
        else:
            found[at : at + size] = rng.randbytes(size)
    return bytes(found)


def change_value(given: Any, rng: Random) -> Any:
    """Put something odd at a random place of a value of JSON, or take the place away."""
    if isinstance(given, dict) and given and rng.random() < 0.8:
        key = rng.choice(list(given))
        rest = {name: own for name, own in given.items() if name != key}
        return rest if rng.random() < 0.15 else {**rest, key: change_value(given[key], rng)}
    if isinstance(given, list) and given and rng.random() < 0.8:
        at = rng.randrange(len(given))
        return [*given[:at], change_value(given[at], rng), *given[at + 1 :]]
    return rng.choice(ODD_VALUES)


def change_json(given: bytes, rng: Random) -> bytes:
    """Change a document of JSON as a value, or where it is none any more as bytes."""
    if rng.random() < 0.5:
        return change_bytes(given, rng)
    return json.dumps(change_value(json.loads(given), rng)).encode("utf-8", "surrogatepass")
