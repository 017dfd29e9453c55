"""Every key of the YAML files, as one page: read off the dataclasses that are their schema.

Types and defaults come from the fields, meanings from the comment that stands behind each field.
It knows nothing of what a setting does.
"""

from __future__ import annotations

import ast
import dataclasses
import enum
import inspect
import io
import textwrap
import tokenize
import types
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from testbed.deploy.site import SiteConfig
from testbed.experiments.scenario import Scenario
from testbed.experiments.simulated.settings import SimulatedSettings
from testbed.loop.settings import LoopSettings
from testbed.modes.settings import ModesSettings
from testbed.radio.settings import RadioSettings
from testbed.ran.emulator_config import EmulatorConfig
from testbed.ran.ran_config import RanConfig
from xapp.config import XappConfig

INTRODUCTION = """# Configuration

This page is made of the dataclasses that read the files, by `python -m tests.docs.write_reference`;
a test keeps it so. Every file is YAML. A key that is not known is an error that names those that
are. What has a default may be left out; **needed** has none. A key below another is written with a
dot, and `[]` stands for each item of a list, `*` for each key of a mapping.
"""
ROOT = Path(__file__).resolve().parent.parent.parent
FILES: tuple[tuple[str, str, type], ...] = (
    ("The xApp", "`airsplit xapp --config FILE`; `--check` prints all that is in force.",
     XappConfig),
    ("An emulated cell", "`airsplit ran --config FILE`; an example is "
     "[cell.yaml](../examples/cell.yaml), and `--check` prints all of it.", RanConfig),
    ("A reckoned base station", "`airsplit e2-node --config FILE`, likewise with `--check`.",
     EmulatorConfig),
    ("A virtual radio", "`airsplit radio run --config FILE`, likewise with `--check`.",
     RadioSettings),
    ("A site", "`airsplit deploy render FILE`; an example is [site.yaml](../examples/site.yaml). "
     "`airsplit deploy check FILE` finds what contradicts what.", SiteConfig),
    ("An experiment", "`airsplit experiment run FILE`; `--plan` checks it and lists the trials. "
     "Which `settings` there are depends on the kind, and the "
     "[guide](../guides/researcher.md) has an example.", Scenario),
    ("Settings of the kind `loop`", "Under `settings` and `factors` of an experiment; and "
     "`model`, a checkpoint's folder.", LoopSettings),
    ("Settings of the kind `modes`", "Under `settings` and `factors` of an experiment.",
     ModesSettings),
    ("Settings of the kind `simulated`", "Under `settings` and `factors` of an experiment.",
     SimulatedSettings))
_NAMES = {  # of types that are read from text
    "Snssai": "slice, such as `1` or `1-000001`", "Address": "address of SCTP",
    "IPv4Network": "network of IPv4", "IPv6Network": "network of IPv6"}
_KINDS: Mapping[Any, str] = {int: "whole number", float: "number", str: "text",
                             bool: "true or false", Path: "path", object: "anything",
                             Any: "anything"}


def page() -> str:
    """The page, a section for each file."""
    parts = [INTRODUCTION]
    for title, about, kind in FILES:
        parts += [f"## {title}\n", f"{about}\n"]
        parts += [_table(place, one) for place, one in _sections(kind, "", set())]
    return "\n".join(parts)


def _sections(kind: type, place: str, seen: set[type]) -> Iterator[tuple[str, type]]:
    """A dataclass and those below it, each once, with where it stands in the file."""
    seen.add(kind)
    yield place, kind
    hints = typing.get_type_hints(kind)
    for one in dataclasses.fields(kind):
        for step, inner in _inner(hints[one.name]):
            if inner not in seen:
                yield from _sections(inner, f"{place}.{one.name}{step}".lstrip("."), seen)


def _inner(hint: Any) -> list[tuple[str, type]]:
    """Dataclasses that a value of this type is made of, and how to get to them."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return [found for one in inner for found in _inner(one)]
    if origin in (tuple, frozenset):
        return [(f"[]{step}", kind) for step, kind in _inner(inner[0])]
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return [(f".*{step}", kind) for step, kind in _inner(inner[1])]
    if dataclasses.is_dataclass(hint) and not hasattr(hint, "parse"):
        return [("", typing.cast(type, hint))]
    return []


def _table(place: str, kind: type) -> str:
    about = (inspect.getdoc(kind) or "").partition("\n\n")[0].replace("\n", " ")
    comments = field_comments(kind)
    hints = typing.get_type_hints(kind)
    lines = [f"### {place}\n"] if place else []
    if about != "All of it.":
        lines.append(f"{about}\n")
    lines += ["| Key | Type | Default | Meaning |", "|---|---|---|---|"]
    for one in dataclasses.fields(kind):
        cells = (f"`{one.name}`", _type(hints[one.name]), _default(one),
                 comments.get(one.name, ""))
        lines.append("| " + " | ".join(_cell(text) for text in cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def _type(hint: Any) -> str:
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return ", or ".join(dict.fromkeys(
            _type(one) for one in inner if one is not types.NoneType))
    if origin in (tuple, frozenset):
        return f"list of {_type(inner[0])}"
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return f"mapping of {_type(inner[0])} to {_type(inner[1])}"
    if hint in _KINDS:
        return _KINDS[hint]
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return "one of " + ", ".join(f"`{one.value}`" for one in hint)
    if dataclasses.is_dataclass(hint) and not hasattr(hint, "parse"):
        return "mapping"
    return _NAMES.get(hint.__name__, str(hint.__name__))


def _default(one: dataclasses.Field[Any]) -> str:
    if one.default is not dataclasses.MISSING:
        value = one.default
    elif one.default_factory is not dataclasses.MISSING:
        value = one.default_factory()
    else:
        return "**needed**"
    if any(dataclasses.is_dataclass(part) and not hasattr(type(part), "parse")
           for part in (value if isinstance(value, tuple) else (value,))):
        return "see below"
    return f"`{_written(value)}`" if value is not None else "none"


def _written(value: Any) -> str:
    """A value as YAML has it."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, enum.Enum):
        return str(value.value)
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple | list):
        return "[" + ", ".join(map(_written, value)) + "]"
    if isinstance(value, frozenset):
        return "[" + ", ".join(sorted(map(_written, value))) + "]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_written(a)}: {_written(b)}" for a, b in value.items()) + "}"
    if dataclasses.is_dataclass(value) and not hasattr(type(value), "parse"):
        return "{" + ", ".join(f"{one.name}: {_written(getattr(value, one.name))}"
                               for one in dataclasses.fields(value)) + "}"
    if isinstance(value, Path) and value.is_relative_to(ROOT):
        return str(value.relative_to(ROOT))  # wherever the repository is
    return str(value) if str(value) else '""'


def field_comments(kind: type) -> dict[str, str]:
    """What the source says behind each field, or in lines of their own above it."""
    source = textwrap.dedent(inspect.getsource(kind))
    comments: dict[int, tuple[str, bool]] = {}  # line: text, and whether it stands alone
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            alone = not token.line[:token.start[1]].strip()
            comments[token.start[0]] = token.string.lstrip("# "), alone
    body = ast.parse(source).body[0]
    assert isinstance(body, ast.ClassDef)
    found = {}
    for node in body.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found[node.target.id] = _comment(comments, node.lineno, node.end_lineno or node.lineno)
    return {name: text for name, text in found.items() if text}


def _comment(comments: Mapping[int, tuple[str, bool]], first: int, last: int) -> str:
    behind = [comments[line][0] for line in range(first, last + 1) if line in comments]
    above: list[str] = []
    line = first - 1
    while line in comments and comments[line][1]:
        above.insert(0, comments[line][0])
        line -= 1
    return " ".join(behind or above)
