"""Marks the functions that numba compiles; typed, and switched off by one variable.

With AIRSPLIT_UNCOMPILED=1 in the environment they stay plain Python, a hundred times slower and
easy to step through. Compiled code is kept beside the source, or in the user's cache where that
cannot be written; `make setup` compiles it once so that no user waits for it.
"""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

Function = TypeVar("Function", bound=Callable[..., object])
UNCOMPILED = os.environ.get("AIRSPLIT_UNCOMPILED", "") not in ("", "0")
# Files of constants that compiled functions hold copies of.
CONSTANTS = ("packets.py", "flows.py", "features.py", "flow_table.py")


def compiled(function: Function) -> Function:
    """`function`, compiled when it is first called; it runs without Python's lock."""
    return function if UNCOMPILED else _compile(function)


def inlined(function: Function) -> Function:
    """A small function of the compiled ones: no call is left of it."""
    return function if UNCOMPILED else _compile(function, inline="always")


def arithmetic(function: Function) -> Function:
    """Compiled for sums whose order the processor may choose; no NaN is told apart."""
    return function if UNCOMPILED else _compile(function, fastmath=True)


def _compile(function: Function, **options: Any) -> Function:
    import numba

    dispatcher = numba.njit(cache=True, nogil=True, **options)(function)
    # Numba looks at a function's own file only, and would keep what it called before a change.
    kept = dispatcher._cache._cache_file
    kept._source_stamp = (kept._source_stamp, _sources(Path(function.__code__.co_filename).parent))
    return cast(Function, dispatcher)


@functools.cache
def _sources(folder: Path) -> str:
    """A digest of all that compiled functions of this package are made of."""
    digest = hashlib.sha256()
    for file in sorted(folder.glob("*.py")):
        source = file.read_bytes()
        if b"pcap_tools.compiled" in source or file.name in CONSTANTS:
            digest.update(file.name.encode() + b"\0" + source)
    return digest.hexdigest()
