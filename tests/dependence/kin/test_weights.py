"""Log-weights of relatives: what they may move, and what they may not."""

from dataclasses import replace

import numpy as np

from llmsynthor.dependence.coarse import Coarse
from llmsynthor.dependence.kin.weights import (
    CLIP,
    OTHERS,
    levelled,
    numbers,
    of_heads,
    of_kinds,
    of_siblings,
    or_another,
    through_words,
)

AGES = Coarse(
    axis=0, name="age", label="Age", levels=("a", "b", "c"), words=("a", "b", "c"), shares=np.array([0.2, 0.5, 0.3])
)


def test_levelled_weights_move_nobody() -> None:
    """Over all roles a member of any level is as likely as before, while first persons stay as they are."""
    rng, first = np.random.default_rng(1), np.array([0.1, 0.4, 0.5])
    weights = {"head": rng.normal(size=3), "spouse": rng.normal(size=(3, 3)), "child": rng.normal(size=(3, 3))}
    sizes = {"head": 0.4, "spouse": 0.3, "child": 0.3}
    found = levelled(weights, sizes, first)
    lift = sizes["head"] * np.exp(found["head"])
    lift += sum(sizes[role] * (first @ np.exp(found[role])) for role in ("spouse", "child"))
    assert np.allclose(lift, 1.0)
    assert np.allclose(np.diff(found["spouse"], axis=0), np.diff(weights["spouse"], axis=0))


def test_who_lives_with_a_spouse_has_one() -> None:
    """What is said outright moves both the first person and the member; impossible answers leave numbers finite."""
    flat, first = np.zeros((3, 3)), np.full(3, 1 / 3)
    living = np.array([-3.0, 1.0, 1.0])
    found = numbers((flat, flat), first, AGES.shares, 1.0, living)
    assert (found[1, 1:] > found[0, 1:]).all()
    assert found[1, 1] > found[1, 0]
    assert np.isfinite(numbers((flat, flat), first, AGES.shares, 1.0, np.array([-1e9, 0.0, 1e9]))).all()
    assert (numbers((flat, flat), first, AGES.shares, 0.0, living) == 0.0).all()  # a model that is not believed


def test_another_relative_may_be_of_any_level() -> None:
    """What is said of children rules nobody out where others may live, and who is likelier as a child stays so."""
    children = np.array([[2.0, -8.0, 0.0], [-9.0, 1.0, 1.0]])
    found = or_another(children)
    assert (found >= np.log(OTHERS)).all()
    assert (np.diff(found, axis=1) * np.diff(children, axis=1) >= 0).all()
    assert np.allclose(or_another(np.zeros((2, 3))), 0.0)


def test_heads_are_levels_that_the_model_holds_for_heads() -> None:
    found = of_heads(np.array([-1.0, 1.0, 1.0]), AGES, 1.0)
    assert found[0] < 0 < found[1]
    assert np.isclose(AGES.shares @ np.exp(found), 1.0)
    assert (np.abs(of_heads(np.array([-1e9, 0.0, 1e9]), AGES, 1.0)) <= CLIP).all()


def test_siblings_that_contradict_each_other_are_not_believed() -> None:
    """The trust follows how far both interviews agree, less what strangers do."""
    alike, strangers = 2.0 * np.eye(3), np.zeros((3, 3))
    weights, trust = of_siblings([alike, alike], strangers, AGES, 1.0)
    assert trust > 0 and weights[0, 0] > weights[0, 1]
    assert of_siblings([alike, -alike], strangers, AGES, 1.0)[1] == 0.0
    assert of_siblings([alike, alike], alike, AGES, 1.0)[1] == 0.0


def test_the_words_of_a_role_say_what_it_is() -> None:
    """Whose husband, and what a husband is, make husbands of wives; words that have nothing to do with a variable make nothing."""
    which, what = (
        np.array([[-0.05, -3.0], [-2.5, -0.1], [-0.7, -0.7]]),
        np.array([[-4.0, -0.1, -1.0], [-0.2, -2.0, -1.0]]),
    )
    found, trust = through_words(which, what, AGES)
    assert 0 < trust < 1
    assert found[0].argmax() == 1 and found[1].argmax() == 0
    assert np.allclose(np.exp(found) @ AGES.shares, 1.0)
    flat, none = through_words(np.zeros((3, 2)), what, AGES)
    assert none == 0.0 and not flat.any()
    assert (np.abs(through_words(1e9 * which, 1e9 * what, AGES)[0]) <= 2 * CLIP).all()


def test_householders_of_a_kind_are_believed_where_others_are_the_reverse() -> None:
    """What is said of every member alike is no knowledge about the householder."""
    head = np.array([[2.0, 0.0, 0.0], [0.0, 0.0, 2.0]])
    kind = replace(AGES, name="kind", levels=("x", "y"), words=("x", "y"), shares=np.array([0.5, 0.5]))
    found, trust = of_kinds((head, head), -head, kind, AGES)
    assert trust > 0.9 and found[0, 0] > found[1, 0]
    assert of_kinds((head, head), head, kind, AGES)[1] == 0.0
    assert of_kinds((head, -head), -head, kind, AGES)[1] == 0.0
