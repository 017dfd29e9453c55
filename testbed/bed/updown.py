"""Starts the testbed in the background, and ends it.

    up(order, say)        # returns when all is ready; raises, with nothing left, where it is not
    down(say)             # in order; at once where that takes too long

All that is asked of the system is in `modes`, `record` and `loop.ports`.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from testbed.bed.layout import (
    FAILED,
    INSIDE,
    KEEPER_LOG,
    NAME,
    READY,
    BedOrder,
    News,
    folder_of,
    read_news,
    write_order,
)
from testbed.bed.modes import Mode
from testbed.bed.probes import room_trouble
from testbed.bed.record import (
    AlreadyRunning,
    Process,
    clean_leftovers,
    place_of,
    process_of,
    running,
)
from testbed.bed.taken import taken
from testbed.errors import TestbedFailure
from testbed.loop.ordinary import PORTS as PAGES

START_SECONDS = 600.0  # the first time of all, things are compiled
END_SECONDS = 90.0  # for all parts, one group after another
LOOK_SECONDS = 0.1
STARTING_LOCK = "starting"
ROOM = 64 << 20  # bytes that logs, databases and sockets want at least
LINES = 5  # of the keeper's log, in an error


def up(order: BedOrder, say: Callable[[str], None]) -> News:
    """Start it, and wait until it is ready."""
    with _alone():
        return _up(order, say)


@contextmanager
def _alone() -> Iterator[None]:
    """Two that start it at once would take each other's folder."""
    place = place_of(NAME)
    try:
        place.mkdir(parents=True, exist_ok=True)
        file = (place / STARTING_LOCK).open("a")
    except OSError as error:
        raise TestbedFailure(f"{place} cannot be written to: {error.strerror}.",
                             "Set XDG_STATE_HOME to a folder of yours.") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning("Another `airsplit testbed up` is starting it.",
                                 "Look at it: airsplit testbed status.") from None
        yield


def _up(order: BedOrder, say: Callable[[str], None]) -> News:
    _refuse_twice()
    clean_up(say)
    _check_ports(order)
    folder = folder_of()
    if (trouble := room_trouble(folder, ROOM)) is not None:
        raise TestbedFailure(f"{folder} has no room for {ROOM >> 20} MB: {trouble}.",
                             "Make room there, or set XDG_STATE_HOME to another folder.")
    for old in folder.iterdir():
        shutil.rmtree(old) if old.is_dir() else old.unlink()
    write_order(folder, order)
    keeper = _started(folder)
    try:
        return _wait(keeper, folder, say)
    except BaseException:
        _end(keeper)
        clean_up(say)
        raise


def down(say: Callable[[str], None]) -> bool:
    """Whether there was one."""
    made = running(NAME)
    if made is None or made.owner is None:
        return clean_up(say)
    _end_process(made.owner)
    clean_up(say)
    return True


def clean_up(say: Callable[[str], None]) -> bool:
    """Take away what a killed one left, in a user namespace too; whether there was anything."""
    found = [told for name in (NAME, INSIDE) if (told := clean_leftovers(name)) is not None]
    for told in found:
        say(told)
    return bool(found)


def _refuse_twice() -> None:
    made = running(NAME)
    if made is not None and made.owner is not None:
        raise AlreadyRunning(
            f"The testbed runs already, as process {made.owner.pid} (mode "
            f"{made.about.get('mode', 'unknown')}).",
            "End it with `airsplit testbed down`, or look at it with `airsplit testbed status`.")


def _check_ports(order: BedOrder) -> None:
    """In a user namespace only the pages' ports are this machine's."""
    names = None if order.mode is not Mode.USER else PAGES if order.settings.page else ()
    found = taken(order.settings, names)
    if found:
        raise TestbedFailure("; ".join(found) + ".",
                             "End it, or give other ports with --config: "
                             "api_port, page_port, console_port, map_port, pcf_port, ric_port, "
                             "udp_port.")


def _started(folder: Path) -> subprocess.Popen[bytes]:
    """In a session of its own: it outlives this terminal."""
    with (folder / KEEPER_LOG).open("wb") as log:
        return subprocess.Popen([sys.executable, "-m", "testbed.bed.keeper", str(folder)],
                                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/",
                                env=_environment(), start_new_session=True)


def _environment() -> dict[str, str]:
    """With the packages where this process found them: the keeper lives in another folder."""
    root = str(Path(__file__).parents[2])
    path = os.environ.get("PYTHONPATH")
    return os.environ | {"PYTHONPATH": f"{root}{os.pathsep}{path}" if path else root}


def _wait(keeper: subprocess.Popen[bytes], folder: Path, say: Callable[[str], None]) -> News:
    deadline = time.monotonic() + START_SECONDS
    told = ""
    while time.monotonic() < deadline:
        ended = keeper.poll() is not None  # before the news are read: they may be its last
        news = read_news(folder) or News()
        if news.state == READY:
            return news
        if news.state == FAILED:
            raise TestbedFailure(f"The testbed does not come up: {news.error}",
                                 "airsplit testbed logs has more.")
        if ended:
            raise TestbedFailure(f"The testbed's keeper ended: {_tail(folder)}",
                                 "airsplit testbed logs has more.")
        if news.waiting_for and news.waiting_for != told:
            told = news.waiting_for
            say(f"waiting for {told}")
        time.sleep(LOOK_SECONDS)
    raise TestbedFailure(f"The testbed was not ready within {START_SECONDS:g} s.",
                         "airsplit testbed logs has more.")


def _tail(folder: Path) -> str:
    with suppress(OSError):
        lines = (folder / KEEPER_LOG).read_text(errors="replace").strip().splitlines()
        if lines:
            return " | ".join(lines[-LINES:])
    return "it said nothing; is the disk full?"


def _end(keeper: subprocess.Popen[bytes]) -> None:
    keeper.terminate()
    try:
        keeper.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        keeper.kill()
        keeper.wait()


def _end_process(owner: Process) -> None:
    """Not a child of ours: looked at until it is no more."""
    for number, seconds in ((signal.SIGTERM, END_SECONDS), (signal.SIGKILL, 10.0)):
        with suppress(ProcessLookupError):
            if process_of(owner.pid) == owner:
                os.kill(owner.pid, number)
        deadline = time.monotonic() + seconds
        while owner.alive() and time.monotonic() < deadline:
            time.sleep(LOOK_SECONDS)
        if not owner.alive():
            return
    raise TestbedFailure(f"Process {owner.pid} does not end.", "Is it another user's?")
