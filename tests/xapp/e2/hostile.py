"""Bytes as strangers send them: cut short, with bits turned, and at random.

`assault` asserts what every decoder must do with them: a value or one ProtocolError, and within
what is promised. `soonest` is for a decoder of another shape.
"""

from __future__ import annotations

import contextlib
import gc
import random
import time
from collections.abc import Callable, Iterator, Sequence

from xapp.errors import ProtocolError

PROMISED_SECONDS = 0.010  # of the processor, that no PDU takes, however damaged
TRIES = 3  # where it took longer: tests share their processor and its caches


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


def soonest(decode: Callable[[bytes], object], data: bytes) -> float:
    """The processor's seconds that it takes; the least of three where the first are too many."""
    least = float("inf")
    for _ in range(TRIES):
        began = time.thread_time()
        with contextlib.suppress(ProtocolError):
            decode(data)
        least = min(least, time.thread_time() - began)
        if least < PROMISED_SECONDS:
            break
    return least


def assault(decode: Callable[[bytes], object], many: Iterator[bytes],
            promised: float = PROMISED_SECONDS) -> float:
    """Decode them all; the seconds of the slowest."""
    slowest = 0.0
    gc.disable()  # a collection of the whole suite's objects is no part of a decoder's time
    try:
        for data in many:
            took = soonest(decode, data)
            assert took < promised, f"{took * 1000:.1f} ms for {len(data)} bytes {data[:64].hex()}"
            slowest = max(slowest, took)
    finally:
        gc.enable()
    return slowest
