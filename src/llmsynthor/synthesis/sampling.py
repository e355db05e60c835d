"""What the few real records of a spec's `seed` say about the pairs of a run."""

from collections.abc import Mapping, Sequence

import numpy as np

from llmsynthor.aims.aims import Aims
from llmsynthor.alignment.align import computed_codes
from llmsynthor.dependence.coarse import Coarse
from llmsynthor.dependence.elicit import Pair, bare
from llmsynthor.dependence.implied import coarse_codes as codes_of_rows
from llmsynthor.dependence.related import Related, coarse_codes
from llmsynthor.dependence.sample import Sample, Sampled, read_sample
from llmsynthor.population.encode import Evidence, evidence_of


def evidence(aims: Aims) -> Evidence | None:
    """The seed of the spec, as codes; None without one. Raises DataError."""
    seed = aims.spec.seed
    return None if seed is None else evidence_of(seed.frames, seed.weight, aims)


def sampled_rows(
    aims: Aims, seen: Evidence | None, variables: Sequence[Coarse], pairs: Sequence[Pair], *, seed: int
) -> Mapping[Pair, Sampled]:
    """What flat records say of their pairs."""
    if seen is None:
        return {}
    records = seen.roster.codes[0]
    codes = {own.name: np.asarray(codes_of_rows(aims.goals[0], own, records), dtype=np.int64) for own in variables}
    sample = Sample(codes=codes, weights=seen.weights[0], variables=tuple(variables))
    return read_sample(sample, _wanted(aims, pairs), rng=np.random.default_rng([seed, 50]))


def sampled_related(aims: Aims, seen: Evidence | None, related: Related, *, seed: int) -> Mapping[Pair, Sampled]:
    """What nested records say of the pairs of one unit; nothing is computed of records that lack a variable."""
    if seen is None:
        return {}
    unit = aims.layout.number(related.unit)
    computed = computed_codes(aims, seen.roster) if seen.is_complete else {}
    known = {place for place, column in enumerate(aims.goals[unit].grid.axes) if _is_there(aims, unit, place, seen)}
    variables = tuple(own for own in related.variables if own.axis >= 0 and own.axis in known)
    own = Related(unit=related.unit, goals=related.goals, variables=variables, pairs=())
    codes = {
        name: np.asarray(found, dtype=np.int64)
        for name, found in coarse_codes(own, aims, seen.roster, computed).items()
    }
    sample = Sample(codes=codes, weights=seen.weights[unit], variables=variables)
    named = {variable.name for variable in variables} - related.floating
    pairs = [pair for pair in related.pairs if set(pair) <= named]
    return read_sample(sample, _wanted(aims, pairs), rng=np.random.default_rng([seed, 50, unit]))


def _is_there(aims: Aims, unit: int, axis: int, seen: Evidence) -> bool:
    """Whether a column of a unit is one of records, or all that it is computed from is there."""
    place = aims.layout.wide_places(unit)[axis]
    return seen.is_complete or place not in set(aims.layout.order)


def _wanted(aims: Aims, pairs: Sequence[Pair]) -> list[Pair]:
    return [pair for pair in pairs if bare(pair) not in aims.spec.dependencies.skip]
