"""Starts a program that listens, waits until it says where, and ends it in order.

    with program(words, "airsplit edge") as started:
        started.server.port

It knows no links and no ssh; `places` and `remote` say what to start. A program is told to end by
the end of its standard input first, so one that is far away ends as well.
"""

from __future__ import annotations

import os
import re
import selectors
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from testbed.errors import TestbedFailure

_READY = re.compile(r" on (?:https?://)?(\S+):(\d+)\s*$")  # by which a server says where it listens
READY_SECONDS = 120.0  # a large model loads
STOP_SECONDS = 15.0
MOST_SAID = 1 << 16  # bytes before that line; a server says a few
END = 500  # characters of what it complained of, in an error


@dataclass(frozen=True)
class Server:
    """A program that listens."""

    host: str
    port: int
    process: int | None  # its id; None where somebody else started it, or it is far away

    @property
    def url(self) -> str:
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


@dataclass(frozen=True)
class Started:
    """One that we started; `process` is here, whatever it has on the other side."""

    server: Server
    process: subprocess.Popen[bytes]

    @property
    def running(self) -> bool:
        return self.process.poll() is None


# What to raise where a program did not start: its exit status, if it ended, and its complaints.
Why = Callable[[int | None, str], TestbedFailure]


@contextmanager
def program(words: Sequence[str], why: Why, here: bool = True, seconds: float = READY_SECONDS
            ) -> Iterator[Started]:
    """Until the end; it listens once it has said so. `here`: its process id is the server's."""
    with tempfile.TemporaryFile() as complaints:
        process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=complaints, start_new_session=True)
        try:
            found = _said(process, time.monotonic() + seconds)
            if found is None:
                complaints.seek(0)
                raise why(process.poll(), complaints.read().decode(errors="replace").strip())
            yield Started(Server(*found, process.pid if here else None), process)
        finally:
            stop(process)


def _said(process: subprocess.Popen[bytes], deadline: float) -> tuple[str, int] | None:
    """Where it listens; None where it ends, or says nothing of it in time."""
    assert process.stdout is not None  # it was asked for
    said = b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while len(said) < MOST_SAID:
            left = deadline - time.monotonic()
            if left <= 0 or not selector.select(left):
                return None
            more = os.read(process.stdout.fileno(), 4096)
            if not more:
                with suppress(subprocess.TimeoutExpired):  # it closed that, and goes on
                    process.wait(STOP_SECONDS)
                return None
            said += more
            for line in said.split(b"\n")[:-1]:
                if found := _READY.search(line.decode(errors="replace").rstrip("\r")):
                    return found.group(1).strip("[]"), int(found.group(2))
    return None


def stop(process: subprocess.Popen[bytes]) -> None:
    """End it, and what it started, in order or not."""
    try:
        if process.stdin is not None:
            with suppress(OSError):  # it is gone already
                process.stdin.close()
            if _ended(process, STOP_SECONDS):
                return
        for name in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, name)
            if _ended(process, STOP_SECONDS):
                return
    finally:
        if process.stdout is not None:
            process.stdout.close()


def _ended(process: subprocess.Popen[bytes], seconds: float) -> bool:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True
