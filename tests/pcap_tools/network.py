"""Network namespaces of a test's own, with a pair of Ethernet ends and a TUN device in them.

Nothing outside of them is touched. Where this is not root, or iproute2 is missing, tests are
skipped with that reason.
"""

from __future__ import annotations

import ctypes
import fcntl
import itertools
import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CLONE_NEWNET = 0x40000000
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
_numbers = itertools.count()
_library = ctypes.CDLL(None, use_errno=True)


def missing() -> str | None:
    """Why there can be no namespaces here; None where there can."""
    if os.name != "posix" or os.geteuid() != 0:
        return "network namespaces need root"
    if shutil.which("ip") is None:
        return "network namespaces need iproute2"
    with run_quietly("ip", "netns", "list") as code:
        return None if code == 0 else "network namespaces are not allowed here"


@contextmanager
def run_quietly(*command: str) -> Iterator[int]:
    yield subprocess.run(command, capture_output=True, check=False).returncode


class Namespace:
    """One namespace: `near` and `far` are two ends of a wire, `lo` is up."""

    near, far, tun = "near", "far", "tun0"

    def __init__(self) -> None:
        self.name = f"airsplit-{os.getpid()}-{next(_numbers)}"

    def ip(self, *arguments: str) -> None:
        subprocess.run(["ip", "-n", self.name, *arguments], check=True, capture_output=True)

    def open(self) -> None:
        subprocess.run(["ip", "netns", "add", self.name], check=True, capture_output=True)
        with self.inside():
            # Without addresses of their own the ends say nothing unasked.
            for scope in ("all", "default"):
                Path(f"/proc/sys/net/ipv6/conf/{scope}/disable_ipv6").write_text("1")
        self.ip("link", "set", "lo", "up")
        self.ip("link", "add", self.near, "type", "veth", "peer", "name", self.far)
        for end in (self.near, self.far):
            self.ip("link", "set", end, "up", "mtu", "9000")

    def close(self) -> None:
        with run_quietly("ip", "netns", "delete", self.name):
            pass

    @contextmanager
    def inside(self) -> Iterator[None]:
        """This thread is in the namespace; sockets opened meanwhile stay there."""
        with open("/proc/thread-self/ns/net") as home, open(f"/run/netns/{self.name}") as there:
            _enter(there.fileno())
            try:
                yield
            finally:
                _enter(home.fileno())

    @contextmanager
    def open_tun(self) -> Iterator[int]:
        """A TUN device that is up; what is written to the number arrives on it."""
        with self.inside():
            number = os.open("/dev/net/tun", os.O_RDWR)
            fcntl.ioctl(number, TUNSETIFF,
                        struct.pack("16sH22x", self.tun.encode(), IFF_TUN | IFF_NO_PI))
        try:
            self.ip("link", "set", self.tun, "up")
            yield number
        finally:
            os.close(number)


def _enter(number: int) -> None:
    if _library.setns(number, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


@contextmanager
def namespace() -> Iterator[Namespace]:
    """A namespace for the length of a block."""
    made = Namespace()
    try:
        made.open()
        yield made
    finally:
        made.close()
