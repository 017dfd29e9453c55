"""Packets that were seen, from one process to others: a pcap that does not end, over a socket.

    copies = Copies(path); copies.add(time_ns, packet); copies.flush()       # whoever sees them
    for records in StreamSource(connected(path), tick=0.01): ...             # whoever listens

Where no kernel carries packets, no packet socket can hear them; this is the tap's ear then, and
what it hears is what crossed. Who reads too slowly loses packets, which are counted, as a kernel's
ring does. It knows nothing of what is in packets.
"""

from __future__ import annotations

import contextlib
import io
import os
import select
import socket
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pcap_tools.containers.pcap import FILE_HEADER, PcapHeader, PcapWalker
from pcap_tools.containers.walking import Columns, Outcome
from pcap_tools.errors import CaptureError
from pcap_tools.listening import counted, no_frames
from pcap_tools.records import Counters, Records, Warning
from pcap_tools.write import PcapWriter
from testbed.errors import LinkFailure

RAW_IP = 101  # LINKTYPE_
QUEUE_BYTES = 8 << 20  # that wait for one listener: a second of a cell at 60 Mbit/s
MOST_LISTENERS = 8
CHUNK = 1 << 18
ROWS = 4096  # frames of one run at most


class Copies:
    """Whoever connects gets all packets from then on."""

    def __init__(self, path: Path) -> None:
        self.packets, self.lost = 0, 0  # lost: of one listener or another
        self._path = path
        self._batch = io.BytesIO()
        self._writer = PcapWriter(self._batch, RAW_IP)
        self._header = self._taken()
        self._count = 0
        self._listeners: dict[socket.socket, bytearray] = {}
        self._listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        mask = os.umask(0o077)  # nobody else may hear them
        try:
            path.unlink(missing_ok=True)
            self._listening.bind(str(path))
            self._listening.listen(MOST_LISTENERS)
            self._listening.setblocking(False)
        except OSError as error:
            self._listening.close()
            raise LinkFailure(f"Packets cannot be told at {path}: {error.strerror or error}.",
                              "Give another path, of at most 107 bytes.") from error
        finally:
            os.umask(mask)

    def fileno(self) -> int:
        """Readable when somebody wants to listen: call `accept` then."""
        return self._listening.fileno()

    def accept(self) -> None:
        with contextlib.suppress(OSError):  # who came went again
            one, _ = self._listening.accept()
            if len(self._listeners) >= MOST_LISTENERS:
                one.close()
                return
            self.flush()  # what was before is not for this one
            one.setblocking(False)
            self._listeners[one] = bytearray(self._header)
            self._push(one, self._listeners[one])

    def add(self, time_ns: int, packet: bytes) -> None:
        """One that passed; it goes out with the next `flush`."""
        self.packets += 1
        if self._listeners:
            self._writer.write_frame(time_ns, packet)
            self._count += 1

    def flush(self) -> bool:
        """Hand on what there is; whether something waits for listeners still."""
        fresh, count, self._count = self._taken(), self._count, 0
        for one, waiting in list(self._listeners.items()):
            if len(waiting) + len(fresh) > QUEUE_BYTES:
                self.lost += count
            else:
                waiting += fresh
            self._push(one, waiting)
        return any(self._listeners.values())

    def _taken(self) -> bytes:
        found = self._batch.getvalue()
        self._batch.seek(0)
        self._batch.truncate()
        return found

    def _push(self, one: socket.socket, waiting: bytearray) -> None:
        try:
            while waiting:
                del waiting[:one.send(waiting)]
        except BlockingIOError:
            return
        except OSError:  # it has gone
            del self._listeners[one]
            one.close()

    def close(self) -> None:
        self._listening.close()
        self._path.unlink(missing_ok=True)
        for one in self._listeners:
            one.close()
        self._listeners = {}


def connected(path: Path) -> socket.socket:
    """To whoever tells packets there."""
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        made.connect(str(path))
    except OSError as error:
        made.close()
        raise LinkFailure(f"Nobody tells packets at {path}: {error.strerror or error}.",
                          "Is the loop running?") from error
    return made


class StreamSource:
    """Packets as they come; empty runs while none does. `close` ends it, from a handler too."""

    def __init__(self, stream: socket.socket, tick: float) -> None:
        """`tick` is how many seconds are waited for packets."""
        self.counters, self.warnings = Counters(dropped=0), list[Warning]()
        self._stream, self._tick = stream, tick
        self._woken, self._wake = os.pipe2(os.O_CLOEXEC)
        self._over = False

    def __iter__(self) -> Iterator[Records]:
        head = b""
        while len(head) < FILE_HEADER and (more := self._read(FILE_HEADER - len(head))):
            head += more
        if (header := PcapHeader.read(head)) is None:
            if self._over and not head:
                return
            raise CaptureError("What comes is no pcap.", "Listen where packets are told.")
        walker, rest = PcapWalker(header), b""
        while not self._over:
            if not self._readable(self._tick):
                yield no_frames()
            elif not (more := self._read(CHUNK)):
                return
            else:
                runs = list(self._runs(walker, rest + more))
                rest = runs.pop()[1]
                yield from (counted(self.counters, records) for records, _ in runs)

    def _runs(self, walker: PcapWalker, octets: bytes) -> Iterator[tuple[Records, bytes]]:
        """Runs of whole frames; the last has none, and what is left."""
        data, at = np.frombuffer(octets, np.uint8), 0
        while True:
            columns = Columns.empty(ROWS)
            step = walker.walk(data, at, len(data), columns)
            at, count = step.position, step.count
            if step.outcome not in (Outcome.MORE, Outcome.FULL):
                raise CaptureError(f"What comes is no pcap any more: {step.problem}.")
            if count:
                yield Records(data, columns.start[:count], columns.captured[:count],
                              columns.length[:count], columns.time[:count],
                              columns.link[:count], columns.interface[:count]), b""
            if step.outcome is Outcome.MORE:
                yield no_frames(), octets[at:]
                return

    def _readable(self, seconds: float | None) -> bool:
        ready, _, _ = select.select([self._stream.fileno(), self._woken], [], [], seconds)
        self._over |= self._woken in ready
        return bool(ready) and not self._over

    def _read(self, most: int) -> bytes:
        """Nothing at the end."""
        if not self._readable(None):
            return b""
        try:
            return self._stream.recv(most)
        except ConnectionError:
            return b""

    def close(self) -> None:
        """End it; what holds descriptors goes with `release`."""
        self._over = True
        with contextlib.suppress(OSError):  # released already
            os.write(self._wake, b".")

    def release(self) -> None:
        self._stream.close()
        for descriptor in (self._wake, self._woken):
            with contextlib.suppress(OSError):
                os.close(descriptor)
