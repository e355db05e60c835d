"""What a library knows of who lives with whom, as soft tables of a unit of people with a parent."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.aims import Aims
from llmsynthor.dependence.coarse import Coarse
from llmsynthor.dependence.copula import SOFTNESS
from llmsynthor.dependence.kin.beliefs import Composition, given_columns, has_relatives, kin_variables
from llmsynthor.dependence.kin.questions import SIBLING, SPOUSE
from llmsynthor.library.consulting import Consulted, mean_map
from llmsynthor.library.kinship import SIZES, Kinship
from llmsynthor.library.matching import Match
from llmsynthor.library.recoding import gap, recodings
from llmsynthor.library.relatives import Household, Relatives, relatives
from llmsynthor.library.wanted import Wanted
from llmsynthor.population.roster import Roster
from llmsynthor.spec.expressions import parse
from llmsynthor.spec.levels import Interval, Level
from llmsynthor.spec.schema import Derived, Unit
from llmsynthor.spec.targets import Table

Floats = NDArray[np.float64]
Kind = tuple[str, tuple[Level, ...], Floats, Household]
"""A column of the parent ("": households are not told apart), its levels, the map of kinds to them, and how many members."""

FINE_BINS = 20
"""Bins of a number of relatives: a library is not asked, so that they may be finer than a model's. Ages of couples are less than
four years apart in the mean, which bins of ten years blur."""

FIRST, SECOND, FURTHER = "position == 1", "position == 2", "position > 2"


def known_relatives(aims: Aims, consulted: Consulted | None, sample: Roster) -> Composition:
    """Soft tables of the first member by the others, of every variable that the library knows; nothing where it knows none."""
    if consulted is None or consulted.matching.part.kinship is None:
        return Composition()
    kinship, unit = consulted.matching.part.kinship, aims.spec.schema[consulted.unit]
    if not has_relatives(unit) or not sample.length[aims.layout.number(unit.name)].any():
        return Composition()
    kind = _kind(aims, consulted, unit, sample)
    tables: list[Table] = []
    derived: dict[tuple[str, str], Derived] = {}
    for variable in kin_variables(aims, unit, FINE_BINS):
        match = consulted.matching.trusted.get(variable.name)
        if match is None or match.entry is None or match.entry.name not in kinship.names:
            continue
        tables += _of_variable(aims, unit, variable, _told(kinship, match, variable, consulted, kind), kind, derived)
    sourced = [_sourced(table, consulted.source) for table in tables]
    known = {(owner.name, entry.name) for owner in aims.spec.schema.units for entry in owner.derived}
    new = tuple((owner, entry) for (owner, name), entry in derived.items() if (owner, name) not in known)
    said = f"{len(tables)} tables of who belongs to one {unit.parent} are as in {consulted.source}" if tables else ""
    return Composition(margins=tuple(sourced), derived=new, sentence=said)


def _kind(aims: Aims, consulted: Consulted, unit: Unit, sample: Roster) -> Kind:
    """The parent's variable that tells kinds of household apart, where the library's is matched, and the members of each."""
    part = consulted.matching.part
    assert part.kinship is not None
    number, above = aims.layout.number(unit.name), aims.layout.number(str(unit.parent))
    length = sample.length[number]
    size = part[part.kinship.kinds].size
    column, mapped, level = "", np.ones((size, 1)), np.zeros(len(length), dtype=np.int64)
    levels: tuple[Level, ...] = ()
    for match in consulted.matching.trusted.values():
        owner, _, name = match.wanted.name.rpartition(".")
        axes = [axis.name for axis in aims.own[above].grid.axes]
        if owner == unit.parent and match.entry is not None and match.entry.name == part.kinship.kinds and name in axes:
            column, levels, mapped = match.wanted.name, match.wanted.levels, mean_map(consulted.matching, match)
            axis = aims.own[above].grid.axes[axes.index(name)]
            place = np.array([levels.index(x) if x in levels else 0 for x in axis.levels])
            level = place[sample.codes[above][:, axes.index(name)]]
    number_of = max(len(levels), 1)
    starts = np.array(part.kinship.sizes or SIZES)
    sizes = np.zeros((number_of, len(starts)))
    np.add.at(sizes, (level[length > 0], np.searchsorted(starts, length[length > 0], side="right") - 1), 1.0)
    members = Household(
        first=np.bincount(level[length > 0], minlength=number_of).astype(np.float64),
        second=np.bincount(level[length > 1], minlength=number_of).astype(np.float64),
        further=np.bincount(level, weights=np.maximum(length - 2, 0), minlength=number_of).astype(np.float64),
        sizes=sizes,
    )
    return column, levels, mapped, members


def _told(kinship: Kinship, match: Match, variable: Coarse, consulted: Consulted, kind: Kind) -> Relatives:
    """The tables of one variable, in the levels in which relatives are told."""
    assert match.entry is not None
    mapped = mean_map(consulted.matching, match)
    if isinstance(variable.levels[0], Interval):
        wanted = Wanted(
            name=variable.name,
            label=variable.label,
            levels=variable.levels,
            words=variable.words,
            shares=variable.shares,
        )
        masses = consulted.matching.part.margin(match.entry.name).sum(axis=0)
        ways = [own for scale, own in recodings(wanted, match.entry, outside=False) if scale == match.scale]
        mapped = min(ways, key=lambda own: gap(masses @ own, variable.shares))
    shares = variable.shares / variable.shares.sum()
    return relatives(kinship, match.entry.name, (kind[2], mapped), shares, kind[3])


def _of_variable(
    aims: Aims, unit: Unit, variable: Coarse, told: Relatives, kind: Kind, derived: dict[tuple[str, str], Derived]
) -> Iterator[Table]:
    column, levels, _, members = kind
    parent = aims.spec.schema[str(unit.parent)]
    kinds = ((column,), (levels,)) if column else ((), ())
    yield _table(unit, (*kinds[0], variable.name), (*kinds[1], variable.levels), told.first, FIRST)
    for role, shares, universe in (
        (SPOUSE, told.second, SECOND),
        (SPOUSE, told.further, FURTHER),
        (SIBLING, told.before, FURTHER),
    ):
        if (members.second if universe == SECOND else members.further).sum() > 0:
            columns, entry = given_columns(unit, parent, variable, role, variable)
            assert entry is not None
            derived[entry[0].name, entry[1].name] = entry[1]
            about = (*kinds[1], variable.levels, variable.levels)
            yield _table(unit, (*kinds[0], *columns), about, shares, universe)


def _table(
    unit: Unit, columns: tuple[str, ...], levels: tuple[tuple[Level, ...], ...], shares: Floats, universe: str
) -> Table:
    return Table(
        name=f"{unit.name}: {' by '.join(columns)}, {universe} (library)",
        unit=unit.name,
        columns=columns,
        cells=tuple(product(*levels)),
        values=tuple(float(share) for share in shares.ravel()),
        value="share",
        universe=parse(universe),
        trust=SOFTNESS,
    )


def _sourced(table: Table, source: str) -> Table:
    return replace(table, source=source)
