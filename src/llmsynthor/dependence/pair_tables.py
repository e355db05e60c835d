"""The mathematics of pair tables: interaction, margins, mutual information."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

ROUNDS, CLOSE = 500, 1e-10
LEAST_LIFT = 0.02
"""What a cell holds at least of an estimate that may fall below zero, in parts of what it would hold by chance."""


def interaction(log_weights: Floats, rows: Floats, columns: Floats) -> Floats:
    """Centre a matrix of log-weights by its margins: what is left says how its variables depend, and nothing of either alone.

    >>> interaction(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([0.5, 0.5]), np.array([0.5, 0.5]))
    array([[0., 0.],
           [0., 0.]])
    """
    over_columns, over_rows = log_weights @ columns, rows @ log_weights
    return np.asarray(log_weights - over_columns[:, None] - over_rows[None, :] + rows @ log_weights @ columns)


def fit_margins(log_weights: Floats, rows: Floats, columns: Floats) -> Floats:
    """Scale exp(log-weights) to the margins by raking (Deming and Stephan 1940); shares, shape (rows, columns).

    >>> fit_margins(np.zeros((2, 2)), np.array([0.5, 0.5]), np.array([0.2, 0.8])).round(3)
    array([[0.1, 0.4],
           [0.1, 0.4]])
    """
    return rake_table(np.exp(log_weights - log_weights.max()) * np.outer(rows, columns), rows, columns)


def rake_table(table: Floats, rows: Floats, columns: Floats) -> Floats:
    """Scale a table to the margins; its odds ratios stay as they are."""
    table = table.copy()
    for _ in range(ROUNDS):
        table *= (rows / np.maximum(table.sum(axis=1), 1e-300))[:, None]
        table *= (columns / np.maximum(table.sum(axis=0), 1e-300))[None, :]
        if np.abs(table.sum(axis=1) - rows).max() < CLOSE:
            break
    return np.asarray(table / table.sum())


def rake_residuals(table: Floats, rows: Floats, columns: Floats) -> Floats:
    """The same of a sum of chance and residuals: where that is next to nothing or below, LEAST_LIFT of chance is left."""
    return rake_table(np.maximum(table, LEAST_LIFT * np.outer(rows, columns)), rows, columns)


def mutual_information(table: Floats) -> float:
    """Mutual information in nats of a table of shares."""
    expected = np.outer(table.sum(axis=1), table.sum(axis=0))
    inside = table > 0
    return float((table[inside] * np.log(table[inside] / expected[inside])).sum())


def pair_shares_of(one: NDArray[np.int64], other: NDArray[np.int64], rows: int, columns: int) -> Floats:
    """Shares of two coarse levels, shape (rows, columns); records without one of them (-1) are left out."""
    inside = (one >= 0) & (other >= 0)
    counts = np.bincount(one[inside] * columns + other[inside], minlength=rows * columns).reshape(rows, columns)
    return np.asarray(counts / max(counts.sum(), 1))


def stated(table: Floats) -> Floats:
    """A table's own interaction: the direction in which its variables depend."""
    rows, columns = table.sum(axis=1), table.sum(axis=0)
    lift = np.log(np.maximum(table, 1e-12) / np.maximum(np.outer(rows, columns), 1e-12))
    return interaction(lift, rows, columns)


def mean_interaction(table: Floats) -> float:
    """The mean of a table's own interaction, in nats: how far it goes in its own direction."""
    return float((table * stated(table)).sum())
