"""Labels of intervals as statistical offices publish them: "Under 5 years", "65 to 84 years", "$10,000 to $49,999", `Y_GE65`."""

import re
import unicodedata

from llmsynthor.spec.levels import Interval, parse_interval


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


FILLERS = _words(
    "age aged ages years year yrs yr old persons person people members member rooms room cars car vehicles vehicle "
    "children child inclusive jahre jahren jahr personen ans an personnes anni anno eta anos ano persone"
)
"""Words that add nothing to an interval of the variable's own unit."""

LEADING = ("alter", "von", "de", "entre", "between", "tra")
"""Words that add nothing where they come first."""

WORDS = {
    "below": "under|below|less than|fewer than|younger than|unter|weniger als|moins de|meno di|menos de|<",
    "up to": "<=|up to|at most|no more than|not more than|bis zu|bis|jusqu a|fino a|hasta",
    "from": ">=|at least|from|ab|mindestens|a partir de",
    "above": ">|over|above|more than|older than|uber|mehr als|plus de|piu di|mas de",
    "and less": "and under|and below|and younger|and less|or less|or fewer|or under|or younger|und junger|und weniger|et moins|"
    "e meno|y menos",
    "and more": r"\+|plus|and over|and older|and above|and more|and up|or over|or older|or above|or more|& over|und mehr|und alter|"
    "und daruber|oder mehr|et plus|ou plus|e piu|e oltre|y mas|o mas",
    "to below": "to under|to less than|to below|bis unter|- ?<|to ?<",
    "to": "-|to|and|through|bis zu|bis|a|y|e|et",
}
"""Ways to say where an interval ends, in small letters without accents; English, German, French, Italian, Spanish."""

DIGITS = r"(-?\d+(?:\.\d+)?)"
FORMS = (
    (rf"y_?lt_?{DIGITS}", "below"),
    (rf"y_?le_?{DIGITS}", "up to"),
    (rf"y_?ge_?{DIGITS}", "from"),
    (rf"y_?gt_?{DIGITS}", "above"),
    (rf"y{DIGITS}(?:-|t|_){DIGITS}", "closed"),
    (rf"y{DIGITS}", "single"),
    *((rf"(?:{WORDS[kind]}) ?{DIGITS}", kind) for kind in ("below", "up to", "from", "above")),
    (rf"{DIGITS} ?(?:{WORDS['and less']})", "up to"),
    (rf"{DIGITS} ?(?:{WORDS['and more']})", "from"),
    (rf"{DIGITS} ?(?:{WORDS['to below']}) ?{DIGITS}", "half-open"),
    (rf"{DIGITS} ?(?:{WORDS['to']}) ?{DIGITS}", "closed"),
    (DIGITS, "single"),
)

TOTALS = _words(
    "total totals all everybody insgesamt gesamt summe zusammen alle totale totali totaal ensemble tous todos todas "
    "sum overall t _t"
)
TOTAL_WORDS = ("grand total", "all ages", "all persons", "all households", "all categories", "both sexes", "all sexes")


def is_total(text: str) -> bool:
    """Say whether a label means the sum of others.

    >>> is_total("Insgesamt"), is_total("All persons"), is_total("Totality")
    (True, True, False)
    """
    plain = " ".join(text.casefold().replace(":", " ").replace(",", " ").split())
    return plain in TOTALS or plain in TOTAL_WORDS


def read_interval(text: str, *, bounds: Interval, integer: bool, unit: str = "") -> Interval:
    """Read a label of a numeric variable: what `parse_interval` reads, or one as published. Raises ValueError.

    >>> bounds = Interval(0, 100)
    >>> [str(read_interval(t, bounds=bounds, integer=True)) for t in ("Under 5 years", "Aged 18 to 64", ">=65", "Y_GE85")]
    ['[0, 5)', '[18, 65)', '[65, 100)', '[85, 100)']
    """
    try:
        return parse_interval(text, bounds=bounds, integer=integer)
    except ValueError as cause:
        found = _published(text, bounds, integer=integer, unit=unit)
        if found is None:
            raise ValueError(str(cause)) from cause
        return found


def _published(text: str, bounds: Interval, *, integer: bool, unit: str) -> Interval | None:
    plain = _plain(text, unit, integer=integer)
    for form, kind in FORMS:
        match = re.fullmatch(form, plain)
        if match is None:
            continue
        numbers = [float(group) for group in match.groups()]
        step = 1.0 if integer else 0.0
        if kind == "closed" and integer and numbers[1] >= numbers[0]:
            return Interval(numbers[0], numbers[1] + 1)
        if kind == "half-open" and numbers[1] > numbers[0]:
            return Interval(numbers[0], numbers[1])
        if kind == "single" and integer:
            return Interval(numbers[0], numbers[0] + 1)
        low, high = bounds.low, bounds.high
        ends = {
            "below": (low, numbers[0]),
            "up to": (low, numbers[0] + step),
            "from": (numbers[0], high),
            "above": (numbers[0] + step, high),
        }.get(kind)
        return Interval(*ends) if ends is not None and ends[0] < ends[1] else None
    return None


def both_ends(text: str, *, integer: bool, unit: str = "") -> tuple[float, float, float] | None:
    """The two ends that a label names, such as "18 to 24", and the last digit that they are told in; None for other labels.

    >>> both_ends("$25,000 to $49,999", integer=False)
    (25000.0, 49999.0, 1.0)
    """
    plain = _plain(text, unit, integer=integer)
    match = next((found for form, kind in FORMS if kind == "closed" and (found := re.fullmatch(form, plain))), None)
    if match is None or float(match[1]) > float(match[2]):
        return None
    return float(match[1]), float(match[2]), 10.0 ** -max(len(end.partition(".")[2]) for end in match.groups())


def _plain(text: str, unit: str, *, integer: bool) -> str:
    """Small letters without accents, thousands, signs of money, and words that add nothing."""
    plain = unicodedata.normalize("NFKD", text.casefold().replace("≥", ">=").replace("≤", "<="))
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    plain = re.sub(r"[\u2010-\u2015\u2212]", "-", plain).replace("\u00a0", " ")
    plain = re.sub(r"(?<=\d)[,' \u2009\u202f](?=\d{3}(?!\d))", "", plain)
    if integer:
        plain = re.sub(r"(?<=\d)\.(?=\d{3}(?!\d))", "", plain)
    plain = re.sub(r"[$€£]", "", plain)
    fillers = {*FILLERS, *unit.casefold().split(), *(word + "s" for word in unit.casefold().split())}
    words = [word for word in plain.split() if word.strip(".,()") not in fillers]
    words = words[1:] if words and words[0] in LEADING else words
    return re.sub(r"\s+", " ", re.sub(r"(?<=\d)\s*-\s*(?=\d)", "-", " ".join(words))).strip()
