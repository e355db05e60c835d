"""The options of the command line are the fields of Method and Budget."""

import inspect

from llmsynthor.cli.commands import suggest_rules, synthesize
from llmsynthor.options import Budget, Method, key_of, options_of


def test_every_field_is_an_option() -> None:
    """Each command offers every field under its key, without a default of its own, and no `**` is left."""
    for command, groups in ((synthesize, (Method, Budget)), (suggest_rules, (Budget,))):
        parameters = inspect.signature(command).parameters
        for group in groups:
            for option in options_of(group):
                assert parameters[key_of(option)].default is None
        assert all(p.kind is not inspect.Parameter.VAR_KEYWORD for p in parameters.values())
