"""What all pairs together carry: of a population with few traits everything, of a word about one pair little."""

from itertools import combinations

import numpy as np
import pytest

from llmsynthor.dependence.coarse import Coarse
from llmsynthor.dependence.consensus import FEWEST, carried
from llmsynthor.dependence.elicit import Pair
from llmsynthor.dependence.pair_tables import fit_margins, mean_interaction, mutual_information

LEVELS = 4
Tables = dict[Pair, np.ndarray]


def population(number: int, *, seed: int = 1) -> tuple[tuple[Coarse, ...], Tables]:
    """Variables that hang together by one trait of the records alone, and the tables of all their pairs."""
    rng = np.random.default_rng(seed)
    trait = rng.dirichlet(np.ones(2))
    given = rng.dirichlet(np.ones(LEVELS), size=(number, 2))  # shares of levels by trait
    names = [f"v{k}" for k in range(number)]
    variables = tuple(
        Coarse(axis=k, name=name, label=name, levels=tuple("abcd"), words=tuple("abcd"), shares=trait @ given[k])
        for k, name in enumerate(names)
    )
    tables = {(names[a], names[b]): (given[a] * trait[:, None]).T @ given[b] for a, b in combinations(range(number), 2)}
    return variables, tables


def invented(variables: tuple[Coarse, ...], strength: float) -> np.ndarray:
    """A dependence of the first and the last variable that no other pair knows of."""
    signs = np.where(np.arange(LEVELS)[:, None] == np.arange(LEVELS)[None, :], 1.0, -1.0)
    return fit_margins(strength * signs, variables[0].shares, variables[-1].shares)


def test_what_one_trait_carries_is_kept() -> None:
    variables, tables = population(8)
    for pair, table in carried(tables, variables).items():
        assert table == pytest.approx(tables[pair], abs=1e-4)


def test_margins_stay() -> None:
    variables, tables = population(8)
    tables["v0", "v7"] = invented(variables, 1.0)
    by_name = {variable.name: variable for variable in variables}
    for (one, other), table in carried(tables, variables).items():
        assert table.sum(axis=1) == pytest.approx(by_name[one].shares, abs=1e-8)
        assert table.sum(axis=0) == pytest.approx(by_name[other].shares, abs=1e-8)
        assert (table >= 0).all()


def test_noise_of_the_asking_is_taken_off() -> None:
    """Five traits of noise beside one that is there: what is left is nearer to the truth in the mean, and by far."""
    variables, truth = population(10)
    rng, by_name = np.random.default_rng(3), {variable.name: variable for variable in variables}
    noisy = {
        pair: fit_margins(
            np.log(table / np.outer(by_name[pair[0]].shares, by_name[pair[1]].shares))
            + 0.8 * rng.standard_normal(table.shape),
            by_name[pair[0]].shares,
            by_name[pair[1]].shares,
        )
        for pair, table in truth.items()
    }
    found = carried(noisy, variables)

    def off(tables: Tables) -> float:
        return float(sum(np.abs(tables[pair] - truth[pair]).sum() for pair in truth))

    assert off(found) < 0.7 * off(noisy)


def test_a_pair_that_nothing_is_known_of_changes_nothing_of_the_others() -> None:
    variables, tables = population(8)
    left = {pair: table for pair, table in tables.items() if pair != ("v2", "v5")}
    found = carried(left, variables)
    assert ("v2", "v5") not in found
    for pair, table in found.items():
        assert table == pytest.approx(tables[pair], abs=1e-3)


def test_a_word_about_one_pair_alone_is_toned_down() -> None:
    """Independent variables but for three traits' worth of dependence, and one pair with a weaker word of its own."""
    variables, tables = population(9)
    tables["v0", "v8"] = invented(variables, 0.3)
    for number, pair in enumerate((("v1", "v2"), ("v3", "v4"), ("v5", "v6"))):
        one, other = (variables[int(name[1])] for name in pair)
        tables[pair] = fit_margins((1.5 + number / 5) * np.where(np.eye(LEVELS), 1.0, -1.0), one.shares, other.shares)
    found = carried(tables, variables)
    assert mean_interaction(found["v0", "v8"]) < 0.5 * mean_interaction(tables["v0", "v8"])
    assert mutual_information(found["v5", "v6"]) > 0.5 * mutual_information(tables["v5", "v6"])


def test_few_variables_are_left_alone() -> None:
    variables, tables = population(FEWEST - 1)
    assert carried(tables, variables) == tables


def test_few_pairs_are_left_alone() -> None:
    """Each variable with the next alone: three traits of that are anybody's guess."""
    variables, tables = population(8)
    tables["v3", "v4"] = invented(variables[3:5], 0.3)
    chain = {(f"v{k}", f"v{k + 1}"): tables[f"v{k}", f"v{k + 1}"] for k in range(7)}
    assert carried(chain, variables) == chain
