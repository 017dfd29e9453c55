"""Where and by what rows were made: the machine in words, its load, and the commit of the code."""

from __future__ import annotations

import os
import platform
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

GIT_SECONDS = 10.0


@dataclass(frozen=True)
class Machine:
    """What rows say of it; None is what could not be found out."""

    processor: str
    processors: int
    memory_gib: float | None
    system: str
    python: str
    commit: str | None  # None: the code is no git checkout
    changed: bool | None  # whether the checkout has changes that no commit has


@cache
def machine() -> Machine:
    """This one."""
    folder = Path(__file__).resolve().parent
    status = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return Machine(_processor(), os.cpu_count() or 1, _memory(),
                   f"{platform.system()} {platform.release()} {platform.machine()}",
                   platform.python_version(), _git(folder, "rev-parse", "HEAD"),
                   None if status is None else bool(status))


def load_average() -> float:
    """Programs that wanted a processor in the last minute, in the mean."""
    return os.getloadavg()[0]


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True,
                              text=True, timeout=GIT_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _memory() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30), 1)
    except (ValueError, OSError):
        return None
