"""What tests of associations share: transports of this machine, both ends in one loop, deadlines,
and a look at what was left open.

It uses no fixture of other tests, so that it runs in a virtual machine that has little.
"""

from __future__ import annotations

import asyncio
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xapp.ric import kernel_sctp, usrsctp
from xapp.ric.transport import Address, Association, Limits, Listener, connect, listen

ROOT = Path(__file__).resolve().parents[3]
HANG_SECONDS = 60.0  # a test that takes so long hangs
LEFT_SECONDS = 5.0  # until what was closed is gone
ADDRESSES = {
    "kernel": "sctp://127.0.0.1:0",
    "kernel-ipv6": "sctp://[::1]:0",
    "usrsctp": "usrsctp://127.0.0.1:0?udp=any",
    "usrsctp-ipv6": "usrsctp://[::1]:0?udp=any",
    "usrsctp-raw": "usrsctp://127.0.0.1:0?udp=0",
    "tcp": "tcp://127.0.0.1:0",
}
# A peer that is gone counts as lost within a second or two.
HASTY = Limits(heartbeat_seconds=0.2, retransmissions=3, first_timeout_seconds=0.1,
               most_timeout_seconds=0.2, close_seconds=1.0)


def missing(name: str) -> str | None:
    """Why a transport cannot be tested on this machine."""
    if name.startswith("kernel"):
        if not kernel_sctp.available():
            return "this kernel has no SCTP (test_kernel_sctp_in_uml brings one that does)"
    elif name.startswith("usrsctp") and not usrsctp.available():
        return "libusrsctp2 is not installed"
    if name == "usrsctp-raw":
        if kernel_sctp.available():
            return "the kernel's own SCTP answers packets over raw IP"
        try:
            socket.socket(socket.AF_INET, socket.SOCK_RAW, 132).close()
        except PermissionError:
            return "raw IP needs CAP_NET_RAW"
    if name.endswith("ipv6") and not _has_ipv6():
        return "this machine has no IPv6 on its loopback"
    return None


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def run(scene: Coroutine[Any, Any, None]) -> None:
    """Play a scene in an event loop of its own, which must end and leave nothing behind."""
    async def play() -> None:
        before = _open_things()
        await asyncio.wait_for(scene, HANG_SECONDS)
        deadline = time.monotonic() + LEFT_SECONDS
        # What tests before this one had left may end meanwhile: only more than before is a fault.
        while _more_than(before) and time.monotonic() < deadline:
            await asyncio.sleep(0.01)  # asyncio closes sockets a few steps later
        assert not _more_than(before), "threads, descriptors"

    asyncio.run(play())


def _open_things() -> tuple[int, int]:
    """Threads and descriptors of this process."""
    return len(os.listdir("/proc/self/task")), len(os.listdir("/proc/self/fd"))


def _more_than(before: tuple[int, int]) -> bool:
    return any(now > then for now, then in zip(_open_things(), before, strict=True))


@dataclass
class Site:
    """A listener and the associations it took."""

    listener: Listener
    came: list[Association] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, association: Association) -> None:
        self.came.append(association)
        self._news.set()

    async def number(self, wanted: int) -> list[Association]:
        """The associations, when there are as many."""
        while len(self.came) < wanted:
            self._news.clear()
            await self._news.wait()
        return self.came


@asynccontextmanager
async def site(address: str, limits: Limits | None = None) -> AsyncIterator[Site]:
    """Listen at `address`; at the end, everything is closed."""
    made: list[Site] = []
    listener = await listen(Address.parse(address), lambda one: made[0].take(one), limits)
    made.append(Site(listener))
    try:
        yield made[0]
    finally:
        listener.close()
        for association in made[0].came:
            association.abort()
            await association.wait_closed()
        await listener.wait_closed()


@asynccontextmanager
async def pair(
    address: str, here: Limits | None = None, there: Limits | None = None
) -> AsyncIterator[tuple[Association, Association]]:
    """Both ends of an association: who listened, who connected."""
    async with site(address, here) as ours:
        theirs = await connect(ours.listener.address, there)
        try:
            yield (await ours.number(1))[0], theirs
        finally:
            theirs.abort()
            await theirs.wait_closed()


async def ended(association: Association) -> str:
    """Why it ended, when it has; what still came is dropped."""
    while await association.receive() is not None:
        pass
    assert association.ended is not None
    return association.ended


@asynccontextmanager
async def process(*arguments: object) -> AsyncIterator[tuple[subprocess.Popen[str], str]]:
    """`tests.xapp.ric.node` with these arguments, and its address; it is killed at the end."""
    started = subprocess.Popen(
        [sys.executable, "-m", "tests.xapp.ric.node", *map(str, arguments)], cwd=ROOT, text=True,
        stdout=subprocess.PIPE)
    try:
        assert started.stdout is not None
        while not select.select([started.stdout], [], [], 0)[0]:
            await asyncio.sleep(0.01)  # it may need the other end, in this loop, to start
        words = started.stdout.readline().split()
        assert words[:1] == ["ready"], "the node did not start"
        yield started, words[1]
    finally:
        with started:
            started.send_signal(signal.SIGKILL)
