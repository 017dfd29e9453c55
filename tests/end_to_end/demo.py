"""`airsplit demo`, or another command that runs the loop, in a place of its own.

    with demo(place, folder / "report", folder / "log") as run:
        run.says(" s  baseline: ")
        run.process.terminate()
        assert run.ends() == TERMINATED
    nothing_is_left(place, folder)
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from testbed.loop.parts import AIRSPLIT
from tests.end_to_end.bed import PATIENCE
from tests.end_to_end.place import Place
from tests.leftovers import processes_about

TERMINATED = 128 + signal.SIGTERM
DEMO = ("demo", "--quick", "--no-pages")


class Demo:
    """One that runs; what it says is in a file."""

    def __init__(self, place: Place, folder: Path, log: Path, command: Sequence[str]) -> None:
        self.folder, self.log = folder, log
        self.process = place.start(
            [*AIRSPLIT, *command, "--out", str(folder)], log,
            XDG_STATE_HOME=str(log.parent / "state"), PYTHONUNBUFFERED="1")

    @property
    def told(self) -> str:
        return self.log.read_text(encoding="utf-8")

    def says(self, words: str) -> None:
        until(lambda: words in self.told or self.process.poll() is not None, words)
        assert words in self.told, self.told

    def ends(self) -> int:
        return self.process.wait(PATIENCE)


@contextmanager
def demo(place: Place, folder: Path, log: Path, command: Sequence[str] = DEMO) -> Iterator[Demo]:
    """Whatever happens, it does not outlive the test."""
    made = Demo(place, folder, log, command)
    try:
        yield made
    finally:
        if made.process.poll() is None:
            made.process.terminate()
        made.ends()


def until(ready: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not ready():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def nothing_is_left(place: Place, folder: Path) -> None:
    """No process, no namespace, no device; of the record only the lock that the next one takes."""
    until(lambda: not processes_about(str(folder)), "the end of all processes")
    assert place.left() == []
    assert [one.name for one in (folder / "state").rglob("*") if one.is_file()] == ["lock"]
