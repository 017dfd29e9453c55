"""What a run of the testbed leaves behind: nothing, if all is well."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from testbed.ran.plane.leftovers import FOLDER


def left_behind(name: str, folder: Path) -> list[str]:
    """Processes, namespaces with their devices, records and sockets of a run that is over."""
    names = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True)
    return [*processes_about(str(folder)),
            *(one for one in names.stdout.splitlines() if one.startswith(name)),
            *(str(one) for one in FOLDER.glob(f"{name}*"))]


def processes_about(words: str) -> list[str]:
    """Command lines of others that hold these words."""
    found = []
    for one in Path("/proc").glob("[0-9]*"):
        try:
            line = (one / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue  # it ended
        if words in line and int(one.name) not in (os.getpid(), os.getppid()):
            found.append(f"{one.name}: {line}")
    return found
