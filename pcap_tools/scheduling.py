"""How threads are scheduled: ahead of ordinary ones where that is permitted, and told where not.

    found = put_ahead(10)                # this thread, with SCHED_FIFO
    found = put_ahead(10, thread)        # another of this process, by its native id
    bound_spinning(1.0)                  # SIGXCPU after so long without a pause

Processes and threads that such a thread starts are ordinary ones. A thread that never pauses would
keep ordinary ones off its processor; the kernel leaves them 5 % of it (`sched_rt_runtime_us`, or
its fair server), and whoever takes SIGXCPU can do better. It decides nothing.
"""

from __future__ import annotations

import os
import resource
from dataclasses import dataclass

REFUSED = "SCHED_FIFO needs root, CAP_SYS_NICE or a limit of `rtprio`"


@dataclass(frozen=True, slots=True)
class Scheduled:
    """What a thread has got."""

    priority: int = 0  # of SCHED_FIFO or SCHED_RR; 0: it is an ordinary one
    why: str = ""  # where it has none

    def __str__(self) -> str:
        return (f"a real-time priority of {self.priority}" if self.priority
                else f"no real-time priority: {self.why}")


def put_ahead(priority: int, thread: int = 0) -> Scheduled:
    """Have a thread, 0 for this one, run before all ordinary ones, if that is permitted."""
    if not hasattr(os, "sched_setscheduler"):
        return Scheduled(why="this system has no SCHED_FIFO")
    try:
        os.sched_setscheduler(thread, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK,
                              os.sched_param(priority))
    except PermissionError:
        return Scheduled(why=REFUSED)
    return Scheduled(priority)


def put_back(thread: int = 0) -> None:
    """Have a thread be an ordinary one again; that is always permitted."""
    os.sched_setscheduler(thread, os.SCHED_OTHER | os.SCHED_RESET_ON_FORK, os.sched_param(0))


def priority_of(thread: int = 0) -> int:
    """A thread's real-time priority; 0 where it is an ordinary one."""
    return os.sched_getparam(thread).sched_priority if hasattr(os, "sched_getparam") else 0


def bound_spinning(seconds: float | None) -> None:
    """Have the kernel send SIGXCPU to this process when a thread with a real-time priority has
    computed for so long without a pause, and each second from then on; None: never."""
    _, hard = resource.getrlimit(resource.RLIMIT_RTTIME)
    soft = resource.RLIM_INFINITY if seconds is None else round(seconds * 1e6)
    if hard != resource.RLIM_INFINITY and (soft == resource.RLIM_INFINITY or soft > hard):
        soft = hard
    resource.setrlimit(resource.RLIMIT_RTTIME, (soft, hard))
