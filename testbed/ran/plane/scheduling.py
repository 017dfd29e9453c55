"""How the loop's thread is scheduled: SCHED_FIFO where that is permitted, and told where not."""

from __future__ import annotations

import ctypes

from pcap_tools.scheduling import put_ahead

_TIMER_SLACK = 29  # PR_SET_TIMERSLACK of prctl(2)
_NANOSECOND = 1


def urgent(priority: int) -> str:
    """Schedule this thread before all ordinary ones, if that is permitted; what it is now."""
    # Ordinary threads are woken up to 50 microseconds late to save power; not this one.
    ctypes.CDLL(None).prctl(_TIMER_SLACK, _NANOSECOND, 0, 0, 0)
    found = put_ahead(priority)
    return f"SCHED_FIFO {found.priority}" if found.priority else f"ordinary: {found.why}"


def ordinary() -> str:
    """As asked for: no priority."""
    return "ordinary: as configured"
