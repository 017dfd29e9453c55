"""Runs a command under another Linux kernel: User-Mode Linux, an ordinary process that boots in
seconds and brings what this machine's kernel may lack (SCTP, netem, htb, veth, namespaces).

    result = uml.run([sys.executable, "-m", "pytest", ...], modules=("hmac", "sctp"), seconds=60)

Inside, the command is root and sees this machine's files, read-only, with an empty /tmp. It has a
loopback and no other network, and none of the outside's processes. Needed is the Debian package
user-mode-linux, nothing else: this file is also the virtual machine's first process.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

KERNEL = "linux.uml"
MODULES = Path("/usr/lib/uml/modules")
MEMORY_MIB = 384
SHARED_MEMORY = Path("/dev/shm")
END = "the command in User-Mode Linux ended with"
# Of x86_64, the only processor that Debian builds it for.
FINIT_MODULE = 313
POWER_OFF = 0x4321FEDC
MS_BIND = 4096  # of mount(2)
MOUNTS = (("proc", "/proc", "proc"), ("sysfs", "/sys", "sysfs"), ("tmpfs", "/tmp", "tmpfs"),
          ("tmpfs", "/run", "tmpfs"))  # /dev is there from the start
GET_FLAGS, SET_FLAGS, IS_UP = 0x8913, 0x8914, 1  # SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP


@dataclass(frozen=True)
class Result:
    """What the command said, and how it ended; None where it did not end by itself."""

    output: str
    code: int | None


def missing() -> str | None:
    """Why nothing can be run here."""
    if shutil.which(KERNEL) is None or not MODULES.is_dir():
        return "user-mode-linux is not installed (apt-get install user-mode-linux)"
    return None


def run(
    command: Sequence[str], *, modules: Sequence[str] = (), seconds: float,
    environment: Mapping[str, str] | None = None, folder: Path | None = None,
) -> Result:
    """Run a command in `folder` with these kernel modules loaded, for that long at most."""
    with tempfile.TemporaryDirectory(prefix="uml-") as place:
        wanted = Path(place, "wanted.json")
        wanted.write_text(json.dumps({
            "command": list(command), "modules": list(modules), "folder": str(folder or Path.cwd()),
            "environment": {"PATH": os.environ.get("PATH", os.defpath), "HOME": "/tmp",
                            "LANG": "C.UTF-8", **(environment or {})}}))
        first = Path(place, "first")
        first.write_text(f"#!/bin/sh\nexec '{sys.executable}' -E '{__file__}' '{wanted}'\n")
        first.chmod(0o700)
        return _boot(first, place, seconds)


def _boot(first: Path, place: str, seconds: float) -> Result:
    """Start the kernel, with its files in `place`, and wait for its end."""
    room = SHARED_MEMORY if _has_room(SHARED_MEMORY) else Path(place)
    machine = subprocess.Popen(
        [KERNEL, f"mem={MEMORY_MIB}M", "rootfstype=hostfs", "rootflags=/", "ro", f"init={first}",
         "con=null", "con0=null,fd:1", f"uml_dir={place}", "quiet", "panic=-1"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env={**os.environ, "TMPDIR": str(room)}, start_new_session=True)
    try:
        output, _ = machine.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        _kill(machine)
        output, _ = machine.communicate()
    finally:
        _kill(machine)
    text = output.decode(errors="replace").replace("\r\n", "\n")
    ended = re.search(rf"^{END} (-?\d+)$", text, re.MULTILINE)
    return Result(text, int(ended[1]) if ended else None)


def _has_room(folder: Path) -> bool:
    """For the machine's memory, which is a file."""
    return folder.is_dir() and shutil.disk_usage(folder).free > MEMORY_MIB << 20


def _kill(machine: subprocess.Popen[bytes]) -> None:
    """With its processes, each of which is one of ours, too."""
    with suppress(ProcessLookupError):  # it ended by itself
        os.killpg(machine.pid, signal.SIGKILL)


def inside(wanted: Path) -> None:
    """What the first process of the virtual machine does."""
    library = ctypes.CDLL(None, use_errno=True)
    code = 1
    try:
        for what, where, kind in MOUNTS[:2]:
            _check(library.mount(what.encode(), where.encode(), kind.encode(), 0, None), where)
        plan = json.loads(wanted.read_text())  # before /tmp is hidden
        _load_modules(library, plan["modules"])
        checkout = os.open(plan["folder"], os.O_PATH)  # which may be below /tmp itself
        for what, where, kind in MOUNTS[2:]:
            _check(library.mount(what.encode(), where.encode(), kind.encode(), 0, None), where)
        if not os.path.isdir(plan["folder"]):
            os.makedirs(plan["folder"])
            _check(library.mount(f"/proc/self/fd/{checkout}".encode(), plan["folder"].encode(),
                                 None, MS_BIND, None), plan["folder"])
        _raise_loopback()
        sys.stdout.flush()
        code = subprocess.run(plan["command"], cwd=plan["folder"], env=plan["environment"],
                              check=False).returncode
    finally:
        if sys.exc_info()[0] is not None:
            traceback.print_exc()  # a first process that ends is a panic, without a word
        print(f"\n{END} {code}", flush=True)
        library.reboot(POWER_OFF)


def _load_modules(library: ctypes.CDLL, names: Sequence[str]) -> None:
    """Load modules, each behind those that it needs."""
    folder = MODULES / os.uname().release
    needs: dict[str, list[str]] = {}  # files of a module in the order in which they are loaded
    for line in (folder / "modules.dep").read_text().splitlines():
        module, _, others = line.partition(":")
        needs[Path(module).name.partition(".")[0]] = [*reversed(others.split()), module]
    loaded: set[str] = set()
    for name in names:
        for file in needs[name]:
            if file not in loaded:
                loaded.add(file)
                with (folder / file).open("rb") as opened:
                    _check(library.syscall(FINIT_MODULE, opened.fileno(), b"", 0), file)


def _raise_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(any_socket, GET_FLAGS, request))[1]
        fcntl.ioctl(any_socket, SET_FLAGS, struct.pack("16sh14x", b"lo", flags | IS_UP))


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)


if __name__ == "__main__":
    inside(Path(sys.argv[1]))
