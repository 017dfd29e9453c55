"""Integers out of a buffer, in either byte order, for compiled and plain code alike.

Everything is widened to signed 64 bits first: mixed signs would become floats when compiled, and
narrow ones wrap around when not. Nothing here checks bounds; callers have.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pcap_tools.compiled import inlined


@inlined
def read_u16(data: NDArray[np.uint8], at: int, big: bool) -> int:
    """The 16-bit unsigned integer at `at`."""
    first, second = np.int64(data[at]), np.int64(data[at + 1])
    if big:
        return first << 8 | second  # type: ignore[return-value]  # numpy's integer serves as one
    return first | second << 8  # type: ignore[return-value]  # the same


@inlined
def read_u32(data: NDArray[np.uint8], at: int, big: bool) -> int:
    """The 32-bit unsigned integer at `at`."""
    first, second = np.int64(data[at]), np.int64(data[at + 1])
    third, fourth = np.int64(data[at + 2]), np.int64(data[at + 3])
    if big:
        return first << 24 | second << 16 | third << 8 | fourth  # type: ignore[return-value]
    return first | second << 8 | third << 16 | fourth << 24  # type: ignore[return-value]
