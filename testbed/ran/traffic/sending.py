"""Real packets at their time: arrivals planned a little ahead, built, and handed to the kernel.

A UE's uplink packets leave through its own TUN device, as if its programs had sent them; downlink
ones through the core's. Both go by a packet socket, many with one call. What answers the kernel
would give (resets, unreachables) is kept off by `quiet_kernel`. How late packets were sent is
measured; what is later than `MOST_BEHIND`, after a pause of the process, is left out and counted,
so that no burst follows. Clock and sleep are passed in.
"""

from __future__ import annotations

import ipaddress
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pcap_tools.sending import Sender
from testbed import namespaces
from testbed.ran.traffic.arrivals import SECOND, Arrivals, Mix, Source, User, arrivals
from testbed.ran.traffic.packets import packets_of
from testbed.ran.traffic.recording import Recording
from testbed.ran.traffic.replay import Replay
from testbed.ran.traffic.sources import Between, Together

AHEAD = SECOND // 4  # nanoseconds that are planned at once
TICK = 500_000  # nanoseconds from look to look
MOST_BEHIND = SECOND // 5
PEER_NETWORK = "198.18.0.0/15"
LATE_BUCKETS = np.array([0, *(100 * 2 ** power for power in range(14))]) * 1000  # nanoseconds


@dataclass(frozen=True)
class Door:
    """Where a session's packets go in: uplink in the UE's namespace, downlink in the core's."""

    address: str  # the session's, IPv4
    namespace: str  # the UE's
    device: str
    core_namespace: str
    core_device: str


@dataclass
class SentCounts:
    """What became of the arrivals, by direction: down, up."""

    packets: list[int] = field(default_factory=lambda: [0, 0])
    bytes: list[int] = field(default_factory=lambda: [0, 0])
    left_out: int = 0  # too late after a pause
    late: NDArray[np.int64] = field(
        default_factory=lambda: np.zeros(len(LATE_BUCKETS), np.int64))  # by LATE_BUCKETS

    def late_ms(self, share: float) -> float | None:
        """Milliseconds within which `share` of the packets were sent; None without any."""
        if not self.late.sum():
            return None
        place = int(np.searchsorted(np.cumsum(self.late), share * self.late.sum()))
        return float(LATE_BUCKETS[min(place + 1, len(LATE_BUCKETS) - 1)]) / 1e6


class FrameSender(Protocol):
    """A device that takes packets; `pcap_tools.sending.Sender` is one."""

    def send(self, data: NDArray[np.uint8], start: NDArray[np.int64],
             captured: NDArray[np.int32]) -> None: ...

    def close(self) -> None: ...


class TrafficSender:
    """Sources onto devices, paced by a clock. `run` returns when `stop` was called."""

    def __init__(self, sources: Sequence[Source], doors: Mapping[User, Door],
                 opened: Callable[[str, str], FrameSender] | None = None,
                 clock: Callable[[], int] = time.monotonic_ns,
                 sleep: Callable[[float], None] = time.sleep) -> None:
        self.counts = SentCounts()
        self._mix = Mix(sources)
        self._recordings = [recording_of(one) for one in sources]
        self._clock, self._sleep = clock, sleep
        self._over = threading.Event()
        self._users = np.full(np.array([*doors, (0, 0)]).max(axis=0) + 1, -1)
        for place, user in enumerate(doors):
            self._users[user] = place
        self._addresses = np.array([int(ipaddress.IPv4Address(door.address))
                                    for door in doors.values()], np.int64)
        places = [((door.core_namespace, door.core_device), (door.namespace, door.device))
                  for door in doors.values()]
        different = list(dict.fromkeys(one for pair in places for one in pair))
        # [user, direction] -> place of the device
        self._ways = np.array([[different.index(one) for one in pair] for pair in places])
        self._devices: list[FrameSender] = []
        try:
            for one in different:
                self._devices.append((opened or _open)(*one))
        except BaseException:
            self.close()
            raise

    def run(self) -> None:
        """Send until stopped."""
        packets_of(arrivals(1), np.zeros(1, np.int64))  # compiled before anything is due
        begin = self._clock()
        planned, plan = 0, arrivals(0)
        while not self._over.is_set():
            now = self._clock() - begin
            if now + AHEAD // 2 > planned:
                planned = now + AHEAD
                plan = np.concatenate((plan, self._mix.until(planned)))
            due = int(np.searchsorted(plan["time"], now, side="right"))
            if due:
                self._send(plan[:due], now, begin)
                plan = plan[due:]
            ready = int(plan["time"][0]) if len(plan) else planned - AHEAD // 2
            wait = min(max(ready - (self._clock() - begin), TICK // 8), TICK)
            self._sleep(wait / SECOND)

    def move(self, user: User, address: str) -> None:
        """A session has another IPv4 address from now on."""
        self._addresses[self._users[user]] = int(ipaddress.IPv4Address(address))

    def stop(self) -> None:
        self._over.set()

    def close(self) -> None:
        for device in self._devices:
            device.close()

    def _send(self, rows: Arrivals, now: int, begin: int) -> None:
        late = int(np.searchsorted(rows["time"], now - MOST_BEHIND, side="left"))
        self.counts.left_out += late
        rows = rows[late:]
        users = self._users[rows["ue"], rows["session"]]
        for source in np.unique(rows["source"]).tolist():
            chosen = rows["source"] == source
            self._send_source(rows[chosen], users[chosen], self._recordings[source])
        lateness = self._clock() - begin - rows["time"]
        places = np.searchsorted(LATE_BUCKETS, lateness, side="right") - 1
        np.add.at(self.counts.late, np.maximum(places, 0), 1)

    def _send_source(self, rows: Arrivals, users: NDArray[np.int64],
                     recording: Recording | None) -> None:
        data, begin = packets_of(rows, self._addresses[users], recording,
                                 sum(self.counts.packets))
        size = rows["size"].astype(np.int32)
        for direction in (0, 1):
            there = rows["direction"] == direction
            self.counts.packets[direction] += int(there.sum())
            self.counts.bytes[direction] += int(size[there].sum())
        # Downlink packets of all UEs of a network go by one device, and by one call.
        ways = self._ways[users, rows["direction"]]
        for way in np.unique(ways).tolist():
            chosen = ways == way
            self._devices[way].send(data, begin[chosen], size[chosen])


def recording_of(source: Source) -> Recording | None:
    """The recording that a source's rows are of."""
    if isinstance(source, Replay):
        return source.recording
    if isinstance(source, Between):
        return recording_of(source.source)
    if isinstance(source, Together) and source.sources:
        return recording_of(source.sources[0])
    return None


def _open(namespace: str, device: str) -> FrameSender:
    return namespaces.inside(namespace, lambda: Sender(device))


def quiet_kernel(doors: Sequence[Door]) -> None:
    """Let nobody's addresses end silently on both sides: no resets, nothing unreachable.

    A UE's kernel drops what comes from an address that it has no way to (loose reverse path
    filtering), and the core's passes on nothing to it.
    """
    for name, devices in _by_namespace(doors).items():
        # The local table goes before all rules, those of a UE's sessions too.
        namespaces.command("ip", "-n", name, "route", "replace", "blackhole", PEER_NETWORK,
                           "table", "local")
        for device in devices:
            namespaces.inside(name, lambda device=device: _filter(device))  # type: ignore[misc]  # mypy infers no default's type


def _filter(device: str) -> None:
    Path(f"/proc/sys/net/ipv4/conf/{device}/rp_filter").write_text("2")


def _by_namespace(doors: Sequence[Door]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for door in doors:
        found.setdefault(door.namespace, set()).add(door.device)
        found.setdefault(door.core_namespace, set())
    return found
