"""A few real records as evidence of dependence."""

import numpy as np
import pytest

from llmsynthor.dependence.coarse import Coarse
from llmsynthor.dependence.sample import Sample, Sampled, prior_worth, read_sample

PAIR = ("a", "b")


def variable(name: str, shares: list[float]) -> Coarse:
    words = tuple(f"{name}{k}" for k in range(len(shares)))
    return Coarse(axis=0, name=name, label=name, levels=words, words=words, shares=np.array(shares))


def drawn(records: int, *, tied: bool, seed: int = 1, others: int = 3) -> Sample:
    """Records of variables with three levels each, all equal where they are tied, else independent."""
    rng = np.random.default_rng(seed)
    names = ["a", "b", *(f"c{k}" for k in range(others))]
    first = rng.integers(0, 3, records)
    codes = {name: first if tied else rng.integers(0, 3, records) for name in names}
    return Sample(
        codes=codes, weights=np.ones(records), variables=tuple(variable(name, [1 / 3, 1 / 3, 1 / 3]) for name in names)
    )


@pytest.mark.parametrize("records", [30, pytest.param(120, marks=pytest.mark.slow)])
def test_tied_variables_stay_tied_and_loose_ones_loose(records: int) -> None:
    """Of variables that are the same the diagonal has nearly all; of independent ones a table comes nearer than its counts."""
    tied = read_sample(drawn(records, tied=True), [PAIR], rng=np.random.default_rng(0))[PAIR].beside(None)[0]
    assert np.trace(tied) > 0.9
    loose = drawn(records, tied=False)
    table = read_sample(loose, [PAIR], rng=np.random.default_rng(0))[PAIR].beside(None)[0]
    counts = loose.counts(PAIR)
    assert np.abs(table - 1 / 9).sum() < 0.5 * np.abs(counts / counts.sum() - 1 / 9).sum()


def test_margins_are_kept() -> None:
    """Whatever the records have, the table has the margins that are known."""
    sample = drawn(40, tied=True)
    known = (variable("a", [0.5, 0.3, 0.2]), variable("b", [0.1, 0.2, 0.7]), *sample.variables[2:])
    own = Sample(codes=sample.codes, weights=sample.weights, variables=known)
    table = read_sample(own, [PAIR], rng=np.random.default_rng(0))[PAIR].beside(None)[0]
    assert table.sum(axis=1) == pytest.approx([0.5, 0.3, 0.2], abs=1e-6)
    assert table.sum(axis=0) == pytest.approx([0.1, 0.2, 0.7], abs=1e-6)


def test_a_variable_that_is_missing_says_nothing() -> None:
    """Of pairs that no record has both of, nothing is said; records that lack one count for the others."""
    sample = drawn(50, tied=True)
    missing = {**sample.codes, "b": np.full(50, -1)}
    found = read_sample(
        Sample(codes=missing, weights=sample.weights, variables=sample.variables),
        [PAIR, ("a", "c0")],
        rng=np.random.default_rng(0),
    )
    assert set(found) == {("a", "c0")}
    assert np.trace(found["a", "c0"].beside(None)[0]) > 0.9


def test_weights_count() -> None:
    """Records of equal weight are worth their number; unequal ones less, and they count by their weight."""
    sample = drawn(100, tied=True)
    assert sample.worth == pytest.approx(100)
    weights = np.where(sample.codes["a"] == 0, 9.0, 1.0)
    unequal = Sample(codes=sample.codes, weights=weights, variables=sample.variables)
    assert unequal.worth < 70
    counts = unequal.counts(PAIR)
    assert counts.sum() == pytest.approx(unequal.worth)
    assert counts[0, 0] / counts.sum() == pytest.approx(weights[weights > 1].sum() / weights.sum())


@pytest.mark.slow
def test_the_same_generator_gives_the_same_tables() -> None:
    """Same seed, same bytes."""
    own = [read_sample(drawn(60, tied=False), [PAIR], rng=np.random.default_rng(5))[PAIR].prior for _ in range(2)]
    assert (own[0] == own[1]).all()


def test_what_others_say_counts_less_the_more_records_there_are() -> None:
    """A model has a part that falls with the records; a table measured elsewhere is believed as far as the counts agree with it."""
    even, tied = np.full((2, 2), 0.25), np.array([[0.45, 0.05], [0.05, 0.45]])
    parts = [Sampled(counts=even * n, prior=even).beside(tied)[1] for n in (10, 100, 1_000)]
    assert parts == sorted(parts)
    assert parts[0] < 0.5 < parts[1]
    right, wrong = (Sampled(counts=200 * own, prior=own).beside(tied, measured=True)[1] for own in (tied, even))
    assert right < 0.3
    assert wrong > 0.6
    assert prior_worth(200 * tied, tied) > 10 * prior_worth(200 * even, tied)
