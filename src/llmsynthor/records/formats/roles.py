"""Which units are households, persons and trips: told by their names, else by who is below whom."""

import re
from dataclasses import dataclass

from llmsynthor.errors import DataError, Problem
from llmsynthor.records.formats.made import Made

PERSON = r"person|people|individual|inhabitant|resident|member|agent|travel+er|respondent|passenger|personne|einwohner"
TRIP = r"trip|journey|leg\b|travel$|movement|stage|ride|déplacement|fahrt|weg\b|wege\b|viaje"


@dataclass(frozen=True, slots=True, kw_only=True)
class Roles:
    """Names of units; there may be no households, no trips, or trips alone, of nobody."""

    household: str | None
    person: str | None
    trip: str | None


def roles_of(made: Made) -> Roles:
    """Tell the units apart, from the top down along the first units below."""
    schema = made.spec.schema
    chain = [made.top]
    while schema.children(chain[-1]):
        below = [unit.name for unit in schema.children(chain[-1])]
        chain.append(next((name for name in below if _like(PERSON, name) or _like(TRIP, name)), below[0]))
    person = next((name for name in chain if _like(PERSON, name) and not _like(TRIP, name)), None)
    trip = next((name for name in chain if _like(TRIP, name)), None)
    if person is None and trip is not None:
        person = schema[trip].parent
    if person is None and trip is None:
        person = chain[1] if len(chain) > 1 else chain[0]
    if trip is None and person is not None:
        trip = next((unit.name for unit in schema.children(person)), None)
    return Roles(household=schema[person].parent if person is not None else None, person=person, trip=trip)


def _like(pattern: str, name: str) -> bool:
    return re.search(pattern, name, re.IGNORECASE) is not None


def units_of(made: Made) -> tuple[str, str]:
    """The units that are households and persons; raises DataError where there is none."""
    roles = roles_of(made)
    if roles.household is None or roles.person is None:
        what = f"there are no households above {roles.person or roles.trip}"
        advice = "this export is for households with persons: a unit with a parent"
        raise DataError(Problem(where="export", what=what, advice=advice))
    return roles.household, roles.person
