"""The logs of the testbed's parts: their last lines, and what comes after.

    for part, line in last_lines(folder, ["edge"], 20): ...
    for part, line in followed(folder, [], over): ...
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from testbed.bed.layout import PARTS
from testbed.errors import TestbedFailure

TAIL_BYTES = 1 << 16  # of a log that are looked at for its last lines
MOST_LINE = 1 << 16  # bytes of a line that has not ended yet
LOOK_SECONDS = 0.2


def files(folder: Path, parts: Sequence[str]) -> list[Path]:
    """Of the named parts, or all."""
    found = {one.stem: one for one in
             sorted((*folder.glob("*.log"), *(folder / PARTS).glob("*.log")))}
    if not found:
        raise TestbedFailure("There are no logs yet.", "Start with: airsplit testbed up.")
    for name in parts:
        if name not in found:
            raise TestbedFailure(f"There is no part {name!r}.", f"There are {', '.join(found)}.")
    return [found[name] for name in parts] if parts else list(found.values())


def last_lines(folder: Path, parts: Sequence[str], count: int) -> Iterator[tuple[str, str]]:
    """Part and line."""
    for file in files(folder, parts):
        with file.open("rb") as opened:
            size = opened.seek(0, 2)
            opened.seek(max(0, size - TAIL_BYTES))
            lines = opened.read(TAIL_BYTES).decode(errors="replace").splitlines()
        for line in lines[len(lines) - count if len(lines) > count else 0:]:
            yield file.stem, line


def followed(folder: Path, parts: Sequence[str],
             pause: Callable[[float], bool]) -> Iterator[tuple[str, str]]:
    """What is written from now on, until `pause(seconds)` says that it is over."""
    at = {file: file.stat().st_size for file in files(folder, parts)}
    rest = dict.fromkeys(at, b"")
    while not pause(LOOK_SECONDS):
        for file in at:
            if not file.exists():
                continue
            if file.stat().st_size < at[file]:
                at[file], rest[file] = 0, b""  # begun anew
            with file.open("rb") as opened:
                opened.seek(at[file])
                data = opened.read(TAIL_BYTES)
            at[file] += len(data)
            *lines, rest[file] = (rest[file] + data).split(b"\n")
            rest[file] = rest[file][-MOST_LINE:]
            for line in lines:
                yield file.stem, line.decode(errors="replace")
