"""Score given choices by walking the tree of their tokens: one question per inner node, shared by all choices below it."""

from collections.abc import Callable, Mapping, Sequence

from llmsynthor.errors import LLMError, Problem

NextTokens = Callable[[Sequence[int], int], Mapping[int, float]]
"""(tokens so far, how many to list) → natural-log probability of each of the most likely next tokens."""

LISTED, ALL = (512, 4_096), 1_000_000
"""How many next tokens are asked for; more only where a choice's token was not among them. To list all takes seconds."""


def score_tree(
    context: Sequence[int], choices: Sequence[Sequence[int]], next_tokens: NextTokens, *, whole: bool = True
) -> tuple[float, ...]:
    """Sum each choice's token log-probabilities after the context; not `whole`, up to the token that no other choice shares,
    and for tokens beyond the 4,096 most likely with the probability of the last of those.

    Raises LLMError when a choice has no tokens or the model does not list one of them at all.
    """
    if any(len(choice) == 0 for choice in choices):
        advice = "give every choice at least one character"
        raise LLMError(Problem(where="score", what="a choice has no tokens", advice=advice))
    scores = [0.0] * len(choices)
    _descend(context, list(enumerate(choices)), 0, scores, next_tokens, fewest=1 if whole else 2)
    return tuple(scores)


def _descend(
    context: Sequence[int],
    choices: Sequence[tuple[int, Sequence[int]]],
    depth: int,
    scores: list[float],
    next_tokens: NextTokens,
    *,
    fewest: int,
) -> None:
    branches: dict[int, list[tuple[int, Sequence[int]]]] = {}
    for number, tokens in choices:
        if depth < len(tokens):
            branches.setdefault(tokens[depth], []).append((number, tokens))
    if not branches:
        return
    prefix = [*context, *choices[0][1][:depth]]
    log_probabilities = _listed(prefix, set(branches), next_tokens, exact=fewest == 1)
    for token, below in branches.items():
        for number, _ in below:
            scores[number] += log_probabilities[token]
        if len(below) >= fewest:
            _descend(context, below, depth + 1, scores, next_tokens, fewest=fewest)


def _listed(prefix: Sequence[int], wanted: set[int], next_tokens: NextTokens, *, exact: bool) -> Mapping[int, float]:
    """Log-probabilities of the wanted tokens; not `exact`, those of rare ones at the bound that the list gives."""
    for most in (*LISTED, ALL) if exact else LISTED:
        found = next_tokens(prefix, most)
        if wanted <= found.keys():
            return found
    if not exact and found:
        return {token: found.get(token, min(found.values())) for token in wanted}
    problem = Problem(
        where="score", what="the model lists no probability for a token", advice="use a model that lists all its tokens"
    )
    raise LLMError(problem)
