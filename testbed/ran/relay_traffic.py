"""A file's traffic where no kernel is: packets into sockets, and what comes out is taken away.

    with relay_traffic(config, plane, end_of) as traffic:
        traffic.account()

`end_of` gives the outer end of a device by its name (`relay_devices`). Packets for UEs whose
sessions have traffic are read here, as a kernel that nobody listens to would do. Greedy traffic is
TCP of a kernel, and refused.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from pcap_tools.sending import Sent
from testbed.ran.plane.topology import ue_device
from testbed.ran.ran_config import RanConfig, users_of
from testbed.ran.ran_traffic import RunningTraffic, Spaces, running_traffic
from testbed.ran.relay_devices import name_of
from testbed.ran.traffic.config import Kind
from xapp.errors import ConfigurationError

AT_ONCE = 256  # packets of one device before the others get their turn
EndOf = Callable[[str], socket.socket]


class EndSender:
    """Sends whole packets into a device's outer end; the end is not closed with it."""

    def __init__(self, end: socket.socket) -> None:
        self.sent = Sent()
        self._end = end

    def send(self, data: NDArray[np.uint8], start: NDArray[np.int64],
             captured: NDArray[np.int32]) -> None:
        """In order; what the queue has no room for is lost and counted, as at a TUN device."""
        octets = memoryview(data)  # type: ignore[arg-type]  # an array is a buffer
        for at, size in zip(start.tolist(), captured.tolist(), strict=True):
            try:
                self._end.send(octets[at:at + size])
            except BlockingIOError:
                self.sent.no_room += 1
                continue
            self.sent.packets += 1
            self.sent.bytes += size

    def close(self) -> None:
        """Others have the end, too."""


class Sink:
    """Reads ends, and throws away what comes, until it is closed."""

    def __init__(self, ends: Sequence[socket.socket]) -> None:
        self.packets = 0
        self._ends = {one.fileno(): one for one in ends}
        self._woken, self._wake = os.pipe2(os.O_CLOEXEC)
        self._thread = threading.Thread(target=self._run, daemon=True, name="sink")
        self._thread.start()

    def _run(self) -> None:
        poll = select.poll()
        for number in (*self._ends, self._woken):
            poll.register(number, select.POLLIN)
        while True:
            ready = [number for number, _ in poll.poll()]
            if self._woken in ready:
                return
            for number in ready:
                self._drain(self._ends[number])

    def _drain(self, end: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError):
            for _ in range(AT_ONCE):
                end.recv(1)  # of none more is wanted
                self.packets += 1

    def close(self) -> None:
        os.write(self._wake, b".")
        self._thread.join()
        os.close(self._wake)
        os.close(self._woken)


@contextmanager
def relay_traffic(config: RanConfig, plane: Spaces, end_of: EndOf) -> Iterator[RunningTraffic]:
    """All traffic of `config`, until the block ends."""
    if any(one.kind is Kind.GREEDY for one in config.traffic):
        raise ConfigurationError("Greedy traffic is a kernel's TCP; without namespaces none is.",
                                 "Give kind saturation, or leave `way.devices` out.")
    phones = config.phones
    users = sorted({user for one in config.traffic for user in users_of(config, one)})
    sink = Sink([end_of(name_of(plane.namespace(phones[ue].name), ue_device(session)))
                 for ue, session in users])
    try:
        with running_traffic(config, plane, lambda namespace, device: EndSender(
                end_of(name_of(namespace, device)))) as traffic:
            yield traffic
    finally:
        sink.close()
