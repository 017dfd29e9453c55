"""Ordinary sockets in a user plane's namespaces."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from testbed import namespaces
from testbed.ran.plane.statistics import PlaneStatistics
from testbed.ran.plane.user_plane import UserPlane

PATIENCE = 60.0  # seconds: a bound on hanging, no expectation


def make(namespace: str, kind: int, address: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    made = namespaces.inside(namespace, lambda: socket.socket(family, kind))
    made.settimeout(PATIENCE)
    return made


def bound(namespace: str, address: str, port: int = 0, kind: int = socket.SOCK_DGRAM,
          ) -> socket.socket:
    made = make(namespace, kind, address)
    made.bind((address, port))
    return made


def echo(plane: UserPlane, ue: str, own: str, server: str) -> None:
    """A datagram there and back between a UE's address and one of the core's."""
    with bound(plane.n6, server, 4000) as there, bound(plane.namespace(ue), own) as here:
        here.sendto(b"there", (server, 4000))
        data, peer = there.recvfrom(100)
        assert (data, peer[0]) == (b"there", own)
        there.sendto(b"back", peer)
        assert here.recvfrom(100)[0] == b"back"


def until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def settled(plane: UserPlane) -> PlaneStatistics:
    """The figures when nothing is inside any more."""
    until(lambda: plane.statistics().pooled == 0)
    figures = plane.statistics()
    # Counts are read one after another while the loop goes on: look until two are the same.
    while True:
        again = plane.statistics()
        if (again.down, again.up) == (figures.down, figures.up):
            return again
        figures = again


@contextmanager
def child(name: str, ues: int = 1) -> Iterator[subprocess.Popen[str]]:
    """A process with a user plane that runs; it ends when its input does."""
    program = ("import sys; from testbed.ran.plane.config import simple_plane;"
               "from testbed.ran.plane.user_plane import UserPlane\n"
               f"with UserPlane(simple_plane({ues}, {name!r})) as plane:\n"
               " print('ready', flush=True)\n"
               " for line in sys.stdin:\n"
               "  one = plane.statistics()\n"
               "  print(one.slots, one.skipped, one.all_pauses, flush=True)\n")
    process = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.stdin.close()
        process.wait(PATIENCE)
        process.stdout.close()
