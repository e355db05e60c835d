"""Monotone cubics (Fritsch and Butland 1984), as scipy's PchipInterpolator reckons them, without loading scipy's interpolation."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def interpolate(x: Floats, y: Floats, values: Floats) -> Floats:
    """Values of the monotone cubic through (x, y) with x rising, shapes (k,), (k,), (n,), with k of two and more."""
    widths = np.diff(x)
    slopes = np.diff(y) / widths
    tangents = _tangents(widths, slopes)
    bend = (tangents[:-1] + tangents[1:] - 2 * slopes) / widths
    cubic, square = bend / widths, (slopes - tangents[:-1]) / widths - bend
    piece = np.clip(np.searchsorted(x, values, side="right") - 1, 0, len(widths) - 1)
    place = values - x[piece]
    found = y[:-1][piece] + tangents[:-1][piece] * place + square[piece] * (place * place)
    return np.asarray(found + cubic[piece] * (place * place * place))


def _tangents(widths: Floats, slopes: Floats) -> Floats:
    """Slope at each point: none where neighbours differ in sign, else their weighted harmonic mean."""
    if len(slopes) == 1:
        return np.array([slopes[0], slopes[0]])
    left, right = slopes[:-1], slopes[1:]
    one, other = 2 * widths[1:] + widths[:-1], widths[1:] + 2 * widths[:-1]
    flat = (np.sign(left) != np.sign(right)) | (left == 0) | (right == 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = (one / left + other / right) / (one + other)
    inner = np.where(flat, 0.0, 1.0 / np.where(flat, 1.0, mean))
    first, last = _end(widths[:2], slopes[:2]), _end(widths[:-3:-1], slopes[:-3:-1])
    return np.concatenate([[first], inner, [last]])


def _end(widths: Floats, slopes: Floats) -> float:
    """Slope at an end, from two pieces, the nearer first: by three points, so that the curve keeps its shape (Moler 2004)."""
    found = ((2 * widths[0] + widths[1]) * slopes[0] - widths[0] * slopes[1]) / (widths[0] + widths[1])
    if np.sign(found) != np.sign(slopes[0]):
        return 0.0
    if np.sign(slopes[0]) != np.sign(slopes[1]) and abs(found) > 3 * abs(slopes[0]):
        return float(3 * slopes[0])
    return float(found)
