"""Score given choices by walking the tree of their tokens: one question per inner node, shared by all choices below it."""

from collections.abc import Callable, Mapping, Sequence

from llmsynthor.errors import LLMError, Problem

NextTokens = Callable[[Sequence[int], int], Mapping[int, float]]
"""(tokens so far, how many to list) → natural-log probability of each of the most likely next tokens."""

LISTED, ALL = (512, 4_096), 1_000_000
"""How many next tokens are asked for; more only where a choice's token was not among them. To list all takes seconds."""


def openings(choices: Sequence[str]) -> tuple[str, ...]:
    """Choices up to where their first number ends: the longest, which seldom go on, at their last digit, shorter ones with the
    word behind it.

    >>> openings([" 5 to 9 years", " 60 to 69 years", " 75 years or more"])
    (' 5 to', ' 60', ' 75')
    """
    words = [choice.split() for choice in choices]
    most = max((len(own[0]) for own in words if own), default=0)
    ends = [" ".join(own[: 1 if own and len(own[0]) == most else 2]) for own in words]
    return tuple(
        choice[: choice.find(end) + len(end)] if end in choice else choice
        for choice, end in zip(choices, ends, strict=True)
    )


def shared(one: Sequence[object], other: Sequence[object]) -> int:
    """How many tokens two choices have in common at their beginning."""
    for number, (a, b) in enumerate(zip(one, other, strict=False)):
        if a != b:
            return number
    return min(len(one), len(other))


def score_tree(
    context: Sequence[int],
    choices: Sequence[Sequence[int]],
    next_tokens: NextTokens,
    *,
    whole: bool = True,
    least: Sequence[int] = (),
) -> tuple[float, ...]:
    """Sum each choice's token log-probabilities after the context; not `whole`, up to the token that no other choice shares and
    over the `least` number of tokens, and for tokens beyond the 4,096 most likely with the probability of the last of those.

    Raises LLMError when a choice has no tokens or the model does not list one of them at all.
    """
    if any(len(choice) == 0 for choice in choices):
        advice = "give every choice at least one character"
        raise LLMError(Problem(where="score", what="a choice has no tokens", advice=advice))
    scores = [0.0] * len(choices)
    needed = tuple(least) or (0,) * len(choices)
    _descend(context, list(enumerate(choices)), scores, next_tokens, fewest=1 if whole else 2, least=needed)
    return tuple(scores)


def _descend(
    context: Sequence[int],
    choices: Sequence[tuple[int, Sequence[int]]],
    scores: list[float],
    next_tokens: NextTokens,
    *,
    fewest: int,
    least: Sequence[int],
    depth: int = 0,
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
        if len(below) >= fewest or any(depth + 1 < least[number] for number, _ in below):
            _descend(context, below, scores, next_tokens, fewest=fewest, least=least, depth=depth + 1)


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
