"""Pictures of flows and times of day: drawn for tables that are such, and for no others."""

import numpy as np

import llmsynthor as ls
from llmsynthor.evaluation.compare import compare
from llmsynthor.report.flows import flow_pictures
from llmsynthor.spec.specification import Spec

ZONES = [f"Z{k}" for k in range(14)]


def spec_of() -> Spec:
    rng = np.random.default_rng(1)
    flows = [{"origin": a, "destination": b, "count": int(rng.integers(1, 9))} for a in ZONES for b in ZONES]
    hours = [{"hour": f"[{h}, {h + 6})", "mode": m, "count": 5 + h} for h in range(0, 24, 6) for m in ("Car", "Bus")]
    ages = [{"age": a, "mode": m, "count": 3} for a in ("0-39", "40-99") for m in ("Car", "Bus")]
    lengths = [{"way": w, "mode": m, "count": 4} for w in ("[0, 2)", "[2, 9)") for m in ("Car", "Bus")]
    return Spec(
        units=[
            ls.unit(
                "trip",
                origin=ls.category(*ZONES),
                destination=ls.category(*ZONES),
                hour=ls.integer(0, 24, unit="o'clock"),
                way=ls.number(0, 9, unit="km"),
                age=ls.integer(0, 100),
                mode=ls.category("Car", "Bus"),
            )
        ],
        targets=[
            ls.table(cells, unit="trip", name=name)
            for name, cells in (("od", flows), ("by hour", hours), ("ages", ages), ("how far", lengths))
        ],
    )


def test_flows_and_profiles_are_drawn() -> None:
    """A table of origins and destinations has a matrix with a scatter, one by hour or length a profile, ages nothing."""
    spec = spec_of()
    made = ls.synthesize(spec, records=800, llm="none", seed=1)
    found = flow_pictures(spec.schema, compare(spec, {"trip": made.records["trip"]}))
    assert [picture["title"] for picture in found] == ["od", "by hour", "how far"]
    assert all("<svg" in picture["svg"] for picture in found)
    assert "obtained" in found[0]["svg"]
    assert "Bus" in found[1]["svg"]
    assert "How long they are" in found[2]["note"]
