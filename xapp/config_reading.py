"""A YAML document as a tree of frozen dataclasses: every key known, every value of its type.

    config = build(XappConfig, yaml_document("xapp.yaml"))

The dataclasses are the schema: a field's annotation says what is read, and its default what is
taken where nothing is said. What is wrong is named by its place. It knows none of the dataclasses.
"""

from __future__ import annotations

import dataclasses
import enum
import ipaddress
import re
import types
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml

from xapp.errors import ConfigurationError, XappError

MOST_BYTES = 1 << 20  # of a file; one that says everything has some kilobytes
T = TypeVar("T")
_Parse = Callable[[str], Any]
_TAG = "tag:yaml.org,2002:"


class _Loader(yaml.SafeLoader):
    """YAML 1.2's plain words: `on` is a name, 00101 keeps its zeros, 11.52e6 is a number."""

    yaml_implicit_resolvers = {  # noqa: RUF012  # so PyYAML has it, and copies it to add to it
        first: [one for one in found if one[0] not in (f"{_TAG}bool", f"{_TAG}int", f"{_TAG}float")]
        for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()}


_Loader.add_implicit_resolver(
    f"{_TAG}bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))
_Loader.add_implicit_resolver(
    f"{_TAG}int", re.compile(r"^(?:[-+]?(?:0|[1-9][0-9]*)|0x[0-9a-fA-F]+)$"),
    list("-+0123456789"))
_Loader.add_implicit_resolver(
    f"{_TAG}float", re.compile(
        r"^(?:[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*)(?:[eE][-+]?[0-9]+)?|[-+]?[0-9]+[eE][-+]?[0-9]+"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"), list("-+0123456789."))


def yaml_document(path: Path) -> Mapping[str, Any]:
    """The mapping that a file holds."""
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}.",
                                 "Name a configuration with --config FILE.") from error
    if len(data) > MOST_BYTES:
        raise ConfigurationError(f"{path} has more than 1 MiB.", "It is no configuration.")
    try:
        document = yaml.load(data, _Loader)  # which is a safe one
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise ConfigurationError(f"{path} is no YAML: {' '.join(str(error).split())[:300]}.",
                                 "Correct it there.") from error
    if document is None:
        return {}
    if not isinstance(document, Mapping):
        raise ConfigurationError(f"{path} holds no mapping.", "Write lines of NAME: VALUE.")
    return document


def build(kind: type[T], document: Mapping[str, Any], place: str = "") -> T:
    """A `kind` of what `document` says."""
    fields = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]  # every caller's is one
    hints = typing.get_type_hints(kind)
    values: dict[str, Any] = {}
    for name, value in document.items():
        where = f"{place}.{name}" if place else str(name)
        if name not in fields:
            raise ConfigurationError(f"There is no setting {where!r}.",
                                     f"There are {', '.join(fields)}.")
        values[name] = _read(hints[name], value, where)
    try:
        return kind(**values)
    except TypeError as error:
        missing = [name for name, one in fields.items() if name not in values
                   and one.default is one.default_factory is dataclasses.MISSING]
        problem = f"it has no {', '.join(f'`{name}`' for name in missing)}" if missing else error
        raise ConfigurationError(f"{place or 'The configuration'} is not complete: {problem}.",
                                 "Add what is missing.") from None
    except XappError as error:
        if place and place not in error.problem:
            raise type(error)(f"{place}: {error.problem}", error.remedy) from error
        raise


def _read(hint: Any, value: Any, place: str) -> Any:
    if hint is object:  # for somebody else to read
        return value
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _union(inner, value, place)
    if origin in (tuple, frozenset):
        if not isinstance(value, list):
            raise _wrong(place, "a list", value)
        return origin(_read(inner[0], one, f"{place}[{number}]")
                      for number, one in enumerate(value))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            raise _wrong(place, "a mapping", value)
        return {_read(inner[0], name, place): _read(inner[1], one, f"{place}.{name}")
                for name, one in value.items()}
    if isinstance(hint, type):
        return _single(hint, value, place)
    raise AssertionError(f"{hint} is no type that a configuration may have")


def _union(kinds: tuple[Any, ...], value: Any, place: str) -> Any:
    if value is None and type(None) in kinds:
        return None
    wanted = [kind for kind in kinds if kind is not type(None)]
    if all(kind in _NETWORKS for kind in wanted):
        what = "a network such as 10.45.0.0/16"
        if not isinstance(value, str):  # a number would be taken for an address
            raise _wrong(place, what, value)
        return _parsed(ipaddress.ip_network, what, value, place)
    return _read(wanted[0], value, place)


_NETWORKS = (ipaddress.IPv4Network, ipaddress.IPv6Network)


def _single(kind: type, value: Any, place: str) -> Any:
    if kind is bool or isinstance(value, bool):
        if kind is not bool or not isinstance(value, bool):
            raise _wrong(place, _name(kind), value)
        return value
    if kind is float and isinstance(value, int | float):
        if value != value or abs(value) == float("inf"):
            raise _wrong(place, "a number", value)
        return float(value)
    if kind is int and isinstance(value, int):
        return value
    if kind is str and isinstance(value, str | int):
        return str(value)  # 00101 and 1 are written without quotes
    if kind is Path and isinstance(value, str):
        return Path(value).expanduser()
    if issubclass(kind, enum.Enum):
        names = ", ".join(str(one.value) for one in kind)
        return _parsed(kind, f"one of {names}", value, place)
    parse = getattr(kind, "parse", None)
    if parse is not None and isinstance(value, str | int):
        return _parsed(parse, _name(kind), str(value), place)
    if dataclasses.is_dataclass(kind) and isinstance(value, Mapping):
        return build(kind, value, place)
    raise _wrong(place, _name(kind), value)


def _parsed(parse: Callable[[Any], Any], what: str, value: Any, place: str) -> Any:
    try:
        return parse(value)
    except ValueError:
        raise _wrong(place, what, value) from None
    except XappError as error:
        raise ConfigurationError(f"{place}: {error.problem}", error.remedy) from None


def _name(kind: type) -> str:
    names = {int: "a whole number", float: "a number", str: "text", bool: "true or false",
             Path: "a path"}
    return names.get(kind) or ("a mapping" if dataclasses.is_dataclass(kind) else kind.__name__)


def _wrong(place: str, what: str, value: Any) -> ConfigurationError:
    return ConfigurationError(f"{place} is {what}, and {str(value)[:60]!r} is none.",
                              "Correct it in the configuration.")
