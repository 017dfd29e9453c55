"""The folder that a run writes to: what the run before wrote there goes, and nothing else does.

    with alone(folder):
        clear(folder, names)

A folder in which runs write has a mark. A file of one of these names in a folder without it is
somebody's own, however it is called: such a folder is refused, and nothing in it is touched. Which
names these are is known to whoever writes them.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from testbed.errors import TestbedFailure

MARK = ".airsplit-run"
LOCK = ".running"  # in the folder, held while a run writes there
WORDS = ("airsplit writes its runs here. The next one replaces the files that this one wrote, and "
         "touches nothing else.\n")
OF_OLD = ("cell.log", "edge.log", "tap.log", "relay.log")  # all of them: a run of before the mark
REMEDY = "Give a new folder with --out, or move what is in this one."


def clear(folder: Path, names: Iterable[str]) -> None:
    """Remove the files of those names, if runs wrote them; all of them or none."""
    found = [folder / name for name in sorted(names) if os.path.lexists(folder / name)]
    if found and not _is_ours(folder):
        raise TestbedFailure(f"{found[0]} is there already, and was not written by a run.", REMEDY)
    for one in found:
        if one.is_dir() and not one.is_symlink():
            raise TestbedFailure(f"{one} is a folder, where a run writes a file.", REMEDY)
    for one in found:
        try:
            one.unlink()
        except OSError as error:
            raise TestbedFailure(f"{one} cannot be replaced: {error.strerror}.", REMEDY) from error
    if not (folder / MARK).exists():
        (folder / MARK).write_text(WORDS, encoding="utf-8")


def _is_ours(folder: Path) -> bool:
    return (folder / MARK).is_file() or all((folder / name).is_file() for name in OF_OLD)


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """The folder is this run's, until the block ends or the process does."""
    with _open_lock(folder) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TestbedFailure(f"Another run writes to {folder}.",
                                 "End that one, or give another --out.") from None
        yield


def _open_lock(folder: Path) -> IO[str]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return (folder / LOCK).open("a")
    except OSError as error:
        raise TestbedFailure(f"{error.filename or folder} cannot be written: {error.strerror}.",
                             "Make room there, or give another folder with --out.") from error
