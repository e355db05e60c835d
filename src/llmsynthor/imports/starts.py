"""Seeds of PopulationSim as records to begin with, and the texts of tables that an import writes."""

import csv
from collections.abc import Mapping, Sequence
from io import StringIO

import numpy as np

from llmsynthor.imports.controls import Column, Control
from llmsynthor.imports.folders import Folder, Frame

Columns = dict[str, dict[str, Column]]
MOST_RECORDS = 100_000
"""Households that an import asks for at most: of more, a share is made."""


def plain_id(text: str) -> str:
    """An id as text: 53.0 is 53."""
    return text.removesuffix(".0").strip()


def csv_text(names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows of a table as CSV."""
    out = StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(rows)
    return out.getvalue()


def starts_of(
    seeds: Mapping[str, Frame], columns: Columns, total: Control | None, work: Folder, notes: list[str], *, size: str
) -> dict[str, str]:
    """Seeds as records to begin with: in each zone as many households as are wanted, drawn by their weights, with all persons.

    Those whose `size` does not count the persons that are there are left out, and told.
    """
    if set(seeds) != {"household", "person"} or any(work.id not in seed.names for seed in seeds.values()):
        return {}
    frame = work.totals(total.level) if total is not None else None
    if total is None or frame is None or total.level not in frame.names:
        return {}
    missing = [name for unit, own in columns.items() for name in own if name not in seeds[unit].names]
    if missing:
        notes.append(f"the seeds were left out: they have no {', '.join(missing)}")
        return {}
    homes, people = seeds["household"], seeds["person"]
    weights = np.array([float(text or 0) for text in homes.column(work.weight)]) if work.weight in homes.names else None
    weights = np.ones(len(homes.rows)) if weights is None or weights.sum() <= 0 else weights
    members: dict[str, list[int]] = {}
    for row, key in enumerate(people.column(work.id)):
        members.setdefault(key, []).append(row)
    keys = homes.column(work.id)
    stated = homes.column(size) if size in columns["household"] else [str(len(members.get(key, ()))) for key in keys]
    whole = [float(said or 0) == len(members.get(key, ())) for said, key in zip(stated, keys, strict=True)]
    weights *= whole
    if not all(whole):
        notes.append(
            f"{whole.count(False):,} of {len(keys):,} households of the seeds were left out: {size} is another number"
        )
    if weights.sum() <= 0:
        return {}
    numbers = [round(float(text or 0)) for text in frame.column(total.field)]
    share = min(1.0, MOST_RECORDS / max(sum(numbers), 1))
    rng, above, below = np.random.default_rng(1), list[list[str]](), list[list[str]]()
    cells = {unit: _recoded(seeds[unit], columns[unit]) for unit in columns}
    for zone, number in zip(frame.column(total.level), numbers, strict=True):
        for row in rng.choice(len(keys), size=round(number * share), p=weights / weights.sum()):
            above.append([str(len(above) + 1), plain_id(zone), *cells["household"][row]])
            for member in members.get(keys[row], ()):
                below.append([str(len(above)), str(len(below) + 1), *cells["person"][member]])
    notes.append("records to begin with, drawn from the seeds: --start start")
    return {
        "start/household.csv": csv_text(["household_id", total.level, *columns["household"]], above),
        "start/person.csv": csv_text(["household_id", "person_id", *columns["person"]], below),
    }


def _recoded(seed: Frame, columns: Mapping[str, Column]) -> list[list[str]]:
    """The rows of a seed with the spec's levels."""
    found = []
    for row in seed.rows:
        said = dict(zip(seed.names, row, strict=True))
        found.append([said[name] if own.numeric else own.level_of(said[name]) for name, own in columns.items()])
    return found
