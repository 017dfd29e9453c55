"""Which radio the loop has: the scheduler, or one that carries all at once.

`enqueue` and `run_slot` are the loop's names for both; compiled code takes the one that belongs to
the memory that it was given, once and for all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pcap_tools.compiled import UNCOMPILED
from testbed.ran.mac import kernel
from testbed.ran.mac.state import Mac
from testbed.ran.plane import air as through
from testbed.ran.plane.air import Air
from testbed.ran.plane.compiled import OPTIONS

Radio = Air | Mac


def enqueue(radio: Radio, bearer: int, direction: int, packet: int, size: int, now: int) -> int:
    """0, or the reason why the packet is not taken."""
    if isinstance(radio, Mac):
        return kernel.enqueue(radio, bearer, direction, packet, size, now)
    return through.enqueue(radio, bearer, direction, packet, size, now)


def run_slot(radio: Radio, slot: int, now: int) -> None:
    """Let a slot pass."""
    if isinstance(radio, Mac):
        kernel.run_slot(radio, slot, now)
    else:
        through.run_slot(radio, slot, now)


def _overload() -> None:
    """Tell the compiler what the two functions above are, by the type of the memory."""
    from numba.extending import overload

    options: Any = OPTIONS | {"no_cpython_wrapper": True}

    @overload(enqueue, strict=False, jit_options=options)  # annotations differ, names do not
    def _(radio: Any, bearer: Any, direction: Any, packet: Any, size: Any, now: Any,
          ) -> Callable[..., int]:
        taken = kernel.enqueue if radio.instance_class is Mac else through.enqueue
        return lambda radio, bearer, direction, packet, size, now: taken(
            radio, bearer, direction, packet, size, now)

    @overload(run_slot, strict=False, jit_options=options)  # as above
    def _(radio: Any, slot: Any, now: Any) -> Callable[..., None]:
        passed = kernel.run_slot if radio.instance_class is Mac else through.run_slot
        return lambda radio, slot, now: passed(radio, slot, now)


if not UNCOMPILED:
    _overload()
