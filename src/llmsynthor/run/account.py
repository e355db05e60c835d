"""What a ledger holds, for people and for other programs: calls, losses, tokens and seconds by stage."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from llmsynthor.errors import Problem, RunFolderError
from llmsynthor.files import check_regular
from llmsynthor.llm.ledger import Ledger, refuse_no_ledger
from llmsynthor.options import Budget
from llmsynthor.records.run_folder import LEDGER, refuse_links
from llmsynthor.texts import fit, fit_all, hide

HEAD = (
    "stage",
    "kind",
    "calls",
    "used",
    "repaired",
    "rejected",
    "dropped",
    "lost",
    "tokens read",
    "written",
    "seconds",
)
WORDS = {"used": "used", "repaired": "repaired", "rejected": "rejected", "dropped": "dropped", "lost": "lost"}


def read_ledger(folder: Path) -> list[dict[str, Any]]:
    """All rows of the ledger of a run folder, or of a ledger itself; raises RunFolderError, LLMError."""
    path = folder / LEDGER if folder.is_dir() else folder
    try:
        if folder.is_dir():
            refuse_links(folder)
        check_regular(path)
        refuse_no_ledger(path)
    except (OSError, ValueError) as cause:
        advice = "name the folder of a run that asked a model"
        raise RunFolderError(Problem(where=str(path), what=f"there is no ledger ({cause})", advice=advice)) from cause
    ledger = Ledger(path)
    try:
        return list(ledger.rows())
    finally:
        ledger.close()


def account(rows: Iterable[Mapping[str, Any]], prices: Budget) -> str:
    """A table by stage and kind, the corrupt rows by name, and the cost where prices are given."""
    sums: dict[tuple[str, str], dict[str, float]] = {}
    corrupt = list[str]()
    for row in rows:
        if row["corrupt"]:
            corrupt.append(f"{fit(str(row['call_id']))[:80]}: {row['corrupt']}; it is asked again")
            continue
        own = sums.setdefault((fit(str(row["stage"])) or "-", fit(str(row["kind"]))), dict.fromkeys(HEAD[2:], 0.0))
        outcome = WORDS.get(str(row["outcome"]).partition(":")[0], "")
        own["calls"] += row["requests"]
        if outcome:
            own[outcome] += 1
        own["tokens read"] += row["prompt_tokens"]
        own["written"] += row["completion_tokens"]
        own["seconds"] += float(row["seconds"])
    lines = list(_table(sums))
    total = [sum(own[name] for own in sums.values()) for name in ("tokens read", "written")]
    cost = prices.price(int(total[0]), int(total[1]))
    lines += [f"cost by the prices given: {cost:.4f}"] if cost is not None else []
    return "\n".join([*lines, *(f"corrupt: {name}" for name in corrupt)])


def _table(sums: Mapping[tuple[str, str], Mapping[str, float]]) -> Iterator[str]:
    every = {name: sum(own[name] for own in sums.values()) for name in HEAD[2:]}
    rows = [*((*key, *own.values()) for key, own in sorted(sums.items())), ("all", "", *every.values())]
    texts = [HEAD, *(tuple(n if isinstance(n, str) else f"{n:,.0f}" for n in row) for row in rows)]
    widths = [max(len(row[k]) for row in texts) for k in range(len(HEAD))]
    for row in texts:
        yield "  ".join(t.ljust(w) if k < 2 else t.rjust(w) for k, (t, w) in enumerate(zip(row, widths, strict=True)))


def export_lines(rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """One JSON object for each row: its request as JSON, its model and digest, answer, usage, seconds, stage and outcome."""
    for row in rows:
        entry = dict(row)
        entry["request"] = _parsed(row["request"])
        if row["corrupt"]:
            entry["answer"] = None
        yield hide(json.dumps(fit_all(entry), ensure_ascii=False, default=str))


def _parsed(request: Any) -> Any:
    try:
        return json.loads(request)
    except (ValueError, TypeError, RecursionError):
        return None
