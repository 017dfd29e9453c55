"""The loop's programs as processes: each with a log, a sign that it is ready, and an orderly end.

It knows programs by their command lines, as a user does.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from testbed.errors import TestbedFailure

AIRSPLIT = (sys.executable, "-m", "testbed.cli")
END_SECONDS = 15.0  # for a program to end in order
LOOK_SECONDS = 0.05
LINES = 5  # of a log, in an error
PR_SET_PDEATHSIG = 1
LEAST_FREE = 1 << 16  # bytes; with less, what programs write is lost
DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.ENOTDIR,
               errno.EEXIST)


def ending_with(parent: int) -> Callable[[], None]:
    """For a child: it is asked to end when its parent is gone, even if that was killed."""
    prctl = ctypes.CDLL(None).prctl  # looked up here, since little may be done after a fork

    def ask() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)

    return ask


def _keep_niceness(process: int) -> None:
    """Have a program that leads a session come before or after others as this one does.

    Linux gives each session a group of its own (autogroup), and niceness then counts within it
    only: a loop started with `nice -n -15` had its parts share the machine as if it was not.
    """
    niceness = os.getpriority(os.PRIO_PROCESS, 0)
    if niceness:
        with contextlib.suppress(OSError):  # no such groups here, or not permitted: it runs as well
            Path(f"/proc/{process}/autogroup").write_text(str(niceness), encoding="ascii")


class Part:
    """A program that runs."""

    def __init__(self, name: str, command: Sequence[str], log: Path,
                 ending: signal.Signals | None = signal.SIGTERM,
                 keep_output: Path | None = None, end_seconds: float = END_SECONDS) -> None:
        """`ending` asks it to end; None: the end of its input does."""
        self.name, self.log, self._ending = name, log, ending
        self._end_seconds = end_seconds
        with log.open("wb") as errors, contextlib.ExitStack() as stack:
            output = errors if keep_output is None else stack.enter_context(keep_output.open("wb"))
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=output,
                                            stderr=errors, start_new_session=True,
                                            preexec_fn=ending_with(os.getpid()))
        _keep_niceness(self.process.pid)

    def check(self) -> None:
        """Raise if it has ended."""
        if self.process.poll() is not None:
            raise TestbedFailure(
                f"{self.name} ended with status {self.process.returncode}: {self.tail()}",
                self._remedy())

    def tail(self) -> str:
        lines = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return " | ".join(lines[-LINES:]) or "it said nothing."

    def _remedy(self) -> str:
        """On a full disk a program cannot even say why it ended."""
        if shutil.disk_usage(self.log.parent).free < LEAST_FREE:
            return f"The disk is full: make room where {self.log.parent} is."
        return f"Its log is {self.log}."

    def order(self, line: str) -> None:
        """A line on its input."""
        assert self.process.stdin is not None  # it was asked for
        try:
            self.process.stdin.write(line.encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            self.check()
            raise TestbedFailure(f"{self.name} takes no orders: {self.tail()}",
                                 f"Its log is {self.log}.") from None

    def stop(self) -> None:
        """End it in order, else at once."""
        self.ask_to_end()
        self.wait()

    def ask_to_end(self) -> None:
        if self.process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.close()
        if self.process.poll() is None and self._ending is not None:
            self.process.send_signal(self._ending)

    def wait(self) -> None:
        """Until it has ended; at once where it takes too long, which its log tells."""
        try:
            self.process.wait(self._end_seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            with contextlib.suppress(OSError), self.log.open("a", encoding="utf-8") as log:
                log.write(f"{self.name} was asked to end, and killed {self._end_seconds:g} s "
                          "later.\n")


def wait_until(ready: Callable[[], bool], parts: Sequence[Part], seconds: float,
               what: str) -> None:
    """Until something is so, as long as all parts live."""
    deadline = time.monotonic() + seconds
    while not ready():
        for one in parts:
            one.check()
        if time.monotonic() > deadline:
            logs = "; ".join(f"{one.name}: {one.tail()}" for one in parts)
            raise TestbedFailure(f"{what} did not come within {seconds:g} s.", logs)
        time.sleep(LOOK_SECONDS)


def answers(url: str) -> bool:
    """Whether an address answers with success."""
    try:
        with urllib.request.urlopen(url, timeout=2) as reply:
            return bool(reply.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def in_namespace(namespace: str, command: Sequence[str]) -> list[str]:
    return ["ip", "netns", "exec", namespace, *command]


@contextlib.contextmanager
def written_to(folder: Path) -> Iterator[None]:
    """What is made in a folder: a full disk, or one that is not ours, is told in one line."""
    try:
        yield
    except OSError as error:
        if error.errno not in DISK_ERRORS:
            raise
        raise TestbedFailure(f"{error.filename or folder} cannot be written: {error.strerror}.",
                             "Make room there, or give another folder with --out.") from error


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """A Ctrl-C or SIGTERM more does not keep from cleaning up what the first one ended."""
    if threading.current_thread() is not threading.main_thread():  # Python allows no handler there
        yield
        return
    before = {one: signal.signal(one, signal.SIG_IGN) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def stop_all(groups: Sequence[Sequence[Part]]) -> None:
    """Groups one after another, the parts of each at the same time."""
    for group in groups:
        for one in group:
            one.ask_to_end()
        for one in group:
            one.wait()


@contextlib.contextmanager
def running(part: Part) -> Iterator[Part]:
    """A part that ends with the block."""
    try:
        yield part
    finally:
        part.stop()
