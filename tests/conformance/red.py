"""The cells of the conformance table that are red, with the reason; who mends one takes it out here."""

WHY = {
    "sums": "sums of parents' and derived numbers, and several sums of nested records at once, are missed",
    "quantiles": "quantiles of parents' and derived numbers are not aimed at",
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
mean                           |                      | PD                | A         | HPTAD        | sums
mean without a table           |                      | D                 | A         | A            | sums
mean of whole numbers          |                      |                   | A         | A            | sums
mean by group                  |                      | PD                | HPAD      | HPTAD        | sums
mean of whole numbers by group |                      | PD                | AD        | A            | sums
mean in a universe             |                      | PD                | HPAD      | TAD          | sums
importance of means            |                      | PD                | HPAD      | HPTAD        | sums
total                          |                      | D                 | A         | HPTAD        | sums
total of whole numbers         |                      |                   | A         | A            | sums
total by group                 |                      | PD                | HPAD      | AD           | sums
quantile                       |                      | D                 |           | D            | quantiles
quantile without a table       |                      | D                 | AD        | AD           | quantiles
quantile of whole numbers      |                      |                   |           | A            | quantiles
quantile by group              |                      | D                 | AD        | A            | quantiles
total in a universe            |                      | PD                | AD        | TAD          | sums
quantile in a universe         |                      | D                 |           | TA           | quantiles
all together                   |                      | PD                | HPAD      | AD           | sums
"""


def _read() -> dict[tuple[str, ...], str]:
    head, *rows = [[part.strip() for part in line.split("|")] for line in TABLE.strip().splitlines()]
    cells: dict[tuple[str, ...], str] = {}
    for kind, *letters, why in rows:
        for world, found in zip(head[1:-1], letters, strict=True):
            units = {"D": DERIVED[world], "A": PARENTS.get(world, "")}
            cells |= {(kind, world, LETTERS[letter].format(units.get(letter, ""))): WHY[why] for letter in found}
    return cells


RED = _read()
"""Cells (kind, world, reading) that fail, and why."""
