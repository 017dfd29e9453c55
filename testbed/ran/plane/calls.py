"""The system calls of the loop, callable from compiled code and from plain Python alike.

Compiled code reaches them by their names in the C library, not by an address of this run, so that
it can be kept from one run to the next. Each returns what the C function does: below 0 where it
failed. Pointers are plain numbers, `array.ctypes.data`.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

from pcap_tools.compiled import UNCOMPILED

CLOCK_MONOTONIC, ABSOLUTE_TIME = 1, 1  # TIMER_ABSTIME
DONT_WAIT, REAL_LENGTH = 0x40, 0x20  # MSG_DONTWAIT, MSG_TRUNC
POLL_IN, POLL_ERROR, POLL_INVALID = 1, 8, 32

_INT, _SIZE = "int", "size"
# Name: its result, its arguments.
_CALLS = {
    "read": (_SIZE, (_INT, _SIZE, _SIZE)),
    "write": (_SIZE, (_INT, _SIZE, _SIZE)),
    "sendto": (_SIZE, (_INT, _SIZE, _SIZE, _INT, _SIZE, _INT)),
    "recvmmsg": (_INT, (_INT, _SIZE, _INT, _INT, _SIZE)),
    "sendmmsg": (_INT, (_INT, _SIZE, _INT, _INT)),
    "memcpy": (_SIZE, (_SIZE, _SIZE, _SIZE)),
    "poll": (_INT, (_SIZE, _SIZE, _INT)),
    "clock_gettime": (_INT, (_INT, _SIZE)),
    "clock_nanosleep": (_INT, (_INT, _INT, _SIZE, _SIZE)),
}


def _plain(name: str) -> Callable[..., int]:
    kinds: dict[str, Any] = {_INT: ctypes.c_int, _SIZE: ctypes.c_ssize_t}
    result, arguments = _CALLS[name]
    function = getattr(ctypes.CDLL(None), name)
    function.restype = kinds[result]
    function.argtypes = [kinds[one] for one in arguments]
    return function  # type: ignore[no-any-return]  # ctypes has no types of its own


def _external(name: str) -> Callable[..., int]:
    from numba import types

    kinds: dict[str, Any] = {_INT: types.int32, _SIZE: types.intp}
    result, arguments = _CALLS[name]
    signature = kinds[result](*(kinds[one] for one in arguments))
    return types.ExternalFunction(name, signature)


_made = {name: (_plain if UNCOMPILED else _external)(name) for name in _CALLS}
read, write = _made["read"], _made["write"]
recvmmsg, sendmmsg = _made["recvmmsg"], _made["sendmmsg"]
sendto, memcpy = _made["sendto"], _made["memcpy"]
poll = _made["poll"]
clock_gettime, clock_nanosleep = _made["clock_gettime"], _made["clock_nanosleep"]
