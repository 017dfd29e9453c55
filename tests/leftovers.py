"""What a run of the testbed leaves behind: nothing, if all is well.

    with Traces("airsplit-demo", folder) as traces:
        ...                           # a run of that name and folder, with traces.environment
        assert traces.left() == []

What others on this machine have at the same time is not its.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType

from testbed.ran.plane.leftovers import FOLDER

# Devices as the testbed calls them; all of them belong into namespaces.
LINKS = re.compile(r"airsplit.*|ue\d+|n6.*|n3|u\d+|cell|shaped|try\d+")


class Traces:
    """Of one run, looked for in a folder for temporary files that no other has, and around it."""

    def __init__(self, name: str, folder: Path) -> None:
        self._name, self._folder = name, folder
        # A short name: sockets' names are made with it, and have to be short.
        self.temporary = Path(tempfile.mkdtemp(prefix="airsplit-test-"))
        self._links = links()

    def __enter__(self) -> Traces:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        shutil.rmtree(self.temporary)

    @property
    def environment(self) -> dict[str, str]:
        """For the run: this process's, with places of its own."""
        return os.environ | {"TMPDIR": str(self.temporary),
                             "XDG_STATE_HOME": str(self._folder / "state")}

    def left(self) -> list[str]:
        """All that a run may leave."""
        return [*self.running(), *sorted(links() - self._links),
                *map(str, self.temporary.iterdir())]

    def running(self) -> list[str]:
        """Processes, namespaces with their devices, records and sockets of the user plane."""
        return [*processes_about(str(self._folder)),
                *(one for one in _lines("ip", "netns", "list") if one.startswith(self._name)),
                *(str(one) for one in FOLDER.glob(f"{self._name}*"))]


def links() -> frozenset[str]:
    """Devices of this machine's own network that are called as the testbed's are."""
    names = (line.split(": ")[1].partition("@")[0] for line in _lines("ip", "-o", "link"))
    return frozenset(one for one in names if LINKS.fullmatch(one))


def _lines(*words: str) -> list[str]:
    if shutil.which(words[0]) is None:  # then nobody makes any: all is by relays
        return []
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()


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
