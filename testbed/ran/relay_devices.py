"""Devices without namespaces: pairs of sockets, of which other programs are given one end.

    with Devices(path) as devices:                  # in the cell
        inner = devices.add("airsplit-ran-n6 n6-llm")    # packets are read from and written to it
    end = taken(path, "airsplit-ran-n6 n6-llm")     # in another process of the same user

A packet is a message: bounds are kept, nothing is lost but where a queue is full, as at a TUN
device. The path is a socket's, open to its owner alone. It knows no packets.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import threading
from collections.abc import Callable
from pathlib import Path

from testbed.errors import LinkFailure

QUEUE_BYTES = 4 << 20  # that wait in an end at most; the system may give less
MOST_NAME = 200  # bytes: a namespace's and a device's
ASK_SECONDS = 5.0  # for an answer
QUIET_SECONDS = 0.5  # after which somebody who asks for nothing is not waited for
FOUND, UNKNOWN = b"+", b"-"
Lookup = Callable[[str], socket.socket | None]


def name_of(namespace: str, device: str) -> str:
    """As devices are asked for."""
    return f"{namespace} {device}"


def pair() -> tuple[socket.socket, socket.socket]:
    """Two ends. Each is the other's only peer, so that no count of messages bounds what waits."""
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    for one in ends:
        one.setblocking(False)
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            one.setsockopt(socket.SOL_SOCKET, option, QUEUE_BYTES)
    return ends


class Devices:
    """Gives ends away until it is closed; both ends of each stay open until then."""

    def __init__(self, path: Path, elsewhere: Lookup | None = None) -> None:
        """`elsewhere` knows of ends that are not of here."""
        self._path, self._elsewhere = path, elsewhere
        self._inner: dict[str, socket.socket] = {}
        self._outer: dict[str, socket.socket] = {}
        self._listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._woken, self._wake = os.pipe2(os.O_CLOEXEC)
        self._thread = threading.Thread(target=self._serve, daemon=True, name="devices")

    def __enter__(self) -> Devices:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        mask = os.umask(0o077)  # nobody else may open it
        try:
            self._path.unlink(missing_ok=True)  # of a run that was killed
            self._listening.bind(str(self._path))
            self._listening.listen(16)
        except OSError as error:
            self.close()
            raise LinkFailure(f"Devices cannot be had at {self._path}: {error.strerror or error}.",
                              "Give another path, of at most 107 bytes.") from error
        finally:
            os.umask(mask)
        self._thread.start()

    def close(self) -> None:
        """Nobody gets any more, and all ends of here are closed."""
        if self._thread.is_alive():
            os.write(self._wake, b".")
            self._thread.join()
        self._listening.close()
        self._path.unlink(missing_ok=True)
        for one in (*self._inner.values(), *self._outer.values()):
            one.close()
        self._inner, self._outer = {}, {}
        for descriptor in (self._wake, self._woken):
            with contextlib.suppress(OSError):  # the second time
                os.close(descriptor)
        self._wake = self._woken = -1

    def add(self, name: str) -> socket.socket:
        """Make a device; its inner end."""
        self._inner[name], self._outer[name] = pair()
        return self._inner[name]

    def outer(self, name: str) -> socket.socket:
        """The end that others are given, for who is in this process."""
        return self._outer[name]

    def _serve(self) -> None:
        while True:
            ready, _, _ = select.select([self._listening.fileno(), self._woken], [], [])
            if self._woken in ready:
                return
            with contextlib.suppress(OSError):  # who asked went, or said nothing in time
                asking, _ = self._listening.accept()
                with asking:
                    asking.settimeout(QUIET_SECONDS)
                    self._answer(asking)

    def _answer(self, asking: socket.socket) -> None:
        name = asking.recv(MOST_NAME).decode(errors="replace")
        if (end := self._outer.get(name)) is not None:
            socket.send_fds(asking, [FOUND], [end.fileno()])
            return
        found = None if self._elsewhere is None else self._elsewhere(name)
        if found is None:
            asking.send(UNKNOWN)
            return
        with found:
            socket.send_fds(asking, [FOUND], [found.fileno()])


def taken(path: Path, name: str) -> socket.socket:
    """The outer end of a device that is given at `path`. Packets go to one of all who read it."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as asking:
            asking.settimeout(ASK_SECONDS)
            asking.connect(str(path))
            asking.send(name.encode())
            answer, descriptors, _, _ = socket.recv_fds(asking, 1, 1)
    except OSError as error:
        raise LinkFailure(f"No devices are given at {path}: {error.strerror or error}.",
                          "Is the cell running?") from error
    if answer != FOUND or not descriptors:
        raise LinkFailure(f"There is no device {name!r} at {path}.")
    return socket.socket(fileno=descriptors[0])


class Given:
    """Ends that are given at a path, each asked for once, until the block ends."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ends: dict[str, socket.socket] = {}

    def __enter__(self) -> Given:
        return self

    def __exit__(self, *_: object) -> None:
        for one in self._ends.values():
            one.close()
        self._ends = {}

    def __call__(self, name: str) -> socket.socket:
        if name not in self._ends:
            self._ends[name] = taken(self._path, name)
        return self._ends[name]
