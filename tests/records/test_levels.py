"""Categories of records: Enum in memory, text elsewhere."""

import polars as pl

from llmsynthor.records.levels import as_enums, as_text
from llmsynthor.spec.specification import Spec


def test_there_and_back(spec: Spec) -> None:
    """Enums in the order of the spec become the texts they were; what is missing stays missing."""
    frame = pl.DataFrame({"age": [3, 40], "sex": ["Male", None], "employment": ["Under 16", "Employed"]})
    found = as_enums({"person": frame}, spec.schema)["person"]
    assert found["sex"].dtype == pl.Enum(["Female", "Male"])
    assert as_text(found).equals(frame)


def test_strange_values_are_not_lost(spec: Spec) -> None:
    """A column that holds what is no level stays text."""
    frame = pl.DataFrame({"sex": ["Male", "Other"]})
    assert as_enums({"person": frame}, spec.schema)["person"].equals(frame)
