"""What a written text must not be: empty, long, in another script, an echo, a contradiction, nearly another."""

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from llmsynthor.spec.levels import Interval
from llmsynthor.spec.schema import Category, Coded, Numeric

ECHO = 6
"""So many words in a row of the instruction are an echo."""

OWN_SCRIPT = 0.8
"""Part of a text's letters that must be of the script that is asked for."""

NEAR = 0.7
"""Part of the groups of three words, of both together, from which on two texts are nearly one."""

SHORTEST_LEVEL = 4
"""Letters of a level's name from which on it is looked for in a text: shorter ones stand in other words' places."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a text is held to; `facts` are the variables and values of the record that it is written from."""

    instruction: str
    max_words: int
    script: str
    facts: Mapping[str, str | float]
    variables: Sequence[Coded]


def script_of(text: str) -> str:
    """The script of most letters, as Unicode calls it; "" without letters.

    >>> script_of("Ein schöner Tag"), script_of("良い一日"), script_of("12")
    ('LATIN', 'CJK', '')
    """
    found = _scripts(text)
    return found.most_common(1)[0][0] if found else ""


def _scripts(text: str) -> Counter[str]:
    names = (unicodedata.name(letter, "").split(" ")[0] for letter in text if letter.isalpha())
    same = {"HIRAGANA": "CJK", "KATAKANA": "CJK"}
    return Counter(same.get(name, name) for name in names)


def words_of(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text.casefold())


def odd(text: str, wanted: Wanted) -> str:
    """Why a text cannot stand: a word for the account and what to say to the model; "" where it can.

    >>> book = Wanted(instruction="Write a title of a book.", max_words=3, script="LATIN", facts={}, variables=())
    >>> odd("The Sea", book), odd("The long way to the sea", book).partition(":")[0]
    ('', 'too long')
    """
    words = text.split()
    if not words_of(text):
        return "empty: there must be a text"
    if len(words) > wanted.max_words:
        return f"too long: it has {len(words)} words, at most {wanted.max_words} may be"
    letters = _scripts(text)
    if letters and wanted.script and letters[wanted.script] < OWN_SCRIPT * letters.total():
        return "another script: it is not in the language that is asked for"
    if is_echo(text, wanted.instruction):
        return "an echo: it repeats the instruction"
    against = contradiction(text, wanted)
    return f"a contradiction: {against}" if against else ""


def is_echo(text: str, instruction: str) -> bool:
    """Whether it repeats words of the instruction in a row."""
    own, asked = words_of(text), words_of(instruction)
    runs = {tuple(asked[k : k + ECHO]) for k in range(len(asked) - ECHO + 1)}
    return any(tuple(own[k : k + ECHO]) in runs for k in range(len(own) - ECHO + 1))


def contradiction(text: str, wanted: Wanted) -> str:
    """A level of a variable that the record does not have, or another number of its unit; "" where there is none."""
    words = f" {' '.join(words_of(text))} "
    for variable in wanted.variables:
        own = wanted.facts.get(variable.name)
        if own is None:
            continue
        if isinstance(variable, Category):
            said = [level for level in variable.levels if level != own and _names(level, str(own), words)]
            if said:
                return f"it says {said[0]}, {variable.label or variable.name} is {own}"
        elif isinstance(variable, Numeric) and variable.unit and isinstance(own, int | float):
            unit = re.escape(variable.unit.split()[0].casefold().rstrip("s"))
            for found in re.findall(rf"(?<![\w.,])(\d+(?:\.\d+)?)\s*{unit}s?\b", text.casefold()):
                if abs(float(found) - own) > 0.5:
                    return f"it says {found} {variable.unit}, {variable.label or variable.name} is {own:g}"
    return ""


def _names(level: str, own: str, words: str) -> bool:
    """Whether a text names a level that is told from the record's own one: not part of it, nor the other way round."""
    name = " ".join(words_of(level))
    if len(name) < SHORTEST_LEVEL or not name:
        return False
    mine = f" {' '.join(words_of(own))} "
    if f" {name} " in mine:
        return False
    return f" {name} " in words and mine not in words


def threes(text: str) -> frozenset[tuple[str, ...]]:
    """All groups of three words in a row; of a shorter text the text itself."""
    words = words_of(text)
    return frozenset(tuple(words[k : k + 3]) for k in range(max(1, len(words) - 2)))


def are_near(one: frozenset[tuple[str, ...]], other: frozenset[tuple[str, ...]]) -> bool:
    """Whether two texts are nearly one (Jaccard of their threes; Broder 1997)."""
    return len(one & other) >= NEAR * len(one | other)


def cut(text: str, most: int) -> str:
    """End a text that is too long at its last sentence within so many words, or at the last word.

    >>> cut("It is good. It lasts long, and so on and on.", 6)
    'It is good.'
    """
    words = " ".join(text.split()).split(" ")
    if len(words) <= most:
        return " ".join(words)
    short = " ".join(words[:most])
    end = max(short.rfind(mark) for mark in ".!?")
    return short[: end + 1] if end > len(short) // 3 else short.rstrip(",;:- ")


def shown(value: object, variable: Coded) -> str:
    """A value as a model reads it."""
    if isinstance(value, Interval):
        return f"{value.low:g} to {value.high:g}" + (f" {variable.unit}" if isinstance(variable, Numeric) else "")
    if isinstance(variable, Numeric) and isinstance(value, int | float):
        text = f"{value:,.0f}" if variable.integer else f"{value:,.2f}".rstrip("0").rstrip(".")
        return f"{text} {variable.unit}".strip()
    return str(value)
