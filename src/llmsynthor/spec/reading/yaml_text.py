"""YAML ⇄ plain values, safely: duplicate keys are found, and words that YAML turns into booleans are pointed out."""

import re
from typing import Any

import yaml

from llmsynthor.errors import Problem, SpecError


class _Loader(yaml.SafeLoader):
    """Safe, and strict about keys given twice."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    loader.flatten_mapping(node)
    found: dict[Any, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, str | int | float | bool):
            raise yaml.constructor.ConstructorError(None, None, "a key must be plain text", key_node.start_mark)
        if key in found:
            raise yaml.constructor.ConstructorError(None, None, f"the key {key!r} is given twice", key_node.start_mark)
        found[key] = loader.construct_object(value_node, deep=True)
    return found


def _whole_number(loader: _Loader, node: yaml.ScalarNode) -> int | str:
    """A whole number; what YAML would read as octal or in base 60 (001001, 12:30) is the text that was written."""
    text = str(loader.construct_scalar(node))
    return int(text) if re.fullmatch(r"[+-]?(0|[1-9][0-9]*)", text) else text


_Loader.add_constructor("tag:yaml.org,2002:int", _whole_number)
_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def read_yaml(text: str, *, where: str) -> Any:
    """Read YAML; raises SpecError that names the line."""
    try:
        return yaml.load(text, _Loader)
    except yaml.MarkedYAMLError as cause:
        mark = cause.problem_mark
        line = f"{where}, line {mark.line + 1}, column {mark.column + 1}" if mark else where
        raise SpecError(
            Problem(where=line, what=str(cause.problem or cause.context), advice="mend the YAML there")
        ) from cause
    except (yaml.YAMLError, RecursionError, ValueError) as cause:
        raise SpecError(Problem(where=where, what=f"this is no YAML ({cause})", advice="mend the YAML")) from cause


def write_yaml(value: Any) -> str:
    """Write plain values in a stable order."""
    return str(yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=120))
