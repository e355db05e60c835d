"""How a run is made and what it may cost: each option is said here once, with its limits and its words.

The `synthesis:` section of a spec is read into these, the command line builds its options from their fields, the manifest
writes them down, and whoever works by them is handed them whole.
"""

from collections.abc import Iterator, Mapping
from dataclasses import Field, dataclass, field, fields
from math import isfinite
from numbers import Integral, Real
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from llmsynthor.errors import Problem, SpecError

Group = TypeVar("Group", "Method", "Budget", "Server")


def _option(
    about: str,
    *,
    default: Any = None,
    low: float | None = None,
    high: float | None = None,
    key: str = "",
    duration: bool = False,
) -> Any:
    """A field with its limits, its words, and the key under which specs and the command line know it."""
    return field(default=default, metadata={"about": about, "low": low, "high": high, "key": key, "duration": duration})


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """How records are made; `iterations` None takes the default of the mode.

    >>> Method(align="none").rounds
    100
    >>> Method(temperature=9)
    Traceback (most recent call last):
    llmsynthor.errors.SpecError: temperature: the number is too large (found: 9). Give 2 or less.
    """

    align: Literal["exact", "none"] = _option("exact (default), or none: the loop of the paper alone.", default="exact")
    iterations: int | None = _option("Iterations of proposals (exact: 2, none: 100).", low=0)
    proposals: int = _option("Proposals per iteration (5).", default=5, low=1, high=20)
    temperature: float = _option("Temperature of the proposals (0.7).", default=0.7, low=0, high=2)
    estimate: bool = _option("Let the LLM estimate the joint tables that are missing (default: yes).", default=True)
    zones: bool = _option("Use how margins vary together over zones, days or shops (default: yes).", default=True)
    library: str | None = _option(
        "What is known of dependence elsewhere: acs2024, nhts2022, the path of a library file, or none (default)."
    )
    partition: str | None = _option("Level of zones by which the run is cut into partitions, made side by side.")
    partition_records: int = _option("Records of the top unit in a partition, about (5,000).", default=5_000, low=1)

    def __post_init__(self) -> None:
        _refuse(problems_of(type(self), {f.name: getattr(self, f.name) for f in fields(self)}))

    @property
    def rounds(self) -> int:
        return self.iterations if self.iterations is not None else 100 if self.align == "none" else 2

    @property
    def estimates(self) -> bool:
        """Whether a model estimates missing tables: the loop of the paper alone does not."""
        return self.estimate and self.align == "exact"

    @property
    def reads_zones(self) -> bool:
        """Whether margins by zone say something of dependence: nothing is added to the loop of the paper alone."""
        return self.zones and self.align == "exact"


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Limits of what a model may be asked for; None where there is none.

    Recorded calls count like new ones, so that a replay stops where the run did. A limit of cost needs the prices of a million
    tokens, in the same money: none is guessed.

    >>> Budget(cost=2)
    Traceback (most recent call last):
    llmsynthor.errors.SpecError: max_cost: the price of tokens is not known. Give prompt_price and completion_price, per million.
    """

    calls: int | None = _option("Most LLM calls.", low=0, key="max_calls")
    tokens: int | None = _option("Most tokens, read and written.", low=0, key="max_tokens")
    seconds: float | None = _option("Most seconds spent in LLM calls.", low=0, key="max_seconds")
    cost: float | None = _option("Most that LLM calls may cost, by the prices given.", low=0, key="max_cost")
    prompt_price: float | None = _option("Price of a million tokens read.", low=0)
    completion_price: float | None = _option("Price of a million tokens written.", low=0)

    def __post_init__(self) -> None:
        _refuse(problems_of(type(self), {f.name: getattr(self, f.name) for f in fields(self)}))

    def price(self, prompt_tokens: int, completion_tokens: int) -> float | None:
        """What tokens cost, None where a price is not known.

        >>> Budget(prompt_price=0.5, completion_price=2).price(1_000_000, 500_000)
        1.5
        """
        if self.prompt_price is None or self.completion_price is None:
            return None
        return (prompt_tokens * self.prompt_price + completion_tokens * self.completion_price) / 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """How a server is reached, and how long it is waited for; nothing of it decides what is made.

    `key` says where the key is kept, never the key itself.

    >>> changed(Server(), {"patience": "1.5h"}).patience
    5400.0
    """

    base_url: str | None = _option("Address of an OpenAI-compatible server.")
    key: str = _option(
        "Where its key is kept: env:NAME (env:OPENAI_API_KEY), file:PATH, keyring:SERVICE/USER.",
        default="env:OPENAI_API_KEY",
    )
    patience: float = _option(
        "How long a server that is away or busy is waited for (10m); then the rest is made without it.",
        default=600.0,
        low=0,
        high=30 * 86_400,
        duration=True,
    )
    answer_seconds: float = _option(
        "Most seconds that one answer may take (300).", default=300.0, low=0.01, high=86_400
    )
    concurrency: int = _option("Most questions asked of a server at once (8).", default=8, low=1, high=256)

    def __post_init__(self) -> None:
        _refuse(problems_of(type(self), {f.name: getattr(self, f.name) for f in fields(self)}))


UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}


def seconds_of(text: str) -> float | str:
    """Read a duration such as 90, 90s, 10m, 1.5h or 2d; what is none comes back as it is, to be refused with the rest.

    >>> seconds_of("10m"), seconds_of("soon")
    (600.0, 'soon')
    """
    number, unit = (text[:-1], text[-1:]) if text[-1:] in UNITS else (text, "")
    try:
        return float(number) * UNITS[unit.lower()]
    except ValueError:
        return text


def key_of(option: Field[Any]) -> str:
    """The name of an option in a spec, on the command line and in the manifest."""
    return option.metadata.get("key") or option.name


def options_of(group: type[Method] | type[Budget] | type[Server]) -> tuple[Field[Any], ...]:
    """The fields that are options: those that carry words."""
    return tuple(option for option in fields(group) if "about" in option.metadata)


def kind_of(group: type[Method] | type[Budget] | type[Server], option: Field[Any]) -> Any:
    """The type of an option's values, without None."""
    declared = get_type_hints(group)[option.name]
    kinds = [kind for kind in get_args(declared) if kind is not type(None)]
    return declared if get_origin(declared) is Literal or not kinds else kinds[0]


def changed(group: Group, given: Mapping[str, Any]) -> Group:
    """The same options but for those given under their keys; None keeps what was. Raises SpecError."""
    kept = {option.name: getattr(group, option.name) for option in options_of(type(group))}
    named = {option.name: _plain(option, given.get(key_of(option))) for option in options_of(type(group))}
    return type(group)(**kept | {name: value for name, value in named.items() if value is not None})


def _plain(option: Field[Any], value: Any) -> Any:
    return seconds_of(value) if option.metadata["duration"] and isinstance(value, str) else value


def written(*groups: "Method | Budget") -> dict[str, Any]:
    """Every option under its key, None where it is at its default.

    >>> {key: value for key, value in written(Method(proposals=3), Budget(calls=9)).items() if value is not None}
    {'proposals': 3, 'max_calls': 9}
    """
    return {
        key_of(option): None if getattr(group, option.name) == option.default else getattr(group, option.name)
        for group in groups
        for option in options_of(type(group))
    }


def problems_of(group: type[Method] | type[Budget] | type[Server], values: Mapping[str, Any]) -> list[Problem]:
    """What is wrong with options given by their fields' names."""
    found = [problem for option in options_of(group) for problem in _problems(group, option, values[option.name])]
    if group is Budget and values["cost"] is not None and None in (values["prompt_price"], values["completion_price"]):
        advice = "give prompt_price and completion_price, per million"
        found.append(Problem(where="max_cost", what="the price of tokens is not known", advice=advice))
    return found


def _problems(group: type[Method] | type[Budget] | type[Server], option: Field[Any], value: Any) -> Iterator[Problem]:
    if value is None and option.default is None:
        return
    where, kind = key_of(option), kind_of(group, option)
    low, high = option.metadata["low"], option.metadata["high"]
    if get_origin(kind) is Literal:
        if value not in get_args(kind):
            what = "unknown alignment" if option.name == "align" else "it is none of its values"
            yield Problem(where=where, what=what, found=str(value), advice=f"use {' or '.join(get_args(kind))}")
    elif kind is str:
        if not isinstance(value, str):
            yield Problem(where=where, what="a value of another kind", found=repr(value)[:80], advice="give a text")
    elif isinstance(value, bool) != (kind is bool) or not isinstance(value, Integral if kind is int else Real):
        advice = "give a time such as 90s, 10m or 2h" if option.metadata["duration"] else f"give {KINDS[kind]}"
        yield Problem(where=where, what="a value of another kind", found=repr(value)[:80], advice=advice)
    elif not isfinite(value):
        yield Problem(where=where, what="the number is not finite", found=f"{value:g}", advice="give a finite number")
    elif low is not None and not value >= low:
        yield Problem(where=where, what="the number is too small", found=f"{value:g}", advice=f"give {low:g} or more")
    elif high is not None and value > high:
        yield Problem(where=where, what="the number is too large", found=f"{value:g}", advice=f"give {high:g} or less")


KINDS = {bool: "True or False", int: "a whole number", float: "a number"}


def _refuse(problems: list[Problem]) -> None:
    if problems:
        raise SpecError(*problems)
