"""Targets of the fuzzer atheris: whatever bytes come in, an error of the house or none comes out, and soon.

    python -m tests.campaigns.fuzz TARGET CORPUS [options of libFuzzer, such as -max_total_time=60 -timeout=2]

TARGET is one of `expression`, `answer`, `response`, `table`, `read`, `spec`, `ledger`. `make fuzz` gives each its time, with the
corpus kept beside this file; an input that ends it is written as crash-…, and belongs into the corpus once the fault is mended.
"""

import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

CORPUS = Path(__file__).with_name("corpus")
LONGEST = 4_000
"""Bytes of an input; spec and table are read whole each time."""


@cache
def _folder() -> Path:
    return Path(mkdtemp(prefix="llmsynthor-fuzz-"))


def _expression(data: bytes) -> None:
    from llmsynthor.spec.expressions import ExpressionError, parse  # noqa: PLC0415  (instrumented when it is imported)

    with suppress(ExpressionError):
        parse(data.decode("utf-8", "surrogateescape"))


def _answer(data: bytes) -> None:
    from llmsynthor.llm.answers import parse, validate  # noqa: PLC0415
    from tests.campaigns.parsers import SCHEMA  # noqa: PLC0415

    try:
        validate(parse(data.decode("utf-8", "replace")), SCHEMA)
    except ValueError as error:
        if type(error) is not ValueError:
            raise


def _response(data: bytes) -> None:
    from llmsynthor.errors import LLMError  # noqa: PLC0415
    from llmsynthor.llm import replies  # noqa: PLC0415

    for read in (replies.read_chat, replies.read_listed, replies.read_tokens, replies.read_reason):
        with suppress(ValueError, LLMError):
            read(data)


def _load(name: str, data: bytes, **beside: bytes) -> None:
    from llmsynthor.errors import LLMSynthorError  # noqa: PLC0415
    from llmsynthor.spec.reading.files import load  # noqa: PLC0415

    for file, content in {name: data, **beside}.items():
        (_folder() / file.replace("_", ".")).write_bytes(content)
    with suppress(LLMSynthorError):
        load(_folder() / "spec.yaml")


def _spec(data: bytes) -> None:
    from tests.campaigns.parsers import TABLE  # noqa: PLC0415

    _load("spec.yaml", data, table_csv=TABLE)


def _table(data: bytes) -> None:
    from tests.campaigns.parsers import PUBLISHED, dumped  # noqa: PLC0415

    _load("table.csv", data, spec_yaml=dumped(PUBLISHED))


def _read(data: bytes) -> None:
    """A `read:` block as it is written."""
    from tests.campaigns.parsers import PUBLISHED, TABLE, dumped  # noqa: PLC0415

    target = PUBLISHED["targets"][0]  # type: ignore[index]
    whole = dumped({**PUBLISHED, "targets": [{**target, "read": "BLOCK"}]})  # type: ignore[dict-item]
    _load("spec.yaml", whole.replace(b'"BLOCK"', data), table_csv=TABLE)


def _ledger(data: bytes) -> None:
    """A ledger of a stranger's run folder."""
    from llmsynthor.errors import LLMSynthorError  # noqa: PLC0415
    from llmsynthor.llm.ledger import Ledger  # noqa: PLC0415

    (_folder() / "ledger.sqlite").write_bytes(data)
    with suppress(LLMSynthorError):
        ledger = Ledger(_folder() / "ledger.sqlite")
        try:
            for _ in ledger.rows():
                pass
        finally:
            ledger.close()


TARGETS: Mapping[str, Callable[[bytes], None]] = {
    "expression": _expression,
    "answer": _answer,
    "response": _response,
    "table": _table,
    "read": _read,
    "spec": _spec,
    "ledger": _ledger,
}


def main() -> None:
    """Fuzz one target; atheris ends the process."""
    import atheris  # noqa: PLC0415  (only at night)

    name, rest = sys.argv[1], sys.argv[2:]
    target = TARGETS[name]
    with atheris.instrument_imports(include=["llmsynthor"]):
        target(b"{}")  # imports what is fuzzed
    atheris.Setup([sys.argv[0], *rest, f"-max_len={LONGEST}"], target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
