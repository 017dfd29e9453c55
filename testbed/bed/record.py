"""What a run started, written down on disk, so that a killed run leaves nothing.

    with Record.open("bed") as record:            # AlreadyRunning while another has the name
        record.process(pid)
        record.namespace("airsplit-bed-n6")
        record.folder(path)
    clean_leftovers("bed")                        # one line of what a killed run left, or None

The owner holds a lock that the kernel takes back with its death, however it dies. A process is
known by its number, when it began and this boot: a number that another has by now is left alone.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import IO, Any

from testbed import namespaces
from testbed.errors import TestbedFailure

PREFIX = "airsplit"  # only what begins so is ever removed
MOST_BYTES = 1 << 20  # of a record
END_SECONDS = 15.0  # for leftover processes to end by themselves, once asked
LOOK_SECONDS = 0.05
LOCK, RECORD = "lock", "record.json"


class AlreadyRunning(TestbedFailure):
    """Somebody who lives has this name."""


@dataclass(frozen=True)
class Process:
    """One of this boot's."""

    pid: int
    started: int  # by the kernel's ticks since boot

    def alive(self) -> bool:
        return started_at(self.pid) == self.started


@dataclass(frozen=True)
class Made:
    """What there is to take away."""

    boot: str = ""
    owner: Process | None = None
    processes: tuple[Process, ...] = ()
    namespaces: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    about: dict[str, Any] = field(default_factory=dict)  # for whoever looks in


class Record:
    """A running owner's record. Use `open`."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.made = Made(boot_id(), process_of(os.getpid()))
        self._write()

    @staticmethod
    @contextmanager
    def open(name: str, root: Path | None = None) -> Iterator[Record]:
        """The name is ours until the block ends; what a dead owner left is removed first."""
        place = place_of(name, root)
        with _locked(place, name):
            clean(place)
            record = Record(place)
            try:
                yield record
            finally:
                with suppress(FileNotFoundError):
                    (place / RECORD).unlink()

    def process(self, pid: int) -> None:
        """It is ended with us; one that is gone already needs no note."""
        if (found := process_of(pid)) is not None:
            self._change(processes=(*self.made.processes, found))

    def namespace(self, name: str) -> None:
        """Write it down before it is made."""
        self._change(namespaces=(*self.made.namespaces, _ours(name)))

    def folder(self, path: Path) -> None:
        """Of files that nobody needs when the run is over."""
        _ours(path.name)
        self._change(folders=(*self.made.folders, str(path.resolve())))

    def about(self, **said: Any) -> None:
        """What `status` may want to know."""
        self._change(about={**self.made.about, **said})

    def _change(self, **changes: Any) -> None:
        self.made = replace(self.made, **changes)
        self._write()

    def _write(self) -> None:
        write_whole(self.place / RECORD, json.dumps(asdict(self.made)))


def state_folder() -> Path:
    """Where records are: the user's own, by the XDG base directories."""
    home = os.environ.get("XDG_STATE_HOME")
    return (Path(home) if home else Path.home() / ".local" / "state") / "airsplit"


def place_of(name: str, root: Path | None = None) -> Path:
    return (root or state_folder()) / name


def write_whole(file: Path, text: str) -> None:
    """Never half a file, whoever reads meanwhile."""
    fresh = file.with_suffix(f".{os.getpid()}")
    try:
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(file)
    except OSError as error:
        with suppress(OSError):
            fresh.unlink()
        raise TestbedFailure(f"{file} cannot be written: {error.strerror}.",
                             "Make room there, or set XDG_STATE_HOME to another folder.") from error


def read(place: Path) -> Made | None:
    """The record in a folder; None where there is none."""
    file = place / RECORD
    try:
        with file.open("rb") as opened:
            found = json.loads(opened.read(MOST_BYTES))
        owner = found["owner"]
        made = Made(str(found["boot"]), None if owner is None else _process(owner),
                    tuple(_process(one) for one in found["processes"]),
                    tuple(_ours(one) for one in found["namespaces"]),
                    tuple(str(one) for one in found["folders"]), dict(found["about"]))
        for one in made.folders:
            _ours(Path(one).name)
        return made
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TestbedFailure(f"{file} cannot be read: {error}.",
                             "Look at `ip netns list` for what is left, then remove it.") from error


def running(name: str, root: Path | None = None) -> Made | None:
    """What a living owner of the name wrote; None where nobody lives."""
    made = read(place_of(name, root))
    if made is None or made.owner is None or made.boot != boot_id() or not made.owner.alive():
        return None
    return made


def clean_leftovers(name: str, root: Path | None = None) -> str | None:
    """Remove what a dead owner left, told in one line; None if there was nothing, or it lives."""
    place = place_of(name, root)
    if not place.exists():
        return None
    with suppress(AlreadyRunning), _locked(place, name):
        return clean(place)
    return None


def clean(place: Path) -> str | None:
    """As `clean_leftovers`, by whoever holds the lock."""
    made = read(place)
    if made is None:
        return None
    told = []
    if made.boot == boot_id():  # else all of it went with the machine's last boot
        told += _end(made.processes)
        told += _remove_namespaces(made.namespaces)
    for folder in map(Path, made.folders):
        if folder.is_dir() and not folder.is_symlink():
            shutil.rmtree(folder, ignore_errors=True)
            told.append(f"folder {folder}")
    (place / RECORD).unlink(missing_ok=True)
    owner = "" if made.owner is None else f" (process {made.owner.pid})"
    what = ", ".join(told) or "nothing but its record"
    return f"a run that was killed{owner} had left {what}: removed"


def _end(processes: Sequence[Process]) -> list[str]:
    """They are asked first: each may have something to put back."""
    left = [one for one in processes if one.alive()]
    for one in left:
        _signal(one, signal.SIGTERM)
    deadline = time.monotonic() + END_SECONDS
    while any(one.alive() for one in left) and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)
    for one in left:
        _signal(one, signal.SIGKILL)
    return [f"{len(left)} processes"] if left else []


def _signal(one: Process, number: signal.Signals) -> None:
    """By a descriptor: between look and signal the number cannot become another's."""
    try:
        handle = os.pidfd_open(one.pid)
    except ProcessLookupError:
        return
    try:
        if one.alive():
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, number)
    finally:
        os.close(handle)


def _remove_namespaces(names: Sequence[str]) -> list[str]:
    """Those of an ordinary user went with its processes."""
    left = [one for one in names if (Path("/run/netns") / one).exists()]
    for one in left:
        namespaces.remove(one)
    return [f"namespaces {', '.join(left)}"] if left else []


@contextmanager
def _locked(place: Path, name: str) -> Iterator[None]:
    """The lock's file stays: who removed it could not know who just opened it."""
    file = _open_lock(place)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _already(place, name) from None
        yield
    finally:
        file.close()


def _open_lock(place: Path) -> IO[str]:
    try:
        place.mkdir(parents=True, exist_ok=True)
        return (place / LOCK).open("a")
    except OSError as error:
        raise TestbedFailure(f"{place} cannot be written to: {error.strerror}.",
                             "Set XDG_STATE_HOME to a folder of yours.") from error


def _already(place: Path, name: str) -> AlreadyRunning:
    """`airsplit testbed` ends the testbed that it keeps, and no other run."""
    from testbed.bed.layout import NAME

    made = read(place)
    owner = None if made is None else made.owner
    who = "" if owner is None else f", as process {owner.pid}"
    end = ("airsplit testbed down; or look at it: airsplit testbed status" if name == NAME else
           "press Ctrl-C there" + ("" if owner is None else f", or kill {owner.pid}"))
    return AlreadyRunning(f"The testbed {name!r} runs already{who}.", f"End it: {end}.")


def _ours(name: object) -> str:
    if not isinstance(name, str) or not name.startswith(PREFIX) or "/" in name:
        raise ValueError(f"{name!r} is not ours")
    return name


def _process(found: dict[str, Any]) -> Process:
    pid, started = found["pid"], found["started"]
    if not isinstance(pid, int) or not isinstance(started, int) or pid <= 1:
        raise ValueError(f"{found!r} is no process")
    return Process(pid, started)


def process_of(pid: int) -> Process | None:
    started = started_at(pid)
    return None if started is None else Process(pid, started)


def started_at(pid: int) -> int | None:
    """When a process began; None for one that is no more, a zombie too."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])


def boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
