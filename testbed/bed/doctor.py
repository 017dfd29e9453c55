"""What this machine lacks for each mode, and how to get it: every line is from an attempt.

    findings = examine(default_settings())
    sound(findings)               # whether any mode works
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from testbed.bed import probes
from testbed.bed.layout import folder_of
from testbed.bed.modes import REMEDY, Mode, obstacle
from testbed.bed.taken import taken
from testbed.bed.updown import ROOM
from testbed.loop.settings import LoopSettings

WANTED_CORES = 2  # with fewer, the cell and the model take each other's time


class Grade(enum.StrEnum):
    """What comes of it."""

    GOOD = "ok"
    WEAK = "weak"  # it works, less well
    LACKING = "missing"


@dataclass(frozen=True)
class Finding:
    """One check."""

    what: str
    grade: Grade
    said: str
    remedy: str = ""
    mode: Mode | None = None  # that stands or falls with it


def examine(settings: LoopSettings) -> list[Finding]:
    """All of it, the modes first."""
    return [*(_mode(one) for one in Mode), *_modes_parts(), *_others(settings)]


def sound(findings: Sequence[Finding]) -> bool:
    """Whether a mode works, and what every mode needs is there."""
    modes = [one for one in findings if one.mode is not None]
    return any(one.grade is Grade.GOOD for one in modes) and not any(
        one.grade is Grade.LACKING for one in findings if one.mode is None)


def _mode(mode: Mode) -> Finding:
    reason = obstacle(mode)
    if reason is None:
        return Finding(f"mode {mode}", Grade.GOOD, "works", mode=mode)
    return Finding(f"mode {mode}", Grade.LACKING, reason, REMEDY[mode], mode)


def _tried(what: str, trouble: Callable[[], str | None], remedy: str, good: str,
           grade: Grade = Grade.WEAK) -> Finding:
    found = trouble()
    return (Finding(what, Grade.GOOD, good) if found is None
            else Finding(what, grade, found, remedy))


def _modes_parts() -> list[Finding]:
    return [
        _tried("/dev/net/tun", probes.tun_trouble,
               "modprobe tun; in a container: --device /dev/net/tun", "can be opened"),
        _user_namespaces(),
        _tried("packet capture", probes.capture_trouble,
               "root, or CAP_NET_RAW; mode user has it inside its namespace", "permitted"),
        _tried("real-time priority", probes.real_time_trouble,
               "root, or a limit for rtprio in /etc/security/limits.conf; mode user never has it",
               "SCHED_FIFO is permitted")]


def _user_namespaces() -> Finding:
    """What the kernel's settings say, beside what an attempt came to."""
    names = ("user.max_user_namespaces", "kernel.unprivileged_userns_clone",
             "kernel.apparmor_restrict_unprivileged_userns")
    said = ", ".join(f"{name}={value}" for name in names
                     if (value := probes.sysctl(name)) is not None) or "no setting restricts them"
    found = probes.user_namespace_trouble()
    if found is None:
        return Finding("user namespaces", Grade.GOOD, f"one was made ({said})")
    return Finding("user namespaces", Grade.WEAK, f"{found} ({said})", REMEDY[Mode.USER])


def _others(settings: LoopSettings) -> list[Finding]:
    cores, warm, browser = probes.cores(), probes.warm_files(), probes.browser()
    return [
        _tried("usrsctp", probes.user_sctp_trouble, "apt-get install libusrsctp2",
               "E2 needs no kernel module", Grade.LACKING),
        _tried("SCTP of the kernel", probes.kernel_sctp_trouble,
               "modprobe sctp; only other base stations and RICs need it", "there"),
        Finding("cores", Grade.GOOD if cores >= WANTED_CORES else Grade.WEAK, str(cores),
                "" if cores >= WANTED_CORES else "two or more keep slots on time"),
        Finding("compiled code", Grade.GOOD if warm else Grade.WEAK,
                f"{warm} functions are kept" if warm else "none is kept: the first start takes "
                "a minute or two", "" if warm else "make setup"),
        Finding("browser", Grade.GOOD if browser else Grade.WEAK,
                browser or "none is found", "" if browser else "apt-get install chromium"),
        _ports(settings),
        _tried("state folder", lambda: probes.room_trouble(folder_of(), ROOM),
               "make room, or set XDG_STATE_HOME", f"{folder_of()} has room", Grade.LACKING)]


def _ports(settings: LoopSettings) -> Finding:
    found = taken(settings)
    if not found:
        return Finding("ports", Grade.GOOD, "all free")
    return Finding("ports", Grade.WEAK, "; ".join(found),
                   "end those, or give others with `airsplit testbed up --config`; the demo takes "
                   "free ones by itself")
