"""Processes that each do one task after another; what they give comes in the order of the tasks.

Written by hand because the standard library's pool, up to Python 3.13, can wait without end for a
worker that it starts while another one dies. Here one thread starts workers, gives out tasks and
notices deaths. Nothing is locked that a killed process could leave locked. It does not know what
the tasks are.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, TypeVar, cast

from pcap_tools.errors import PcapError

Task = TypeVar("Task")
Result = TypeVar("Result")
Moved = Callable[[int], bool]  # is told of progress, and says whether to go on
Work = Callable[[Task, Moved], Result]


class Progress:
    """What all processes have done so far, and whether they are to go on."""

    def __init__(self, workers: int) -> None:
        # Not forked: a copy of a process with threads may hold locks that nobody will open.
        self.context = multiprocessing.get_context("spawn")
        # Each writes a number of its own, so no lock is needed; the first one says "no more".
        self.shared = self.context.RawArray("q", workers + 1)

    @property
    def position(self) -> int:
        return sum(self.shared[1:])

    def end(self) -> None:
        self.shared[0] = 1

    def moved(self, count: int, worker: int = 0) -> bool:
        self.shared[1 + worker] += count
        return not self.shared[0]


class Workers(Generic[Task, Result]):
    """Iterate over it once; `close` in any case."""

    def __init__(self, work: Work[Task, Result], tasks: Sequence[Task], count: int,
                 progress: Progress) -> None:
        self._tasks, self._progress = tasks, progress
        self._processes: list[Any] = []
        self._of: dict[Connection, Any] = {}
        for number in range(min(count, len(tasks))):
            ours, theirs = progress.context.Pipe()
            process = progress.context.Process(
                target=_serve, args=(theirs, work, progress.shared, number), daemon=True)
            process.start()
            theirs.close()  # so that its end is noticed
            self._processes.append(process)
            self._of[ours] = process

    def __iter__(self) -> Iterator[Result]:
        idle, busy = list(self._of), dict[Connection, int]()
        done: dict[int, Result] = {}
        given = 0
        for number in range(len(self._tasks)):
            while number not in done:
                while idle and given < len(self._tasks):
                    self._give(idle[-1], self._tasks[given])
                    busy[idle.pop()] = given
                    given += 1
                for ready in wait(list(busy)):
                    connection = cast(Connection, ready)
                    done[busy.pop(connection)] = self._take(connection)
                    idle.append(connection)
            yield done.pop(number)

    def close(self) -> None:
        """End them, whatever they are doing."""
        self._progress.end()
        for connection in self._of:
            connection.close()
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.join()
            process.close()
        self._processes.clear()

    def _give(self, connection: Connection, task: Task) -> None:
        try:
            connection.send(task)
        except OSError as error:
            raise self._ended(connection) from error

    def _take(self, connection: Connection) -> Result:
        try:
            return cast(Result, connection.recv())
        except (EOFError, OSError) as error:
            raise self._ended(connection) from error

    def _ended(self, connection: Connection) -> PcapError:
        process = self._of[connection]
        process.join()
        if process.exitcode < 0:
            return PcapError("A process that read captures was killed, perhaps for want of memory.",
                             "Use fewer processes, or one.")
        return PcapError(f"A process that read captures failed (exit code {process.exitcode}).",
                         "What it printed says why; one process may get further.")


def _serve(connection: Connection, work: Work[Task, Result], shared: Any, number: int) -> None:
    """In a worker: tasks until there are no more. Ctrl-C is the parent's to handle."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def moved(count: int) -> bool:
        shared[1 + number] += count
        return not shared[0]

    with connection:
        try:
            while True:
                connection.send(work(connection.recv(), moved))
        except (EOFError, BrokenPipeError):
            return  # the parent wants no more
