"""Compiled random numbers: one stream a record and sweep, so that the number of workers changes nothing."""

import numpy as np

from llmsynthor.alignment.compiled import jit


@jit
def mix(state):
    """One step of splitmix64 (Steele, Lea, Flood 2014); returns the new state and 53 random bits as a number in [0, 1)."""
    state = state + np.uint64(0x9E3779B97F4A7C15)
    z = state
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return state, (z >> np.uint64(11)) * (1.0 / 9007199254740992.0)


@jit
def stream(seed, sweep, record):
    """Start the random stream of one record in one sweep."""
    state = np.uint64(seed) * np.uint64(0xD1342543DE82EF95) + np.uint64(sweep) * np.uint64(0xA0761D6478BD642F)
    state, _ = mix(state ^ (np.uint64(record) * np.uint64(0xE7037ED1A0B428DB)))
    return state


POWERS = 2.0 ** np.arange(-64.0, 1.0)


@jit
def exp_below(distance):
    """Compute exp of a number in (-40, 0] to six digits: 2^f by its Taylor series, times a power of two from a table."""
    power = distance * 1.4426950408889634
    whole = int(np.floor(power))
    f = (power - whole - 0.5) * 0.6931471805599453
    series = 1.0 + f * (
        1.0 + f * (0.5 + f * (0.16666666666666666 + f * (0.041666666666666664 + f * 0.008333333333333333)))
    )
    return 1.4142135623730951 * series * POWERS[whole + 64]


@jit
def pick(weights, size, total, uniform):
    """Draw a position in proportion to the first `size` weights."""
    left = uniform * total
    for level in range(size - 1):
        left -= weights[level]
        if left < 0.0:
            return level
    last = size - 1
    while last > 0 and weights[last] <= 0.0:
        last -= 1
    return last
