"""The known tables that are shipped: a dozen, small, of different strength."""

from itertools import pairwise

import numpy as np

from llmsynthor.calibration.bench import digest_of, known_tables
from llmsynthor.dependence.pair_tables import mutual_information


def test_there_are_a_dozen_sound_tables() -> None:
    """Each has a count for every pair of levels, no cell of one to four records, and names where it is from."""
    tables = known_tables()
    assert len(tables) == 12
    for table in tables:
        counts = np.array(table.counts)
        assert counts.shape == (len(table.one.words), len(table.other.words))
        assert not ((counts > 0) & (counts < 5)).any()
        assert "2022" in table.source or "2024" in table.source


def test_their_dependence_is_worth_knowing() -> None:
    """They depend, more and less strongly: of independent tables nobody could tell a model that knows from one that does not."""
    strengths = [mutual_information(np.array(table.counts) / np.sum(table.counts)) for table in known_tables()]
    assert min(strengths) > 0.05
    assert max(strengths) > 5 * min(strengths)


def test_the_digest_follows_the_wordings() -> None:
    """Other questions are another bench."""
    every = [digest_of(texts) for texts in ((), ("a",), ("b",), ("a", "b"), ("ab",))]
    assert all(one != other for one, other in pairwise(sorted(every)))
