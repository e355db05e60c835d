"""For each text whether every record gets one of its own or one of a pool, and how many calls that is: said before any is made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from llmsynthor.llm.speed import READ
from llmsynthor.spec.schema import Category, Coded, Numeric, Schema, Text, Unit

MOST_ALONE = 500
"""Records up to which each gets a text of its own, where nothing is said."""

MOST_KINDS = 200
"""Kinds of records that a pool is written for."""

SLIPS = 0.25
"""Part of the texts of single records that are asked for again, as measured with the 1.5B model (0.32 of titles of eight words)."""

PARTS = 3
"""Parts of equal size that a number of many values is cut into, to tell kinds apart."""

TOKENS, AROUND, PROMPT = 1.1, 6, 165
"""Tokens of a word that a text may have, those around a text, and those of a question."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextPlan:
    """How a text is written: `calls` without slips; `by` are the variables that make kinds, none where each record has its own."""

    unit: str
    text: Text
    records: int
    calls: int
    by: tuple[str, ...] = ()

    @property
    def pooled(self) -> bool:
        return bool(self.by) or self.calls < self.records

    @property
    def expected(self) -> int:
        """Calls with those for texts that are asked for again."""
        return self.calls if self.pooled else self.calls + round(SLIPS * self.calls)

    @property
    def tokens(self) -> float:
        """Tokens of all calls, those that are read as `speed` counts them."""
        written = (TOKENS * self.text.max_words + AROUND) * (self.text.variants if self.pooled else 1)
        return self.expected * (written + READ * PROMPT)

    def __str__(self) -> str:
        if not self.pooled:
            again = f", and about {self.expected - self.calls:,} for what is asked again"
            return f'text "{self.text.name}" of {self.unit}: {self.calls:,} calls, one for each record{again}'
        kinds = ", ".join(self.by) or "all alike"
        return (
            f'text "{self.text.name}" of {self.unit}: at most {self.calls:,} calls for {self.text.variants} variants of each '
            f"kind of record (by {kinds}), {self.records:,} records"
        )


def plan_texts(schema: Schema, sizes: Mapping[str, int], *, most_calls: int | None = None) -> tuple[TextPlan, ...]:
    """Plan every text of every unit; `sizes` are records by unit, `most_calls` what a budget leaves, shared evenly."""
    texts = [(unit, text) for unit in schema.units for text in unit.texts if sizes.get(unit.name)]
    each = None if most_calls is None else most_calls // max(len(texts), 1)
    return tuple(_plan(unit, text, sizes[unit.name], each) for unit, text in texts)


def _plan(unit: Unit, text: Text, records: int, most: int | None) -> TextPlan:
    alone = text.write == "record" or (text.write == "auto" and records <= MOST_ALONE)
    if alone and (most is None or records <= most):
        return TextPlan(unit=unit.name, text=text, records=records, calls=records)
    room = max(1, min(MOST_KINDS, most if most is not None else MOST_KINDS))
    by, kinds = kinds_of(unit, text.by, room)
    return TextPlan(unit=unit.name, text=text, records=records, calls=min(kinds, records), by=by)


def kinds_of(unit: Unit, wanted: Sequence[str], room: int) -> tuple[tuple[str, ...], int]:
    """The variables that tell kinds apart, those that are wanted or as many as there is room for, and the number of kinds."""
    coded = {variable.name: variable for variable in (*unit.coded, *(d.variable for d in unit.derived if not d.hidden))}
    own = [v.name for v in unit.coded if v.name not in unit.zones]
    chosen, kinds = list[str](), 1
    for name in wanted or own:
        parts = _parts(coded[name])
        if wanted or kinds * parts <= room:
            chosen.append(name)
            kinds *= parts
    return tuple(chosen), kinds


def _parts(variable: Coded) -> int:
    if isinstance(variable, Category):
        return len(variable.levels)
    assert isinstance(variable, Numeric)
    width = variable.range.high - variable.range.low
    return int(width) if variable.integer and width <= PARTS else PARTS
