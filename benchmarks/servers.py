"""What a server's way of scoring loses beside the embedded model, on pairs whose tables are known.

    python benchmarks/servers.py --acs data/acs2024_states --trips persons.parquet --shop transactions.parquet
        --base-url http://127.0.0.1:8000/v1 --ways tokens letters [--pairs 6] [--ledger FILE]

Every pair is asked about in one wording and both directions, by the embedded model and by the server in each way. Prints for
each way the calls that failed, the mean cosine of its interaction with the embedded one's, and the divergence of the truth from
the tables that follow, as a part of independence's (the rule of trust is the same for all). `percentages` lets the model write.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from calibrate import PAIRS, coarse_codes, shares_of
from known_tables import Known, known

import llmsynthor
from llmsynthor.aims.aims import set_aims
from llmsynthor.calibration.measured import usual
from llmsynthor.dependence.coarse import coarsen
from llmsynthor.dependence.elicit import Asking, elicit, elicit_shares
from llmsynthor.dependence.estimates import Estimate, agreement_of, combine
from llmsynthor.dependence.trust import Trust, trusted_table
from llmsynthor.llm.ledger import Ledger
from llmsynthor.llm.opening import Choice, choose
from llmsynthor.llm.recorded import Recorded
from llmsynthor.llm.remote import open_remote
from llmsynthor.options import Server

EMBEDDED, PERCENTAGES = "embedded", "percentages"


def main() -> None:
    """Read the arguments, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("acs", "trips", "shop"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--base-url", required=True)
    parser.add_argument("--model", default="model")
    parser.add_argument("--llm", default="local")
    parser.add_argument("--ways", nargs="+", default=["tokens", "echo", "letters", PERCENTAGES])
    parser.add_argument("--pairs", type=int, default=6)
    parser.add_argument("--ledger", type=Path)
    arguments = parser.parse_args()
    bench = {entry.name: entry for entry in known(arguments.acs, arguments.trips, arguments.shop)}
    choice = choose(arguments.llm)
    assert choice is not None
    embedded = [asked(choice, bench[n], (a, b), arguments.ledger) for n, a, b in PAIRS[: arguments.pairs]]
    report(EMBEDDED, embedded, embedded, bench, 0.0)
    for way in arguments.ways:
        started = time.perf_counter()
        server = by_server(choice, arguments, way)
        found = [
            asked(server, bench[n], (a, b), None, written=way == PERCENTAGES) for n, a, b in PAIRS[: arguments.pairs]
        ]
        report(way, found, embedded, bench, time.perf_counter() - started)


def by_server(choice: Choice, arguments: argparse.Namespace, way: str) -> Choice:
    """A server that is asked in one way only."""

    def open_model() -> Any:
        remote = open_remote(arguments.model, Server(base_url=arguments.base_url))
        remote._ways = [] if way == PERCENTAGES else [way]
        return remote

    return Choice(identity=choice.identity, open_model=open_model)


def asked(
    choice: Choice, entry: Known, pair: tuple[str, str], ledger: Path | None, *, written: bool = False
) -> Estimate | None:
    """What the model says of a pair, in one wording and both directions; None where it answered nothing."""
    spec = llmsynthor.Spec.load(entry.spec)
    variables = coarsen(set_aims(spec).goals[0])
    model = Recorded(identity=choice.identity, open_model=choice.open_model, ledger=Ledger(ledger))
    about = {"unit": spec.schema.top.name, "variables": variables, "seed": 0, "temperature": 0.7}
    asking = Asking(spec=spec, model=model, **about)  # type: ignore[arg-type]
    answers = elicit_shares(asking, [pair])[0] if written else elicit(asking, "record", [pair, pair[::-1]])[0]
    return next(iter(combine(variables, answers)), None)


def report(
    way: str, found: list[Estimate | None], embedded: list[Estimate | None], bench: dict[str, Known], seconds: float
) -> None:
    """Print what a way comes to."""
    cosines, errors, chances = [], [], []
    trust = Trust(full=usual().full, half=usual().half)
    for (name, _, _), own, other in zip(PAIRS, found, embedded, strict=False):
        if own is None or other is None:
            continue
        variables = {v.name: v for v in coarsen(set_aims(llmsynthor.Spec.load(bench[name].spec)).goals[0])}
        one, two = (variables[key] for key in own.pair)
        chance = np.outer(one.shares, two.shares)
        table = trusted_table(own, trust.of(own.strength), one, two)
        truth = shares_of(coarse_codes(bench[name], tuple(variables.values())), own.pair, table.shape)
        cosines.append(agreement_of([own.interaction, other.interaction], chance))
        errors.append(_divergence(truth, table))
        chances.append(_divergence(truth, chance))
    said = {"way": way, "pairs": len(cosines), "of": len(found), "cosine": round(float(np.mean(cosines)), 3)}
    said |= {"divergence": round(sum(errors) / max(sum(chances), 1e-12), 3), "seconds": round(seconds)}
    print(json.dumps(said), flush=True)


def _divergence(truth: Any, table: Any) -> float:
    inside = truth > 0
    return float((truth[inside] * np.log(truth[inside] / np.maximum(table[inside], 1e-12))).sum())


if __name__ == "__main__":
    main()
