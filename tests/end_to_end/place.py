"""A part of this machine for itself: a network and a /run that hold nothing but what a test starts.

    with Place() as place:
        process = place.start([*AIRSPLIT, "demo"], log)
        place.namespaces()

All runs on this machine know each other by names and ports; in here there are none of others'.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

TEMPORARY = "/run/temporary"  # for what programs put into a folder of that kind
_MAKE = (f"mount -t tmpfs tmpfs /run && mkdir {TEMPORARY} && ip link set lo up && echo ready && "
         "exec cat")


class Place:
    """It goes with the block, and so does what is mounted in it."""

    def __init__(self) -> None:
        self._stack = ExitStack()

    def __enter__(self) -> Place:
        self._holder = subprocess.Popen(
            ["unshare", "--mount", "--net", "--propagation", "private", "sh", "-c", _MAKE],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._stack.enter_context(self._holder)  # closes its input, and waits for it
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == "ready\n"
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._stack.close()

    def words(self, command: Sequence[str]) -> list[str]:
        """The command line that runs there."""
        return ["nsenter", "-t", str(self._holder.pid), "--mount", "--net", f"--wd={os.getcwd()}",
                *command]

    def run(self, *command: str) -> str:
        """What a program that ends soon prints."""
        return subprocess.run(self.words(command), capture_output=True, text=True, check=True,
                              timeout=60).stdout

    def start(self, command: Sequence[str], log: Path, **environment: str) -> subprocess.Popen[str]:
        """A program there; what it says goes to the file."""
        with log.open("wb") as out:
            return subprocess.Popen(
                self.words(command), stdin=subprocess.DEVNULL, stdout=out,
                stderr=subprocess.STDOUT, text=True, start_new_session=True,
                env={**os.environ, "TMPDIR": TEMPORARY, **environment})

    def left(self) -> list[str]:
        """Namespaces, devices and records that are there."""
        devices = [line.split(":")[1].strip() for line in
                   self.run("ip", "-o", "link").splitlines()]
        records = self.run("find", "/run", "-type", "f", "-o", "-type", "s").splitlines()
        records += self.run("find", TEMPORARY, "-mindepth", "1").splitlines()
        return [*self.run("ip", "netns", "list").splitlines(),
                *(one for one in devices if one != "lo"), *records]
