"""A connection that carries messages, and counts what it carries. The thin shell around `wire`.

Every byte that the socket takes or gives is counted here, by each side for itself. A silent peer
ends it: each wait has a limit.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from contextlib import suppress

from testbed.modes.errors import BadMessage, Refused, ServerGone
from testbed.modes.wire import HEAD_BYTES, Kind, Message, pack, read_head, read_message

MOST_BYTES = 2 << 30  # of one message's tensors, unless told otherwise
TAKE_BYTES = 1 << 20  # per read, and at first for a message, whatever length it claims


class Channel:
    """Both ends use it."""

    def __init__(self, connection: socket.socket, timeout: float = 120.0, most: int = MOST_BYTES,
                 clock: Callable[[], float] = time.monotonic) -> None:
        """`timeout`: seconds of silence in the middle of something; `most`: bytes of a message."""
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(timeout)
        self._socket, self._most, self._clock = connection, most, clock
        self.sent = self.received = 0  # bytes on the socket
        self.packing = 0.0  # seconds spent in making messages and taking them apart
        self.came = 0.0  # when the message received last began to come, by the clock
        self.whole = 0.0  # and when all of it was there and read
        self.server_load: float | None = None  # seconds that the server said it took to load
        self._patient = False

    def send(self, message: Message) -> None:
        began = self._clock()
        pieces = pack(message)
        self.packing += self._clock() - began
        try:
            for piece in pieces:
                self._socket.sendall(piece)
                self.sent += len(piece)
        except (OSError, ValueError) as error:
            if isinstance(error, ConnectionError):
                self._hear_why()
            raise ServerGone(f"The connection ended: {error}.", "See what the other side says."
                             ) from error

    def _hear_why(self) -> None:
        """What the other side said before it hung up explains more than a broken pipe."""
        with suppress(ServerGone, BadMessage):  # it said nothing, or half of it
            self.receive()

    def receive(self, most: int | None = None) -> Message:
        """The next message; the other side's refusal is raised as the error it is.

        `most`: bytes of tensors that this one may have, where that is less than the usual.
        """
        raw = self._exactly(HEAD_BYTES, first=True)
        head = read_head(bytes(raw), self._most if most is None else min(most, self._most))
        text = self._exactly(head.meta)
        data = self._exactly(head.data)
        began = self._clock()
        message = read_message(head, bytes(text), data)
        self.whole = self._clock()
        self.packing += self.whole - began
        if message.kind is Kind.ERROR:
            raise Refused(str(message.meta.get("problem", "It gave no reason."))[:1000],
                          str(message.meta.get("remedy", ""))[:1000])
        return message

    def expect(self, kind: Kind) -> Message:
        message = self.receive()
        if message.kind is not kind:
            raise BadMessage(f"The other side sent {message.kind.name} where {kind.name} was due.")
        return message

    def close(self) -> None:
        """A thread that waits in `receive` is woken: closing alone leaves it there."""
        with suppress(OSError):  # it is gone already
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def wait_for_ever(self, for_ever: bool) -> None:
        """Whether the next message may take as long as it likes: a client thinks."""
        self._patient = for_ever

    def _exactly(self, size: int, first: bool = False) -> bytearray:
        """Memory is taken as bytes come: never over twice what is there, whatever was claimed."""
        found = bytearray()
        while len(found) < size:
            at = len(found)
            found += bytes(min(size - at, max(TAKE_BYTES, at)))
            with memoryview(found) as view:
                self._fill(view, at, first and at == 0)
        return found

    def _fill(self, view: memoryview, at: int, first: bool) -> None:
        begin = at
        while at < len(view):
            try:
                count = self._socket.recv_into(view[at : at + TAKE_BYTES])
            except TimeoutError as error:
                if first and at == begin and self._patient:
                    continue
                raise ServerGone("The other side said nothing for too long.",
                                 "See whether it still runs.") from error
            except OSError as error:
                raise ServerGone(f"The connection ended: {error}.") from error
            if not count:
                raise ServerGone("The connection ended.", "See what the other side says.")
            if first and at == begin:
                self.came = self._clock()
            at += count
            self.received += count
