"""What the system gives, found out by trying and taking it back: None, or why it does not.

Nothing is concluded from a version or a name. It knows no mode.
"""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import socket
import tempfile
import threading
from pathlib import Path

from testbed import namespaces
from testbed.errors import LinkFailure
from testbed.ran.plane import user_namespace
from testbed.ran.relay_devices import Devices, taken

IPPROTO_SCTP = 132


def program_trouble(name: str) -> str | None:
    return None if shutil.which(name) else f"`{name}` is not installed"


def tun_trouble() -> str | None:
    """Whether a TUN device can be opened; the device itself is made only where it is allowed."""
    try:
        handle = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        return f"/dev/net/tun: {os.strerror(error.errno or 0)}"
    os.close(handle)
    return None


def namespace_trouble() -> str | None:
    """A network namespace with a TUN device, by whoever asks."""
    for found in (program_trouble("ip"), tun_trouble()):
        if found is not None:
            return found
    name = f"airsplit-try-{os.getpid()}"
    try:
        namespaces.add(name)
        try:
            os.close(namespaces.inside(name, lambda: namespaces.open_tun("try0")))
        finally:
            namespaces.remove(name)
    except (LinkFailure, OSError) as error:
        return " ".join(str(error).split())[:200]
    return None


def user_namespace_trouble() -> str | None:
    """The same inside an unprivileged user namespace."""
    return user_namespace.why_not()


def relay_trouble() -> str | None:
    """Pairs of sockets that messages cross, one with a name, and a port of loopback."""
    try:
        with tempfile.TemporaryDirectory(prefix="airsplit-") as folder, \
                Devices(Path(folder) / "try") as devices, \
                socket.create_server(("127.0.0.1", 0)):
            inner = devices.add("try")
            with taken(Path(folder) / "try", "try") as outer:
                outer.send(b"packet")
                inner.recv(10)
    except (LinkFailure, OSError) as error:
        return " ".join(str(error).split())[:200]
    return None


def real_time_trouble() -> str | None:
    """SCHED_FIFO for a thread of ours."""
    found: list[str | None] = []

    def ask() -> None:
        try:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
            found.append(None)
        except OSError as error:
            found.append(os.strerror(error.errno or 0))

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    return found[0]


def user_sctp_trouble() -> str | None:
    """usrsctp, which needs no kernel module."""
    for name in ("libusrsctp.so.2", "libusrsctp.so.1", "libusrsctp.so"):
        try:
            ctypes.CDLL(name)
            return None
        except OSError:
            continue
    return "libusrsctp is not installed"


def kernel_sctp_trouble() -> str | None:
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, IPPROTO_SCTP).close()
    except OSError as error:
        if error.errno == errno.EPROTONOSUPPORT:
            return "the kernel has no SCTP (modprobe sctp)"
        return os.strerror(error.errno or 0)
    return None


def capture_trouble() -> str | None:
    """A packet socket, as a tap needs one."""
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).close()
    except OSError as error:
        return os.strerror(error.errno or 0)
    return None


def sysctl(name: str) -> str | None:
    """A setting of the kernel's; None where it has none of that name."""
    try:
        return (Path("/proc/sys") / name.replace(".", "/")).read_text().strip()
    except OSError:
        return None


def cores() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0))


def browser() -> str | None:
    return next((found for name in ("chromium", "chromium-browser", "google-chrome", "firefox")
                 if (found := shutil.which(name))), None)


def warm_files() -> int:
    """Compiled functions of the testbed that are kept on disk, beside their modules or in the
    folder that NUMBA_CACHE_DIR names."""
    given = os.environ.get("NUMBA_CACHE_DIR")
    root = Path(given) if given else Path(__file__).resolve().parents[1] / "ran"
    return sum(1 for _ in root.rglob("*.nbi"))


def room_trouble(folder: Path, octets: int) -> str | None:
    """Whether so many bytes can be written there; they are written, and removed."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f".room-{os.getpid()}"
        try:
            with file.open("wb") as opened:
                os.posix_fallocate(opened.fileno(), 0, octets)
        finally:
            file.unlink(missing_ok=True)
    except OSError as error:
        return os.strerror(error.errno or 0)
    return None
