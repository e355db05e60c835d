"""Log-weights of relatives: what they may move, and what they may not."""

import numpy as np

from llmsynthor.synthesis.coarse import Coarse
from llmsynthor.synthesis.nested.kinship import CLIP, levelled, numbers, of_heads, of_siblings

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
