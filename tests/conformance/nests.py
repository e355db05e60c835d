"""The nested worlds: households with persons, and households with persons with trips."""

from random import Random

from .oracle import Condition, Record, Shape, first
from .worlds import (
    DERIVED_UNUSED,
    FLAT,
    JOB,
    PERSON,
    WITH_DERIVED,
    Parts,
    Reading,
    World,
    among,
    categories,
    cut,
    derived,
    draw_person,
    each,
    own_person,
    real,
    whole,
)

TENURE, ZONE, MODE, PURPOSE = ("Owned", "Rented"), ("Hill", "Port", "Field"), ("Car", "Walk", "Bus"), ("Shop", "Visit")
HOUSEHOLD: Parts = {
    "tenure": categories(*TENURE),
    "zone": categories(*ZONE),
    "rooms": whole(1, 7),
    "rent": real(0, 3_000),
}
RENT, RENT_ELSEWHERE = (0, 600, 1_200, 3_000), (0, 400, 900, 1_500, 3_000)


def draw_household(rng: Random) -> Parts:
    """Draw a household's own variables: the zone tells its tenure, and the tenure its rooms and rent."""
    zone = rng.choices(ZONE, (3, 4, 2))[0]
    tenure = "Owned" if rng.random() < {"Hill": 0.8, "Port": 0.3, "Field": 0.6}[zone] else "Rented"
    rooms = min(6, 1 + int(rng.betavariate(3 if tenure == "Owned" else 2, 3) * 6))
    return {"tenure": tenure, "zone": zone, "rooms": rooms, "rent": min(2_999.0, 170 * rooms * rng.uniform(0.5, 1.8))}


def own_household() -> Reading:
    """Read a household's own variables."""
    return Reading(
        label="own of household",
        unit="household",
        category=among("zone", *ZONE),
        other=among("tenure", *TENURE),
        whole=each("rooms", 1, 7),
        real=cut("rent", *RENT),
        real_elsewhere=cut("rent", *RENT_ELSEWHERE),
        universe=Condition(unit="household", text="zone != 'Port'", holds=lambda r: r["zone"] != "Port"),
        impossible=Condition(
            unit="household",
            text="zone == 'Hill' and tenure == 'Rented'",
            holds=lambda r: r["zone"] == "Hill" and r["tenure"] == "Rented",
        ),
        rule=Condition(
            unit="household",
            text="tenure == 'Rented' and rooms > 4",
            holds=lambda r: r["tenure"] == "Rented" and r["rooms"] > 4,
        ),
    )


def parents_of_person() -> Reading:
    """Read a household's variables from its persons."""
    return Reading(
        label="parent's of person",
        unit="person",
        category=among("household.zone", *ZONE),
        other=among("job", *JOB),
        whole=each("household.rooms", 1, 7),
        real=cut("household.rent", *RENT),
        real_elsewhere=cut("household.rent", *RENT_ELSEWHERE),
        universe=Condition(
            unit="person", text="household.tenure == 'Owned'", holds=lambda r: r["household.tenure"] == "Owned"
        ),
        impossible=Condition(
            unit="person",
            text="household.zone == 'Field' and job == 'Studies'",
            holds=lambda r: r["household.zone"] == "Field" and r["job"] == "Studies",
        ),
        rule=Condition(
            unit="person",
            text="household.tenure == 'Rented' and age > 75",
            holds=lambda r: r["household.tenure"] == "Rented" and r["age"] > 75,
        ),
    )


def derived_of_household() -> Reading:
    """Read what a household's persons add up to."""
    return Reading(
        label="derived of household",
        unit="household",
        category=among("kind", "young", "grown"),
        other=among("tenure", *TENURE),
        whole=each("workers", 0, 4),
        real=cut("income", 0, 30_000, 60_000, 400_000),
        real_elsewhere=cut("income", 0, 20_000, 45_000, 80_000, 400_000),
        universe=Condition(unit="household", text="workers >= 1", holds=lambda r: r["workers"] >= 1),
        impossible=Condition(
            unit="household",
            text="kind == 'young' and tenure == 'Rented'",
            holds=lambda r: r["kind"] == "young" and r["tenure"] == "Rented",
        ),
        rule=Condition(
            unit="household",
            text="first(person.age) < 18",
            holds=lambda r: bool(r.children) and first(r.children)["age"] < 18,
        ),
    )


HOUSEHOLDS = World(
    name="household",
    records=120,
    shape=Shape(
        units={
            "household": {
                "variables": {"size": whole(1, 4), **HOUSEHOLD},
                "derived": {
                    "workers": derived(whole(0, 4), "count(person.job == 'Works')"),
                    "income": derived(real(0, 400_000), "sum(person.pay)"),
                    "kind": derived(categories("young", "grown"), "'young' if any(person.age < 18) else 'grown'"),
                },
            },
            "person": {"parent": "household", "count": "size", "variables": PERSON},
        },
        derived={
            "household": {
                "workers": lambda r: sum(child["job"] == "Works" for child in r.children),
                "income": lambda r: sum(child["pay"] for child in r.children),
                "kind": lambda r: "young" if any(child["age"] < 18 for child in r.children) else "grown",
            }
        },
    ),
    counting={"household": each("size", 1, 4)},
    draw=lambda shape, rng: _home(shape, rng, trips=False),
    readings=(own_household(), own_person(), parents_of_person(), derived_of_household()),
)


def _home(shape: Shape, rng: Random, *, trips: bool) -> Record:
    size = rng.choices((1, 2, 3), (4, 4, 3))[0]
    home = shape.record("household", {"size": size, **draw_household(rng)})
    for _ in range(size):
        values = draw_person(rng, zone=home["zone"])
        if home["tenure"] == "Rented" and rng.random() < 0.7:
            values["age"] = max(values["age"], 18)
        if trips:
            values["trips"] = rng.choices((0, 1, 2), (3, 4, 3) if values["job"] == "Works" else (5, 3, 2))[0]
        home.adopt(shape.record("person", values))
        for _ in range(values.get("trips", 0)):
            home.children[-1].adopt(shape.record("trip", _trip(home, rng)))
    return home


def _trip(home: Record, rng: Random) -> Parts:
    mode = rng.choices(MODE, {"Hill": (6, 1, 2), "Port": (2, 5, 3), "Field": (5, 1, 1)}[home["zone"]])[0]
    purpose = rng.choices(PURPOSE, (2, 1) if mode == "Car" else (1, 2))[0]
    km = min(49.9, rng.expovariate(1 / {"Car": 12, "Walk": 3, "Bus": 8}[mode]))
    return {"mode": mode, "purpose": purpose, "stops": rng.choices((0, 1, 2, 3), (4, 3, 2, 1))[0], "km": km}


KM, KM_ELSEWHERE = (0, 4, 10, 50), (0, 2, 6, 15, 50)

OWN_TRIP = Reading(
    label="own of trip",
    unit="trip",
    category=among("mode", *MODE),
    other=among("purpose", *PURPOSE),
    whole=each("stops", 0, 4),
    real=cut("km", *KM),
    real_elsewhere=cut("km", *KM_ELSEWHERE),
    universe=Condition(unit="trip", text="position == 1", holds=lambda r: r.position == 1),
    impossible=Condition(
        unit="trip",
        text="mode == 'Bus' and purpose == 'Shop'",
        holds=lambda r: r["mode"] == "Bus" and r["purpose"] == "Shop",
    ),
    rule=Condition(
        unit="trip",
        text="purpose == 'Visit' and previous(purpose) == 'Visit'",
        holds=lambda r: r.before is not None and r["purpose"] == r.before["purpose"] == "Visit",
    ),
)
PARENTS_OF_TRIP = Reading(
    label="parent's of trip",
    unit="trip",
    category=among("household.zone", *ZONE),
    other=among("mode", *MODE),
    whole=each("person.hours", 0, 6),
    real=cut("household.rent", *RENT),
    real_elsewhere=cut("household.rent", *RENT_ELSEWHERE),
    universe=Condition(unit="trip", text="person.job == 'Works'", holds=lambda r: r["person.job"] == "Works"),
    impossible=Condition(
        unit="trip",
        text="household.zone == 'Port' and mode == 'Car'",
        holds=lambda r: r["household.zone"] == "Port" and r["mode"] == "Car",
    ),
    rule=Condition(
        unit="trip",
        text="person.age < 12 and mode == 'Car'",
        holds=lambda r: r["person.age"] < 12 and r["mode"] == "Car",
    ),
)
DERIVED_FROM_TRIPS = Reading(
    label="derived of household",
    unit="household",
    category=among("driving", "yes", "no"),
    other=among("tenure", *TENURE),
    whole=each("drives", 0, 7),
    real=cut("distance", 0, 8, 20, 400),
    real_elsewhere=cut("distance", 0, 5, 12, 30, 400),
    universe=Condition(unit="household", text="drives >= 1", holds=lambda r: r["drives"] >= 1),
    impossible=Condition(
        unit="household",
        text="driving == 'yes' and tenure == 'Rented'",
        holds=lambda r: r["driving"] == "yes" and r["tenure"] == "Rented",
    ),
    rule=Condition(unit="household", text="drives > 4", holds=lambda r: r["drives"] > 4),
)

DAYS = World(
    name="three levels",
    records=60,
    shape=Shape(
        units={
            "household": {
                "variables": {"size": whole(1, 4), **HOUSEHOLD},
                "derived": {
                    "drives": derived(whole(0, 7), "sum(person.drives)"),
                    "distance": derived(real(0, 400), "sum(person.distance)"),
                    "driving": derived(categories("yes", "no"), "'yes' if drives > 0 else 'no'"),
                },
            },
            "person": {
                "parent": "household",
                "count": "size",
                "variables": {**PERSON, "trips": whole(0, 3)},
                "derived": {
                    "drives": derived(whole(0, 3), "count(trip.mode == 'Car')"),
                    "distance": derived(real(0, 100), "sum(trip.km)"),
                },
            },
            "trip": {
                "parent": "person",
                "count": "trips",
                "variables": {
                    "mode": categories(*MODE),
                    "purpose": categories(*PURPOSE),
                    "stops": whole(0, 4),
                    "km": real(0, 50),
                },
            },
        },
        derived={
            "household": {
                "drives": lambda r: sum(child["drives"] for child in r.children),
                "distance": lambda r: sum(child["distance"] for child in r.children),
                "driving": lambda r: "yes" if r["drives"] > 0 else "no",
            },
            "person": {
                "drives": lambda r: sum(child["mode"] == "Car" for child in r.children),
                "distance": lambda r: sum(child["km"] for child in r.children),
            },
        },
    ),
    counting={"household": each("size", 1, 4), "person": each("trips", 0, 3)},
    draw=lambda shape, rng: _home(shape, rng, trips=True),
    readings=(own_household(), own_person(), OWN_TRIP, PARENTS_OF_TRIP, DERIVED_FROM_TRIPS),
)

WORLDS = (FLAT, DERIVED_UNUSED, WITH_DERIVED, HOUSEHOLDS, DAYS)
