"""How far a model may be believed: it is asked about a dozen tables that are known, once, and its answers are held beside them.

What was measured before is taken from the ledger of the run, from what is shipped of the default model, or from the user's cache
folder; only a model that none of them knows is asked. The ledger keeps what was found, so that a replay needs no cache.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from llmsynthor import prompts
from llmsynthor.calibration.bench import KnownTable, KnownVariable, digest_of, known_tables
from llmsynthor.calibration.measured import (
    MOST_FULL,
    NOTHING,
    Measured,
    least_stated,
    read_measured,
    shipped,
    usual,
    write_measured,
)
from llmsynthor.dependence.coarse import Coarse
from llmsynthor.dependence.elicit import FRAMES, Asking, Conditional, count_questions, elicit, elicit_shares
from llmsynthor.dependence.estimates import Estimate, combine, loudness, pooled_agreement
from llmsynthor.dependence.pair_tables import mean_interaction, stated
from llmsynthor.dependence.trust import Trust, divergence, trusted_table
from llmsynthor.errors import AskingEndedError, CannotScoreError
from llmsynthor.llm import measured as kept
from llmsynthor.llm.backend import Identity
from llmsynthor.llm.recorded import Recorded
from llmsynthor.spec.schema import Category, Schema, Unit
from llmsynthor.spec.specification import Spec

FULLS = (0.0, *(float(x) for x in np.geomspace(0.1, MOST_FULL, 28)))
SAFE, BALANCED = 0.1, 1 / 3
"""Shares of known tables that may have less than the part that is asked for (conformal: of n tables the ⌊(n + 1) share⌋-th)."""

SCRIPT = "scripted"
"""A script of answers is no model: it is taken at its word, as the default model is."""

ABOUT = "trust"
"""Under this name the ledger keeps what was found; what was asked in that very run is said so, and asked of the ledger again."""

PART_OF_BUDGET = 0.5
TEMPERATURE = 0.7

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What a model says of a table that is known, and the `truth`: shares (levels of one, levels of the other)."""

    estimate: Estimate
    one: Coarse
    other: Coarse
    truth: Floats


@cache
def bench() -> str:
    """Digest of all that a model is asked when it is measured."""
    weights = (f"{name} {weight}" for name, weight in FRAMES.items())
    return digest_of((*weights, *(prompts.text(f"score-{frame}") for frame in FRAMES), prompts.text("shares")))


def recall(identity: Identity) -> Measured | None:
    """What is known of a model before it is asked: as shipped, or as this machine remembers it."""
    if identity.name == SCRIPT:
        return usual()
    return shipped(identity.digest, bench()) or read_measured(kept.recall(identity.digest, bench()))


def planned_measuring(identity: Identity | None) -> int:
    """Questions at most that a first use of a model asks beside those of the run; None stands for one that nobody knows yet."""
    if identity is not None and recall(identity) is not None:
        return 0
    return sum(map(_cost, known_tables()))


def measure(model: Recorded, *, notify: Callable[[], None] = lambda: None) -> Measured:
    """How far to believe a model: as it is known, or as its answers on the bench say; never raises for want of budget.

    At most half of the calls that are left go into it. What could be asked of in part only is believed for this run alone.
    """
    before = _noted(model)
    if before is not None:
        return before
    known = None if _was_asked(model) else recall(model.identity)
    if known is None:
        tables = _affordable(model)
        known = _ask(model, tables, notify)
        whole = known.pairs == len(known_tables())
        model.tell(ABOUT, json.dumps({"bench": bench(), "asked": True}))
        if whole:
            kept.remember(model.identity, bench(), write_measured(known))
        return known
    if model.identity.name != SCRIPT:
        model.tell(ABOUT, json.dumps({"bench": bench(), **write_measured(known)}))
    return known


def _note(model: Recorded) -> dict[str, object]:
    try:
        note = json.loads(model.told(ABOUT) or "{}")
    except ValueError:
        return {}
    return note if isinstance(note, dict) and note.get("bench") == bench() else {}


def _noted(model: Recorded) -> Measured | None:
    return read_measured(_note(model))


def _was_asked(model: Recorded) -> bool:
    """Whether the run that is repeated asked the model itself: the ledger has its answers, and its account is the same again."""
    return bool(_note(model).get("asked"))


def _affordable(model: Recorded) -> tuple[KnownTable, ...]:
    """The first tables that the budget can pay for."""
    tables = known_tables()
    if model.left is None:
        return tables
    costs = np.cumsum([_cost(table) for table in tables])
    return tables[: int(np.searchsorted(costs, PART_OF_BUDGET * model.left, side="right"))]


def _cost(table: KnownTable) -> int:
    one, other = _coarse(table)
    return len(FRAMES) * count_questions((one, other), ((one.name, other.name), (other.name, one.name)))


def _ask(model: Recorded, tables: Iterable[KnownTable], notify: Callable[[], None]) -> Measured:
    found = list[Answered]()
    for table in tables:
        one, other = _coarse(table)
        try:
            answers = _about(model, table, one, other, notify)
        except AskingEndedError:
            break
        found += [
            Answered(estimate=own, one=one, other=other, truth=_shares(table)) for own in combine((one, other), answers)
        ]
    return judge(found, halves=(usual().half,))


def _about(
    model: Recorded, table: KnownTable, one: Coarse, other: Coarse, notify: Callable[[], None]
) -> list[Conditional]:
    """All that is asked about one table; raises AskingEndedError where it was not answered in full."""
    unit = Unit(name=table.unit, variables=tuple(Category(name=v.name, levels=v.words) for v in (one, other)))
    spec = Spec(name="", context=table.context, schema=Schema(units=(unit,)), targets=())
    asking = Asking(spec=spec, unit=table.unit, variables=(one, other), model=model, seed=0, temperature=TEMPERATURE)
    pair = (one.name, other.name)
    answers = list[Conditional]()
    for frame in FRAMES:
        try:
            found, ended = elicit(asking, frame, (pair, pair[::-1]), notify=notify)
        except CannotScoreError:
            found, ended = elicit_shares(asking, (pair,))
            if ended is not None:
                raise ended from None
            return found
        if ended is not None:
            raise ended
        answers += found
    return answers


def _coarse(table: KnownTable) -> tuple[Coarse, Coarse]:
    shares = _shares(table)
    return _variable(0, table.one, shares.sum(axis=1)), _variable(1, table.other, shares.sum(axis=0))


def _variable(axis: int, own: KnownVariable, shares: Floats) -> Coarse:
    return Coarse(axis=axis, name=own.name, label=own.label, levels=own.words, words=own.words, shares=shares)


def _shares(table: KnownTable) -> Floats:
    counts = np.array(table.counts, dtype=float)
    return np.asarray(counts / counts.sum())


def judge(answered: Sequence[Answered], *, halves: Sequence[float]) -> Measured:
    """The rule of trust under which answers come nearest to the truth, and the part of what it states that was there.

    `full` is the least of those that are best with one table left out: no single lucky table makes a model believed.
    """
    if not answered:
        return NOTHING
    losses = {half: np.array([[_loss(own, full, half) for full in FULLS] for own in answered]) for half in halves}
    half = min(halves, key=lambda own: losses[own].sum(axis=0).min())
    whole = losses[half].sum(axis=0)
    full = min(FULLS[int(np.argmin(whole - own))] for own in losses[half])
    trust, estimates = Trust(full=full, half=half), [own.estimate for own in answered]
    ratios = sorted(ratio for _, ratio in stated_parts(answered, trust))
    return Measured(
        full=full,
        half=half,
        balanced=conformal(ratios, BALANCED),
        safe=conformal(ratios, SAFE),
        agreement=float(np.nan_to_num(max(pooled_agreement(estimates), 0.0))),
        loudness=float(np.nan_to_num(loudness(estimates))),
        pairs=len(answered),
    )


def stated_parts(answered: Sequence[Answered], trust: Trust, least: float | None = None) -> list[tuple[float, float]]:
    """Of every table of which enough is stated: how much, in nats, and which part of it was there."""
    found = []
    for own in answered:
        table = trusted_table(own.estimate, trust.of(own.estimate.strength), own.one, own.other)
        direction, nats = stated(table), mean_interaction(table)
        if nats >= (least_stated() if least is None else least):
            found.append((nats, float((own.truth * direction).sum()) / nats))
    return found


def conformal(ratios: Sequence[float], share: float) -> float:
    """The part of which all but a `share` of exchangeable tables have as much; 0 where there are too few to say; from 0 to 1.

    >>> conformal([0.9, 0.5, 1.2, 0.7], 0.2), conformal([0.9, 0.5, 1.2], 0.2), conformal([-0.1, 0.5, 1.2, 0.7], 0.2)
    (0.5, 0.0, 0.0)
    """
    place = int(np.floor((len(ratios) + 1) * share))
    return float(np.clip(sorted(ratios)[place - 1], 0.0, 1.0)) if place else 0.0


def _loss(own: Answered, full: float, half: float) -> float:
    """Divergence from the truth, less that of independence."""
    chance = np.outer(own.one.shares, own.other.shares)
    trust = Trust(full=full, half=half).of(own.estimate.strength)
    if trust <= 0:
        return 0.0
    table = trusted_table(own.estimate, trust, own.one, own.other)
    return divergence(own.truth, table) - divergence(own.truth, chance)
