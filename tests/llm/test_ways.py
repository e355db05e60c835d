"""Servers that show log-probabilities in other ways than llama.cpp does: probed once, and kept to."""

import json
import math
import re
from typing import Any

import pytest

from llmsynthor.errors import CannotScoreError
from llmsynthor.llm.backend import ScoreRequest
from llmsynthor.llm.token_tree import openings
from llmsynthor.llm.ways import _as_asked
from tests.llm.faults import serving
from tests.llm.test_remote import remote

QUESTION = ScoreRequest(context="Sky:", choices=(" blue", " black", " green"))
TOKENS = {
    " blue": ((" bl", -1.0), ("ue", -0.5)),
    " black": ((" bl", -1.0), ("ack", -1.5)),
    " green": ((" green", -3.0),),
}
WHOLE = (-1.5, -2.5, -3.0)


def raw(body: Any) -> str:
    return f"raw:{json.dumps(body)}"


def pieces(prompt: str) -> list[tuple[str, float | None]]:
    if prompt.startswith("one"):
        return [
            (prompt.rpartition(" ")[0], None),
            (" " + prompt.rpartition(" ")[2], -0.1 if prompt.endswith("four") else -9.0),
        ]
    return [("Sky", None), (":", -0.1), *TOKENS[prompt.removeprefix("Sky:")]]


def echoed(body: dict[str, Any], written: tuple[tuple[str, float], ...] = ((".", -0.2),)) -> str:
    tokens = [*pieces(body["prompt"]), *written]
    offsets = [sum(len(text) for text, _ in tokens[:k]) for k in range(len(tokens))]
    told = {"tokens": [t for t, _ in tokens], "token_logprobs": [s for _, s in tokens], "text_offset": offsets}
    return raw({"choices": [{"text": body["prompt"], "logprobs": told}]})


def prompted(body: dict[str, Any]) -> str:
    told = [
        None if score is None else {"7": {"logprob": score, "rank": 1, "decoded_token": text}}
        for text, score in pieces(body["prompt"])
    ]
    return raw({"choices": [{"text": "", "prompt_logprobs": told}]})


def lettered(_body: dict[str, Any]) -> str:
    listed = [{"token": "A", "logprob": -0.4}, {"token": " b", "logprob": -1.2}, {"token": "The", "logprob": -5.0}]
    return raw({"choices": [{"message": {"content": "A"}, "logprobs": {"content": [{"top_logprobs": listed}]}}]})


def server_of(way: str, asked: list[str]) -> Any:
    """A server that offers one way of scoring, and notes what it was asked."""

    def plan(_number: int, path: str, body: Any) -> str:
        name = next((key for key in ("echo", "prompt_logprobs", "top_logprobs") if key in body), path)
        asked.append(name)
        if name != way:
            return "404" if path == "/tokenize" else raw({"choices": [{"text": "blue", "logprobs": None}]})
        return {"echo": echoed, "prompt_logprobs": prompted, "top_logprobs": lettered}[way](body)

    return plan


@pytest.mark.parametrize(
    ("way", "scores", "words"),
    [
        ("echo", WHOLE, "echo"),
        ("prompt_logprobs", WHOLE, "prompt_logprobs"),
        ("top_logprobs", (-0.4, -1.2, -5.0), "top_logprobs"),
    ],
)
def test_the_way_that_a_server_offers_is_found_and_kept(way: str, scores: tuple[float, ...], words: str) -> None:
    """Ways are tried from the best; what was found is said, and the others are not asked for again."""
    seen: list[str] = []
    with serving(server_of(way, seen)) as server:
        asked = remote(server.address)
        assert asked.scoring == ""
        assert asked.score(QUESTION).log_probabilities == pytest.approx(scores)
        probed = len(seen)
        assert asked.score(QUESTION).log_probabilities == pytest.approx(scores)
    assert words in asked.scoring
    assert set(seen[probed:]) == {way}


def test_of_prompts_only_what_tells_choices_apart_counts_where_that_is_asked() -> None:
    """Not whole, a choice has the tokens up to the one that no other has there."""
    question = ScoreRequest(context=QUESTION.context, choices=(" blue", " green"), whole=False)
    with serving(server_of("echo", [])) as server:
        assert remote(server.address).score(question).log_probabilities == pytest.approx((-1.0, -3.0))


def test_a_server_that_shows_nothing_cannot_score() -> None:
    """Where no way is offered the model is asked for percentages, which is said; it is probed once."""
    seen: list[str] = []
    with serving(server_of("none", seen)) as server:
        asked = remote(server.address)
        for _ in range(2):
            with pytest.raises(CannotScoreError):
                asked.score(QUESTION)
    assert seen == ["/tokenize", "echo", "prompt_logprobs", "top_logprobs"]
    assert "percentages" in asked.scoring


def test_an_error_of_the_server_at_a_probe_is_not_waited_out() -> None:
    """llama-cpp-python answers 500 to a way that it was not started for: the next one is tried at once."""

    def plan(_number: int, path: str, body: Any) -> str:
        return lettered(body) if "top_logprobs" in body else "404" if path == "/tokenize" else "500"

    with serving(plan) as server:
        assert remote(server.address, patience=30).score(QUESTION).log_probabilities == pytest.approx(
            (-0.4, -1.2, -5.0)
        )


def test_probabilities_of_other_tokens_are_found_out() -> None:
    """A server that shows each token the probability of the next one's place is not believed: letters are asked for instead."""

    def plan(_number: int, path: str, body: Any) -> str:
        if "top_logprobs" in body:
            return lettered(body)
        if "echo" not in body:
            return "404"
        prompt = body["prompt"]
        told = {
            "tokens": [prompt[:-5], prompt[-5:]],
            "token_logprobs": [None, -8.0],
            "text_offset": [0, len(prompt) - 5],
        }
        return raw({"choices": [{"logprobs": told}]})

    with serving(plan) as server:
        asked = remote(server.address)
        asked.score(QUESTION)
    assert "top_logprobs" in asked.scoring


ODD = [
    {"tokens": ["Sky", ":"], "token_logprobs": [None], "text_offset": [0, 3]},
    {"tokens": ["Sea", ":", " x"], "token_logprobs": [None, -1, -1], "text_offset": [0, 3, 4]},
    {"tokens": ["Sky", ":", " bl", "ue"], "token_logprobs": [None, None, -1, -1], "text_offset": [0, 3, 4, 7]},
    {"tokens": [1, 2], "token_logprobs": [0, 0], "text_offset": [0, 0]},
]


@pytest.mark.parametrize("told", ODD)
def test_an_echo_of_something_else_is_none(told: dict[str, Any]) -> None:
    """Tokens that do not spell the prompt, or have no probabilities, are no scores."""

    def plan(_number: int, path: str, body: Any) -> str:
        return raw({"choices": [{"logprobs": told}]}) if "echo" in body else "404"

    with serving(plan) as server, pytest.raises(CannotScoreError):
        remote(server.address).score(QUESTION)


def test_more_choices_than_letters_are_not_asked_about_by_letter() -> None:
    """Such a question has no scores; the next one, with fewer, has."""
    many = ScoreRequest(context="Sky:", choices=tuple(f" c{k}" for k in range(30)))
    with serving(server_of("top_logprobs", [])) as server:
        asked = remote(server.address)
        with pytest.raises(CannotScoreError):
            asked.score(many)
        assert math.isclose(asked.score(QUESTION).log_probabilities[0], -0.4)


@pytest.mark.parametrize("choices", [(" blue", " green"), (" 5 to 9", " 60 to 69")])
def test_servers_score_numbers_to_their_end(choices: tuple[str, str]) -> None:
    """Where a choice begins with a number the tokens up to its end count, however early it differs from the others."""
    pieces = [[(piece, -1.0) for piece in re.findall(r" ?\d| ?\D+", choice)] for choice in choices]
    asked = ScoreRequest(context="", choices=choices, whole="number")
    lengths = [len("".join(text for text, _ in part)) for part in _as_asked(pieces, asked)]
    assert all(length >= len(end) for length, end in zip(lengths, openings(choices), strict=True))
