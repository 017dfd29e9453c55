"""The folder that a run writes to: what the run before wrote there goes, and nothing else does.

    clear(folder, names)

A folder in which runs write has a mark. A file of one of these names in a folder without it is
somebody's own, however it is called: such a folder is refused, and nothing in it is touched. Which
names these are is known to whoever writes them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from testbed.errors import TestbedFailure

MARK = ".airsplit-run"
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
