"""Marks what numba compiles here; kept beside the source until anything that it calls changes.

The loop holds compiled copies of the scheduler's functions and of `pcap_tools`' loads of bytes, so
its stamp covers those files too. AIRSPLIT_UNCOMPILED=1 leaves all of it plain Python.
"""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path
from typing import Any, cast

from pcap_tools.compiled import UNCOMPILED, Function

_FOLDER = Path(__file__).resolve().parent
_ELSEWHERE = (_FOLDER.parents[2] / "pcap_tools" / "octets.py",)


def compiled(function: Function) -> Function:
    """`function`, compiled when it is first called; it runs without Python's lock."""
    if UNCOMPILED:
        return function
    import numba

    dispatcher: Any = numba.njit(cache=True, nogil=True)(function)
    kept = dispatcher._cache._cache_file  # as in `pcap_tools.compiled`
    kept._source_stamp = (kept._source_stamp, _sources())
    return cast(Function, dispatcher)


@functools.cache
def _sources() -> str:
    digest = hashlib.sha256()
    ours = (*sorted(_FOLDER.glob("*.py")), *sorted((_FOLDER.parent / "mac").glob("*.py")))
    for file in (*ours, *_ELSEWHERE):
        source = file.read_bytes()
        if b"compiled" in source or b"memory" in source or file in _ELSEWHERE:
            digest.update(file.name.encode() + b"\0" + source)
    return digest.hexdigest()
