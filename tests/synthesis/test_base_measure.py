"""Largest entropy is relative to a base: values are alike, not cells. Laws of what no table says, end to end."""

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq, root
from scipy.stats import kstest, truncexpon

import llmsynthor

RECORDS = 4_000
SEX = {"kind": "category", "levels": ["F", "M"]}
SHARES = {"unit": "person", "cells": [{"sex": "F", "share": 0.5}, {"sex": "M", "share": 0.5}]}
KINDS = ["flat", "nested"]


def document(
    kind: str, variable: dict[str, Any], targets: list[dict[str, Any]], rules: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Persons with a number x and a sex, alone or two to a home."""
    person: dict[str, Any] = {"variables": {"x": variable, "sex": SEX}}
    units: dict[str, Any] = {"person": person}
    if kind == "nested":
        home = {"variables": {"size": {"kind": "integer", "range": [2, 3]}}}
        units = {"home": home, "person": {**person, "parent": "home", "count": "size"}}
    forbidden = [{"name": f"rule {k}", "unit": "person", "forbid": rule} for k, rule in enumerate(rules)]
    return {"llmsynthor": 1, "units": units, "targets": [SHARES, *targets], "rules": forbidden}


def draw(kind: str, *arguments: Any, seed: int = 1) -> pl.DataFrame:
    records = RECORDS if kind == "flat" else RECORDS // 2
    return llmsynthor.synthesize(document(kind, *arguments), records=records, llm="none", seed=seed).records["person"]


def number(low: float, high: float) -> dict[str, Any]:
    return {"kind": "number", "range": [low, high]}


def mean(value: float, **more: Any) -> dict[str, Any]:
    return {"unit": "person", "name": "mean", "mean": "x", "cells": [{"mean": value}], **more}


def median(value: float) -> dict[str, Any]:
    return {"unit": "person", "name": "median", "quantile": "x", "probability": 0.5, "cells": [{"quantile": value}]}


def exponential(low: float, high: float, value: float) -> Any:
    """The distribution of largest entropy on a range with a mean below its middle."""
    scale = brentq(
        lambda s: truncexpon((high - low) / s, loc=low, scale=s).mean() - value, 1e-5 * (high - low), 1e3 * high
    )
    return truncexpon((high - low) / scale, loc=low, scale=scale)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("low", "high", "value"),
    [
        (200, 150_000, 7_420),
        *(pytest.param(*own, marks=pytest.mark.slow) for own in [(0, 1e7, 1_000), (0, 60, 17.4), (0, 10, 4)]),
    ],
)
def test_a_mean_alone_gives_the_truncated_exponential(kind: str, low: float, high: float, value: float) -> None:
    """A number known by its mean alone is exponential over its range, however wide that is, and has the mean."""
    x = draw(kind, number(low, high), [mean(value)])["x"].to_numpy()
    law = exponential(low, high, value)
    assert x.mean() == pytest.approx(value, rel=1e-6)
    assert kstest(x, law.cdf).statistic < 0.03
    assert x.max() == pytest.approx(law.ppf(1 - 1 / RECORDS), rel=0.6)


@pytest.mark.parametrize("kind", KINDS)
def test_a_median_alone_gives_two_flat_halves(kind: str) -> None:
    """Half of the records lie evenly below a median, half evenly above it."""
    x = draw(kind, number(0, 100), [median(20)])["x"].to_numpy()
    held = np.histogram(x, [0, 5, 10, 15, 20, 40, 60, 80, 100])[0] / RECORDS
    assert held[:4].sum() == pytest.approx(0.5, abs=0.001)
    assert held == pytest.approx(np.full(8, 0.125), abs=0.02)


@pytest.mark.parametrize("kind", KINDS)
def test_a_median_of_whole_numbers_makes_no_spike(kind: str) -> None:
    """Of nights with a mean of 4.6 and a median of 2, just as many last two as the law of largest entropy has."""
    x = draw(kind, {"kind": "integer", "range": [0, 120]}, [mean(4.6), median(2)])["x"].to_numpy()
    nights = np.arange(120)

    def law(rate: float) -> np.ndarray:
        weight = np.exp(-rate * nights)
        return np.where(nights <= 2, weight / weight[:3].sum(), weight / weight[3:].sum()) / 2

    rate = brentq(lambda r: float(law(r) @ nights) - 4.6, 1e-4, 2)
    assert x.mean() == pytest.approx(4.6, abs=1e-3)
    assert np.bincount(x, minlength=120)[:8] / RECORDS == pytest.approx(law(rate)[:8], abs=0.02)


def deviation(value: float) -> dict[str, Any]:
    return {"unit": "person", "name": "deviation", "deviation": "x", "cells": [{"value": value}]}


def law_of_three(points: np.ndarray, m: float, d: float, middle: float, *, binds: bool) -> np.ndarray:
    """Shares of points under the law of largest entropy with a mean, a deviation and, where it binds, a median."""
    z = (points - m) / d

    def law(rates: np.ndarray) -> np.ndarray:
        logs = rates[0] * z + rates[1] * z**2
        weights = np.exp(logs - logs.max())
        below = points < middle
        if binds:
            weights = np.where(below, weights / weights[below].sum(), weights / weights[~below].sum())
        return np.asarray(weights / weights.sum())

    found = root(lambda r: [law(r) @ z, law(r) @ z**2 - 1], [0.0, -0.5])
    assert found.success
    return law(found.x)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("high", "m", "d", "middle"), [(91, 46.3, 8.0, 46), (401, 64.9, 23.5, 67)])
def test_a_median_beside_a_deviation_makes_no_spike(kind: str, high: int, m: float, d: float, middle: int) -> None:
    """A profile of mean, median and deviation gives whole numbers their law: where the median is has no more than its share."""
    targets = [mean(m), median(middle), deviation(d)]
    x = draw(kind, {"kind": "integer", "range": [0, high]}, targets)["x"].to_numpy()
    points = np.arange(high)
    law = law_of_three(points, m, d, middle, binds=middle > m)
    edges = [0, *range(middle - 30, middle + 31, 5), high]
    assert x.mean() == pytest.approx(m, abs=1e-3)
    assert x.std() == pytest.approx(d, rel=1e-3)
    assert (x == middle).mean() == pytest.approx(law[middle], abs=0.015)
    assert np.histogram(x, edges)[0] / RECORDS == pytest.approx(np.histogram(points, edges, weights=law)[0], abs=0.03)


@pytest.mark.parametrize("kind", KINDS)
def test_a_profile_of_a_number_gives_its_law(kind: str) -> None:
    """A mean, a median and a deviation larger than the mean give a falling law, not heaps beside the median."""
    x = draw(kind, number(0, 25_000), [mean(1162.81), median(850), deviation(1400)])["x"].to_numpy()
    points = np.arange(2.5, 25_000, 5)
    law = law_of_three(points, 1162.81, 1400, 850, binds=True)
    edges = [0, 200, 400, 600, 850, 1100, 1400, 1800, 2500, 4000, 25_000]
    assert np.median(x) == pytest.approx(850, rel=1e-3)
    assert x.std() == pytest.approx(1400, rel=1e-3)
    assert np.histogram(x, edges)[0] / RECORDS == pytest.approx(np.histogram(points, edges, weights=law)[0], abs=0.02)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("targets", [[], [mean(17.4)], [median(12)]])
@pytest.mark.parametrize("rule", ["sex == 'F' and x < 0", "x >= 8 and x < 8", "sex == 'F' and x < 30 and x > 30"])
@pytest.mark.slow
def test_a_rule_that_forbids_nothing_changes_nothing(kind: str, targets: list[dict[str, Any]], rule: str) -> None:
    """A rule that no record can break leaves the distribution as it is, though it cuts the number."""
    plain, ruled = (draw(kind, number(0, 60), targets, rules)["x"].to_numpy() for rules in ((), (rule,)))
    edges = np.linspace(0, 60, 13)
    one, other = (np.histogram(x, edges)[0] / RECORDS for x in (plain, ruled))
    assert np.abs(one - other).max() < 0.025


@settings(max_examples=6, deadline=None)
@given(st.sampled_from(KINDS), st.floats(1, 59), st.floats(0.05, 1.0))
@pytest.mark.slow
def test_a_cut_moves_nobody(kind: str, cut: float, width: float) -> None:
    """However narrow a cell a rule about women cuts out, men are spread evenly over it and beside it."""
    people = draw(kind, number(0, 61), [], (f"sex == 'F' and x > {cut} and x < {cut + width}",))
    men = people.filter(pl.col("sex") == "M")["x"].to_numpy()
    assert kstest(men, lambda x: x / 61).statistic < 0.04
    assert not people.filter((pl.col("sex") == "F") & pl.col("x").is_between(cut, cut + width, closed="none")).height


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.slow
def test_a_wider_range_does_not_shorten_a_tail(kind: str) -> None:
    """A mean of 7,000 in ranges of 10⁵, 10⁶ and 10⁷ has the same upper percentiles."""
    tails = [np.percentile(draw(kind, number(0, high), [mean(7_000)])["x"], [90, 99]) for high in (1e5, 1e6, 1e7)]
    assert tails[1] == pytest.approx(tails[0], rel=0.1)
    assert tails[2] == pytest.approx(tails[0], rel=0.1)


def test_groups_of_very_different_means_have_each_their_law() -> None:
    """Means of 100 and of 50,000 in one range: each group is exponential."""
    by = mean(0, by=["sex"], cells=[{"sex": "F", "mean": 100}, {"sex": "M", "mean": 50_000}])
    people = draw("flat", number(0, 1e6), [by])
    for sex, value in (("F", 100), ("M", 50_000)):
        x = people.filter(pl.col("sex") == sex)["x"].to_numpy()
        assert kstest(x, exponential(0, 1e6, value).cdf).statistic < 0.05


@pytest.mark.slow
def test_many_groups_without_a_table_keep_their_sizes() -> None:
    """Fifty groups of which only means are known stay about equally large, and all means are met."""
    levels = [f"z{k}" for k in range(50)]
    values = np.round(np.exp(np.random.default_rng(0).normal(8, 1.5, 50)))
    cells = [{"zone": level, "mean": value} for level, value in zip(levels, values.tolist(), strict=True)]
    spec = {
        "llmsynthor": 1,
        "units": {"person": {"variables": {"x": number(0, 1e6), "zone": {"kind": "category", "levels": levels}}}},
        "targets": [{"unit": "person", "mean": "x", "by": ["zone"], "cells": cells}],
    }
    solution = llmsynthor.synthesize(spec, records=5_000, llm="none", seed=1)
    sizes = solution.records["person"].group_by("zone").len()["len"]
    assert solution.alignment["status"].to_list() == ["exact"]
    assert sizes.len() == 50
    assert sizes.min() > 50


def test_a_mean_moves_an_open_last_group() -> None:
    """Ages in five-year groups and 75+: a lower mean age makes the oldest younger, most of all in the open group."""
    ages = [{"x": f"{a}-{a + 4}", "share": 1.0} for a in range(0, 75, 5)]
    table = {"unit": "person", "name": "age", "cells": [*ages, {"x": "75+", "share": 2.0}]}
    age = {"kind": "integer", "range": [0, 101]}
    plain = draw("flat", age, [table])["x"].to_numpy()
    lower = draw("flat", age, [table, mean(float(plain.mean() - 0.5))])["x"].to_numpy()
    assert lower.mean() == pytest.approx(plain.mean() - 0.5, abs=1e-3)
    assert lower[lower >= 75].mean() < plain[plain >= 75].mean() - 1.0


@pytest.mark.slow
def test_means_are_mended_after_a_rule_that_cuts_through_cells() -> None:
    """A rule that compares two numbers holds, and the mean that its redraws cost is made up by others."""
    spec = document("flat", number(200, 150_000), [mean(7_420)], ("x < 100 * nights",))
    spec["units"]["person"]["variables"]["nights"] = {"kind": "integer", "range": [0, 60]}
    spec["targets"].append({"unit": "person", "mean": "nights", "cells": [{"mean": 4.6}]})
    solution = llmsynthor.synthesize(spec, records=RECORDS, llm="none", seed=1)
    assert set(solution.alignment["status"]) == {"exact"}
    assert solution.manifest["rules_broken"] == {"rule 0": 0}


WORK = {"kind": "category", "levels": ["no", "shop", "office", "farm", "school"]}
AGES = [{"x": "0-15", "work": "no", "percent": 100}] + [
    {"x": "16-39", "work": level, "percent": percent}
    for level, percent in (("no", 20), ("shop", 30), ("office", 20), ("farm", 20), ("school", 10))
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("by", ["shares within ages", "a rule"])
def test_single_years_stay_as_smooth_as_their_table(kind: str, by: str) -> None:
    """Ages that may do more are not more likely: 15 to 19 hold one age each, whoever of them may work."""
    ages = [{"x": f"{low}-{low + 4}", "percent": 12.5} for low in range(0, 40, 5)]
    said: list[dict[str, Any]] = [{"unit": "person", "cells": ages}]
    rules: tuple[str, ...] = ("x < 16 and work != 'no'",)
    if by != "a rule":
        rules, said = (), [*said, {"unit": "person", "given": ["x"], "cells": AGES}]
    spec = document(kind, {"kind": "integer", "range": [0, 40]}, said, rules)
    spec["units"]["person"]["variables"]["work"] = WORK
    persons = llmsynthor.synthesize(spec, records=RECORDS if kind == "flat" else RECORDS // 2, llm="none", seed=1)
    x = persons.records["person"]["x"].to_numpy()
    assert 70 <= np.sum(x == 15) <= 130, np.bincount(x)  # 100 of 4,000; largest entropy alone has 5 to 40
    assert np.sum((x >= 15) & (x < 20)) == 500


@pytest.mark.parametrize("kind", KINDS)
def test_shares_within_a_group_move_its_size_by_their_entropy_alone(kind: str) -> None:
    """Shares of work among women say nothing of how many women there are: e to their entropy for each five men, who may do all."""
    shares = [0.6, 0.1, 0.1, 0.1, 0.1]
    cells = [{"work": level, "share": share} for level, share in zip(WORK["levels"], shares, strict=True)]
    spec = document(kind, number(0, 1), [{"unit": "person", "universe": "sex == 'F'", "cells": cells}])
    spec["units"]["person"]["variables"]["work"] = WORK
    spec["targets"] = spec["targets"][1:]
    persons = llmsynthor.synthesize(spec, records=RECORDS if kind == "flat" else RECORDS // 2, llm="none", seed=1)
    women = np.mean(persons.records["person"]["sex"].to_numpy() == "F")
    ways = np.exp(-np.sum(np.array(shares) * np.log(shares)))
    assert abs(women - ways / (ways + 5)) < 0.04


def test_the_mean_of_a_part_leaves_an_open_end_falling() -> None:
    """A mean of all and one of the few women, who are lighter, beside a table that ends open: its end falls off as it did."""
    ends, percent = [400, 1_500, 2_500, 3_000, 3_500, 4_000, 6_000], [0.1, 7.9, 27.3, 39.2, 21.5, 4.0]
    cells = [{"x": f"[{a}, {b})", "percent": p} for a, b, p in zip(ends, ends[1:], percent, strict=False)]
    women = {**mean(2_641), "name": "women", "universe": "sex == 'F'"}
    spec = document("flat", number(400, 6_000), [{"unit": "person", "cells": cells}, mean(3_179), women])
    few = [{"sex": "F", "share": 0.07}, {"sex": "M", "share": 0.93}]
    spec["targets"][0] = {"unit": "person", "cells": few}
    x = llmsynthor.synthesize(spec, records=RECORDS, llm="none", seed=1).records["person"]["x"].to_numpy()
    below, above = np.histogram(x, [4_000, 4_500, 6_000])[0]
    assert below > above
