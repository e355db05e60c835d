"""Whatever a person or a stranger hands in as text, changed at random: specs, expressions, tables, `read:` blocks, answers."""

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import Any

import yaml

from llmsynthor.errors import LLMSynthorError
from llmsynthor.llm.answers import parse as parse_answer
from llmsynthor.llm.answers import validate
from llmsynthor.spec.expressions import ExpressionError, parse
from llmsynthor.spec.reading.files import load
from tests.campaigns.mutations import change_bytes, change_value
from tests.homes import HOMES

SLOW = 1.0
EXPRESSIONS = (
    b"age < 15 and income > 0",
    b"not (a in ['x', 'y'] or b == 'z') and 3 < c <= 4.5",
    b"(x if y > 2 else floor(z / 3)) != -1e9",
    b"count(person.age < 18) > size or any(person.job == 'none')",
    b"min(a, b, 3) + abs(c) * 2 >= max(d, e)",
)
SCHEMA = {"type": "object", "properties": {"age": {"type": "integer"}, "why": {"type": "string"}}, "required": ["age"]}
ANSWERS = (
    b'<think>{"age": 3}</think> Here you are:\n```json\n{"age": 40, "why": "as \\"said\\" {before}"}\n```',
    b'{"age": 40, "why": "x"} and {"age": 41}',
    b'[{"age": 1}, {"age": 2, "why": null}]',
)
TABLE = b'area,tenure,count\nNorth,owned,"1,210"\nNorth,rented,x\nSouth,owned,30\nSouth,rented,<5\n'
PUBLISHED = {
    "llmsynthor": 1,
    "units": {
        "household": {
            "variables": {
                "area": {"kind": "category", "levels": "from tables"},
                "tenure": {"kind": "category", "levels": ["owned", "rented"]},
            }
        }
    },
    "targets": [
        {
            "name": "tenure",
            "unit": "household",
            "table": "table.csv",
            "read": {
                "columns": {"area": "area"},
                "levels": {"tenure": {"owned": "owned", "rented": "rented"}},
                "ignore": ["Total"],
                "decimal": ".",
                "suppressed": {"x": "open", "<5": [1, 4]},
            },
        }
    ],
    "synthesis": {"records": 10},
}  # fmt: skip
WRITTEN = yaml.safe_dump(HOMES).encode()
Try = Callable[[Random, Path], bytes]


def _expression(rng: Random, _: Path) -> bytes:
    given = change_bytes(rng.choice(EXPRESSIONS), rng)
    parse(given.decode("utf-8", "surrogateescape"))
    return given


def _answer(rng: Random, _: Path) -> bytes:
    given = change_bytes(rng.choice(ANSWERS), rng)
    validate(parse_answer(given.decode("utf-8", "replace")), SCHEMA)
    return given


def _spec(rng: Random, folder: Path) -> bytes:
    given = change_bytes(WRITTEN, rng) if rng.random() < 0.5 else dumped(change_value(HOMES, rng))
    (folder / "spec.yaml").write_bytes(given)
    load(folder / "spec.yaml")
    return given


def _table(rng: Random, folder: Path) -> bytes:
    given = change_bytes(TABLE, rng)
    (folder / "table.csv").write_bytes(given)
    load(_beside(folder, PUBLISHED["targets"][0]))  # type: ignore[index]
    return given


def _read(rng: Random, folder: Path) -> bytes:
    block = change_value(PUBLISHED["targets"][0]["read"], rng)  # type: ignore[index]
    (folder / "table.csv").write_bytes(TABLE)
    document = _beside(folder, {**PUBLISHED["targets"][0], "read": block})  # type: ignore[index]
    given = dumped(document)
    (folder / "read.yaml").write_bytes(given)
    load(document)
    return given


def _beside(folder: Path, target: Mapping[str, Any]) -> dict[str, Any]:
    """The published spec with this target, as it is read from its file: to read the file takes longer than all the rest."""
    return {**PUBLISHED, "targets": [{**target, "table": str(folder / "table.csv")}]}


def dumped(value: object) -> bytes:
    return json.dumps(value).encode("utf-8", "surrogatepass")


KINDS: tuple[tuple[str, Try, int], ...] = (
    ("expression", _expression, 6),
    ("answer", _answer, 6),
    ("table", _table, 2),
    ("read", _read, 1),
    ("spec", _spec, 1),
)


def attack_parsers(scratch: Path, *, count: int, rng: Random) -> tuple[Counter[str], list[str]]:
    """Hand so many changed inputs to the parsers, the quick ones more often; gives outcomes, and unforeseen or slow ones."""
    outcomes, faults = Counter[str](), list[str]()
    (scratch / "table.csv").write_bytes(TABLE)
    load(_beside(scratch, PUBLISHED["targets"][0]))  # type: ignore[index]
    chosen = rng.choices(KINDS, weights=[weight for _, _, weight in KINDS], k=count)
    for name, attempt, _ in chosen:
        began, before = time.process_time(), rng.getstate()
        try:
            attempt(rng, scratch)
            outcomes[f"{name} read"] += 1
        except (LLMSynthorError, ExpressionError):
            outcomes[f"{name} refused"] += 1
        except Exception as error:  # noqa: BLE001  (what is looked for)
            if name == "answer" and type(error) is ValueError:  # a bad answer, with its reason
                outcomes["answer refused"] += 1
                continue
            faults.append(_said(name, error, attempt, before, scratch))
        if time.process_time() - began > SLOW:
            faults.append(f"{name}: slow ({time.process_time() - began:.1f} s), state kept: {hash(before)}")
    return outcomes, faults


def _said(name: str, error: Exception, attempt: Try, before: object, scratch: Path) -> str:
    """The fault, and where it comes from."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace is not None else "?"
    kept = [
        (scratch / own).read_bytes()[:300]
        for own in ("spec.yaml", "table.csv", "read.yaml")
        if (scratch / own).exists()
    ]
    return f"{name} at {place}: {error!r}"[:300] + (f" for {kept}" if name in ("spec", "table", "read") else "")
