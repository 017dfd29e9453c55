"""The encodings of activation rows, by name and by number on the wire. Light: loads none of them.

A new encoding is one file beside this one, with `create`, and one line in `ENTRIES`. A name may
carry a parameter after a colon, as `topk:64` or `delta:int4`. It does not know what is inside.
"""

from __future__ import annotations

import functools
import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_server.errors import ConfigurationError, FrameError

if TYPE_CHECKING:
    from edge_server.encodings.encoding import Encoding


@dataclass(frozen=True)
class Entry:
    """One encoding: what it is called, and where it is found when it is needed."""

    code: int  # first byte of a payload that it made; never given to another
    name: str
    module: str
    summary: str  # for a person who chooses


ENTRIES = (
    Entry(0, "raw", "edge_server.encodings.raw", "rows as they are"),
    Entry(1, "int8", "edge_server.encodings.int8", "8 bits in groups of 128, a scale each"),
    Entry(2, "int8-outliers", "edge_server.encodings.int8_outliers",
          "8 bits a token, its 16 largest channels as they are"),
    Entry(3, "int4", "edge_server.encodings.int4", "4 bits in groups of 32, a scale each"),
    Entry(4, "topk", "edge_server.encodings.topk",
          "the K largest channels as they are, the others 0; topk:K, by default a quarter"),
    Entry(5, "delta", "edge_server.encodings.delta",
          "differences to the row before, in int8 or another: delta:int4"),
    Entry(6, "lossless", "edge_server.encodings.lossless", "exponents compressed, nothing lost"),
)
RAW = "raw"
NAMES = tuple(entry.name for entry in ENTRIES)
_BY_NAME = {entry.name: entry for entry in ENTRIES}
_BY_CODE = {entry.code: entry for entry in ENTRIES}


@functools.lru_cache(maxsize=64)  # a peer names a few; the bound is for one that tries all
def by_name(name: str) -> Encoding:
    """The encoding that a person calls `name`; raises `ConfigurationError` where there is none."""
    kind, colon, parameter = name.partition(":")
    entry = _BY_NAME.get(kind)
    if entry is None or (colon and not parameter):
        raise ConfigurationError(f"There is no encoding {name!r}.",
                                 f"Choose one of {', '.join(NAMES)}.")
    return _create(entry, parameter)


@functools.lru_cache(maxsize=64)
def by_code(code: int, parameter: int = 0) -> Encoding:
    """The encoding of that number on the wire; raises `FrameError` where there is none.

    Whatever reads a payload needs no `parameter`: it is in there.
    """
    entry = _BY_CODE.get(code)
    if entry is None:
        raise FrameError(f"There is no encoding of rows with the number {code}.",
                         "Install the same version on both sides.")
    try:
        return _create(entry, str(parameter) if parameter else "")
    except ConfigurationError as error:
        raise FrameError(error.problem, error.remedy) from error


def _create(entry: Entry, parameter: str) -> Encoding:
    encoding: Encoding = importlib.import_module(entry.module).create(parameter)
    assert encoding.code == entry.code, f"{entry.module} has another number than its entry"
    return encoding
