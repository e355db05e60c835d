"""Prompt texts as data: one Markdown file each, filled by jinja2, hashed into the manifest."""

import hashlib
from functools import cache
from importlib.resources import files
from typing import Any


def text(name: str) -> str:
    """Read the text of a prompt."""
    return files(__package__).joinpath(f"{name}.md").read_text(encoding="utf-8")


def fill(name: str, **values: Any) -> str:
    """Fill a prompt; a name the text uses and the caller does not give is an error."""
    return str(_template(name).render(**values)).strip()


@cache
def _template(name: str) -> Any:
    """Compile a prompt once: elicitation fills the same one thousands of times."""
    from jinja2 import Environment, StrictUndefined  # noqa: PLC0415  (keeps the import of the package quick)

    environment = Environment(undefined=StrictUndefined, autoescape=False, trim_blocks=True)
    environment.filters["lower_first"] = lower_first
    return environment.from_string(text(name))


def lower_first(words: str) -> str:
    """Begin with a small letter, as within a sentence; an abbreviation stays.

    >>> lower_first("Annual income"), lower_first("GDP of the region")
    ('annual income', 'GDP of the region')
    """
    return words if words[:2].isupper() else words[:1].lower() + words[1:]


def digests() -> dict[str, str]:
    """SHA-256 of every prompt text."""
    found = sorted(entry.name for entry in files(__package__).iterdir() if entry.name.endswith(".md"))
    return {name: hashlib.sha256(text(name.removesuffix(".md")).encode()).hexdigest() for name in found}
