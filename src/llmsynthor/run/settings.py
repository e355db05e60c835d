"""What a run is asked for, settled: what the caller gives wins over the spec, the spec over the defaults."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches
from numbers import Integral
from typing import Any, Literal, TypedDict

from llmsynthor.errors import Problem, SpecError
from llmsynthor.executors.executor import Executor
from llmsynthor.llm.opening import Choice
from llmsynthor.options import Budget, Group, Method, Server, changed, key_of, options_of
from llmsynthor.spec.specification import Settings, Spec

LEAST = {"records": 1, "seed": 0}
MOST = {"records": 10**12, "seed": 2**63 - 1}
KEYS = tuple(key_of(option) for group in (Method, Budget) for option in options_of(group))
"""Every option that may be given by itself, as specs and the command line call it."""


class Further(TypedDict, total=False):
    """What may be given to a run beside what everybody gives.

    `server` says how an OpenAI-compatible server is reached; its options (`base_url`, `key`, …) may be given singly too, and so
    may those of `Method` and `Budget`. With `start`, records in the spec's variables (a frame, or a Parquet or CSV file: a seed
    sample, an older synthetic population), those are changed as little as the tables ask, and no model is used; `weight` names
    its column that says how many records each row stands for ("none": each counts alike). `workers` are threads, which change no
    result; `resume` goes on with the interrupted run in the folder, `force` replaces another one. Where the spec has
    `adjustments`, those that are accepted are applied to what it asks for otherwise, the base population; `accept` accepts all
    that a scenario proposes.
    With `partition`, a level of zones, these are made side by side by an `engine` ("threads", "ray", or an executor of your
    own), and `Solution.records` are read from the folder when they are looked at.
    """

    server: Server | None
    start: Any
    weight: str | None
    workers: int | None
    engine: str | Executor
    resume: bool
    force: bool
    accept: bool
    base_url: str | None
    key: str | None
    patience: float | str | None
    answer_seconds: float | None
    concurrency: int | None
    align: Literal["exact", "none"] | None
    iterations: int | None
    proposals: int | None
    temperature: float | None
    estimate: bool | None
    zones: bool | None
    library: str | None
    partition: str | None
    partition_records: int | None
    max_calls: int | None
    max_tokens: int | None
    max_seconds: float | None
    max_cost: float | None
    prompt_price: float | None
    completion_price: float | None


ELSEWHERE = (
    "server",
    "start",
    "weight",
    "workers",
    "engine",
    "resume",
    "force",
    "accept",
    *(key_of(option) for option in options_of(Server)),
)


def single_options(further: Further) -> dict[str, Any]:
    """What is given singly of how records are made and what they may cost."""
    return {name: value for name, value in further.items() if name not in ELSEWHERE}


def refuse_odd(further: Further) -> None:
    """Refuse what makes no sense beside the options of a spec; raises SpecError."""
    problems, workers = list[Problem](), further.get("workers")
    if workers is not None and (isinstance(workers, bool) or not isinstance(workers, int) or workers < 1):
        advice = "give 1 or more, or leave it out: as many as the machine has processors"
        problems.append(
            Problem(where="workers", what="this is no number of workers", found=repr(workers)[:40], advice=advice)
        )
    if further.get("weight") is not None and further.get("start") is None:
        advice = "give the records too (--start), or leave it out"
        problems.append(Problem(where="weight", what="there are no records that it weighs", advice=advice))
    if problems:
        raise SpecError(*problems)


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
