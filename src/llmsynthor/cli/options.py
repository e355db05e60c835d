"""Options of the command line that are fields of Method, Budget and Server: said once, there."""

import inspect
from collections.abc import Callable
from dataclasses import Field
from typing import Annotated, Any, Literal, TypeVar, get_origin

import typer

from llmsynthor.options import Budget, Method, Server, key_of, kind_of, options_of

Command = TypeVar("Command", bound=Callable[..., Any])


def with_options(*groups: type[Method] | type[Budget] | type[Server]) -> Callable[[Command], Command]:
    """Replace the `**` of a command by an option for each field, under its key and with its words."""

    def wrap(command: Command) -> Command:
        signature = inspect.signature(command, eval_str=True)
        own = [p for p in signature.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
        added = [_parameter(group, option) for group in groups for option in options_of(group)]
        command.__signature__ = signature.replace(parameters=[*own, *added])  # type: ignore[attr-defined]  # typer reads it
        command.__annotations__ = {p.name: p.annotation for p in (*own, *added)}
        return command

    return wrap


def _parameter(group: type[Method] | type[Budget] | type[Server], option: Field[Any]) -> inspect.Parameter:
    kind = kind_of(group, option)
    kind = (
        str if get_origin(kind) is Literal or option.metadata["duration"] else kind
    )  # Method itself says which words there are
    annotation: Any = Annotated[kind | None, typer.Option(help=option.metadata["about"])]
    return inspect.Parameter(key_of(option), inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
