"""Network namespaces, and what Python does not offer of them: entering one, devices inside.

Names begin with a prefix of our own and hold the id of the process that made them, so that what a
killed run left behind is found and removed by the next. The machine's own interfaces are never
touched.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import re
import shutil
import signal
import struct
import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from testbed.errors import LinkFailure, NotRoot

PREFIX = "airsplit-shaped"
NAME = re.compile(rf"{PREFIX}-(\d+)-\d+-(near|far)")
COMMAND_SECONDS = 20.0
CAPABILITIES = {"CAP_NET_ADMIN": 12, "CAP_SYS_ADMIN": 21}  # by their bits, in linux/capability.h
_FOLDER = Path("/run/netns")
_CLONE_NEWNET = 0x40000000
_TUNSETIFF = 0x400454CA
_IFF_TUN_NO_PI = 0x0001 | 0x1000
_Result = TypeVar("_Result")


def available() -> bool:
    """Whether namespaces with TUN devices can be made here."""
    return not lacking() and shutil.which("ip") is not None and Path("/dev/net/tun").exists()


def lacking() -> list[str]:
    """Of the capabilities that it takes, those that this process has not: root alone is no proof,
    as in a container that gave some up."""
    held = effective_capabilities(Path("/proc/self/status").read_text(encoding="ascii"))
    return [name for name, bit in CAPABILITIES.items() if not held >> bit & 1]


def effective_capabilities(status: str) -> int:
    """As bits, from a process's status; none where it says nothing."""
    found = re.search(r"^CapEff:\s*([0-9a-f]+)$", status, re.MULTILINE)
    return 0 if found is None else int(found[1], 16)


def require() -> None:
    """Raise unless namespaces can be made here."""
    if not available():
        missing = lacking()
        raise NotRoot("Emulated links are made of network namespaces and TUN devices.",
                      "Run as root on Linux, with `ip` (iproute2) installed and /dev/net/tun"
                      + (f"; this process lacks {', '.join(missing)}." if missing else "."))


def add(name: str) -> None:
    command("ip", "netns", "add", name)
    command("ip", "-n", name, "link", "set", "lo", "up")


def remove(name: str) -> None:
    """End what still runs in `name`, then delete it with its devices."""
    with suppress(LinkFailure):  # not there: nothing to remove
        for pid in command("ip", "netns", "pids", name).split():
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        command("ip", "netns", "delete", name)


def remove_leftovers() -> None:
    """Remove the namespaces of processes that are no more."""
    for line in command("ip", "netns", "list").splitlines():
        match = NAME.match(line)
        if match and not Path(f"/proc/{match.group(1)}").exists():
            remove(match.group(0))


def enter(name: str) -> None:
    """From here on this thread, and what it starts, is in namespace `name`."""
    libc = ctypes.CDLL(None, use_errno=True)
    handle = os.open(_FOLDER / name, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if libc.setns(handle, _CLONE_NEWNET):
            number = ctypes.get_errno()
            raise LinkFailure(f"Namespace {name} cannot be entered: {os.strerror(number)}.")
    finally:
        os.close(handle)


def inside(name: str, function: Callable[[], _Result]) -> _Result:
    """What `function` returns when it runs in namespace `name`; this thread stays where it is."""
    results: list[_Result] = []
    failures: list[BaseException] = []

    def run() -> None:
        try:
            enter(name)
            results.append(function())
        except BaseException as error:  # it is raised where it can be handled
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
    return results[0]


def open_tun(device: str) -> int:
    """A TUN device in this thread's namespace; it lives as long as the descriptor."""
    handle = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.ioctl(handle, _TUNSETIFF, struct.pack("16sH22x", device.encode(), _IFF_TUN_NO_PI))
    except BaseException:
        os.close(handle)
        raise
    return handle


def command(*words: str) -> str:
    """Run a program of the system and return what it printed."""
    done = subprocess.run(words, capture_output=True, text=True, timeout=COMMAND_SECONDS)
    if done.returncode:
        raise LinkFailure(f"{' '.join(words)} failed: {done.stderr.strip()}.")
    return done.stdout
