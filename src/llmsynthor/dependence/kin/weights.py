"""From what a model says about relatives to log-weights of a member's level given another's."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from llmsynthor.dependence.coarse import Coarse
from llmsynthor.dependence.estimates import agreement_of, believable
from llmsynthor.dependence.pair_tables import fit_margins, interaction, mutual_information

HALF_STRENGTH = 0.1

STRONG, HALF_STRONG, ROLE, BACK, HOW_MANY = 4.0, 0.5, 2.0, 1.0, 4.0
"""What a model says about a number in a role counts STRONG times at most, half of it at HALF_STRONG nats of
dependence on the first person's, and ROLE times where it depends on the role alone (children are young). What it says of the first
person given the member counts BACK beside the other way round, and HOW_MANY times for who has such a member at all. STRONG, BACK
and HOW_MANY, with OTHERS, are what `benchmarks/kin.py` found on ages in family households of Colorado, Georgia and Utah (ACS 2024);
all other factors were chosen on South Carolina."""

LIVING, HEADING = 2.5, 4.0
"""Factors on the log-odds that somebody of a level lives with a husband or wife, and that they are the householder."""

SIBLING = 0.5
"""Factor on how a child's number depends on that of a brother or sister: part of it follows from the first person's."""

WORDS, OF_KIND = 2.0, 3.0
"""Factors on what is said by way of the words of a role (whose "husband", and what one is), and of householders by kind of
household."""

OTHERS = 0.5
"""Share of the members of a household without a husband or wife who are taken for other relatives than children: brothers and
sisters, parents. Nothing is said of them."""

LEAST_DEPENDENCE = 0.01
"""Dependence, in nats, below which words are taken to have nothing to do with a variable."""

CLIP = 9.0
TURNS = 100
LEAST_FIRST = 1e-4

Floats = NDArray[np.float64]
Said = tuple[Floats, float]
"""Log-weights and the trust that is in them."""


def of_role(scores: Sequence[Floats], strangers: Floats, variable: Coarse, first: Floats) -> Floats:
    """How much likelier a level is in a role, whatever the first person's: husbands and wives are not in preschool."""
    lift = first @ (np.mean(scores, axis=0) - strangers)
    lift = lift - np.log(variable.shares @ np.exp(lift))
    return np.asarray(np.tile(np.clip(lift, -CLIP, CLIP), (variable.size, 1)))


def as_times(weights: Floats, shares: Floats) -> Floats:
    """Level the rows, so that exp(weights) says how many times as often as by chance, whatever is given.

    >>> np.exp(as_times(np.log([[3.0, 1.0]]), np.array([0.5, 0.5])))
    array([[1.5, 0.5]])
    """
    return np.asarray(weights - np.log(np.exp(weights) @ shares)[:, None])


def either(one: Said, other: Said) -> Said:
    """Of a member who may have either role, as likely one as the other."""
    return np.logaddexp(one[0], other[0]) - np.log(2.0), min(one[1], other[1])


def or_another(children: Floats) -> Floats:
    """Log-weights of a member who is a child or, as OTHERS says, a relative of whom nothing is known."""
    return np.asarray(np.logaddexp(np.log(1 - OTHERS) + children, np.log(OTHERS)))


def told_apart(roles: Sequence[Floats], strangers: Floats, variable: Coarse) -> float:
    """How far the model tells relatives from strangers, over all roles: see `estimates.believable`."""
    chance = np.outer(variable.shares, variable.shares)
    square = [
        float((chance * interaction(m, variable.shares, variable.shares) ** 2).sum()) for m in (*roles, strangers)
    ]
    return believable(sum(square[:-1]) / len(roles), square[-1])


def numbers(
    lifts: tuple[Floats, Floats], first: Floats, members: Floats, told: float, living: Floats | float = 0.0
) -> Floats:
    """Log-weights of (first person, member) in one role, from what the model says forth and back.

    A member's level given the first person's, and the other way round, are how much likelier it is in this role than for
    strangers. Both together also say at which levels first persons have such members: the shares that they agree on, repeated
    in turn. `living` are the log-odds of either to live so, where that was asked outright.
    """
    living = np.clip(living, -CLIP, CLIP)
    forth = lifts[0] - np.log((members * np.exp(lifts[0])).sum(axis=1, keepdims=True))
    back = lifts[1] - np.log((first[:, None] * np.exp(lifts[1])).sum(axis=0, keepdims=True))
    strength = mutual_information(fit_margins(forth, first, members))
    lift = forth + BACK * back
    role = first @ lift
    lift = told * (STRONG * strength / (strength + HALF_STRONG) * (lift - role) + ROLE * role + LIVING * living)
    lift -= np.log((members * np.exp(lift)).sum(axis=1, keepdims=True))
    having = _agreed(told * HOW_MANY * forth, told * HOW_MANY * back, first, members)
    having *= np.exp(told * LIVING * living)
    return np.asarray(np.clip(lift + np.log(having / having.sum() / first)[:, None], -CLIP, CLIP))


def of_heads(odds: Floats, variable: Coarse, told: float) -> Floats:
    """Log-weights of the first person's levels, shape (levels,): householders are no children."""
    lift = told * HEADING * np.clip(odds, -CLIP, CLIP)
    return np.asarray(np.clip(lift - np.log(variable.shares @ np.exp(lift)), -CLIP, CLIP))


def levelled(weights: Mapping[str, Floats], sizes: Mapping[str, float], first: Floats) -> dict[str, Floats]:
    """Take off what the weights of all roles, by their `sizes`, would move from one level of the members to another.

    Exact where first persons stay as they are; what they shift themselves is left to the margins.
    """
    lift = sum(sizes[role] * (np.exp(own) if own.ndim == 1 else first @ np.exp(own)) for role, own in weights.items())
    return {role: np.asarray(own - np.log(lift)) for role, own in weights.items()}


def _agreed(forth: Floats, back: Floats, first: Floats, members: Floats) -> Floats:
    """Shares of first persons that both conditionals lead to when one is drawn after the other."""
    onwards = members * np.exp(forth)
    onwards /= onwards.sum(axis=1, keepdims=True)
    backwards = first[:, None] * np.exp(back)
    backwards /= backwards.sum(axis=0, keepdims=True)
    found = first
    for _ in range(TURNS):
        found = backwards @ (found @ onwards)
    return np.asarray(np.maximum(found / found.sum(), LEAST_FIRST))


def likeness(scores: Sequence[Floats], strangers: Floats, variable: Coarse) -> Said:
    """How a member's level depends on the first person's, beyond what strangers' do; where those depend more it is a contrast
    that the form of the question makes, and is left alone."""
    shares = variable.shares
    own = [interaction(matrix, shares, shares) for matrix in scores]
    echo = interaction(strangers, shares, shares)
    if _strength(echo, shares) <= _strength(np.mean(own, axis=0), shares):
        own = [matrix - echo for matrix in own]
    mean = np.mean(own, axis=0)
    strength = _strength(mean, shares)
    agreed = max(agreement_of(own, np.outer(shares, shares)), 0.0)
    trust = strength / (strength + HALF_STRENGTH) * float(np.sqrt(agreed))
    return as_times(trust * np.clip(mean, -CLIP, CLIP), shares), trust


def _strength(matrix: Floats, shares: Floats) -> float:
    return mutual_information(fit_margins(matrix, shares, shares))


def of_siblings(scores: Sequence[Floats], strangers: Floats, variable: Coarse, told: float) -> Said:
    """Log-weights of a child's number given that of a brother or sister: how they depend, without what children are like."""
    shares = variable.shares
    own = [interaction(matrix - strangers, shares, shares) for matrix in scores]
    trust = SIBLING * told * float(np.sqrt(max(agreement_of(own, np.outer(shares, shares)), 0.0)))
    return trust * np.clip(np.mean(own, axis=0), -CLIP, CLIP), trust


def through_words(which: Floats, what: Floats, variable: Coarse) -> Said:
    """Log-weights of a member's level given the first person's, and their trust, by way of the words of a role.

    `which` (levels, words) is log p(word | first person's level), `what` (words, levels) log p(level | word). Strangers have no
    such words, so that nothing is taken off; a variable that they have nothing to do with depends on neither: nothing is left.
    """
    shares, even = variable.shares, np.full(len(what), 1 / len(what))
    whose = fit_margins(WORDS * np.clip(interaction(which, shares, even), -CLIP, CLIP), shares, even)
    those = fit_margins(WORDS * np.clip(interaction(what, even, shares), -CLIP, CLIP), even, shares)
    lift = interaction(np.log(whose @ those / np.outer(shares, shares)), shares, shares)
    strength = _strength(lift, shares)
    trust = strength / (strength + HALF_STRENGTH) if strength >= LEAST_DEPENDENCE else 0.0
    return as_times(trust * np.clip(lift, -CLIP, CLIP), shares), trust


def of_kinds(heads: Sequence[Floats], member: Floats, kind: Coarse, variable: Coarse) -> Said:
    """Log-weights of the householder's level given the kind of household, shape (kinds, levels), and their trust.

    What the first of `heads` says of householders counts, as far as the second agrees and as the reverse is said of another
    `member`: the household as a whole is what tables say, so where the householder has more of a level the others have less.
    """
    chance = np.outer(kind.shares, variable.shares)
    own = [np.clip(interaction(scores, kind.shares, variable.shares), -CLIP, CLIP) for scores in heads]
    other = np.clip(interaction(member, kind.shares, variable.shares), -CLIP, CLIP)
    agreed, reversed_ = agreement_of(own, chance), -agreement_of([own[0], other], chance)
    trust = float(np.sqrt(max(agreed, 0.0) * max(reversed_, 0.0)))
    return as_times(trust * np.clip(OF_KIND * (own[0] - other), -CLIP, CLIP), variable.shares), trust
