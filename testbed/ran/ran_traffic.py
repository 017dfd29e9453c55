"""The traffic of a cell's file on its running user plane: senders, greedy flows, their accounts.

    with running_traffic(config, plane) as traffic:
        traffic.account()

Greedy traffic is real TCP between the namespaces; all other is packets by their times. It has
threads of its own, and no say in what the cell does with the packets.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_interface
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pcap_tools.errors import LiveError
from pcap_tools.sending import Sender, Sent
from testbed import namespaces
from testbed.ran.plane.topology import ue_device
from testbed.ran.ran_config import RanConfig, plane_config, sources_of, users_of
from testbed.ran.traffic.arrivals import DOWN, UP, User
from testbed.ran.traffic.config import Kind
from testbed.ran.traffic.greedy import GreedyFlows
from testbed.ran.traffic.sending import Door, TrafficSender, quiet_kernel, recording_of

NAMES = {DOWN: "down", UP: "up"}


class Spaces(Protocol):
    """Where packets go in, whatever carries them."""

    @property
    def n6(self) -> str: ...

    def namespace(self, ue: str) -> str: ...


class Counting(Protocol):
    """What sends packets, and counts them; `pcap_tools.sending.Sender` is one."""

    sent: Sent

    def send(self, data: NDArray[np.uint8], start: NDArray[np.int64],
             captured: NDArray[np.int32]) -> None: ...

    def close(self) -> None: ...


Senders = Callable[[str, str], Counting]  # by namespace and device


class Patient:
    """A device that is down while its UE is away: what it does not take is counted."""

    def __init__(self, sender: Counting) -> None:
        self._sender = sender
        self.refused = 0  # packets

    def send(self, data: NDArray[np.uint8], start: NDArray[np.int64],
             captured: NDArray[np.int32]) -> None:
        before = self._sender.sent.packets + self._sender.sent.too_long
        try:
            self._sender.send(data, start, captured)
        except LiveError:
            done = self._sender.sent.packets + self._sender.sent.too_long - before
            self.refused += len(start) - done

    def close(self) -> None:
        self._sender.close()


@dataclass
class RunningTraffic:
    """What is being sent."""

    config: RanConfig
    sender: TrafficSender | None
    greedy: list[GreedyFlows]
    devices: list[Patient] = field(default_factory=list)

    def move(self, user: User, address: str) -> None:
        """A session has another address; TCP that it had ends, as it would anywhere."""
        if self.sender is not None:
            self.sender.move(user, address)

    def account(self) -> dict[str, Any]:
        """What was sent and how late; None is what nobody sent."""
        found: dict[str, Any] = {"sent": None, "greedy_bytes": None}
        if self.sender is not None:
            counts = self.sender.counts
            found["sent"] = {
                "packets": dict(zip(NAMES.values(), counts.packets, strict=True)),
                "bytes": dict(zip(NAMES.values(), counts.bytes, strict=True)),
                "left_out_after_pauses": counts.left_out,
                "while_the_device_was_down": sum(one.refused for one in self.devices),
                "late_ms": {"p50": counts.late_ms(0.5), "p99": counts.late_ms(0.99)}}
        if self.greedy:
            phones = self.config.phones
            found["greedy_bytes"] = {
                f"{phones[user[0]].name} {NAMES[direction]}": octets for flows in self.greedy
                for (user, direction), octets in flows.received.items()}
            found["greedy_failures"] = {
                f"{phones[user[0]].name} {NAMES[direction]}": why for flows in self.greedy
                for (user, direction), why in flows.failures.items()}
        return found


def doors_of(config: RanConfig, plane: Spaces) -> dict[User, Door]:
    """Where each session's packets go in; sessions without an IPv4 address have none."""
    devices = {one.name: one.device for one in config.dnns}
    found = {}
    for place, ue in enumerate(plane_config(config).ues):
        for number, session in enumerate(ue.sessions):
            if session.address is not None:
                found[place, number] = Door(
                    session.address, plane.namespace(ue.name), ue_device(number), plane.n6,
                    devices[session.dnn])
    return found


@contextmanager
def running_traffic(config: RanConfig, plane: Spaces, senders: Senders | None = None,
                    ) -> Iterator[RunningTraffic]:
    """All traffic of `config`, until the block ends; `senders` is for where no kernel is."""
    doors = doors_of(config, plane)
    if senders is None:
        quiet_kernel(list(doors.values()))
    timed = [source for source, one in zip(sources_of(config), config.traffic, strict=True)
             if one.kind is not Kind.GREEDY]
    devices: list[Patient] = []

    def opened(namespace: str, device: str) -> Patient:
        devices.append(Patient(namespaces.inside(namespace, lambda: Sender(device))
                               if senders is None else senders(namespace, device)))
        return devices[-1]

    sender = TrafficSender(timed, doors, opened) if timed else None
    traffic = RunningTraffic(config, sender, [], devices)
    threads = [] if sender is None else [
        threading.Thread(target=sender.run, name="traffic", daemon=True)]
    try:
        for one in config.traffic:
            if one.kind is Kind.GREEDY:
                traffic.greedy.append(_greedy(config, doors, users_of(config, one), (
                    *((DOWN,) if one.down_kbps > 0 else ()), *((UP,) if one.up_kbps > 0 else ()))))
        for thread in threads:
            thread.start()
        for flows in traffic.greedy:
            flows.start()
        yield traffic
    finally:
        if sender is not None:
            sender.stop()
            for thread in threads:
                if thread.is_alive():
                    thread.join()
            sender.close()
        for flows in traffic.greedy:
            flows.close()


def _greedy(config: RanConfig, doors: dict[User, Door], users: list[User],
            directions: tuple[int, ...]) -> GreedyFlows:
    gateways = {one.name: str(ip_interface(next(one.gateways())).ip) for one in config.dnns}
    phones = config.phones
    return GreedyFlows({user: doors[user] for user in users},
                       {user: gateways[phones[user[0]].sessions[user[1]].dnn] for user in users},
                       directions)


def left_out_of_recordings(config: RanConfig) -> list[str]:
    """What recordings hold that is not replayed, in words."""
    found = []
    for one, source in zip(config.traffic, sources_of(config), strict=True):
        recording = recording_of(source)
        if recording is not None and (recording.left_out or recording.split):
            found.append(f"{one.file}: of the phone {recording.user}; {recording.left_out} packets "
                         f"of others or no IPv4 are left out, {recording.split} too long ones "
                         "split")
    return found
