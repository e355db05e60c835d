"""Names of variables that columns may have, and how a file spells the levels of one."""

from collections.abc import Mapping, Sequence

from llmsynthor.sources.table import Dimension
from llmsynthor.spec.reading.cells import read_level
from llmsynthor.spec.reading.place import Place
from llmsynthor.spec.schema import Category, Numeric


def candidates(place: Place) -> list[str]:
    """Names of variables, the unit's own first, then those of units above, with and without their unit."""
    unit = place.schema[place.unit]
    own = [variable.name for variable in (*unit.variables, *(d.variable for d in unit.derived if not d.hidden))]
    above = [
        (other.name, variable.name)
        for other in place.schema.ancestors(unit.name)
        for variable in (*other.variables, *(d.variable for d in other.derived if not d.hidden))
    ]
    return [*own, *(f"{owner}.{name}" for owner, name in above), *(name for _, name in above if name not in own)]


def resolved(name: str, place: Place) -> str:
    """A column's name with its unit, where it is no variable of the unit itself but of one unit above alone."""
    try:
        place.schema.find(place.unit, name)
    except KeyError:
        pass
    else:
        return name
    if "." in name or place.unit not in {unit.name for unit in place.schema.units}:
        return name
    owners = []
    for other in place.schema.ancestors(place.unit):
        try:
            other.variable(name)
        except KeyError:
            continue
        owners.append(other.name)
    return f"{owners[0]}.{name}" if len(owners) == 1 else name


def named(dimensions: Sequence[Dimension], name: str) -> Dimension | None:
    """A dimension by its name or its label, whatever the capitals; None where there is none."""
    plain = name.strip().casefold()
    exact = next((own for own in dimensions if own.name == name), None)
    return exact or next(
        (own for own in dimensions if plain in (own.name.strip().casefold(), own.label.casefold())), None
    )


def reads(text: str, variable: Category | Numeric) -> bool:
    """Whether a label is one of a variable."""
    try:
        read_level(text, variable)
    except ValueError:
        return False
    return True


def spelled(
    codes: Sequence[str], dimension: Dimension, said: Mapping[str, str], variable: Category | Numeric | None
) -> dict[str, str]:
    """The text of each code: as `levels` says, else its code or its label, whichever the variable's levels are more often."""
    free = [code for code in codes if code not in said and dimension.label_of(code) not in said]
    ways = {
        "code": {code: code for code in free},
        "label": {code: dimension.label_of(code) for code in free},
        "zone": {code: code.partition("US")[2] or code for code in free},
    }
    way = "code"
    if variable is not None:
        scores = {name: sum(reads(text, variable) for text in own.values()) for name, own in ways.items()}
        way = max(ways, key=lambda name: scores[name])
        if scores[way] == 0 and any(own != code for code, own in ways["label"].items()):
            way = "label"
    texts = ways[way]
    return {
        code: str(said[code]) if code in said else str(said.get(dimension.label_of(code), texts.get(code, code)))
        for code in codes
    }
