"""The share or count of a condition, deviations and correlations, as a spec says them."""

from pathlib import Path
from typing import Any

import pytest

from llmsynthor.errors import SpecError
from llmsynthor.spec.reading.files import save
from llmsynthor.spec.specification import Spec
from llmsynthor.spec.targets import Statistic, Table

AGES = {"name": "age", "unit": "p", "cells": [{"age": "0-64", "count": 900}, {"age": "65+", "count": 100}]}


def load(*targets: dict[str, Any]) -> Spec:
    variables = {
        "age": {"kind": "integer", "range": [0, 100]},
        "income": {"kind": "number", "range": [0, 100]},
        "sex": {"kind": "category", "levels": ["F", "M"]},
    }
    return Spec.load(
        {
            "llmsynthor": 1,
            "units": {"p": {"variables": variables}},
            "targets": [AGES, *({"unit": "p", **t} for t in targets)],
        }
    )


def test_a_share_is_a_table_of_two_cells() -> None:
    """The share and what it leaves, among the records that `of` names, with no more digits than were written."""
    table = load({"where": "income > 3.5", "of": "age >= 75", "share": 0.9}).targets[1]
    assert isinstance(table, Table)
    assert table.values == (0.9, 0.1)
    assert str(table.universe) == "age >= 75"
    assert table.name == "income > 3.5 of age >= 75"


def test_a_count_is_of_the_records_that_the_tables_count() -> None:
    """A count within `of` is that of both conditions together, of as many records as the tables of counts have."""
    table = load({"where": "income > 3", "of": "sex == 'F'", "count": 120}).targets[1]
    assert isinstance(table, Table)
    assert table.values == (120.0, 880.0)
    assert table.universe is None


def test_the_variable_of_a_condition_is_hidden() -> None:
    """No records have a column for a condition."""
    spec = load({"where": "income > 3", "share": 0.5})
    assert [variable.name for variable in spec.schema.top.shown] == ["age", "income", "sex"]


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ({"where": "incom > 3", "share": 0.5}, "unknown name"),
        ({"where": "income", "share": 0.5}, "this is no condition"),
        ({"where": "income > 3"}, "needs either `share`"),
        ({"where": "income > 3", "share": 23}, "less than or equal to 1"),
        ({"where": "income > 3", "count": 2_000}, "more than the 1,000 records"),
        ({"where": "income > 3", "share": 0.5, "mean": "age"}, "remove mean"),
        ({"share": 0.5, "cells": [{"sex": "F", "share": 1}]}, "say of which with `where`"),
        ({"deviation": "income", "cells": [{"deviation": 0}]}, "more than zero"),
        ({"deviation": "sex", "cells": [{"deviation": 2}]}, "needs a numeric variable"),
        ({"correlation": ["age", "income"], "cells": [{"correlation": 1.2}]}, "between -1 and 1"),
        ({"correlation": ["age", "age"], "cells": [{"correlation": 0.2}]}, "two different variables"),
    ],
)
def test_what_makes_no_sense_is_refused(target: dict[str, Any], words: str) -> None:
    """Each mistake is named in words."""
    with pytest.raises(SpecError) as caught:
        load(target)
    assert words in str(caught.value)


def test_spec_to_file_to_spec_is_the_identity(tmp_path: Path) -> None:
    """Shares, counts, deviations and correlations are written as they are read."""
    spec = load(
        {"name": "s", "where": "income > 3.5 and sex == 'M'", "of": "age >= 75", "share": 0.23, "importance": 2.0},
        {"where": "income > 3", "of": "sex == 'F'", "count": 120, "tolerance": 0.1},
        {
            "name": "d",
            "deviation": "income",
            "by": ["sex"],
            "cells": [{"sex": "F", "deviation": 2}, {"sex": "M", "deviation": 3}],
        },
        {"name": "c", "correlation": ["age", "income"], "cells": [{"correlation": -0.25}], "universe": "age > 15"},
    )
    assert Spec.load(save(spec, tmp_path)) == spec
    last = spec.targets[-1]
    assert isinstance(last, Statistic)
    assert last.variables == ("age", "income")


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ({"sd": "income", "cells": [{"sd": 900}]}, "deviation: VARIABLE"),
        ({"cells": [{"age >= 65": "yes", "share": 0.2}]}, "where: CONDITION"),
    ],
)
def test_words_of_other_tools_are_answered(target: dict[str, Any], words: str) -> None:
    """Who writes a statistic as another tool would is told how it is written here."""
    with pytest.raises(SpecError) as caught:
        load(target)
    assert words in str(caught.value)
