"""YAML ⇄ plain values, safely: duplicate keys are found, and words are not turned into booleans, dates or octal numbers."""

import re
from functools import cache
from typing import Any

import yaml

from llmsynthor.errors import Problem, SpecError
from llmsynthor.files import MOST_NODES, expanded_size
from llmsynthor.texts import clean


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


def _truth(loader: _Loader, node: yaml.ScalarNode) -> bool | str:
    """True or false; yes, no, on and off are the texts that were written, as in YAML 1.2."""
    text = str(loader.construct_scalar(node))
    return {"true": True, "false": False}.get(text.casefold(), text)


def _date(loader: _Loader, node: yaml.ScalarNode) -> str:
    """A date is the text that was written: here it can only be a level, or a word in a title."""
    return str(loader.construct_scalar(node))


_Loader.add_constructor("tag:yaml.org,2002:int", _whole_number)
_Loader.add_constructor("tag:yaml.org,2002:bool", _truth)
_Loader.add_constructor("tag:yaml.org,2002:timestamp", _date)
_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)

LARGE = 1 << 15
"""Letters from which on the compiled reader is used: it is ten times as quick, and not guarded against deep nesting."""

MANY = 5_000
"""Values from which on the compiled writer is used."""

DEEPEST = 100
DEEP = re.compile(r"(?:[-?:] ){20}|^ {200}", re.MULTILINE)


@cache
def _quick_loader() -> type[Any]:
    class Quick(yaml.CSafeLoader):
        """As strict as the other."""

    for tag in ("int", "bool", "timestamp"):
        Quick.add_constructor(f"tag:yaml.org,2002:{tag}", _Loader.yaml_constructors[f"tag:yaml.org,2002:{tag}"])
    Quick.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)
    return Quick


def _depth(text: str) -> int:
    """How deep brackets are nested at most, counted too high rather than too low."""
    depth = deepest = 0
    for mark in re.finditer(r"[\[\]{}]", text):
        depth = depth + 1 if mark[0] in "[{" else max(0, depth - 1)
        deepest = max(deepest, depth)
    return deepest


def read_yaml(text: str, *, where: str) -> Any:
    """Read YAML; raises SpecError that names the line."""
    quick = len(text) > LARGE and hasattr(yaml, "CSafeLoader") and not DEEP.search(text) and _depth(text) < DEEPEST
    try:
        found = yaml.load(text, _quick_loader()) if quick else yaml.load(text, _Loader)
        size = expanded_size(found)
        if size > MOST_NODES:
            raise ValueError(
                f"it has {size:,} values when its aliases are written out, more than the {MOST_NODES:,} that are read"
            )
        return found
    except yaml.MarkedYAMLError as cause:
        mark = cause.problem_mark
        line = f"{where}, line {mark.line + 1}, column {mark.column + 1}" if mark else where
        raise SpecError(
            Problem(where=line, what=str(cause.problem or cause.context), advice="mend the YAML there")
        ) from cause
    except (yaml.YAMLError, RecursionError, ValueError) as cause:
        said = clean(str(cause))[:300]
        raise SpecError(Problem(where=where, what=f"this is no YAML ({said})", advice="mend the YAML")) from cause
    except (AttributeError, KeyError, TypeError, OverflowError) as cause:  # a value that is not what its tag says
        advice = "remove tags such as !!timestamp and !!bool: texts, numbers and truth values are told apart without"
        raise SpecError(Problem(where=where, what="a value is not what its tag says", advice=advice)) from cause


def write_yaml(value: Any) -> str:
    """Write plain values in a stable order; many of them by the compiled writer, which is ten times as quick."""
    quick = expanded_size(value) > MANY and hasattr(yaml, "CSafeDumper")
    dumper = yaml.CSafeDumper if quick else yaml.SafeDumper
    return str(yaml.dump(value, Dumper=dumper, sort_keys=False, allow_unicode=True, width=120))
