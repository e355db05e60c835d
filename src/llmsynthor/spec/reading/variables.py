"""Variables as they are written in a spec, those of free text, and what may be wrong with these."""

from collections.abc import Iterator
from typing import Any

from llmsynthor.errors import Problem
from llmsynthor.spec.levels import Interval
from llmsynthor.spec.reading.document import TextPart
from llmsynthor.spec.schema import Category, Numeric, Text, Unit, Variable

DEFAULT = Text(name="", prompt="")


def text_variable(name: str, part: TextPart) -> Text:
    """A variable of a document."""
    said = part.model_dump(exclude={"kind", "by"})
    return Text(name=name, by=tuple(part.by), **said)


def write_text_variable(text: Text) -> dict[str, Any]:
    """As it is read; what is at its default is left out."""
    more = {name: getattr(text, name) for name in ("language", "write", "variants", "alike")}
    written = {name: value for name, value in more.items() if value != getattr(DEFAULT, name)}
    written |= {"by": list(text.by)} if text.by else {}
    about = {"label": text.label, "description": text.description}
    return {"kind": "text", "prompt": text.prompt, "max_words": text.max_words, **written, **about}


def write_variable(variable: Variable) -> dict[str, Any]:
    """A variable as it is read."""
    about = {"label": variable.label, "description": variable.description}
    about |= {"like": variable.like} if isinstance(variable, Category | Numeric) and variable.like else {}
    if isinstance(variable, Category):
        return {"kind": "category", "levels": list(variable.levels), **about}
    if isinstance(variable, Numeric):
        ends = _ends(variable.range, integer=variable.integer)
        return {"kind": variable.kind, "range": ends, "unit": variable.unit, **about}
    assert isinstance(variable, Text)
    return write_text_variable(variable)


def _ends(interval: Interval, *, integer: bool) -> list[float]:
    return [int(end) if integer and end.is_integer() else end for end in (interval.low, interval.high)]


def text_problems(unit: Unit) -> Iterator[Problem]:
    """Name what tells kinds of records apart and is no variable of the unit."""
    known = {variable.name for variable in unit.coded} | {d.name for d in unit.derived if not d.hidden}
    for text in unit.texts:
        for name in text.by:
            if name not in known:
                where, advice = f"units.{unit.name}.variables.{text.name}.by", f"use: {', '.join(sorted(known))}"
                yield Problem(where=where, what="there is no such variable", found=name, advice=advice)
