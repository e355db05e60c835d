"""Who names which variable."""

from llmsynthor.aims.uses import read_uses
from llmsynthor.spec.levels import Interval
from llmsynthor.spec.specification import Spec
from tests.aims.test_cuts import document


def test_a_use_tells_what_targets_and_counts_make_of_a_variable() -> None:
    """Intervals are those of the tables that have the variable, and a number of children is known as such."""
    uses = read_uses(Spec.load(document()))
    assert uses["home", "oldest"].intervals == {Interval(0, 40), Interval(40, 100)}
    assert [len(uses["person", name].tables) for name in ("income", "age")] == [1, 0]
    assert uses["home", "size"].counts
    assert not uses["person", "age"].counts


def test_a_rule_is_a_use_of_every_variable_that_it_names() -> None:
    """A rule stands among the expressions of each of its variables, with the unit that it is about."""
    rule = {"name": "gap", "unit": "home", "forbid": "first(person.age) - min(person.age) > 60"}
    spec = Spec.load(document(rules=[rule]))
    found = [(owner.name, expression) for owner, expression in read_uses(spec)["person", "age"].expressions]
    assert ("home", spec.rules[0].forbid) in found
