"""Texts written by a model from finished records: asked, judged, asked again a bounded number of times, counted."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import polars as pl

from llmsynthor import prompts
from llmsynthor.errors import AnswerError, AskingEndedError
from llmsynthor.llm.answers import parse, validate
from llmsynthor.llm.backend import WriteRequest
from llmsynthor.llm.recorded import Recorded
from llmsynthor.spec.levels import Interval
from llmsynthor.spec.schema import Category, Coded, Unit
from llmsynthor.spec.specification import Spec
from llmsynthor.writing.judging import Wanted, are_near, cut, odd, script_of, shown, threes
from llmsynthor.writing.planning import PARTS, TextPlan

TRIES, MORE_TRIES = 4, 8
"""Times that a text is asked for at most; more where no further text may be nearly another."""

ASKED, SHORT, ASKED_SHORT, WORTH_KEEPING = 0.75, 12, 0.5, 0.5
"""Part of the words that may be that a model is told, and that where at most SHORT may be: it overshoots, with titles most. A text
that is too long is cut at the end of a sentence, without being asked for again, where so much of the words is left."""

LETTERS_A_WORD = 12
AHEAD = 64
"""Questions that are handed to a server together."""

SCRIPTS = {"chinese": "CJK", "japanese": "CJK", "korean": "HANGUL", "russian": "CYRILLIC", "ukrainian": "CYRILLIC"}
SCRIPTS |= {"greek": "GREEK", "arabic": "ARABIC", "persian": "ARABIC", "hebrew": "HEBREW", "hindi": "DEVANAGARI"}
SCRIPTS |= {"thai": "THAI", "bulgarian": "CYRILLIC"}
"""Scripts of languages that are not written in Latin letters."""

Tell = Callable[[int, int], None]


@dataclass(slots=True)
class Account:
    """What became of one text: `asked` questions, those asked again by reason, texts that were cut, near others, `refused` for it
    since no more may be, or left out."""

    plan: TextPlan
    asked: int = 0
    written: int = 0
    again: Counter[str] = field(default_factory=Counter)
    shortened: int = 0
    near: int = 0
    refused: int = 0
    missing: int = 0
    ended: str = ""

    @property
    def may_be_near(self) -> bool:
        """Whether one more text may be nearly another."""
        return self.near + 1 <= self.plan.text.alike * self.plan.records

    def summary(self, values: pl.Series) -> dict[str, object]:
        """The figures of the manifest."""
        there = values.drop_nulls()
        return {
            "unit": self.plan.unit,
            "text": self.plan.text.name,
            "records": self.plan.records,
            "written": len(there),
            "distinct": there.n_unique(),
            "calls_expected": self.plan.expected,
            "calls": self.asked,
            "asked_again": dict(sorted(self.again.items())),
            "shortened": self.shortened,
            "near_duplicates": self.near,
            "near_refused": self.refused,
            "pool": self.written if self.plan.pooled else None,
            "ended": self.ended,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One text of one unit, and who is asked for it."""

    spec: Spec
    plan: TextPlan
    model: Recorded
    seed: int
    temperature: float

    @property
    def unit(self) -> Unit:
        return self.spec.schema[self.plan.unit]

    @property
    def script(self) -> str:
        return SCRIPTS.get(self.plan.text.language.casefold(), "LATIN") or script_of(self.plan.text.prompt)

    def request(self, facts: Mapping[str, object], number: int, attempt: int, beside: str = "") -> WriteRequest:
        """The question for one record, or for the variants of a kind; `attempt` makes it another question."""
        text, many = self.plan.text, self.plan.pooled
        told = {v.name: v for v in _coded(self.unit)}
        fill = {
            "context": self.spec.context,
            "scenario": self.spec.scenario,
            "unit": self.plan.unit,
            "facts": [(told[name].label or name, shown(value, told[name])) for name, value in facts.items()],
            "label": text.label or text.name,
            "prompt": text.prompt,
            "max_words": max(1, round((ASKED_SHORT if text.max_words <= SHORT else ASKED) * text.max_words)),
            "language": text.language,
        }
        own = {"variants": text.variants} if many else {"beside": beside}
        one = {"type": "string", "minLength": 1, "maxLength": LETTERS_A_WORD * text.max_words}
        shape = {"type": "array", "items": one, "minItems": text.variants, "maxItems": text.variants} if many else one
        return WriteRequest(
            system=prompts.text("system").strip(),
            prompt=prompts.fill("text-pool" if many else "text-record", **fill, **own),
            json_schema={
                "type": "object",
                "properties": {"text": shape},
                "required": ["text"],
                "additionalProperties": False,
            },
            temperature=self.temperature,
            max_tokens=40 + 3 * text.max_words * (text.variants if many else 1),
            seed=self.seed * 1_000_003 + 31 * number + attempt,
        )

    def wanted(self, facts: Mapping[str, object]) -> Wanted:
        text = self.plan.text
        plain = {name: value for name, value in facts.items() if isinstance(value, str | int | float)}
        return Wanted(
            instruction=text.prompt,
            max_words=text.max_words,
            script=self.script,
            facts=plain,
            variables=_coded(self.unit),
        )


def _coded(unit: Unit) -> tuple[Coded, ...]:
    return (*unit.coded, *(derived.variable for derived in unit.derived if not derived.hidden))


def write_texts(task: Task, frame: pl.DataFrame, *, tell: Tell) -> tuple[pl.Series, Account]:
    """Write the text of every record of a frame, null where none could be had; nothing else of the records is touched.

    When the asking ends (a budget, an outage) the rest stays empty, and the account says why.
    """
    account = Account(plan=task.plan)
    if task.plan.pooled:
        return _from_pool(task, frame, account, tell), account
    names = [variable.name for variable in _coded(task.unit)]
    rows = frame.select(names).to_dicts()
    found = _Texts(task=task, account=account)
    values = list[str | None]()
    for k, facts in enumerate(rows):
        if k % AHEAD == 0:
            found.prepare(list(enumerate(rows[k : k + AHEAD], k)))
        values.append(found.one(facts, k))
        tell(k + 1, len(rows))
    account.missing = sum(value is None for value in values)
    return pl.Series(task.plan.text.name, values, dtype=pl.String), account


@dataclass(slots=True)
class _Texts:
    """The texts so far, by which near duplicates are known."""

    task: Task
    account: Account
    known: list[frozenset[tuple[str, ...]]] = field(default_factory=list)
    places: dict[tuple[str, ...], list[int]] = field(default_factory=dict)

    def prepare(self, about: Sequence[tuple[int, Mapping[str, object]]]) -> None:
        """Let a server answer several at once, and again those whose answer cannot be read."""
        left = about
        for attempt in range(TRIES):
            if self.account.ended or not left:
                return
            requests = [self.task.request(facts, number, attempt) for number, facts in left]
            self.task.model.prepare(requests)
            left = [own for own, request in zip(left, requests, strict=True) if self._unread(request)]

    def _unread(self, request: WriteRequest) -> bool:
        """Whether there is an answer that cannot be read."""
        text = self.task.model.known(request)
        try:
            return text is not None and not validate(parse(text), request.json_schema)
        except ValueError:
            return True

    def one(self, facts: Mapping[str, object], number: int) -> str | None:
        """The text of one record: the first of a few that stands; a long one is cut, a near one let through where few are."""
        kept, beside = "", ""
        for attempt in range(MORE_TRIES):
            if attempt >= TRIES and (not beside or self.account.may_be_near):
                break
            texts = self.answered(facts, number, attempt, beside)
            if texts is None:
                break
            whole = " ".join(texts[0].split()) if texts else ""
            text = self.ended(whole)
            why = self.judged(text, facts)
            if not why:
                self.account.shortened += text != whole
                return self.taken(text)
            reason = why.partition(":")[0]
            self.account.again[reason] += 1
            self.task.model.note(self.task.model.last_call, f"rejected: {reason}")
            if reason in ("too long", "nearly another") and not self.bare(text, facts):
                kept, beside = kept or text, text if reason == "nearly another" else beside
        return self.last(kept)

    def ended(self, text: str) -> str:
        """A text that is too long up to its last sentence that fits, where enough is left; else as it is."""
        most = self.task.plan.text.max_words
        short = cut(text, most)
        return short if short[-1:] in ".!?" and len(short.split()) >= WORTH_KEEPING * most else text

    def bare(self, text: str, facts: Mapping[str, object]) -> str:
        """What is wrong with a text once it is cut to its length."""
        return odd(cut(text, self.task.plan.text.max_words), self.task.wanted(facts))

    def last(self, kept: str) -> str | None:
        if not kept:
            return None
        short = cut(kept, self.task.plan.text.max_words)
        if self.near(short):
            if not self.account.may_be_near:
                self.account.refused += 1
                return None
            self.account.near += 1
        self.account.shortened += short != kept
        return self.taken(short)

    def answered(self, facts: Mapping[str, object], number: int, attempt: int, beside: str = "") -> list[str] | None:
        """The texts of one answer, none where it cannot be read; None where nothing more is asked."""
        if self.account.ended:
            return None
        request = self.task.request(facts, number, attempt, beside)
        try:
            self.account.asked += 1
            value = validate(parse(self.task.model.write(request).text), request.json_schema)["text"]
        except AskingEndedError as ended:
            self.account.asked -= 1
            self.account.ended = str(ended)
            return None
        except AnswerError:
            return []
        except ValueError:
            return []
        return [value] if isinstance(value, str) else list(value)

    def judged(self, text: str, facts: Mapping[str, object]) -> str:
        return odd(text, self.task.wanted(facts)) or ("nearly another: write another" if self.near(text) else "")

    def near(self, text: str) -> bool:
        """Whether it is nearly one that is there: only those that share a group of words are looked at."""
        own = threes(text)
        others = {number for three in own for number in self.places.get(three, ())}
        return any(are_near(own, self.known[number]) for number in others)

    def taken(self, text: str) -> str:
        own = threes(text)
        for three in own:
            self.places.setdefault(three, []).append(len(self.known))
        self.known.append(own)
        self.account.written += 1
        self.task.model.note(self.task.model.last_call, "used")
        return text


def _from_pool(task: Task, frame: pl.DataFrame, account: Account, tell: Tell) -> pl.Series:
    """Variants for each kind of record that there is, handed out so that none contradicts the record that has it."""
    kinds, facts = _kinds(task, frame)
    order = sorted(facts)
    found, pool = _Texts(task=task, account=account), dict[int, list[str]]()
    for k, kind in enumerate(order):
        if k % AHEAD == 0:
            found.prepare([(own, facts[own]) for own in order[k : k + AHEAD]])
        pool[kind] = _variants(found, facts[kind], kind)
        tell(k + 1, len(order))
    rng = np.random.default_rng([task.seed, 70])
    names = [variable.name for variable in _coded(task.unit)]
    values = list[str | None]()
    for kind, record in zip(kinds, frame.select(names).to_dicts(), strict=True):
        own = pool[kind]
        tried = [own[k] for k in rng.permutation(len(own))]
        values.append(next((text for text in tried if not odd(text, task.wanted(record))), None))
    account.missing = sum(value is None for value in values)
    return pl.Series(task.plan.text.name, values, dtype=pl.String)


def _variants(found: _Texts, facts: Mapping[str, object], kind: int) -> list[str]:
    """Those of an answer that stand; asked again where none does."""
    kept = list[str]()
    for attempt in range(TRIES):
        texts = found.answered(facts, kind, attempt)
        if texts is None:
            break
        for text in texts:
            short = cut(text, found.task.plan.text.max_words)
            why = found.judged(short, facts)
            if why:
                found.account.again[why.partition(":")[0]] += 1
            else:
                found.account.shortened += short != " ".join(text.split())
                kept.append(found.taken(short))
        if kept:
            break
    return kept


def _kinds(task: Task, frame: pl.DataFrame) -> tuple[list[int], dict[int, dict[str, object]]]:
    """The kind of each record, and what is known of all records of a kind: levels, or the interval of a number."""
    told = {variable.name: variable for variable in _coded(task.unit)}
    columns = [_parts(frame[name], told[name]) for name in task.plan.by]
    keys = list(zip(*(column for column, _ in columns), strict=True)) if columns else [()] * frame.height
    number = {key: k for k, key in enumerate(sorted(set(keys)))}
    names = task.plan.by
    facts = {
        k: {name: words[part] for name, part, (_, words) in zip(names, key, columns, strict=True)}
        for key, k in number.items()
    }
    return [number[key] for key in keys], facts


def _parts(values: pl.Series, variable: Coded) -> tuple[list[int], list[object]]:
    """The part of each value, and what each part is: a level, a number, or an interval of about as many records as others."""
    if isinstance(variable, Category):
        levels = list(variable.levels)
        place = {level: k for k, level in enumerate(levels)}
        return [place[str(value)] for value in values.to_list()], list(levels)
    numbers = values.cast(pl.Float64).to_numpy()
    distinct = np.unique(numbers)
    if len(distinct) <= PARTS:
        return np.searchsorted(distinct, numbers).tolist(), [float(number) for number in distinct]
    inner = np.unique(np.quantile(numbers, np.linspace(0, 1, PARTS + 1)[1:-1]).round(2))
    ends = [float(distinct[0]), *inner.tolist(), float(distinct[-1])]
    words: list[object] = [Interval(a, b) if a < b else a for a, b in pairwise(ends)]
    return np.searchsorted(inner, numbers, side="right").tolist(), words
