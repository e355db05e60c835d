"""Records of a run for other programs: one function, a kind each."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from llmsynthor.errors import DataError, Problem
from llmsynthor.records.formats import activitysim, geoparquet, matsim, package, populationsim, starsim, tables
from llmsynthor.records.formats.made import Made
from llmsynthor.records.formats.mapping import Map, merged_map, read_map
from llmsynthor.records.formats.places import take_folder

PLAIN: dict[str, Callable[[Made, Path], list[Path]]] = {
    "csv": tables.write_csv,
    "excel": tables.write_excel,
    "sqlite": tables.write_sqlite,
    "duckdb": tables.write_duckdb,
    "postgres": tables.write_postgres,
    "package": package.write_package,
    "populationsim": populationsim.write_populationsim,
    "geoparquet": geoparquet.write_geoparquet,
}
MAPPED: dict[str, tuple[Callable[[Made], Map], Callable[[Made, Path, Map], list[Path]]]] = {
    "activitysim": (activitysim.default_map, activitysim.write_activitysim),
    "matsim": (matsim.default_map, matsim.write_matsim),
    "starsim": (starsim.default_map, starsim.write_starsim),
}
KINDS = (*PLAIN, *MAPPED)


def export(made: Made, kind: str, out: Path, said: Path | Mapping[str, Any] | None = None) -> list[Path]:
    """Write the records for another program into a new or empty folder; gives the files. Raises DataError, RunFolderError.

    `said` maps the program's columns to variables, and levels to codes: a YAML file or the same as a mapping.
    """
    _check_kind(kind)
    if kind in PLAIN:
        if said is not None:
            advice = f"leave it out; maps are for {', '.join(MAPPED)}"
            raise DataError(Problem(where="map", what=f"{kind} takes no map", advice=advice))
        return PLAIN[kind](made, take_folder(out))
    default, write = MAPPED[kind]
    chosen = default(made)
    if isinstance(said, str | Path):
        chosen = read_map(Path(said), chosen)
    elif said is not None:
        chosen = merged_map(said, chosen, "map")
    return write(made, take_folder(out), chosen)


def map_of(made: Made, kind: str) -> dict[str, Any]:
    """The map that an export takes by itself, as plain values; raises DataError for kinds without one."""
    _check_kind(kind)
    if kind not in MAPPED:
        problem = Problem(where=kind, what="it takes no map", advice=f"maps are for {', '.join(MAPPED)}")
        raise DataError(problem)
    return MAPPED[kind][0](made).written()


def _check_kind(kind: str) -> None:
    if kind not in KINDS:
        problem = Problem(
            where="export", what="there is no such kind", found=kind, advice=f"use one of: {', '.join(KINDS)}"
        )
        raise DataError(problem)
