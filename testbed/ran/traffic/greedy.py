"""TCP that takes what it gets, through the cell's own namespaces: one connection a user and way.

Real sockets of the kernel with its own congestion control. Downlink the core's side connects to
the UE, uplink the UE to the core's side; what arrives is counted where it arrives, and thrown away.
"""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Mapping
from contextlib import suppress

from testbed import namespaces
from testbed.errors import LinkFailure
from testbed.ran.traffic.arrivals import DOWN, UP, User
from testbed.ran.traffic.sending import Door

CHUNK = bytes(1 << 16)
CONNECT_SECONDS = 30.0  # a crowded cell takes its time
LOOK_SECONDS = 0.2  # within which a stop is seen


class GreedyFlows:
    """Connections of some users; `received` grows while they run."""

    def __init__(self, doors: Mapping[User, Door], gateways: Mapping[User, str],
                 directions: tuple[int, ...] = (DOWN, UP)) -> None:
        self.received = {(user, direction): 0 for user in doors for direction in directions}
        self.failures: dict[tuple[User, int], str] = {}
        self._over = threading.Event()
        self._open: list[socket.socket] = []
        self._ends: list[tuple[User, int, socket.socket, str, str, str]] = []
        try:
            for user, door in doors.items():
                for direction in directions:
                    self._listen(user, direction, door, gateways[user])
        except BaseException:
            self.close()
            raise
        self._threads = [threading.Thread(target=self._receive, daemon=True), *(
            threading.Thread(target=self._send, args=end, daemon=True) for end in self._ends)]

    def _listen(self, user: User, direction: int, door: Door, gateway: str) -> None:
        sender, receiver = (door.core_namespace, door.namespace), (gateway, door.address)
        if direction == UP:
            sender, receiver = sender[::-1], receiver[::-1]
        server = namespaces.inside(sender[1], lambda: socket.create_server((receiver[1], 0)))
        self._open.append(server)
        self._ends.append((user, direction, server, sender[0], *receiver))

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """End all connections."""
        self._over.set()
        for thread in getattr(self, "_threads", ()):
            if thread.is_alive():
                thread.join()
        for one in self._open:
            one.close()

    def _send(self, user: User, direction: int, server: socket.socket, namespace: str, mine: str,
              theirs: str) -> None:
        def connect() -> socket.socket:
            return socket.create_connection((theirs, server.getsockname()[1]), CONNECT_SECONDS,
                                            (mine, 0))
        try:
            with namespaces.inside(namespace, connect) as sending:
                sending.settimeout(LOOK_SECONDS)
                while not self._over.is_set():
                    with suppress(TimeoutError):  # the cell is full
                        sending.send(CHUNK)
        except (OSError, LinkFailure) as error:
            if not self._over.is_set():  # else the other end went first, as it should
                self.failures[user, direction] = str(error)

    def _receive(self) -> None:
        """All receiving ends; who connects is read from."""
        taken: list[socket.socket] = []
        with selectors.DefaultSelector() as selector:
            for user, direction, server, *_ in self._ends:
                server.setblocking(False)
                selector.register(server, selectors.EVENT_READ, (user, direction))
            while not self._over.is_set():
                for key, _ in selector.select(LOOK_SECONDS):
                    self._take(selector, key, taken)
        for one in taken:
            one.close()

    def _take(self, selector: selectors.BaseSelector, key: selectors.SelectorKey,
              taken: list[socket.socket]) -> None:
        ready = key.fileobj
        assert isinstance(ready, socket.socket)  # nothing else was registered
        try:
            if ready in taken:
                count = len(ready.recv(1 << 18))
                self.received[key.data] += count
                if count:
                    return
            else:
                connection, _ = ready.accept()
                connection.setblocking(False)
                taken.append(connection)
                selector.register(connection, selectors.EVENT_READ, key.data)
                return
        except BlockingIOError:
            return
        except OSError as error:
            self.failures[key.data] = str(error)
        selector.unregister(ready)
