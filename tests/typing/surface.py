"""The surface as type checkers see it: read by mypy, not run. Each `type: ignore` must be needed."""

from typing import assert_type

import polars as pl

import llmsynthor as ls

household = ls.unit("household", size=ls.integer(1, 6), tenure=ls.category("Owned", "Rented"))
person = ls.unit("person", of="household", count="size", age=ls.integer(0, 100), old=ls.derived("age", ls.number(0, 1)))
frame = pl.DataFrame({"age": ["0-99"], "count": [1]})
spec = ls.Spec(
    name="homes",
    units=[household, person],
    targets=[ls.table(frame, unit="person", value="count"), ls.mean("age", unit="person", value=40.5)],
    rules=[ls.forbid("age > 98", unit="person"), "households"],
)
solution = ls.synthesize(
    spec, records=5, seed=7, method=ls.Method(align="exact"), budget=ls.Budget(calls=5), progress=True
)
assert_type(solution, ls.Solution)
assert_type(solution.stop, ls.StopReason)
assert_type(solution.unmet, tuple[str, ...])
assert_type(solution.records, dict[str, pl.DataFrame])
assert_type(solution.table("age", unit="person"), pl.DataFrame)
assert_type(ls.read_solution("out"), ls.Solution)
assert_type(ls.read_table("t.px", language="en"), pl.DataFrame)
assert_type(ls.read_spec("spec.yaml"), ls.Spec)
assert_type(ls.measure(spec, "data.csv"), dict[str, pl.DataFrame])
assert_type(ls.check(spec).ok, bool)
assert_type(ls.check(spec).calls, int | None)

ls.Spec(units=[ls.forbid("age > 98", unit="person")])  # type: ignore[list-item]
ls.Spec(units=[household], targets=[person])  # type: ignore[list-item]
ls.unit("trip", km=ls.forbid("km > 5", unit="trip"))  # type: ignore[arg-type]
ls.Method(align="perfect")  # type: ignore[arg-type]
ls.Method(itertions=3)  # type: ignore[call-arg]
ls.synthesize(spec, records="many")  # type: ignore[arg-type]
ls.synthesize(spec, align="none", max_calls=5, base_url="http://localhost:1/v1", resume=True)
ls.synthesize(spec, itertions=3)  # type: ignore[call-arg]
solution.tabel("age")  # type: ignore[attr-defined]
