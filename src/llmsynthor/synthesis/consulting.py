"""What a library of dependence knows about the variables of a run."""

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.aims import Aims
from llmsynthor.aims.goals import Goals
from llmsynthor.dependence.coarse import Coarse, coarsen
from llmsynthor.dependence.given import given_shares
from llmsynthor.library.consulting import Asked, Consulted, consult
from llmsynthor.library.shelf import NONE, open_library
from llmsynthor.library.store import Library
from llmsynthor.library.wanted import Wanted
from llmsynthor.library.words import WORDINGS
from llmsynthor.llm.backend import ScoreRequest
from llmsynthor.llm.recorded import Recorded
from llmsynthor.spec.schema import Category, Numeric
from llmsynthor.spec.specification import Spec


def library_of(name: str | None) -> Library | None:
    """The library that a run is to use; raises DataError for a name that none has."""
    return None if name in (None, NONE) else open_library(str(name))


def consult_about(
    library: Library | None, spec: Spec, units: Sequence[tuple[Goals, Sequence[Coarse]]], model: Recorded | None
) -> tuple[Consulted | None, ...]:
    """Match the variables of units, each behind the unit above it; None without a library or with nothing to match."""
    asked = [_asked(spec, goals, variables) for goals, variables in units if variables]
    if library is None or not asked:
        return (None,) * len(units)
    found = {own.unit: own for own in consult(library, asked, None if model is None else scorer(model))}
    return tuple(found.get(goals.grid.unit.name) for goals, _ in units)


def _asked(spec: Spec, goals: Goals, variables: Sequence[Coarse]) -> Asked:
    unit = goals.grid.unit
    pairs = combinations([variable.name for variable in variables], 2)
    given = {pair: given_shares(goals, variables, pair) for pair in pairs}
    return Asked(
        unit=unit.name,
        wanted=tuple(wanted_of(variable, like(spec, unit.name, variable.name)) for variable in variables),
        above=unit.parent or "",
        given={pair: shares for pair, shares in given.items() if shares is not None},
    )


def consult_units(library: Library, aims: Aims, model: Recorded | None) -> tuple[Consulted, ...]:
    """Match the own variables of every unit of a spec."""
    units = aims.spec.schema.units
    own = [aims.own[aims.layout.number(unit.name)] if aims.needs_trees else aims.goals[0] for unit in units]
    found = consult_about(library, aims.spec, [(goals, coarsen(goals)) for goals in own], model)
    return tuple(known for known in found if known is not None)


def planned_matching(library: Library | None, variables: Sequence[Coarse]) -> int:
    """Scoring calls at most for the words of the variables that are no numbers."""
    if library is None:
        return 0
    most = max((entry.size for part in library.parts for entry in part.entries if not entry.is_number), default=0)
    words = [wanted for wanted in map(wanted_of, variables) if wanted.ranges is None]
    numbers = len(variables) - len(words)
    return 2 + numbers + sum(1 + len(WORDINGS) * (most + len(own.words)) for own in words)


def like(spec: Spec, unit: str, column: str) -> str:
    """What the spec says of a variable: that of a unit above is named with it."""
    variable: Any = spec.schema.find(unit, column)[1]
    return variable.like if isinstance(variable, Category | Numeric) else ""


def wanted_of(variable: Coarse, like: str = "") -> Wanted:
    shares = np.asarray(variable.shares, dtype=np.float64)
    return Wanted(
        name=variable.name,
        label=variable.label,
        levels=variable.levels,
        words=variable.words,
        shares=shares / max(shares.sum(), 1e-300),
        like=like,
    )


def scorer(model: Recorded) -> Any:
    """Ask a model through its ledger and budget."""

    def score(request: ScoreRequest) -> NDArray[np.float64]:
        return np.array(model.score(request).log_probabilities)

    return score
