"""Real-time priority of the xApp's loop, and of the thread on whose commit each control waits.

    urgency = Urgency(config, loop, tell)
    urgency.take((store.thread,))        # where it is permitted; the log says what it got
    urgency.close()

On a machine that is busy with other work the loop then waits for none of it. The REST API's
process, and threads that write the log, a capture or checkpoints, stay ordinary ones. A loop that
computes without a pause for too long (RLIMIT_RTTIME) is made an ordinary one for a while, so that
it takes nobody's processor; should it not even get to that, as it hangs in a library, the kernel
leaves 5 % of that one processor to others. What was given from outside (`chrt`) is kept as it is.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pcap_tools.scheduling import Scheduled, bound_spinning, priority_of, put_ahead, put_back
from xapp.errors import ConfigurationError
from xapp.events import Code, Event, info, warning

MOST_PRIORITY = 98  # 99 is for the kernel's own
AGAIN_SECONDS = 60.0  # for which a loop that spun stays an ordinary one
_log = logging.getLogger("xapp")


@dataclass(frozen=True)
class SchedulingConfig:
    """How the loop is scheduled beside other programs."""

    real_time: bool = True  # ask for SCHED_FIFO
    priority: int = 10  # of SCHED_FIFO, 1 to 98; an emulated cell on the same machine has 20
    longest: float = 1.0  # seconds of computing without a pause; then it is an ordinary one

    def __post_init__(self) -> None:
        if not 1 <= self.priority <= MOST_PRIORITY:
            raise ConfigurationError(f"{self.priority} is no real-time priority.",
                                     f"Give 1 to {MOST_PRIORITY}; 10 is well.")
        if self.longest < 0.05:
            raise ConfigurationError("scheduling.longest is at least 0.05 seconds.",
                                     "Leave it out for 1.")


class Urgency:
    """Of one loop, in the main thread."""

    def __init__(self, config: SchedulingConfig, loop: asyncio.AbstractEventLoop,
                 tell: Callable[[Event], None]) -> None:
        self._config, self._loop, self._tell = config, loop, tell
        self._threads: tuple[int, ...] = ()
        self._given = False
        self._timer: asyncio.TimerHandle | None = None
        self.got = Scheduled(why="nothing was asked for")

    def take(self, threads: Sequence[int]) -> None:
        """From now on, for this thread and `threads`."""
        self._given = priority_of() > 0
        self._threads = (0, *threads)
        if self._given:
            self.got = Scheduled(priority_of())
            _log.info("The loop keeps the real-time priority that it was given, %d.",
                      self.got.priority)
        elif self._config.real_time:
            self._ask()
            if self.got.priority:
                signal.signal(signal.SIGXCPU, lambda number, frame: self._spun())
            _log.info("The loop has %s.", self.got)
        else:
            self.got = Scheduled(why="as configured")

    def close(self) -> None:
        """What ends is not urgent."""
        if self._timer is not None:
            self._timer.cancel()
        if not self._given and self.got.priority:
            self._give_up()
        if signal.getsignal(signal.SIGXCPU) not in (signal.SIG_DFL, signal.SIG_IGN):
            bound_spinning(None)
            signal.signal(signal.SIGXCPU, signal.SIG_DFL)

    def _ask(self) -> None:
        for thread in self._threads:
            self.got = put_ahead(self._config.priority, thread)
            if not self.got.priority:
                return
        bound_spinning(self._config.longest)

    def _give_up(self) -> None:
        for thread in self._threads:
            put_back(thread)
        self.got = Scheduled(why="it computed for too long without a pause")

    def _spun(self) -> None:
        """In the middle of whatever takes so long."""
        if self.got.priority:
            self._give_up()
            self._loop.call_soon_threadsafe(self._told)

    def _told(self) -> None:
        self._tell(warning(
            Code.SPUN, f"The loop computed for {self._config.longest:g} s without a pause. So that "
            f"it takes nobody's processor, it has no real-time priority for {AGAIN_SECONDS:g} s."))
        self._timer = self._loop.call_later(AGAIN_SECONDS, self._again)

    def _again(self) -> None:
        self._ask()
        self._tell(info(Code.URGENT, f"The loop has {self.got} again."))
