"""The cells of the conformance table that are red, with the reason; who mends one takes it out here."""

WHY = {
    "sums": "sums of nested records are made up inside cells at the end, not walked to",
    "crash": "quantiles of nested records end in a ValueError after all the work",
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
mean                           |                      | PD                | HPAD      | HPTAD        | sums
mean without a table           |                      | PD                | HPAD      | HPTAD        | sums
mean of whole numbers          |                      |                   | PA        | HPTA         | sums
mean by group                  |                      | PD                | HPAD      | HPTAD        | sums
mean of whole numbers by group |                      | PD                | HPAD      | HPTA         | sums
mean in a universe             |                      | PD                | HPAD      | TAD          | sums
importance of means            |                      | PD                | HPAD      | HPTAD        | sums
total                          |                      | PD                | HPAD      | TAD          | sums
total of whole numbers         |                      |                   | PA        | HPTA         | sums
total by group                 |                      | PD                | HPAD      | PTAD         | sums
quantile                       |                      | PD                | HPAD      | HPTAD        | crash
quantile without a table       |                      | PD                | HPAD      | HPTAD        | crash
quantile of whole numbers      |                      |                   | HPAD      | HPTAD        | crash
quantile by group              |                      | PD                | HPAD      | HPTAD        | crash
total in a universe            |                      | PD                | PAD       | TAD          | sums
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
    ("mean", "household"): "a sum of derived numbers is called exact within a sixteenth of their range",
}
"""Runs (kind, world) of which something is said that is not so."""
