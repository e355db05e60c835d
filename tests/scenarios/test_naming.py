"""Cells that a sentence names are found without a model."""

import llmsynthor as ls
from llmsynthor.scenarios.cells import cells_of
from llmsynthor.scenarios.naming import named_cells
from llmsynthor.spec.specification import Spec


def spec_of() -> Spec:
    hours = [{"hour": f"[{h}, {h + 2})", "count": 1} for h in range(0, 24, 2)]
    purposes = [{"purpose": p, "count": 1} for p in ("Home", "Work", "School or daycare", "Shopping or errands")]
    zones = [{"district": d, "count": 1} for d in ("Bunkyo", "Harbour Bridge", "Old Town")]
    return Spec(
        units=[
            ls.unit(
                "trip",
                hour=ls.integer(0, 24, unit="o'clock", label="Hour of departure"),
                purpose=ls.category("Home", "Work", "School or daycare", "Shopping or errands"),
                district=ls.category("Bunkyo", "Harbour Bridge", "Old Town"),
            )
        ],
        targets=[ls.table(cells, unit="trip") for cells in (hours, purposes, zones)],
    )


def named(sentence: str) -> dict[str, float | None]:
    return {own.where.text: own.factor for own in named_cells(sentence, cells_of(spec_of()))}


def test_hours_and_levels_are_named() -> None:
    """A concert from 20 to 24 names those hours; a level is named by its words, or by one of those that "or" joins."""
    found = named("There will be a concert from 20 to 24 in the old town.")
    assert found == {"20 <= hour and hour < 24": 1.2, "district == 'Old Town'": 1.2}
    assert set(named("The shops open for errands between 8 am and 2 pm.")) == {
        "8 <= hour and hour < 14",
        "purpose == 'Shopping or errands'",
    }


def test_what_is_closed_falls() -> None:
    """Where the sentence speaks of closing there is to be less of what it names."""
    assert named("The Harbour Bridge is closed.") == {"district == 'Harbour Bridge'": 0.833}
    assert named("Schools are cancelled.") == {"purpose == 'School or daycare'": 0.833}
    assert named("It is a school holiday.") == {"purpose == 'School or daycare'": 0.833}


def test_a_sentence_that_names_nothing_proposes_nothing() -> None:
    """Heavy snow names no cell."""
    assert named("There is heavy snow.") == {}
