"""Random small specs, counted from hidden populations that keep their rules; `benchmarks/conformance.py` makes their records."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .random_specs import Case, draw_case

cases = st.randoms(use_true_random=False).map(lambda rng: draw_case(rng, largest=120))
QUIET = settings(deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@settings(QUIET, max_examples=20)
@given(cases)
def test_hidden_population_has_all_that_is_asked_for(case: Case) -> None:
    """The oracle itself: every target holds exactly in the population that it was counted from, and no rule is broken there."""
    assert all(goal.is_exact(case.hidden) for goal in case.stated())
    assert sum(map(case.hidden.broken, case.rules)) == 0
