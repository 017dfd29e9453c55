"""Runs one of our servers for as long as somebody is there: the far end of `remote`.

It reads its standard input, which ssh carries. When that ends, or nothing comes for a while (a
connection that died without a word), the server is ended; when this process dies, the server's own
standard input ends, and it with it. It knows no ssh beyond the address that it tells.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import IO

from testbed.errors import TestbedFailure
from testbed.modes.modes_command import ADDRESS

LOOK_SECONDS = 0.5  # between two looks at whether the server still runs
END_SECONDS = 20.0  # that it may take to end, after which it is killed
PROGRAM = (sys.executable, "-m", "testbed.cli")


def address_of(environment: Mapping[str, str]) -> str:
    """That which the other side's ssh reached: CLIENT PORT ADDRESS PORT."""
    words = environment.get("SSH_CONNECTION", "").split()
    if len(words) != 4:
        raise TestbedFailure("This was not started by ssh: SSH_CONNECTION says no address.",
                             "Give the server's --host yourself.")
    return words[2]


def with_address(command: Sequence[str], environment: Mapping[str, str]) -> list[str]:
    return [address_of(environment) if word == ADDRESS else word for word in command]


def hold(command: Sequence[str], silence: float, source: IO[bytes], ended: threading.Event,
         clock: Callable[[], float] = time.monotonic) -> int:
    """Its exit status. `silence`: seconds that nothing may come."""
    child = subprocess.Popen([*PROGRAM, *command], stdin=subprocess.PIPE)
    try:
        _watch(child, silence, source, ended, clock)
    finally:
        status = _end(child)
    return status


def _watch(child: subprocess.Popen[bytes], silence: float, source: IO[bytes],
           ended: threading.Event, clock: Callable[[], float]) -> None:
    heard = clock()
    with selectors.DefaultSelector() as selector:
        selector.register(source, selectors.EVENT_READ)
        while child.poll() is None and not ended.is_set() and clock() - heard < silence:
            if selector.select(LOOK_SECONDS):
                if not os.read(source.fileno(), 4096):
                    return
                heard = clock()


def _end(child: subprocess.Popen[bytes]) -> int:
    assert child.stdin is not None  # it was asked for
    child.stdin.close()
    if child.poll() is None:
        child.send_signal(signal.SIGTERM)
    try:
        return child.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        return child.wait()
