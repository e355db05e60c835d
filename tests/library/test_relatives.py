"""Who lives with whom, in the user's levels and to the user's margins."""

from pathlib import Path

import numpy as np

from llmsynthor.library.relatives import Household, relatives

from .people import village


def test_relatives_keep_the_margins_of_all_members(tmp_path: Path) -> None:
    """First, second and further members together have the user's shares, and partners stay of about one age."""
    part = village(tmp_path)["person"]
    assert part.kinship is not None
    entry = part["age"]
    ends = np.array([0, 16, 30, 45, 60, 75, 100])
    levels = np.zeros((entry.size, len(ends) - 1))
    levels[np.arange(entry.size), np.searchsorted(ends, np.array(entry.ends[:-1]), side="right") - 1] = 1.0
    shares = np.array([0.2, 0.15, 0.2, 0.2, 0.15, 0.1])
    members = Household(
        first=np.array([500.0, 500.0]),
        second=np.array([500.0, 200.0]),
        further=np.array([250.0, 150.0]),
        sizes=np.array([[0.0, 300.0, 150.0, 50.0, 0.0, 0.0], [300.0, 100.0, 50.0, 50.0, 0.0, 0.0]]),
    )
    told = relatives(part.kinship, "age", (np.eye(2), levels), shares, members)
    margin = 1000 * told.first.sum(axis=0) + 700 * told.second.sum(axis=(0, 1)) + 400 * told.further.sum(axis=(0, 1))
    assert np.abs(margin / margin.sum() - shares).max() < 0.002
    couples = told.second[0] / told.second[0].sum()
    assert np.trace(couples) > 0.6
    assert told.second.sum(axis=(1, 2))[0] > 0.7
    assert told.before.shape == (2, 6, 6)
