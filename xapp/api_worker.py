"""The process that serves the REST API; the xApp starts it as `-m xapp.api_worker LINK LISTEN`.

The two numbers are of sockets that it inherits: the link to the xApp, and where the API listens.
It ends when the link does, however the xApp ended. Signals of a terminal are for the xApp: the API
goes on answering while quotas are put back. It knows nothing of steering.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import struct
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from xapp.api_link import MOST_TO_API, MOST_TO_XAPP, Unpacker, pack
from xapp.api_remote import RemoteOperations
from xapp.errors import Behind, TransportError

# It gives way to steering on a machine that is short of processors, once it serves: until then the
# xApp waits for it, and with a low priority its libraries may take minutes to load.
NICENESS = 10
SEND_SECONDS = 2.0  # for which a command may wait that the xApp does not read
END_SECONDS = 2.0  # after it serves no more, for threads that read the disk
READ_BYTES = 1 << 18
_log = logging.getLogger("xapp.api")


class Link:
    """The socket to the xApp."""

    def __init__(self, link: socket.socket) -> None:
        self._socket, self._lock = link, threading.Lock()
        seconds = int(SEND_SECONDS)
        link.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("@ll", seconds, 0))
        self._unpacker = Unpacker(MOST_TO_API)
        self._come: list[dict[str, Any]] = []

    def send(self, data: bytes) -> None:
        """From any thread."""
        try:
            with self._lock:
                self._socket.sendall(data)
        except OSError as error:
            # Half of a message may be sent: nothing more can be.
            self._socket.shutdown(socket.SHUT_RDWR)
            raise Behind("The xApp does not listen to its API.",
                         "Try again: the API is started anew.") from error

    def receive(self) -> dict[str, Any] | None:
        """The next message; None at the end."""
        while not self._come:
            try:
                data = self._socket.recv(READ_BYTES)
            except OSError:
                return None
            if not data:
                return None
            self._come += self._unpacker.feed(data)
        return self._come.pop(0)


def serve(link: Link, listening: socket.socket) -> None:
    """Until the link ends."""
    start = link.receive()
    if start is None:
        return
    if start["kind"] != "start":
        raise TransportError(f"The xApp begins with {start['kind']}.", "Start it again.")
    logging.basicConfig(level=str(start["log_level"]), stream=sys.stderr,
                        format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    operations = RemoteOperations(Path(start["store"]), start["limits"], link.send,
                                  time.monotonic, time.time)
    for _ in range(2):  # policies and a picture
        message = link.receive()
        if message is None:
            return
        operations.take(message)
    from xapp.api import ApiServer  # heavy: what is above answers at once that something is wrong
    from xapp.metrics import Metrics

    server = ApiServer(operations, Metrics(operations.picture), start["token"],
                       str(start["host"]), listening=listening)
    server.start()
    try:
        link.send(pack({"kind": "ready"}, MOST_TO_XAPP))
        _give_way()
        while (message := link.receive()) is not None:
            operations.take(message)
    finally:
        operations.closed()
        server.stop()


def _give_way() -> None:
    """All of its threads: a thread's niceness is its own."""
    for thread in os.listdir("/proc/self/task"):
        with suppress(ProcessLookupError):  # it ended meanwhile
            mine = os.PRIO_PROCESS, int(thread)
            os.setpriority(*mine, os.getpriority(*mine) + NICENESS)


def _end_at_last() -> None:
    """However long a reader of the disk takes."""
    timer = threading.Timer(END_SECONDS, os._exit, (1,))
    timer.daemon = True
    timer.start()


def main() -> int:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # A real-time priority that the xApp was given is not for this either.
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    link, listening = (socket.socket(fileno=int(one)) for one in sys.argv[1:3])
    try:
        serve(Link(link), listening)
    except (TransportError, Behind) as error:
        _log.error("The REST API ends: %s", error)
        return 1
    finally:
        link.close()
        listening.close()
        _end_at_last()
    return 0


if __name__ == "__main__":
    sys.exit(main())
