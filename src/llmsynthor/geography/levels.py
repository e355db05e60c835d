"""Levels of zones, each zone of a finer level inside one zone of the level above."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """Where the shapes of a level's zones are read: a GeoJSON file, and the property that holds the zone's id."""

    file: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Geography:
    """A strict hierarchy: `levels` coarse to fine; `rows` name the zone of every level, one row for each finest zone.

    Rows lie in the order of the coarsest level, then the next, so that zones of one parent stand together.

    >>> town = Geography(name="zones", levels=("tract", "block"), rows=(("1", "a"), ("1", "b"), ("2", "c")))
    >>> town.finest, town.zones("tract"), town.of("tract")
    ('block', ('1', '2'), {'a': '1', 'b': '1', 'c': '2'})
    """

    name: str
    levels: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    outlines: Mapping[str, Outline] = field(default_factory=dict, compare=False)

    @property
    def finest(self) -> str:
        return self.levels[-1]

    def zones(self, level: str) -> tuple[str, ...]:
        """Ids of a level, zones of one parent together."""
        place = self.levels.index(level)
        return tuple(dict.fromkeys(row[place] for row in self.rows))

    def of(self, level: str) -> dict[str, str]:
        """The zone of a level that each finest zone lies in."""
        place = self.levels.index(level)
        return {row[-1]: row[place] for row in self.rows}


@dataclass(frozen=True, slots=True, kw_only=True)
class Located:
    """A place of a unit's records: where in a geography, of these `levels`, each is. Where there is only one, it has no name."""

    geography: str
    levels: tuple[str, ...]
    place: str = ""

    @property
    def variables(self) -> tuple[str, ...]:
        """Names of the variables that hold its zones, coarse to fine."""
        return tuple(self.variable(level) for level in self.levels)

    def variable(self, level: str) -> str:
        """Name of the variable that holds the zone of a level.

        >>> Located(geography="zones", levels=("tract", "block"), place="work").variable("tract")
        'work_tract'
        """
        return f"{self.place}_{level}" if self.place else level
