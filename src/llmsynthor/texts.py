"""The one filter of texts that come in or go out: what no text may hold, and secrets that are shown as stars."""

import base64
import html
import json
import re
from typing import Any, NoReturn
from urllib.parse import quote, quote_plus

UNFIT = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]"
)
"""Characters that no text of a spec, a table or an answer needs: NUL and other control characters, halves of surrogate pairs,
what turns the direction of writing, what ends lines for some programs only, and what is no character. Tabulators and line ends
may stand."""

INSTEAD = "\ufffd"
STARS = "****"
SHORTEST = 8
"""A key of fewer characters is hidden behind the words that announce one, and not wherever its letters stand."""


def clean(text: str) -> str:
    """Replace what no text may hold by U+FFFD.

    >>> clean("a\\x00b\\ud800c")
    'a\ufffdb\ufffdc'
    """
    return UNFIT.sub(INSTEAD, text)


def unfit(text: str) -> str | None:
    """Name the first character that no text may hold, and its place; None where there is none.

    >>> unfit("ab\\x00"), unfit("ab")
    ('U+0000 as character 3', None)
    """
    found = UNFIT.search(text)
    return f"U+{ord(found[0]):04X} as character {found.start() + 1}" if found else None


class Secret:
    """A text that is never shown: it prints as stars, and every text that leaves the program is freed of it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text
        _FILTER.learn(text)

    def reveal(self) -> str:
        """The text itself, for the header of a request and for nothing else."""
        return self._text

    def __repr__(self) -> str:
        return STARS

    __str__ = __repr__

    def __format__(self, form: str) -> str:
        return STARS

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not written down")


class _Filter:
    """Knows every secret of the process, in the forms in which a text may hold it."""

    def __init__(self) -> None:
        self._patterns: set[str] = set()
        self._all: re.Pattern[str] | None = None

    def learn(self, text: str) -> None:
        if not text:
            return
        if len(text) < SHORTEST:
            self._patterns.add(rf"(?<=[Bb]earer ){re.escape(text)}(?!\w)")
        else:
            self._patterns |= {re.escape(form) for form in _forms(text)}
        self._all = re.compile("|".join(sorted(self._patterns, key=len, reverse=True)))

    def __call__(self, text: str) -> str:
        return text if self._all is None else self._all.sub(STARS, text)


def _forms(text: str) -> set[str]:
    """The text, and what quoting makes of it."""
    raw = text.encode("utf-8", "replace")
    encoded = base64.b64encode(raw).decode().rstrip("=")
    forms = {text, quote(text, safe=""), quote_plus(text), html.escape(text), json.dumps(text)[1:-1], repr(text)[1:-1]}
    return forms | {
        encoded,
        base64.urlsafe_b64encode(raw).decode().rstrip("="),
        raw.hex(),
        text[::-1],
        text.upper(),
        text.lower(),
    }


_FILTER = _Filter()
"""The secrets of this process: one set, because every text passes it, whoever writes it."""


def hide(text: str) -> str:
    """Put stars in place of every secret.

    >>> key = Secret("sk-doctest-0123")
    >>> hide("Bearer sk-doctest-0123"), str(key)
    ('Bearer ****', '****')
    """
    return _FILTER(text)


def fit(text: str) -> str:
    """A text from elsewhere as it may be kept and shown: cleaned, and free of secrets."""
    return hide(clean(text))


def fit_all(value: Any) -> Any:
    """The same for all texts in a value of JSON, its keys too; what is nested is no deeper than JSON readers let through."""
    if isinstance(value, str):
        return fit(value)
    if isinstance(value, dict):
        return {fit_all(key): fit_all(own) for key, own in value.items()}
    if isinstance(value, list | tuple):
        return [fit_all(own) for own in value]
    return value
