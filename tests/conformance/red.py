"""The cells of the conformance table that are red, with the reason; who mends one takes it out here."""

WHY = {
    "sums": "sums of parents' and derived numbers, and several sums of nested records at once, are missed",
    "crash": "quantiles of nested records end in a ValueError after all the work",
    "cell": "a cell of a sum of real numbers ends more than a record off",
}

LETTERS = {
    "H": "own of household",
    "P": "own of person",
    "T": "own of trip",
    "D": "derived of {}",
    "A": "parent's of {}",
}
DERIVED = {
    "flat, derived unused": "",
    "flat with derived": "person",
    "household": "household",
    "three levels": "household",
}
PARENTS = {"household": "person", "three levels": "trip"}

# H, P, T: own of household, person, trip; A: parent's; D: derived. The world "flat" has no red cell.
TABLE = """
kind                           | flat, derived unused | flat with derived | household | three levels | why
cuts that differ               |                      |                   |           | D            | cell
mean                           |                      | D                 | A         | A            | sums
mean without a table           |                      | D                 | A         | A            | sums
mean of whole numbers          |                      |                   | A         | A            | sums
mean by group                  |                      | PD                | HPAD      | HPTAD        | sums
mean of whole numbers by group |                      | PD                | AD        | A            | sums
mean in a universe             |                      | PD                | AD        | TAD          | sums
importance of means            |                      | PD                | HPAD      | HPTAD        | sums
total                          |                      | PD                | HPAD      | HPTAD        | sums
total of whole numbers         |                      |                   | A         | A            | sums
total by group                 |                      | PD                | AD        | AD           | sums
quantile                       |                      | PD                | HPAD      | HPTAD        | crash
quantile without a table       |                      | PD                | HPAD      | HPTAD        | crash
quantile of whole numbers      |                      |                   | HPAD      | HPTAD        | crash
quantile by group              |                      | PD                | HPAD      | HPTAD        | crash
total in a universe            |                      | PD                | HPAD      | TAD          | sums
quantile in a universe         |                      | PD                | HPAD      | HPTAD        | crash
all together                   |                      | PD                | HPAD      | HPTAD        | crash
"""


def _read() -> tuple[dict[tuple[str, ...], str], dict[tuple[str, ...], str]]:
    head, *rows = [[part.strip() for part in line.split("|")] for line in TABLE.strip().splitlines()]
    cells: dict[tuple[str, ...], str] = {}
    runs: dict[tuple[str, ...], str] = {}
    for kind, *letters, why in rows:
        for world, found in zip(head[1:-1], letters, strict=True):
            units = {"D": DERIVED[world], "A": PARENTS.get(world, "")}
            cells |= {(kind, world, LETTERS[letter].format(units.get(letter, ""))): WHY[why] for letter in found}
            runs |= {(kind, world): WHY[why]} if found and why == "crash" else {}
    return cells, runs


RED, CRASHED = _read()
"""Cells (kind, world, reading) that fail and runs (kind, world) that end in an error, and why."""

UNTRUE = {
    (kind, world): "a sum of derived numbers is called exact within a sixteenth of their range"
    for kind in ("importance of means", "total")
    for world in ("household", "three levels")
}
"""Runs (kind, world) of which something is said that is not so."""
