"""A folder of PopGen becomes a spec: marginals of zones and regions are tables, group quarters households of one."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from llmsynthor.imports.folders import problem
from llmsynthor.imports.marginals import GROUP, HOUSEHOLD, PERSON, Marginal, PopGen, is_true, read_folder
from llmsynthor.imports.populationsim import Imported
from llmsynthor.imports.starts import MOST_RECORDS, csv_text, plain_id
from llmsynthor.imports.writing import write_new
from llmsynthor.spec.reading.yaml_text import write_yaml

ENTITIES = {HOUSEHOLD: "household", GROUP: "household", PERSON: "person"}
MOST_PERSONS = 11
TOTAL = "housing by geo"


@dataclass(frozen=True, slots=True, kw_only=True)
class Housing:
    """Households of a folder: which variable is their size (codes 1 to n, the last open), and the largest size."""

    size: str
    open_from: int | None
    largest: int


def import_popgen(folder: Path, out: Path, *, force: bool = False) -> Imported:
    """Write spec.yaml, tables/ and, where there are samples, start/ into `out`; raises DataError."""
    there = read_folder(folder)
    notes = list[str]()
    marginals = _asked(there, notes)
    zones = _zones(there, marginals, notes)
    names = _names(there, marginals)
    housing = _housing(there, marginals, names)
    targets, tables = _targets(marginals, zones, names, housing, there)
    total = sum(_total(marginals, entity, geo) for entity in (HOUSEHOLD, GROUP) for geo, _ in zones)
    share = {"share": round(MOST_RECORDS / total, 6)} if total > MOST_RECORDS else {}
    document = {
        "llmsynthor": 1,
        "name": f"{folder.resolve().name}, from PopGen",
        "geographies": {
            "zones": {
                "levels": ["region", "geo"] if there.regions else ["geo"],
                "crosswalk": {"file": "tables/crosswalk.csv"},
            }
        },
        "units": _units(marginals, names, housing),
        "targets": targets,
        "rules": _rules(marginals, housing),
        "synthesis": {"records": {"of": TOTAL, **share}, "seed": 1},
    }
    if not document["rules"]:
        del document["rules"]
    crosswalk = [(region, geo) for geo, region in zones] if there.regions else [(geo,) for geo, _ in zones]
    texts = {"tables/crosswalk.csv": csv_text(["region", "geo"] if there.regions else ["geo"], crosswalk)}
    texts |= {f"tables/{name}": text for name, text in tables.items()}
    texts |= _start(there, marginals, zones, names, housing, notes)
    head = ["# Written by `llmsynthor import popgen`.", *(f"# {note}" for note in notes)]
    texts["spec.yaml"] = "\n".join(head) + "\n" + write_yaml(document)
    for name, text in texts.items():
        write_new(out / name, text, force=force)
    return Imported(spec=out / "spec.yaml", notes=notes)


def _asked(there: PopGen, notes: list[str]) -> list[Marginal]:
    """The marginals that the scenario controls, all where it names none; a region's that repeat those of its geos left out."""
    wanted = there.scenario.get("control_variables") or {}
    regional = is_true(there.scenario.get("apply_region_controls", True))
    found = list[Marginal]()
    for own in there.marginals:
        controlled = (wanted.get(own.level) or {}).get(own.entity) if wanted else None
        if own.entity not in ENTITIES:
            known = ", ".join(ENTITIES)
            notes.append(f"decide: {own.file} was left out: it is of {own.entity}, none of {known}")
        elif own.level == "region" and not (regional and there.regions):
            notes.append(f"{own.name} of regions was left out: the configuration does not apply controls of regions")
        elif wanted and own.name not in (controlled or ()):
            notes.append(f"{own.name} of {own.level}s was left out: the scenario does not control it")
        elif own.level == "region" and _repeats(own, there):
            notes.append(f"{own.name} of regions was left out: it repeats what the geos say")
        else:
            found.append(own)
    if not any(own.level == "geo" and own.entity == HOUSEHOLD for own in found):
        advice = "household marginals of geos say how many households each zone has"
        raise problem(there.folder, "no variable of households is controlled by geo", advice)
    return found


def _repeats(regional: Marginal, there: PopGen) -> bool:
    """Whether a region's counts are the sums of its geos' counts, to half a record."""
    same = [
        own for own in there.marginals if (own.level, own.entity, own.name) == ("geo", regional.entity, regional.name)
    ]
    if not same or set(same[0].categories) != set(regional.categories):
        return False
    for region, counts in regional.counts.items():
        for category, count in zip(regional.categories, counts, strict=True):
            k = same[0].categories.index(category)
            rows = [same[0].counts.get(geo) for over, geo in there.regions if over == region]
            if abs(sum((row[k] or 0.0) for row in rows if row) - (count or 0.0)) > 0.5:
                return False
    return True


def _zones(there: PopGen, marginals: Sequence[Marginal], notes: list[str]) -> list[tuple[str, str]]:
    """Geos with marginals and the region of each ("" without regions), those of the scenario's regions where it names some."""
    known = list(dict.fromkeys(geo for own in marginals if own.level == "geo" for geo in own.counts))
    if not there.regions:
        return [(geo, "") for geo in known]
    over = {geo: region for region, geo in there.regions}
    asked = (there.scenario.get("geos_to_synthesize") or {}).get("region") or {}
    ids = {plain_id(str(own)) for own in asked.get("ids") or ()} if not is_true(asked.get("all_ids")) else set()
    lost = [geo for geo in known if geo not in over]
    if lost:
        notes.append(f"{len(lost)} geos lie in no region and were left out, such as {lost[0]}")
    found = [(geo, over[geo]) for geo in known if geo in over and (not ids or over[geo] in ids)]
    if not found:
        raise problem(there.folder, "no geo with marginals lies in a region that is asked for", "correct the mappings")
    if ids and len(found) < len(known) - len(lost):
        notes.append(f"only regions {', '.join(sorted(ids))} are made, as the scenario says")
    return found


Names = dict[tuple[str, str], str]


def _names(there: PopGen, marginals: Sequence[Marginal]) -> Names:
    """A variable's name in the spec by entity and name: letters, digits, underscores, each once."""
    found: Names = {}
    taken = {"region", "geo", "kind", "persons", "position", "household_id", "person_id"}
    for own in marginals:
        if (own.entity, own.name) in found:
            continue
        name = re.sub(r"\W+", "_", own.name).strip("_") or "variable"
        name = name if not name[0].isdigit() else f"v{name}"
        if name in taken:
            name = f"{ {HOUSEHOLD: 'hh', GROUP: 'gq', PERSON: 'person'}[own.entity] }_{name}"
        while name in taken:
            name += "_"
        taken.add(name)
        found[own.entity, own.name] = name
    return found


def _members(there: PopGen) -> Counter[str]:
    """Persons of the sample by the id of their household."""
    people = there.samples.get(PERSON)
    key = there.names["hid"]
    return Counter(map(plain_id, people.column(key))) if people is not None and key in people.names else Counter()


def _housing(there: PopGen, marginals: Sequence[Marginal], names: Names) -> Housing:
    """Which variable of households is their size: the one whose codes are, in the sample, the numbers of their persons."""
    members, homes, key = _members(there), there.samples.get(HOUSEHOLD), there.names["hid"]
    largest = max((1, *members.values())) if members else MOST_PERSONS
    if homes is None or not members or key not in homes.names:
        return Housing(size="persons", open_from=None, largest=largest)
    ids = list(map(plain_id, homes.column(key)))
    for own in marginals:
        codes = [int(code) for code in own.categories if code.isdigit()]
        if own.entity != HOUSEHOLD or own.name not in homes.names or sorted(codes) != list(range(1, len(codes) + 1)):
            continue
        said = list(map(plain_id, homes.column(own.name)))
        if len(codes) == len(own.categories) > 2 and all(
            code == str(min(members[home], len(codes))) for code, home in zip(said, ids, strict=True)
        ):
            return Housing(size=names[HOUSEHOLD, own.name], open_from=len(codes), largest=max(largest, len(codes)))
    return Housing(size="persons", open_from=None, largest=largest)


def _total(marginals: Sequence[Marginal], entity: str, geo: str) -> float:
    """How many of an entity a geo has: by the first variable that says it."""
    first = next((own for own in marginals if (own.level, own.entity) == ("geo", entity)), None)
    return first.total(geo) if first is not None else 0.0


def _has(marginals: Sequence[Marginal], entity: str) -> bool:
    return any(own.entity == entity for own in marginals)


def _levels(marginals: Sequence[Marginal], entity: str, name: str) -> list[str]:
    same = [own for own in marginals if (own.entity, own.name) == (entity, name)]
    return list(dict.fromkeys(code for own in same for code in own.categories))


def _units(marginals: Sequence[Marginal], names: Names, housing: Housing) -> dict[str, Any]:
    units: dict[str, dict[str, Any]] = {"household": {}, "person": {}}
    if _has(marginals, GROUP):
        units["household"]["kind"] = {"kind": "category", "levels": [HOUSEHOLD, GROUP]}
    for (entity, name), own in names.items():
        if own == housing.size and entity == HOUSEHOLD:
            continue
        levels = _levels(marginals, entity, name)
        units[ENTITIES[entity]][own] = {"kind": "category", "levels": levels if len(levels) > 1 else [*levels, "other"]}
    top: dict[str, Any] = {"geography": "zones", "variables": units["household"]}
    if not _has(marginals, PERSON) and housing.size == "persons":
        return {"household": top}
    units["household"][housing.size] = {"kind": "integer", "range": [1, housing.largest + 1], "unit": "persons"}
    if not _has(marginals, PERSON):
        return {"household": top}
    return {"household": top, "person": {"parent": "household", "count": housing.size, "variables": units["person"]}}


def _rules(marginals: Sequence[Marginal], housing: Housing) -> list[dict[str, str]]:
    if not _has(marginals, GROUP) or not (_has(marginals, PERSON) or housing.size != "persons"):
        return []
    forbidden = f"kind == '{GROUP}' and {housing.size} > 1"
    return [{"name": "group quarters are households of one", "unit": "household", "forbid": forbidden}]


def _targets(
    marginals: Sequence[Marginal],
    zones: Sequence[tuple[str, str]],
    names: Names,
    housing: Housing,
    there: PopGen,
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Housing of each geo, which never yields, then a target and a long table for each marginal."""
    grouped = _has(marginals, GROUP)
    entities = [HOUSEHOLD, GROUP] if grouped else [HOUSEHOLD]
    rows = [
        [geo, *([entity] if grouped else []), f"{_total(marginals, entity, geo):g}"]
        for geo, _ in zones
        for entity in entities
    ]
    tables = {"00-housing.csv": csv_text(["geo", *(["kind"] if grouped else []), "count"], rows)}
    source = "PopGen marginals"
    targets: list[dict[str, Any]] = [
        {
            "name": TOTAL,
            "unit": "household",
            "table": "tables/00-housing.csv",
            "source": source,
            "importance": "exact",
        }
    ]
    for number, own in enumerate(marginals, start=1):
        column, unit = names[own.entity, own.name], ENTITIES[own.entity]
        file = f"{number:02d}-{own.level}-{column.lower()}.csv"
        zone = own.level if unit == "household" else f"household.{own.level}"
        tables[file] = csv_text(
            [zone, column, "count"], list(_cells(own, zones, housing.open_from if column == housing.size else None))
        )
        target = {"name": f"{column} by {own.level}", "unit": unit, "table": f"tables/{file}", "source": source}
        if grouped and unit == "household":
            target["universe"] = f"kind == '{own.entity}'"
        targets.append({**target, "of": TOTAL})
    return targets, tables


def _cells(
    own: Marginal,
    zones: Sequence[tuple[str, str]],
    open_from: int | None,
) -> Iterator[list[str]]:
    """Rows of a long table: zone, level, count; a cell without a number is no row, and so stays open."""
    wanted = dict.fromkeys(geo if own.level == "geo" else region for geo, region in zones)
    for zone in wanted:
        for code, count in zip(own.categories, own.counts.get(zone, ()), strict=False):
            level = f"{code}+" if code == str(open_from) else code
            if count is not None:
                yield [zone, level, f"{count:.12g}"]


def _start(
    there: PopGen,
    marginals: Sequence[Marginal],
    zones: Sequence[tuple[str, str]],
    names: Names,
    housing: Housing,
    notes: list[str],
) -> dict[str, str]:
    """Samples as records to begin with: in each geo as many as are wanted, drawn from its own sample geographies."""
    people, key = there.samples.get(PERSON), there.names["hid"]
    if people is None or not _has(marginals, PERSON):
        return {}
    entities = [entity for entity in (HOUSEHOLD, GROUP) if _has(marginals, entity)]
    lacking = next(filter(None, (_lacking(there, marginals, names, entity) for entity in (*entities, PERSON))), "")
    if lacking:
        notes.append(f"the samples were left out: {lacking}")
        return {}
    members: dict[str, list[int]] = {}
    for row, home in enumerate(map(plain_id, people.column(key))):
        members.setdefault(home, []).append(row)
    units = _units(marginals, names, housing)
    own = [name for entity, name in names if entity == PERSON]
    persons = [[plain_id(people.column(name)[row]) for name in own] for row in range(len(people.rows))]
    pools = {
        entity: _pool(there, entity, names, (units["household"]["variables"], housing), members) for entity in entities
    }
    numbers = {(geo, entity): _total(marginals, entity, geo) for geo, _ in zones for entity in entities}
    share = min(1.0, MOST_RECORDS / max(sum(numbers.values()), 1))
    rng, above, below = np.random.default_rng(1), list[list[str]](), list[list[str]]()
    for (geo, entity), number in numbers.items():
        near = [one for one in pools[entity] if one[0] in there.sample_geos.get(geo, ())] or pools[entity]
        for k in rng.integers(len(near), size=round(number * share)) if near else ():
            _, home, values = near[k]
            above.append([str(len(above) + 1), geo, *values])
            below.extend(
                [str(len(above)), str(len(below) + 1 + n), *persons[row]] for n, row in enumerate(members[home])
            )
    notes.append("records to begin with, drawn from the samples: --start start")
    return {
        "start/household.csv": csv_text(["household_id", "geo", *units["household"]["variables"]], above),
        "start/person.csv": csv_text(["household_id", "person_id", *units["person"]["variables"]], below),
    }


def _lacking(there: PopGen, marginals: Sequence[Marginal], names: Names, entity: str) -> str:
    """Why the sample of an entity is none to begin with; empty where it is."""
    sample = there.samples.get(entity)
    if sample is None or there.names["hid"] not in sample.names:
        return f"there is none of {entity} with a column {there.names['hid']}"
    for name in (name for of, name in names if of == entity):
        if name not in sample.names:
            return f"{sample.path.name} has no column {name}"
        strange = set(map(plain_id, sample.column(name))) - set(_levels(marginals, entity, name))
        if strange:
            return f"{name} of {entity} holds {min(strange)}, which is no category of it"
    return ""


def _pool(
    there: PopGen,
    entity: str,
    names: Names,
    about: tuple[Mapping[str, Any], Housing],
    members: Mapping[str, Sequence[int]],
) -> list[tuple[str, str, list[str]]]:
    """Housing of a sample that has persons: sample geography, id, values of all variables of the unit."""
    (variables, housing), sample = about, there.samples[entity]
    area = there.names["sample_geo"]
    found = list[tuple[str, str, list[str]]]()
    for row in sample.rows:
        said = dict(zip(sample.names, map(plain_id, row), strict=True))
        home = said[there.names["hid"]]
        if home not in members:
            continue
        values = {names[of, name]: said[name] for of, name in names if of == entity}
        values |= {"kind": entity, housing.size: str(len(members[home]))}
        found.append(
            (said.get(area, ""), home, [values.get(name) or own["levels"][0] for name, own in variables.items()])
        )
    return found
