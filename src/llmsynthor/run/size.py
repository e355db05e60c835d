"""How large a run will be, estimated before it: refused where it would not fit into the machine's memory or a stated limit."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from llmsynthor.errors import Problem, SpecError
from llmsynthor.spec.coded import coded_column
from llmsynthor.spec.cut_points import cut_points
from llmsynthor.spec.expressions import references
from llmsynthor.spec.schema import Category
from llmsynthor.spec.specification import Spec
from llmsynthor.spec.targets import Table

BYTES_A_VALUE = 48
"""Codes, sweeps' copies and values of one variable of one record; measured on the examples, rounded up."""

BYTES_A_CELL = 700
"""A cell of a table as it is read, aimed at and compared; measured on a table of a million cells."""

BYTES_A_TRUTH = 6
"""A rule's truth in one joint cell of its variables, in all the forms that it is held in."""

BASE_BYTES = 400 << 20
SHARE_OF_MEMORY = 0.9
LIMIT = "LLMSYNTHOR_MEMORY"
MOST_CALLS = 100_000
MOST_TRUTHS = 1e10
MOST_TOLD = 10
"""Levels of a category that a rule tells apart, as a rule of thumb: those that it names, and the others."""

SUFFIXES = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """`truths` are joint cells in which rules are looked at, `bytes` the memory that a run will take at most, about."""

    cells: int
    levels: int
    variables: int
    rules: int
    truths: float
    records: int
    bytes: float

    def __str__(self) -> str:
        what = f"{self.cells:,} cells, {self.levels:,} levels, {self.variables:,} variables, {self.rules:,} rules"
        records = f", {self.records:,} records" if self.records else ""
        return f"{what}{records}: about {say_bytes(self.bytes)} of memory"


def measure_size(spec: Spec, records: int | None) -> Size:
    """Estimate from the spec alone; nested units are taken to be as many as five to one above."""
    cells = sum(len(target.cells) for target in spec.targets)
    variables = [(unit, variable) for unit in spec.schema.units for variable in unit.variables]
    levels = sum(len(variable.levels) for _, variable in variables if isinstance(variable, Category))
    truths = sum(_truths(spec))
    values, many = 0.0, float(records or 0)
    for unit in spec.schema.units:
        values += many * (len(unit.variables) + 2)
        many *= 3 if unit.parent is None else 2
    total = BASE_BYTES + BYTES_A_CELL * cells + BYTES_A_VALUE * values + BYTES_A_TRUTH * truths
    return Size(
        cells=cells,
        levels=levels,
        variables=len(variables),
        rules=len(spec.rules),
        truths=truths,
        records=records or 0,
        bytes=total,
    )


def _truths(spec: Spec) -> Iterator[float]:
    """For every rule the joint cells of its variables that it tells apart: as finely as tables and rules cut what it computes with.

    Of a number that it compares with constants these are the constants, what lies between, and what begins with one.
    """
    cuts: dict[tuple[str, str], set[object]] = {}
    named = list[list[tuple[tuple[str, str], float]]]()
    for target in spec.targets:
        for column, name in enumerate(target.columns if isinstance(target, Table) else target.by):
            cuts.setdefault((target.unit, name), set()).update(coded_column(target, column)[0])
    for rule in spec.rules:
        unit = spec.schema[rule.unit]
        own = list[tuple[tuple[str, str], float]]()
        for reference in references(rule.forbid):
            place = (reference.unit or unit.name, reference.name)
            levels = _levels(spec, *place)
            points, computed = (frozenset[float](), True) if levels else cut_points(rule.forbid, place[1], integer=True)
            cuts.setdefault(place, set()).update(points)
            alike = computed or reference.unit is not None
            own.append((place, 0.0 if alike else 2.0 * len(points) + 1))
        named.append(own)
    for own in named:
        cells = 1.0
        for place, told in own:
            cells *= told or min(_levels(spec, *place), MOST_TOLD) or max(1, len(cuts.get(place, ())))
        yield cells


def _levels(spec: Spec, unit: str, name: str) -> int:
    try:
        variable = spec.schema[unit].variable(name)
    except KeyError:
        return 0
    return len(variable.levels) if isinstance(variable, Category) else 0


def refuse_too_large(size: Size, *, calls: int, has_budget: bool) -> None:
    """Raise SpecError with the estimate, the limit, and how to raise it."""
    limit, said = memory_limit()
    problems = list[Problem]()
    if size.bytes > limit:
        advice = (
            f"ask for fewer records or coarser tables; or set {LIMIT} (as in {LIMIT}=64G) where there is more memory"
        )
        what = f"this needs more memory than {say_bytes(limit)} ({said})"
        problems.append(Problem(where="size", what=what, found=str(size), advice=advice))
    if size.truths > MOST_TRUTHS:
        advice = "let rules compare with fewer different values, or with fewer variables at once"
        what = f"rules are looked at in more than {MOST_TRUTHS:,.0f} joint cells of their variables"
        problems.append(Problem(where="rules", what=what, found=f"{size.truths:,.0f}", advice=advice))
    if calls > MOST_CALLS and not has_budget:
        advice = "give fewer iterations, or say with --max-calls how many are meant"
        what = f"this asks a model more than {MOST_CALLS:,} times"
        problems.append(Problem(where="size", what=what, found=f"{calls:,} calls", advice=advice))
    if problems:
        raise SpecError(*problems)


def memory_limit() -> tuple[float, str]:
    """Bytes that a run may take, and who says so: the variable, the container, or what the machine has."""
    given = os.environ.get(LIMIT, "").strip().upper().removesuffix("B")
    if given:
        number, unit = (given[:-1], SUFFIXES[given[-1]]) if given[-1:] in SUFFIXES else (given, 1)
        try:
            return float(number) * unit, f"the limit in {LIMIT}"
        except ValueError as cause:
            problem = Problem(where=LIMIT, what="it is no size", found=given[:40], advice="give a size such as 8G")
            raise SpecError(problem) from cause
    found = [(float(own), "the container's limit") for own in _container()]
    if hasattr(os, "sysconf"):
        found.append((float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")), "the machine's memory"))
    limit, said = min(found, default=(float("inf"), "no limit is known"))
    return limit * SHARE_OF_MEMORY, said


def _container() -> Iterator[int]:
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            yield int(Path(path).read_text(encoding="ascii").strip())
        except (OSError, ValueError):
            continue


def say_bytes(count: float) -> str:
    """Bytes for people.

    >>> say_bytes(3 << 30), say_bytes(5e6)
    ('3.0 GB', '5 MB')
    """
    return f"{count / (1 << 30):,.1f} GB" if count >= 1 << 30 else f"{max(1, round(count / (1 << 20))):,} MB"
