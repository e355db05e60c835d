"""What a run is asked for, settled: what the caller gives wins over the spec, the spec over the defaults."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches
from numbers import Integral
from typing import Any

from llmsynthor.errors import Problem, SpecError
from llmsynthor.llm.opening import Choice
from llmsynthor.options import Budget, Group, Method, changed, key_of, options_of
from llmsynthor.spec.specification import Settings, Spec

LEAST = {"records": 1, "seed": 0}
MOST = {"records": 10**12, "seed": 2**63 - 1}
KEYS = tuple(key_of(option) for group in (Method, Budget) for option in options_of(group))
"""Every option that may be given by itself, as specs and the command line call it."""


def resolve(
    spec: Spec, given: Mapping[str, Any], *, method: Method | None = None, budget: Budget | None = None
) -> Settings:
    """Settle the options: a whole `method` or `budget` replaces the spec's, single ones in `given` win over both.

    Raises SpecError with every option that makes no sense.
    """
    stated = spec.settings
    chosen = {
        name: given[name] if given.get(name) is not None else getattr(stated, name)
        for name in ("records", "seed", "llm")
    }
    problems = [*_unknown(given), *_too_small(chosen)]
    settled = _changed(method or stated.method, given, problems)
    limits = _changed(budget or stated.budget, given, problems)
    if settled.align == "none" and chosen["llm"] == "none":
        advice = "use --align exact, or name a model with --llm"
        problems.append(
            Problem(where="align", what="without alignment and without an LLM nothing makes records", advice=advice)
        )
    if problems:
        raise SpecError(*problems)
    whole = {name: None if chosen[name] is None else int(chosen[name]) for name in LEAST}
    return Settings(records=whole["records"], seed=whole["seed"], llm=chosen["llm"], method=settled, budget=limits)


def _changed(group: Group, given: Mapping[str, Any], problems: list[Problem]) -> Group:
    try:
        return changed(group, given)
    except SpecError as error:
        problems += error.problems
        return group


def _unknown(given: Mapping[str, Any]) -> Iterator[Problem]:
    known = (*LEAST, "llm", *KEYS)
    for name in given:
        if name not in known:
            close = get_close_matches(name, known, 1)
            advice = f'did you mean "{close[0]}"?' if close else f"use one of: {', '.join(known)}"
            yield Problem(where="options", what="there is no such option", found=name, advice=advice)


def _too_small(chosen: Mapping[str, Any]) -> Iterator[Problem]:
    for name, low in LEAST.items():
        value = chosen[name]
        if value is not None and (isinstance(value, bool) or not isinstance(value, Integral)):
            yield Problem(where=name, what="it is no whole number", found=repr(value), advice="give a whole number")
        elif value is not None and int(value) < low:
            yield Problem(
                where=name, what="the number is too small", found=str(value)[:40], advice=f"give {low} or more"
            )
        elif value is not None and int(value) > MOST[name]:
            advice = f"give {MOST[name]:,} or less"
            yield Problem(where=name, what="the number is too large", found=str(value)[:40], advice=advice)
    if chosen["records"] is None:
        advice = "give --records N, or synthesis: {records: N} in the spec"
        yield Problem(where="records", what="the number of records is not given", advice=advice)


def without_model(llm: str | Choice | None, settings: Settings) -> tuple[str, Settings]:
    """A starting population says what the model would: refuse to be given both."""
    align = settings.method.align
    if (llm if llm is not None else settings.llm) not in (None, "none") or align == "none":
        advice = "use --llm none and --align exact with --start"
        problem = Problem(where="start", what="a starting population takes the place of the model", advice=advice)
        if llm is not None or align == "none":
            raise SpecError(problem)
    return "none", replace(settings, llm="none")
