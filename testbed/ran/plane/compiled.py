"""Marks what numba compiles here; kept beside the source until anything that it calls changes.

The loop holds compiled copies of the scheduler's functions and of `pcap_tools`' loads of bytes, so
its stamp covers those files too. AIRSPLIT_UNCOMPILED=1 leaves all of it plain Python.

Three things keep the first start short, where numba would compile for minutes. A function is
compiled once for all whole numbers: numba takes each constant for a type of its own. What only
compiled functions call has no entry for Python. And nothing is counted: all memory is the caller's,
which outlives the call, so a function that is marked here makes and gives back no array.
"""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path
from typing import Any, cast

from pcap_tools.compiled import UNCOMPILED, Function

_FOLDER = Path(__file__).resolve().parent
_ELSEWHERE = (_FOLDER.parents[2] / "pcap_tools" / "octets.py",)
# For what is compiled in place of another function, too.
OPTIONS: dict[str, Any] = {"nogil": True, "_nrt": False, "no_cfunc_wrapper": True}


def compiled(function: Function) -> Function:
    """`function`, compiled when it is first called; it runs without Python's lock."""
    return function if UNCOMPILED else _compile(function)


def inner(function: Function) -> Function:
    """The same for what compiled functions alone call: Python cannot."""
    return function if UNCOMPILED else _compile(function, no_cpython_wrapper=True)


def _compile(function: Function, **options: Any) -> Function:
    import numba

    dispatcher: Any = numba.njit(cache=True, **OPTIONS, **options)(function)
    kept = dispatcher._cache._cache_file  # as in `pcap_tools.compiled`
    kept._source_stamp = (kept._source_stamp, _sources())
    narrow = dispatcher.get_call_template
    dispatcher.get_call_template = lambda args, kws: narrow(
        tuple(_widened(one) for one in args), kws)
    return cast(Function, dispatcher)


def _widened(kind: Any) -> Any:
    """The type that a compiled function takes in place of an argument's own."""
    from numba import types

    plain = types.unliteral(kind)  # type: ignore[no-untyped-call]  # numba's own
    return types.int64 if isinstance(plain, types.Integer) else plain


@functools.cache
def _sources() -> str:
    digest = hashlib.sha256()
    ours = (*sorted(_FOLDER.glob("*.py")), *sorted((_FOLDER.parent / "mac").glob("*.py")))
    for file in (*ours, *_ELSEWHERE):
        source = file.read_bytes()
        if b"compiled" in source or b"memory" in source or file in _ELSEWHERE:
            digest.update(file.name.encode() + b"\0" + source)
    return digest.hexdigest()
