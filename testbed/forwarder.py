"""Two network namespaces joined by a link that behaves as told: real IP packets over TUN devices.

This needs no traffic control in the kernel: a process of its own reads packets from one end's
device and writes them to the other's when `shaped_link` says that they arrive. The same process
records one end, as a packet socket sees it, with the kernel's time stamps. It knows packets' sizes
and, for the list of flows, addresses and ports; nothing of what they carry.
"""

from __future__ import annotations

import ipaddress
import itertools
import multiprocessing
import multiprocessing.connection
import os
import random
import select
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pcap_tools.errors import OutputError
from testbed import namespaces
from testbed.errors import LinkFailure
from testbed.shaped_link import Channel, LinkConfig
from testbed.tap import Tap

DEVICE = "shaped"
READ_AT_ONCE = 64  # packets of one device before the other gets its turn
READY_SECONDS = 60.0
IDLE_SECONDS = 0.5  # after which the process looks whether it is still wanted
_numbers = itertools.count()


@dataclass(frozen=True)
class Ends:
    """The two ends of a link that stands."""

    near: str  # namespace
    far: str
    near_address: str
    far_address: str

    def namespace(self, side: str) -> str:
        return self.near if side == "near" else self.far


@dataclass(frozen=True)
class Recording:
    """What to record of a link, and where."""

    path: Path
    side: str  # "near" or "far"
    snap: int = 128  # bytes kept of each packet


class ShapedLink:
    """A link that stands; `recording` begins and ends what its process records."""

    def __init__(self, ends: Ends, control: multiprocessing.connection.Connection) -> None:
        self.ends, self._control = ends, control

    def record(self, recording: Recording) -> None:
        self._control.send(recording)
        self._answer()

    def finish(self) -> dict[str, Any]:
        """End the recording: `flows` in it, `packets`, and `dropped` that the kernel had to."""
        self._control.send("finish")
        found: dict[str, Any] = self._answer()
        return found

    def _answer(self) -> Any:
        if not self._control.poll(READY_SECONDS):
            raise LinkFailure("The link's process does not answer.")
        try:
            answer = self._control.recv()
        except EOFError:
            raise LinkFailure("The link's process ended.", "Its message is above.") from None
        if isinstance(answer, LinkFailure):
            raise answer
        return answer


@contextmanager
def shaped_link(
    config: LinkConfig, seed: int, near_address: str = "192.0.2.1",
    far_address: str = "192.0.2.2", context: Any = None,
) -> Iterator[ShapedLink]:
    """Two namespaces and the link between them; all of it is gone at the end.

    `context` says how processes are started (of `multiprocessing`).
    """
    namespaces.require()
    context = context or multiprocessing.get_context("spawn")
    stem = f"{namespaces.PREFIX}-{os.getpid()}-{next(_numbers)}"
    ends = Ends(f"{stem}-near", f"{stem}-far", near_address, far_address)
    ours, theirs = context.Pipe()
    process = context.Process(target=_run, args=(ends, config, seed, theirs), daemon=True)
    try:
        for name in (ends.near, ends.far):
            namespaces.add(name)
        process.start()
        theirs.close()
        link = ShapedLink(ends, ours)
        link._answer()  # the devices are there
        for name, own, peer in ((ends.near, near_address, far_address),
                                (ends.far, far_address, near_address)):
            _configure(name, own, peer, config.mtu)
        yield link
    finally:
        ours.close()  # which the process takes as its end
        if process.pid is not None:
            process.join(5.0)
            if process.is_alive():
                process.kill()
                process.join()
        for name in (ends.near, ends.far):
            namespaces.remove(name)


def _configure(namespace: str, own: str, peer: str, mtu: int) -> None:
    version = ipaddress.ip_address(own).version
    length, more = ("128", ["nodad"]) if version == 6 else ("32", [])
    # Without multicast the device keeps quiet: no announcements of the kernel's own.
    namespaces.command("ip", "-n", namespace, "link", "set", DEVICE, "multicast", "off",
                       "mtu", str(mtu), "addrgenmode", "none")
    namespaces.command("ip", "-n", namespace, "address", "add", own, "peer", f"{peer}/{length}",
                       "dev", DEVICE, *more)
    namespaces.command("ip", "-n", namespace, "link", "set", DEVICE, "up", "txqueuelen", "2000")
    if version == 6:
        namespaces.command("ip", "-n", namespace, "-6", "route", "replace", f"{peer}/128", "dev",
                           DEVICE)


def end_with_parent() -> None:
    """End this process when the one that asked for it is gone, even if it was killed."""
    import threading

    parent = multiprocessing.parent_process()
    assert parent is not None  # this runs in a child only

    def watch() -> None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _run(ends: Ends, config: LinkConfig, seed: int,
         control: multiprocessing.connection.Connection) -> None:
    """The link's process."""
    end_with_parent()
    devices = []
    try:
        for name in (ends.near, ends.far):
            devices.append(namespaces.inside(name, lambda: namespaces.open_tun(DEVICE)))
    except (OSError, LinkFailure) as error:
        control.send(LinkFailure(f"A TUN device cannot be made: {error}."))
        return
    up = Channel(config.up, random.Random(f"{seed} up"))
    down = Channel(config.down, random.Random(f"{seed} down"))
    control.send("ready")
    with suppress(EOFError, KeyboardInterrupt, BrokenPipeError):
        Forwarder(ends, devices[0], devices[1], up, down, time.monotonic).serve(control)


class _Way:
    """One direction: where packets come from, when they arrive, where they go."""

    def __init__(self, source: int, target: int, channel: Channel) -> None:
        self.source, self._target, self._channel = source, target, channel
        self._travelling: deque[tuple[float, bytes]] = deque()

    def take(self, now: float) -> None:
        for _ in range(READ_AT_ONCE):
            try:
                packet = os.read(self.source, 65_535)
            except OSError:  # no more of them; or the device is not up yet
                return
            arrives = self._channel.offer(len(packet), now)
            if arrives is not None:
                self._travelling.append((arrives, packet))

    def deliver(self, now: float) -> float:
        """Hand over what has arrived; when the next does."""
        while self._travelling and self._travelling[0][0] <= now:
            with suppress(OSError):  # the other end is going down, or has no room: lost
                os.write(self._target, self._travelling[0][1])
            self._travelling.popleft()
        return self._travelling[0][0] if self._travelling else now + IDLE_SECONDS


class Forwarder:
    """Moves packets until its controller is gone."""

    def __init__(self, ends: Ends, near: int, far: int, up: Channel, down: Channel,
                 clock: Callable[[], float]) -> None:
        self._ends, self._clock, self._origin = ends, clock, clock()
        self._ways = (_Way(near, far, up), _Way(far, near, down))
        self._tap: Tap | None = None
        self._channels = {"up": up, "down": down}

    def serve(self, control: multiprocessing.connection.Connection) -> None:
        """Until `control` is closed, which raises EOFError."""
        devices = {way.source: way for way in self._ways}
        while True:
            now = self._clock() - self._origin
            wait = min(way.deliver(now) for way in self._ways) - now
            sources = [*devices, control.fileno(), *([self._tap.fileno()] if self._tap else [])]
            readable = select.select(sources, [], [], max(0.0, wait))[0]
            now = self._clock() - self._origin
            for source in readable:
                if source in devices:
                    devices[source].take(now)
                elif source == control.fileno():
                    self._obey(control)
                elif self._tap:
                    self._tap.take()

    def _obey(self, control: multiprocessing.connection.Connection) -> None:
        order = control.recv()
        if isinstance(order, Recording):
            try:
                self._tap = namespaces.inside(
                    self._ends.namespace(order.side),
                    lambda: Tap(DEVICE, order.path, order.snap))
                control.send("ready")
            except (OSError, OutputError) as error:
                control.send(LinkFailure(f"{order.path} cannot be recorded: {error}"))
        elif self._tap is not None:
            flows, packets, dropped = self._tap.close()
            self._tap = None
            control.send({"flows": flows, "packets": packets, "dropped": dropped} | {
                f"{name}_{what}": getattr(channel, what)
                for name, channel in self._channels.items()
                for what in ("offered", "lost", "refused")})
