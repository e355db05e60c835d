"""Labels of intervals as statistical offices publish them: "Under 5 years", "65 to 84 years", "$10,000 to $49,999", `Y_GE65`."""

import re
import unicodedata

from llmsynthor.spec.levels import Interval, parse_interval

FILLERS = (
    "age aged ages years year yrs yr old persons person people members member rooms room cars car vehicles vehicle children child "
    "jahre jahren jahr personen ans an personnes anni anno eta anos ano persone inclusive"
).split()
"""Words that add nothing to an interval of the variable's own unit."""

LEADING = ("alter", "von", "de", "entre", "between", "tra")

DIGITS = r"-?\d+(?:\.\d+)?"
FORMS: tuple[tuple[str, str], ...] = (
    (rf"y_?lt_?({DIGITS})", "below"),
    (rf"y_?le_?({DIGITS})", "up to"),
    (rf"y_?ge_?({DIGITS})", "from"),
    (rf"y_?gt_?({DIGITS})", "above"),
    (rf"y({DIGITS})(?:-|t|_)({DIGITS})", "closed"),
    (rf"y({DIGITS})", "single"),
    (rf"(?:under|below|less than|fewer than|younger than|unter|weniger als|moins de|meno di|menos de|up to but not|<) ?({DIGITS})", "below"),
    (rf"(?:<=|≤|up to|at most|no more than|not more than|bis|bis zu|jusqu a|fino a|hasta) ?({DIGITS})", "up to"),
    (rf"({DIGITS}) ?(?:and under|and below|and younger|or less|or fewer|or under|or younger|and less|und junger|und weniger|et moins|e meno|y menos)", "up to"),
    (rf"(?:>=|≥|at least|from|ab|a partir de|mindestens) ?({DIGITS})", "from"),
    (rf"({DIGITS}) ?(?:\+|plus|and over|and older|and above|and more|or over|or older|or above|or more|& over|and up|und mehr|und alter|und daruber|oder mehr|et plus|ou plus|e piu|e oltre|y mas|o mas)", "from"),
    (rf"(?:>|over|above|more than|older than|uber|mehr als|plus de|piu di|mas de) ?({DIGITS})", "above"),
    (rf"({DIGITS}) ?(?:to under|to less than|to below|bis unter|bis weniger als|- ?<|to ?<) ?({DIGITS})", "half-open"),
    (rf"({DIGITS}) ?(?:-|to|and|through|bis|a|y|e|et|bis zu) ?({DIGITS})", "closed"),
    (rf"({DIGITS})", "single"),
)
TOTALS = frozenset(
    "total totals all everybody insgesamt gesamt summe zusammen alle total. totale totali totaal ensemble tous todos todas sum overall "
    "t _t total_t sum_total grand_total".split()
)
TOTAL_WORDS = ("grand total", "all ages", "all persons", "all households", "all categories", "alle altersgruppen", "both sexes", "all sexes")


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
