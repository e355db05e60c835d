"""Score given choices by walking the tree of their tokens: one question per inner node, shared by all choices below it."""

from collections.abc import Callable, Mapping, Sequence

from llmsynthor.errors import LLMError, Problem

NextTokens = Callable[[Sequence[int], int], Mapping[int, float]]
"""(tokens so far, how many to list) → natural-log probability of each of the most likely next tokens."""

LISTED = (64, 4_096, 1_000_000)
"""How many next tokens are asked for; more only where a choice's token was not among them."""


def score_tree(context: Sequence[int], choices: Sequence[Sequence[int]], next_tokens: NextTokens) -> tuple[float, ...]:
    """Sum each choice's token log-probabilities after the context.

    Raises LLMError when a choice has no tokens or the model does not list one of them at all.
    """
    if any(len(choice) == 0 for choice in choices):
        advice = "give every choice at least one character"
        raise LLMError(Problem(where="score", what="a choice has no tokens", advice=advice))
    scores = [0.0] * len(choices)
    _descend(context, list(enumerate(choices)), 0, scores, next_tokens)
    return tuple(scores)


def _descend(
    context: Sequence[int],
    choices: Sequence[tuple[int, Sequence[int]]],
    depth: int,
    scores: list[float],
    next_tokens: NextTokens,
) -> None:
    branches: dict[int, list[tuple[int, Sequence[int]]]] = {}
    for number, tokens in choices:
        if depth < len(tokens):
            branches.setdefault(tokens[depth], []).append((number, tokens))
    if not branches:
        return
    prefix = [*context, *choices[0][1][:depth]]
    log_probabilities = _listed(prefix, set(branches), next_tokens)
    for token, below in branches.items():
        for number, _ in below:
            scores[number] += log_probabilities[token]
        _descend(context, below, depth + 1, scores, next_tokens)


def _listed(prefix: Sequence[int], wanted: set[int], next_tokens: NextTokens) -> Mapping[int, float]:
    for most in LISTED:
        found = next_tokens(prefix, most)
        if wanted <= found.keys():
            return found
    problem = Problem(
        where="score", what="the model lists no probability for a token", advice="use a model that lists all its tokens"
    )
    raise LLMError(problem)
