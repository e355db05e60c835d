"""Scoring by the tree of tokens, against brute force on a toy language model."""

from collections.abc import Mapping, Sequence
from math import isclose, log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmsynthor.errors import LLMError
from llmsynthor.llm.token_tree import openings, score_tree

VOCABULARY = 6


def probability(prefix: Sequence[int], token: int) -> float:
    weights = [1 + (sum(prefix) * 7 + k * k) % 5 for k in range(VOCABULARY)]
    return weights[token] / sum(weights)


def next_tokens(prefix: Sequence[int], most: int) -> Mapping[int, float]:
    likely = sorted(range(VOCABULARY), key=lambda t: -probability(prefix, t))[:most]
    return {token: log(probability(prefix, token)) for token in likely}


@given(
    st.lists(st.integers(0, VOCABULARY - 1), max_size=4),
    st.lists(st.lists(st.integers(0, VOCABULARY - 1), min_size=1, max_size=4), min_size=1, max_size=6),
)
def test_tree_agrees_with_brute_force(context: list[int], choices: list[list[int]]) -> None:
    """Each choice scores the sum of its tokens' log-probabilities, whatever prefixes the choices share."""
    for choice, score in zip(choices, score_tree(context, choices, next_tokens), strict=True):
        brute = sum(log(probability([*context, *choice[:k]], choice[k])) for k in range(len(choice)))
        assert isclose(score, brute, abs_tol=1e-12)


def test_shared_prefixes_are_asked_once() -> None:
    """Choices that begin alike cost one question for their common part."""
    asked: list[tuple[int, ...]] = []

    def noting(prefix: Sequence[int], most: int) -> Mapping[int, float]:
        asked.append(tuple(prefix))
        return next_tokens(prefix, most)

    score_tree([5], [[1, 2, 3], [1, 2, 4], [1, 0]], noting)
    assert sorted(asked) == [(5,), (5, 1), (5, 1, 2)]


def test_unlisted_token_is_said() -> None:
    """A model that lists no probability for a token cannot score, and says so."""
    with pytest.raises(LLMError, match="no probability"):
        score_tree([], [[3]], lambda prefix, most: {})


def test_choices_need_not_be_scored_to_their_end() -> None:
    """Not whole, a choice is scored up to the token that no other shares: what follows is spelling, and costs a call."""
    asked: list[tuple[int, ...]] = []

    def next_tokens(tokens: Sequence[int], most: int) -> Mapping[int, float]:
        asked.append(tuple(tokens))
        return {token: -float(token) for token in range(10)}

    scores = score_tree([0], [[1, 2, 3, 4], [1, 5, 6], [7, 8, 9]], next_tokens, whole=False)
    assert scores == (-3.0, -6.0, -7.0)
    assert asked == [(0,), (0, 1)]


def test_rare_tokens_are_bounded_where_spelling_does_not_matter() -> None:
    """A token beyond the longest list counts as the last of it: to list all tokens takes seconds."""
    listed = {1: -0.1, 2: -3.0}
    assert score_tree([0], [[1], [9]], lambda _tokens, _most: listed, whole=False) == (-0.1, -3.0)


def test_numbers_are_scored_to_their_end() -> None:
    """A first digit that no other choice has tells it apart, and yet is also that of 6 years."""
    digits = {"6": 1, "0": 2, " to": 3, "7": 4, "5": 5}
    listed = {(): {1: -0.1, 4: -2.0}, (1,): {2: -6.0, 3: -0.5}, (4,): {5: -0.2}}

    def next_tokens(tokens: Sequence[int], most: int) -> Mapping[int, float]:
        return listed[tuple(tokens)]

    choices = [[digits["6"], digits["0"], digits[" to"]], [digits["7"], digits["5"]]]
    assert score_tree([], choices, next_tokens, whole=False) == (-0.1, -2.0)
    assert score_tree([], choices, next_tokens, whole=False, least=(2, 2)) == (-6.1, -2.2)


def test_a_shorter_number_ends_with_the_word_behind_it() -> None:
    """A 5 may go on as 55, a 60 hardly as 600; what has no number and no second word stays whole."""
    assert openings([" 5 to 9 years", " 60 or more"]) == (" 5 to", " 60")
    assert openings([" 3", " 10"]) == (" 3", " 10")
    assert openings([""]) == ("",)
