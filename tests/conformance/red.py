"""The cells of the conformance table that are red, with the reason; who mends one takes it out here."""

WHY: dict[str, str] = {}

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

# H, P, T: own of household, person, trip; A: parent's; D: derived. No cell is red.
TABLE = """
kind                           | flat, derived unused | flat with derived | household | three levels | why
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
