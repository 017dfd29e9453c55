"""A link that fails as told: a relay between phone and edge that cuts, stalls and tampers.

It works on bytes, and on whole WebSocket messages where frames are to be repeated, exchanged or
smuggled in. Nothing happens by chance: what goes wrong, and where, is given.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum

from websockets.frames import Frame as Message
from websockets.frames import Opcode
from websockets.streams import StreamReader

Tamper = Callable[[bytes], list[bytes]]  # a binary message to those that are sent instead


class Way(Enum):
    """Of a byte."""

    UP = "up"  # from the phone
    DOWN = "down"


class How(Enum):
    """A connection ends."""

    CLOSE = "close"  # in order
    RESET = "reset"
    SILENCE = "silence"  # open, and nothing passes any more


@dataclass(frozen=True)
class Cut:
    """One connection's end: after so many bytes of one way."""

    way: Way
    after: int
    how: How = How.RESET


@dataclass
class Passed:
    """What one connection carried, as it came."""

    up: bytearray = field(default_factory=bytearray)
    down: bytearray = field(default_factory=bytearray)


class Relay:
    """Between phones and the edge at `port`; the n-th connection meets the n-th cut, if any."""

    def __init__(
        self, port: int, cuts: tuple[Cut | None, ...] = (), tamper: Tamper | None = None
    ) -> None:
        self.port, self._cuts, self._tamper = port, cuts, tamper
        self.connections: list[Passed] = []
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def __enter__(self) -> Relay:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)  # wakes `accept`
        self._listener.close()
        self._thread.join(10.0)
        self.sever()
        for thread in self._threads:
            thread.join(10.0)
            assert not thread.is_alive()

    def sever(self) -> None:
        """End every connection there is, now."""
        for each in self._sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _serve(self) -> None:
        with contextlib.suppress(OSError):  # closed at the end
            while True:
                phone = self._listener.accept()[0]
                number = len(self.connections)
                self.connections.append(Passed())
                try:
                    edge = socket.create_connection(("127.0.0.1", self.port), 10.0)
                except OSError:  # no edge: the phone is told as a closed port would
                    phone.close()
                    continue
                edge.settimeout(None)
                for each in (phone, edge):
                    each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._sockets += [phone, edge]
                cut = self._cuts[number] if number < len(self._cuts) else None
                line = _Line(phone, edge, self.connections[-1], cut, self._tamper)
                for way in Way:
                    thread = threading.Thread(target=line.pump, args=(way,), daemon=True)
                    self._threads.append(thread)
                    thread.start()


class _Line:
    """One connection through the relay."""

    def __init__(
        self, phone: socket.socket, edge: socket.socket, passed: Passed, cut: Cut | None,
        tamper: Tamper | None,
    ) -> None:
        self._phone, self._edge, self._cut, self._tamper = phone, edge, cut, tamper
        self._passed = {Way.UP: passed.up, Way.DOWN: passed.down}
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._pumping = len(Way)

    def pump(self, way: Way) -> None:
        source, target = ((self._phone, self._edge) if way is Way.UP
                          else (self._edge, self._phone))
        changed = (_messages_changed(self._tamper) if self._tamper and way is Way.UP else None)
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                if self._over.is_set():
                    continue  # into the void
                data = changed(data) if changed else data
                data, ends = self._until_cut(way, data)
                self._passed[way].extend(data)
                target.sendall(data)
                if ends:
                    self._end()
            if not self._over.is_set():
                target.shutdown(socket.SHUT_WR)
        with self._lock:
            self._pumping -= 1
            if not self._pumping:
                self._phone.close()
                self._edge.close()

    def _until_cut(self, way: Way, data: bytes) -> tuple[bytes, bool]:
        if self._cut is None or self._cut.way is not way:
            return data, False
        left = self._cut.after - len(self._passed[way])
        return (data[:left], True) if left <= len(data) else (data, False)

    def _end(self) -> None:
        assert self._cut is not None
        self._over.set()
        if self._cut.how is How.SILENCE:
            return
        for each in (self._phone, self._edge):
            reset = self._cut.how is How.RESET
            if reset:  # with no time to linger the close that follows sends no end but a reset
                each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RD if reset else socket.SHUT_RDWR)


def boundaries(stream: bytes) -> list[int]:
    """Where each WebSocket message of a recorded stream ends; the first is the handshake's end."""
    at = stream.index(b"\r\n\r\n") + 4
    found = [at]
    for message in parsed(stream[at:]):
        at += len(message[0])
        found.append(at)
    return found


def parsed(stream: bytes) -> Iterator[tuple[bytes, Message]]:
    """The messages of a WebSocket stream, each with the bytes it came as."""
    masked = len(stream) > 1 and bool(stream[1] & 0x80)
    reader = StreamReader()
    reader.feed_data(stream)
    at = 0
    while at < len(stream):
        steps = Message.parse(reader.read_exact, mask=masked, max_size=None)
        try:
            while True:
                next(steps)
        except StopIteration as done:
            message: Message = done.value
        size = len(message.serialize(mask=masked))
        yield stream[at : at + size], message
        at += size


def _messages_changed(tamper: Tamper) -> Callable[[bytes], bytes]:
    """Applies `tamper` to the binary messages of a phone's stream that comes in pieces.

    Every frame of ours fits one WebSocket message in one piece, and arrives here so: the phone
    writes each with one call and the relay is on the same machine.
    """
    state = {"upgraded": False}

    def change(data: bytes) -> bytes:
        if not state["upgraded"]:
            state["upgraded"] = True
            return data
        out = b""
        for raw, message in parsed(data):
            if message.opcode is Opcode.BINARY:
                for changed in tamper(bytes(message.data)):
                    out += Message(Opcode.BINARY, changed).serialize(mask=True)
            else:
                out += raw
        return out

    return change
