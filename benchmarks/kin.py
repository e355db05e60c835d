"""Fit on some states what a model's words on the ages of relatives count, and judge it on others.

    python benchmarks/kin.py --specs SPECS --ledgers LEDGERS --fit Colorado Georgia Utah --judge Arizona Mississippi

SPECS/STATE has `households/spec.yaml` (family households of two to five persons) and `reference/` (household.parquet,
person.parquet); LEDGERS/STATE/ledger.sqlite keeps the model's answers, and what is missing is asked. Of each state it compares
the population of maximum entropy under the weights (`kin_ages`) with the records: total variation of the tables first by member,
how many times as many households of several generations, the age gap of couples. Factors of `dependence/kin/weights.py` are
sought on a coarse grid, one after another, on the states to fit alone, then again without each of these. The last word have whole
runs: `benchmarks/population.py --spec SPECS/STATE/households/spec.yaml`.
"""

import argparse
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from kin_ages import ROLES, Chains, Counted, Floats, LogWeights, apart, count

import llmsynthor
from llmsynthor.aims.aims import Aims, set_aims
from llmsynthor.alignment.align import align
from llmsynthor.dependence.coarse import Coarse
from llmsynthor.dependence.elicit import Asking
from llmsynthor.dependence.kin import weights
from llmsynthor.dependence.kin.beliefs import kin_variables, role_sizes
from llmsynthor.dependence.kin.questions import CHILD, HEAD, RELATIVE, SIBLING, SPOUSE, kinds_with_spouse, said_of_roles
from llmsynthor.dependence.related import SAMPLE, first_shares
from llmsynthor.llm.backend import Scored, ScoreRequest
from llmsynthor.llm.ledger import Ledger
from llmsynthor.llm.opening import choose
from llmsynthor.llm.recorded import Recorded
from llmsynthor.spec.levels import Interval

GRID = {
    "STRONG": (1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0),
    "BACK": (0.0, 0.3, 0.6, 1.0, 1.5, 2.0),
    "HOW_MANY": (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0),
    "OTHERS": (0.1, 0.2, 0.3, 0.5, 0.7),
}
"""Values that are tried of each factor: few factors, round numbers."""

BETTER, ROUNDS = 0.001, 3
YEARS = 5.0
"""Years of the couples' age gap that count as much as a table that is wholly wrong."""


@dataclass(frozen=True, kw_only=True)
class Remembering:
    """Answers once asked are given again at once."""

    model: Recorded
    known: dict[ScoreRequest, Scored] = field(default_factory=dict)

    def score(self, request: ScoreRequest) -> Scored:
        if request not in self.known:
            self.known[request] = self.model.score(request)
        return self.known[request]


@dataclass(kw_only=True)
class State:
    """A state with what a model says of the ages of relatives there."""

    name: str
    aims: Aims
    asking: Asking
    reference: Path
    start: Floats | None = None

    @classmethod
    def of(cls, name: str, arguments: argparse.Namespace) -> "State":
        choice = choose(arguments.llm)
        assert choice is not None
        folder = arguments.ledgers / name
        folder.mkdir(parents=True, exist_ok=True)
        model = Recorded(
            identity=choice.identity, open_model=choice.open_model, ledger=Ledger(folder / "ledger.sqlite")
        )
        aims = set_aims(llmsynthor.Spec.load(arguments.specs / name / "households" / "spec.yaml"))
        unit = aims.spec.schema["person"]
        asking = Asking(
            spec=aims.spec,
            unit=unit.name,
            variables=kin_variables(aims, unit),
            model=Remembering(model=model),  # type: ignore[arg-type]  (scores alone)
            seed=1,
            temperature=0.0,
        )
        return cls(name=name, aims=aims, asking=asking, reference=arguments.specs / name / "reference")

    @cached_property
    def age(self) -> Coarse:
        return next(variable for variable in self.asking.variables if variable.name == "age")

    @cached_property
    def counted(self) -> Counted:
        ends = [level.low for level in self.age.levels if isinstance(level, Interval)]
        return count(self.reference, np.array([*ends, 100.0]))

    @cached_property
    def drawn(self) -> tuple[Floats, dict[str, float]]:
        """Ages of first members where nothing is believed, and the shares of the roles."""
        unit = self.aims.spec.schema[self.asking.unit]
        sample = align(self.aims, records=SAMPLE, seed=0).roster
        kinds = kinds_with_spouse(self.asking, self.aims.spec.schema[str(unit.parent)])
        return first_shares(self.aims, sample, unit, self.age), role_sizes(self.aims, sample, unit, kinds)

    def weights(self) -> LogWeights:
        first, sizes = self.drawn
        said = said_of_roles(self.asking, self.age, first, sizes, alone=True)
        ends = [level.low for level in self.age.levels if isinstance(level, Interval)]
        level = np.searchsorted(ends, self.counted.low, side="right") - 1
        square = {role: said[role][0][np.ix_(level, level)] for role in (SPOUSE, CHILD, RELATIVE, SIBLING)}
        members = dict(zip(ROLES, (square[SPOUSE], square[CHILD], square[RELATIVE]), strict=True))
        return LogWeights(first=said[HEAD][0][level], members=members, before=square[SIBLING])

    def judged(self) -> dict[str, float]:
        """What is off under the factors as they stand."""
        chains = Chains(counted=self.counted, weights=self.weights())
        chains.meet(self.start)
        self.start = chains.factors
        found, true = chains.tables(), self.counted.tables
        row = {
            role: 0.5 * float(np.abs(found[role] / found[role].sum() - t / t.sum()).sum()) for role, t in true.items()
        }
        several = chains.several() / self.counted.several
        return row | {"generations, times": several, "gap, years": apart(self.counted, found[ROLES[0]], true[ROLES[0]])}


@contextmanager
def factors(values: Mapping[str, float]) -> Iterator[None]:
    """Let other factors count for a while."""
    before = {name: getattr(weights, name) for name in values}
    try:
        for name, value in values.items():
            setattr(weights, name, value)
        yield
    finally:
        for name, value in before.items():
            setattr(weights, name, value)


@dataclass(kw_only=True)
class Search:
    """What was judged so far, by state and factors."""

    states: Mapping[str, State]
    known: dict[tuple[str, tuple[tuple[str, float], ...]], dict[str, float]] = field(default_factory=dict)

    def row(self, name: str, values: Mapping[str, float]) -> dict[str, float]:
        key = (name, tuple(sorted(values.items())))
        if key not in self.known:
            with factors(values):
                self.known[key] = self.states[name].judged()
        return self.known[key]

    def loss(self, names: list[str], values: Mapping[str, float]) -> float:
        return float(np.mean([_loss(self.row(name, values)) for name in names]))

    def best(self, names: list[str], values: Mapping[str, float]) -> dict[str, float]:
        """Try the grid, factor by factor, until nothing gets better."""
        found, least = dict(values), self.loss(names, values)
        for _ in range(ROUNDS):
            before = least
            for name, tried in GRID.items():
                for value in tried:
                    loss = self.loss(names, found | {name: value})
                    if loss < least - BETTER:
                        found, least = found | {name: value}, loss
            if least == before:
                break
        return found


def _loss(row: Mapping[str, float]) -> float:
    tables = sum(row[role] for role in ROLES)
    return tables + abs(float(np.log(row["generations, times"]))) + row["gap, years"] / YEARS


def show(words: str, row: Mapping[str, float]) -> None:
    figures = "; ".join(f"{name} {value:.2f}" for name, value in row.items())
    print(f"{words}: loss {_loss(row):.3f}; {figures}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--specs", type=Path, required=True)
    parser.add_argument("--ledgers", type=Path, required=True)
    parser.add_argument("--fit", nargs="+", required=True, help="states to fit on")
    parser.add_argument("--judge", nargs="*", default=[], help="states that no fit sees")
    parser.add_argument("--llm", default="local")
    arguments = parser.parse_args()
    states = {name: State.of(name, arguments) for name in (*arguments.fit, *arguments.judge)}
    search = Search(states=states)
    shipped = {name: float(getattr(weights, name)) for name in GRID}
    print(f"shipped: {shipped}")
    for name in states:
        show(f"  {name}", search.row(name, shipped))
    fitted = search.best(arguments.fit, shipped)
    print(f"fitted on {', '.join(arguments.fit)}: {fitted}")
    for name in states:
        show(f"  {name}", search.row(name, fitted))
    for out in arguments.fit if len(arguments.fit) > 2 else ():
        left = search.best([name for name in arguments.fit if name != out], shipped)
        show(f"without {out}: {left}, judged there", search.row(out, left))


if __name__ == "__main__":
    main()
