"""Marks the functions that numba compiles; typed, and switched off by one variable.

With AIRSPLIT_UNCOMPILED=1 in the environment they stay plain Python, a hundred times slower and
easy to step through. Compiled code is kept beside the source, or in the user's cache where that
cannot be written; `make setup` compiles it once so that no user waits for it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeVar, cast

Function = TypeVar("Function", bound=Callable[..., object])
UNCOMPILED = os.environ.get("AIRSPLIT_UNCOMPILED", "") not in ("", "0")


def compiled(function: Function) -> Function:
    """`function`, compiled when it is first called; it runs without Python's lock."""
    if UNCOMPILED:
        return function
    import numba

    return cast(Function, numba.njit(cache=True, nogil=True)(function))


def inlined(function: Function) -> Function:
    """A small function of the compiled ones: no call is left of it."""
    if UNCOMPILED:
        return function
    import numba

    return cast(Function, numba.njit(cache=True, nogil=True, inline="always")(function))
