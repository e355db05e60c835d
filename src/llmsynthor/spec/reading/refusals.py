"""What a document's shape has against it, said in the words of a spec."""

import re
from difflib import get_close_matches
from functools import cache
from typing import Any

from llmsynthor.errors import Problem
from llmsynthor.spec.reading.document import (
    CategoryPart,
    DerivedCategoryPart,
    DerivedLookupPart,
    DerivedNumericPart,
    Document,
    IncludePart,
    LibraryRulePart,
    NumericPart,
    RulePart,
    TargetPart,
    TextPart,
    UnitPart,
)
from llmsynthor.spec.reading.parts import Part

DEVIATION = "a standard deviation is written deviation: VARIABLE"
OPPOSITE = "a rule says what no record may be: write the opposite as forbid"
UNIVERSE = "the records that a table is about are its universe; a share of a condition has where"
SAID_OTHERWISE = {
    "weight": "a target has importance, or a column of margins with margin_of_error",
    **dict.fromkeys(("sd", "std", "stdev", "standard_deviation"), DEVIATION),
    "variance": f"{DEVIATION}; give its square root",
    "median": "a median is written quantile: VARIABLE, probability: 0.5",
    **dict.fromkeys(("require", "assert", "allow"), OPPOSITE),
    **dict.fromkeys(("condition", "filter"), UNIVERSE),
}
"""What keys of other tools are called here."""

PLACES: tuple[tuple[str, tuple[type[Part], ...]], ...] = (
    ("", (Document,)),
    (r"targets\[\d+\]", (TargetPart,)),
    (r"rules\[\d+\]", (RulePart, IncludePart, LibraryRulePart)),
    (r"units\.[^.]+", (UnitPart,)),
    (r"units\.[^.]+\.variables\.[^.]+", (CategoryPart, NumericPart, TextPart)),
    (r"units\.[^.]+\.derived\.[^.]+", (DerivedCategoryPart, DerivedNumericPart, DerivedLookupPart)),
)
"""What stands at a place; anywhere else it may be a key of any part."""

SHAPES = ("category", "integer", "number", "text", "a name", "a rule", "an include", "a lookup", "an expression")
UNION_NAMES = (*SHAPES, "float", "TolerancePart")
"""What pydantic puts into the place of an error to say which of several shapes it tried."""


def refusal(error: Any) -> Problem:
    """Say what a document's shape has against it, as one of the errors of pydantic has it, in the words of a spec."""
    parts = [str(part) for part in error["loc"] if part not in UNION_NAMES and not str(part).startswith("list[")]
    place = "".join(f"[{part}]" if part.isdigit() else f".{part}" for part in parts).lstrip(".") or "spec"
    found = error.get("input")
    shown = None if isinstance(found, dict | list) else str(found)[:80]
    return Problem(where=place, what=error["msg"], found=shown, advice=_advice(error, place))


def _advice(error: Any, place: str) -> str:
    if isinstance(error.get("input"), bool):
        return 'YAML reads true and false as truth values: put the word in quotes, as in "true"'
    if place == "llmsynthor":
        return "write llmsynthor: 1, the version of the spec that this program reads"
    kinds = "a variable is a category (of levels), an integer, a number (both with a range) or a text"
    by_kind = {
        "extra_forbidden": _unknown(place),
        "missing": "add it; docs/spec.md lists what must stand here",
        "string_type": 'a text is needed: put it in quotes, as in "001001"',
        "union_tag_invalid": f"{kinds}; dates and truth values are categories",
        "union_tag_not_found": f"{kinds}; dates and truth values are categories",
    }
    return by_kind.get(str(error["type"]), "see docs/spec.md")


def _unknown(place: str) -> str:
    """What to do about a key that may not stand at a place: what it is called here, or the key that is spelt nearly like it."""
    above, _, key = place.rpartition(".")
    if key in SAID_OTHERWISE:
        return SAID_OTHERWISE[key]
    close = get_close_matches(key, _keys(above), 1, cutoff=0.7)
    if close:
        return f'did you mean "{close[0]}"? docs/spec.md lists what may stand here'
    return "remove it or correct its name; docs/spec.md lists what may stand here"


def _keys(above: str) -> list[str]:
    """The keys that may stand at a place, as far as it tells."""
    here = [parts for pattern, parts in PLACES if re.fullmatch(pattern, above)]
    return sorted(
        {field.alias or name for part in (here[0] if here else _parts()) for name, field in part.model_fields.items()}
    )


@cache
def _parts() -> tuple[type[Part], ...]:
    """All parts of a spec."""
    found: list[type[Part]] = [Part]
    for part in found:
        found += part.__subclasses__()
    return tuple(found)
