"""Bytes as strangers send them: cut short, with bits turned, and at random.

`assault` asserts what every decoder must do with them: a value or one ProtocolError, and soon.
"""

from __future__ import annotations

import contextlib
import gc
import random
import time
from collections.abc import Callable, Iterator, Sequence

from xapp.errors import ProtocolError

HANG_SECONDS = 0.1  # of the processor; ten times what is promised: tests share theirs


def truncations(data: bytes) -> Iterator[bytes]:
    for size in range(len(data)):
        yield data[:size]


def flips(data: bytes, most: int = 1000, seed: int = 7) -> Iterator[bytes]:
    """The data with one bit turned: each bit, or so many of them."""
    places: Sequence[int] = range(len(data) * 8)
    if len(places) > most:
        places = sorted(random.Random(seed).sample(places, most))
    for place in places:
        turned = bytearray(data)
        turned[place >> 3] ^= 1 << (place & 7)
        yield bytes(turned)


def assault(decode: Callable[[bytes], object], many: Iterator[bytes]) -> float:
    """Decode them all; the seconds of the slowest."""
    slowest = 0.0
    gc.disable()  # a collection of the whole suite's objects is no part of a decoder's time
    try:
        for data in many:
            began = time.thread_time()
            with contextlib.suppress(ProtocolError):
                decode(data)
            slowest = max(slowest, time.thread_time() - began)
    finally:
        gc.enable()
    assert slowest < HANG_SECONDS
    return slowest
