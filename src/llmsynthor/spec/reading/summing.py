"""Cells that are merged: their values are added up, their margins of error by the root of the sum of squares."""

import math
from collections.abc import Sequence

from llmsynthor.spec.levels import number_text
from llmsynthor.spec.reading.absolute import BETWEEN

Columns = dict[str, list[str | None]]


def summed(
    columns: Columns, values: Sequence[str | None], margins: Sequence[float | None] | None
) -> tuple[Columns, list[str | None], list[float | None] | None]:
    """Add up the values of rows whose levels are the same; what is open makes the sum open.

    Of cells that are estimated as zero only the largest margin counts, once (US Census Bureau, ACS handbook, 2020: margins of
    zero cells come from the model, and would add up beyond all reason).
    """
    groups: dict[tuple[str | None, ...], list[int]] = {}
    rows = zip(*columns.values(), strict=True) if columns else (() for _ in values)
    for row, key in enumerate(rows):
        groups.setdefault(key, []).append(row)
    if len(groups) == len(values):
        return columns, list(values), list(margins) if margins is not None else None
    merged: Columns = {name: [key[k] for key in groups] for k, name in enumerate(columns)}
    texts = [_sum([values[row] for row in own]) for own in groups.values()]
    errors = None
    if margins is not None:
        errors = [_error([(values[row], margins[row]) for row in own]) for own in groups.values()]
    return merged, texts, errors


def _sum(texts: Sequence[str | None]) -> str | None:
    if len(texts) == 1:
        return texts[0]
    low = high = 0.0
    for text in texts:
        match = BETWEEN.match(text or "")
        if match:
            low, high = low + float(match[1]), high + float(match[2])
            continue
        try:
            number = float(text or "")
        except ValueError:
            return text
        low, high = low + number, high + number
    low, high = round(low, 9), round(high, 9)
    return number_text(low) if low == high else f"[{number_text(low)}, {number_text(high)}]"


def _error(entries: Sequence[tuple[str | None, float | None]]) -> float | None:
    if len(entries) == 1:
        return entries[0][1]
    zeros = [margin for value, margin in entries if margin is not None and value == "0"]
    others = [margin for value, margin in entries if margin is not None and value != "0"]
    if not zeros and not others:
        return None
    return round(math.sqrt(sum(margin**2 for margin in others) + max(zeros, default=0.0) ** 2), 9)
