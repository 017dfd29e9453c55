"""The core's side of a cell without namespaces: networks, the edge's end, what the tap is told.

    with Core(config, host) as core: ...

Each network's device is read here and here alone. What others send into a network passes through
as well, so that all of it is told in its order. It knows no phone.
"""

from __future__ import annotations

import asyncio
import socket
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from pcap_tools.write import PcapWriter
from testbed.errors import LinkFailure
from testbed.loop.packet_stream import RAW_IP, Copies
from testbed.loop.relay_link import AT_ONCE, LONGEST, Link
from testbed.loop.stack.host import Host
from testbed.loop.stack.segments import TCP
from testbed.loop.stack.stream import Stream
from testbed.ran.relay_devices import Devices, name_of, taken

if TYPE_CHECKING:
    from testbed.loop.relay_ends import EndsConfig

FLUSH_SECONDS = 0.002  # that a packet's copy waits for others


class Core:
    """One cell's."""

    def __init__(self, config: EndsConfig, host: Host) -> None:
        self._config, self._undo = config, ExitStack()
        self._loop = asyncio.get_running_loop()
        self.thrown_away = 0  # packets that came up for nobody
        self._flushing = False
        self._port = config.edge_port.to_bytes(2, "big")
        self._capture: PcapWriter | None = None
        self._host = host

    def __enter__(self) -> Core:
        try:
            self._open()
        except BaseException:
            self._undo.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.end_capture()
        self._undo.close()

    def _open(self) -> None:
        config = self._config
        self.copies = Copies(config.copies)
        self._undo.callback(self.copies.close)
        self._loop.add_reader(self.copies.fileno(), self.copies.accept)
        self._undo.callback(self._loop.remove_reader, self.copies.fileno())
        self._capture = PcapWriter(config.capture, RAW_IP, snap=config.snap)
        self._capture.flush()
        devices = Devices(config.devices, self._elsewhere)
        self._undo.callback(devices.close)
        for network in config.networks:
            name = name_of(f"{config.name}-n6", network)
            end = taken(config.cell, name)
            self._undo.callback(end.close)
            if network == config.edge_device:
                self.link = Link(self._host, end, self._seen_at_edge, self._to_edge)
            else:
                self._read(end, lambda end=end: self._from_cell(end))
            given = devices.add(name)
            self._read(given, lambda given=given, end=end:
                       self._from_crowd(given, end))
        devices.start()

    def _read(self, end: socket.socket, take: Any) -> None:
        self._loop.add_reader(end.fileno(), take)
        self._undo.callback(self._loop.remove_reader, end.fileno())

    def _elsewhere(self, name: str) -> socket.socket | None:
        """UEs' devices are the cell's to give."""
        try:
            return taken(self._config.cell, name)
        except LinkFailure:
            return None

    def _from_cell(self, end: socket.socket) -> None:
        """Uplink of a network in which no host of ours is."""
        for packet in _packets(end):
            self.thrown_away += 1
            self._tell(packet)

    def _from_crowd(self, given: socket.socket, end: socket.socket) -> None:
        """Downlink that somebody else sends."""
        for packet in _packets(given):
            try:
                end.send(packet)
            except BlockingIOError:
                continue  # its queue is full, as a device's may be
            self._tell(packet)

    def _seen_at_edge(self, packet: bytes) -> None:
        """In the network that the edge is in."""
        self._tell(packet)
        if self._capture is not None and self._is_edges(packet):
            self._capture.write_frame(time.time_ns(), packet)

    def _is_edges(self, packet: bytes) -> bool:
        at = (packet[0] & 15) * 4
        return len(packet) > at + 4 and packet[9] == TCP and self._port in (
            packet[at:at + 2], packet[at + 2:at + 4])

    async def _to_edge(self, stream: Stream) -> None:
        """Whoever comes to the edge's port is joined to it."""
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._config.edge_to)
        except OSError:
            stream.abort(time.monotonic())  # nobody serves there
            self.link.flush()
            return
        await self.link.join(stream, reader, writer)

    def _tell(self, packet: bytes) -> None:
        self.copies.add(time.time_ns(), packet)
        if not self._flushing:
            self._flushing = True
            self._loop.call_later(FLUSH_SECONDS, self._flush)

    def _flush(self) -> None:
        self._flushing = self.copies.flush()
        if self._flushing:  # somebody reads slowly
            self._loop.call_later(FLUSH_SECONDS, self._flush)

    def end_capture(self) -> None:
        """What has come is in the file, whole."""
        capture, self._capture = self._capture, None
        if capture is not None:
            capture.close()

    def account(self) -> dict[str, Any]:
        return self.link.account() | {
            "thrown_away": self.thrown_away, "told_to_the_tap": self.copies.packets,
            "lost_on_the_way_to_the_tap": self.copies.lost}


def _packets(end: socket.socket) -> list[bytes]:
    """What waits there, up to a turn's worth."""
    found: list[bytes] = []
    try:
        while len(found) < AT_ONCE:
            found.append(end.recv(LONGEST))
    except BlockingIOError:
        pass
    return found
