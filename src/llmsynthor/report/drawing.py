"""SVG by hand: elements as strings, scales, axes, colours. No library is loaded; the same data give the same bytes.

A *plot* is an area of a picture, in pixels from its upper left corner, with a scale across and one down. What is drawn is a
list of elements; `picture` puts them into one `<svg>`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10

FONT = "Liberation Sans, Arial, Helvetica, sans-serif"
INK, GRID, QUIET = "#333b45", "#e4e7eb", "#8a8f98"
SMALL = 10
"""Pixels of a label's letters."""

NARROW, BROAD = frozenset("iljtfrI.,:;'|!()[] "), frozenset("mwMW@%")
BLUES = ("#f4f8fc", "#cfe1f2", "#93c3df", "#4b97c9", "#1864aa", "#08306b")
DIVERGING = ("#b35806", "#ee9d3c", "#fdd9a9", "#f7f7f7", "#cfcde4", "#988dbf", "#542788")
"""Orange below nothing, purple above."""

CATEGORIES = (
    "#4c78a8 #f58518 #e45756 #72b7b2 #54a24b #eeca3b #b279a2 #ff9da6 #9d755d #bab0ac".split()  # noqa: SIM905  (one line)
)

Scale = Callable[[float], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """An area of a picture: its left and upper edge, its width and height."""

    left: float
    top: float
    width: float
    height: float

    @property
    def right(self) -> float:
        return self.left + self.width

    @property
    def bottom(self) -> float:
        return self.top + self.height

    def across(self, low: float, high: float) -> Scale:
        """Values to pixels from the left edge."""
        return lambda value: self.left + self.width * (value - low) / ((high - low) or 1.0)

    def up(self, low: float, high: float) -> Scale:
        """Values to pixels, the highest at the upper edge."""
        return lambda value: self.bottom - self.height * (value - low) / ((high - low) or 1.0)


def picture(width: float, height: float, elements: Sequence[str], said: str) -> str:
    """Put elements into a picture; `said` is what it shows, for those who cannot see it."""
    size = f'viewBox="0 0 {num(width)} {num(height)}" width="{num(width)}" height="{num(height)}"'
    head = f'<svg {size} role="img" aria-label="{escape(said)}" font-family="{FONT}" font-size="{SMALL}" fill="{INK}">'
    return head + "".join(elements) + "</svg>"


def num(value: float) -> str:
    """Give a coordinate to a tenth of a pixel, without a needless point."""
    return f"{value:.1f}".removesuffix(".0").replace("-0.0", "0")


def rect(x: float, y: float, width: float, height: float, *, fill: str, more: str = "", tip: str = "") -> str:
    """A box; `tip` is shown where a mouse rests on it."""
    box = f'<rect x="{num(x)}" y="{num(y)}" width="{num(width)}" height="{num(height)}" fill="{fill}"{more and " " + more}'
    return f"{box}><title>{escape(tip)}</title></rect>" if tip else f"{box}/>"


def line(x1: float, y1: float, x2: float, y2: float, *, stroke: str = GRID, width: float = 1) -> str:
    ends = f'x1="{num(x1)}" y1="{num(y1)}" x2="{num(x2)}" y2="{num(y2)}"'
    return f'<line {ends} stroke="{stroke}" stroke-width="{num(width)}"/>'


def text(x: float, y: float, words: str, *, anchor: str = "start", turn: float = 0, bold: bool = False) -> str:
    """A label, turned by `turn` degrees about where it is anchored."""
    more = f' text-anchor="{anchor}"' if anchor != "start" else ""
    more += f' transform="rotate({num(turn)} {num(x)} {num(y)})"' if turn else ""
    more += ' font-weight="600"' if bold else ""
    return f'<text x="{num(x)}" y="{num(y)}"{more}>{escape(words)}</text>'


def width_of(words: str) -> float:
    """How wide a label is, about, in pixels: letters of three widths."""
    return SMALL * sum(0.3 if c in NARROW else 0.88 if c in BROAD else 0.58 for c in words)


def clipped(words: str, most: float) -> str:
    """A label cut to so many pixels, with an ellipsis for what is left out."""
    if width_of(words) <= most:
        return words
    while words and width_of(words + "…") > most:
        words = words[:-1]
    return words.rstrip() + "…"


def ticks(low: float, high: float, about: int) -> list[float]:
    """Round numbers between two ends, about so many."""
    if not high > low:
        return [low]
    raw = (high - low) / max(about, 1)
    size = 10.0 ** floor(log10(raw))
    step = next(k * size for k in (1, 2, 5, 10) if raw <= k * size * 1.2)
    first, last = ceil(low / step - 1e-9), floor(high / step + 1e-9)
    return [k * step for k in range(first, last + 1)]


def say(value: float) -> str:
    """Write a number with four digits that count, thousands apart."""
    if value == 0:
        return "0"
    places = max(0, 3 - floor(log10(abs(value))))
    words = f"{value:,.{min(places, 12)}f}"
    return words.rstrip("0").rstrip(".") if "." in words else words


def axis_below(plot: Plot, scale: Scale, marks: Sequence[float], title: str = "", *, grid: bool = True) -> list[str]:
    """Numbers below a plot, with lines through it."""
    drawn = [line(plot.left, plot.bottom, plot.right, plot.bottom, stroke=QUIET)]
    for mark in marks:
        x = scale(mark)
        drawn += [line(x, plot.top, x, plot.bottom)] if grid else []
        drawn += [line(x, plot.bottom, x, plot.bottom + 4, stroke=QUIET)]
        drawn.append(text(x, plot.bottom + 14, say(mark), anchor="middle"))
    if title:
        drawn.append(text(plot.left + plot.width / 2, plot.bottom + 28, title, anchor="middle", bold=True))
    return drawn


def axis_beside(plot: Plot, scale: Scale, marks: Sequence[float], title: str = "") -> list[str]:
    """Numbers to the left of a plot, with lines through it."""
    drawn = [line(plot.left, plot.top, plot.left, plot.bottom, stroke=QUIET)]
    for mark in marks:
        y = scale(mark)
        drawn += [line(plot.left, y, plot.right, y), line(plot.left - 4, y, plot.left, y, stroke=QUIET)]
        drawn.append(text(plot.left - 6, y + 3.5, say(mark), anchor="end"))
    if title:
        x = plot.left - 12 - widest([say(mark) for mark in marks])
        drawn.append(text(x, plot.top + plot.height / 2, title, anchor="middle", turn=-90, bold=True))
    return drawn


def widest(labels: Sequence[str], most: float = float("inf")) -> float:
    """Pixels of the widest of some labels, at most so many."""
    return min(most, max((width_of(label) for label in labels), default=0.0))


def shade(ramp: Sequence[str], part: float) -> str:
    """A colour of a ramp, from its first (0) to its last (1)."""
    place = min(max(part, 0.0), 1.0) * (len(ramp) - 1)
    k = min(int(place), len(ramp) - 2)
    one, other = ([int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in ramp[k : k + 2])
    return "#" + "".join(f"{round(a + (b - a) * (place - k)):02x}" for a, b in zip(one, other, strict=True))


def ladder(
    left: float, top: float, ramp: Sequence[str], labels: Sequence[tuple[float, str]], title: str = ""
) -> list[str]:
    """What the colours of a ramp mean: a column of steps, with words at places from 0 (below) to 1."""
    height, steps = 70.0, 14
    drawn = [text(left, top - 6, title, bold=True)] if title else []
    for k in range(steps):
        drawn.append(
            rect(left, top + height * k / steps, 12, height / steps + 0.3, fill=shade(ramp, 1 - k / (steps - 1)))
        )
    return drawn + [text(left + 16, top + height * (1 - part) + 3.5, words) for part, words in labels]


def curve(points: Sequence[tuple[float, float]], colour: str, *, marked: bool) -> list[str]:
    """A line through points, each with a dot where `marked`."""
    path = " ".join(f"{num(x)},{num(y)}" for x, y in points)
    dots = [f'<circle cx="{num(x)}" cy="{num(y)}" r="2.5" fill="{colour}"/>' for x, y in points] if marked else []
    return [f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>', *dots]
