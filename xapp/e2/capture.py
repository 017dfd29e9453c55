"""Every PDU, both ways, into a pcap file that Wireshark opens; nobody who notes one ever waits.

PDUs go into a bounded queue and a thread writes them. When the disk cannot keep up, PDUs are left
out of the file and counted; when it is full, the capture ends, says so once, and nothing else ends
with it. How PDUs become packets is `capture_packets`' business.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from pcap_tools.errors import OutputError
from xapp.e2.capture_packets import LINK_RAW_IP, AssociationPackets, Endpoint
from xapp.errors import ConfigurationError

MOST_WAITING = 8192  # PDUs in the queue: seconds of a busy gNB
MOST_WAITING_BYTES = 32 << 20  # of them together, so that large ones do not fill the memory
CLOSE_SECONDS = 5.0  # after which a disk that does not answer is given up
_Noted = tuple[int, AssociationPackets, bool, bytes, int]  # time, numbers, outgoing, PDU, PPID


class FrameWriter(Protocol):
    """A capture file; `pcap_tools.write.PcapWriter` is one. Its methods raise OutputError."""

    def write_frame(self, time_ns: int, frame: bytes) -> None: ...
    def flush(self) -> None: ...
    def close(self) -> None: ...


def open_pcap(path: Path) -> FrameWriter:
    """A new file, over one that is there."""
    from pcap_tools.write import PcapWriter  # numpy and numba take a second to load

    try:
        return PcapWriter(path, LINK_RAW_IP)
    except OutputError as error:
        raise ConfigurationError(error.problem, error.remedy) from error


class Capture:
    """A capture file; `told` hears, once and from the writing thread, why it ended early."""

    def __init__(self, path: Path, told: Callable[[str], None],
                 clock: Callable[[], int] = time.time_ns,
                 open_file: Callable[[Path], FrameWriter] = open_pcap,
                 most_waiting: int = MOST_WAITING) -> None:
        self.path = path
        self.written = 0  # PDUs
        self.dropped = 0  # PDUs for which the disk was too slow
        self.problem: str | None = None  # why it ended early
        self._told, self._clock, self._most = told, clock, most_waiting
        self._file = open_file(path)
        self._associations = 0
        self._changed = threading.Condition()
        self._waiting: deque[_Noted] = deque()
        self._waiting_bytes = 0
        self._closing = False
        self._thread = threading.Thread(target=self._write_all, name="e2-capture", daemon=True)
        self._thread.start()

    def association(self, local: Endpoint, remote: Endpoint) -> CapturedAssociation:
        """Where to note one association's PDUs."""
        self._associations += 1
        return CapturedAssociation(self, AssociationPackets(local, remote, self._associations))

    def note(self, packets: AssociationPackets, outgoing: bool, data: bytes, ppid: int) -> None:
        """Queue a PDU, or count it as dropped; returns at once."""
        moment = self._clock()
        with self._changed:
            if self._closing or self.problem is not None:
                return
            if (len(self._waiting) >= self._most
                    or self._waiting_bytes + len(data) > MOST_WAITING_BYTES):
                self.dropped += 1
                return
            self._waiting.append((moment, packets, outgoing, data, ppid))
            self._waiting_bytes += len(data)
            self._changed.notify()

    def close(self) -> None:
        """Write what waits and finish the file; harmless when repeated."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(CLOSE_SECONDS)

    def __enter__(self) -> Capture:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _write_all(self) -> None:
        """The thread: batches until the end of the capture or of its file."""
        try:
            while batch := self._next_batch():
                for moment, packets, outgoing, data, ppid in batch:
                    way = packets.sent if outgoing else packets.received
                    for packet in way(data, ppid):
                        self._file.write_frame(moment, packet)
                    self.written += 1
                self._file.flush()  # whoever looks at the file meanwhile sees it
            self._file.close()
        except OutputError as error:
            self._end(error)

    def _next_batch(self) -> deque[_Noted]:
        """All that waits, as soon as something does; nothing once it is over."""
        with self._changed:
            while not self._waiting and not self._closing:
                self._changed.wait()
            batch, self._waiting, self._waiting_bytes = self._waiting, deque(), 0
            return batch

    def _end(self, error: OutputError) -> None:
        with self._changed:
            self.problem = str(error)
            self._waiting.clear()
            self._waiting_bytes = 0
        with suppress(OutputError):  # the same again: what Python still held has no room either
            self._file.close()
        self._told(f"The capture {self.path} ended after {self.written:,} PDUs: {error}")


class CapturedAssociation:
    """Notes the PDUs of one association."""

    def __init__(self, capture: Capture, packets: AssociationPackets) -> None:
        self._capture, self._packets = capture, packets

    def sent(self, data: bytes, ppid: int) -> None:
        """A PDU from here."""
        self._capture.note(self._packets, True, data, ppid)

    def received(self, data: bytes, ppid: int) -> None:
        """A PDU from the peer."""
        self._capture.note(self._packets, False, data, ppid)
