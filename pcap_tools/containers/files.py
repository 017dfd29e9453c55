"""Which files are meant by the paths given, and their bytes: plain, packed, or from stdin.

It tells captures from other files by how they begin; what is in them is the walkers' business.
"""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from pcap_tools.containers.compressed import Unpacked, unpacker
from pcap_tools.containers.pcap import MAGICS
from pcap_tools.containers.pcapng import MAGIC as PCAPNG_MAGIC
from pcap_tools.errors import CaptureError

ByteFile = IO[bytes] | io.RawIOBase
STDIN = "-"
HEAD = 6  # bytes that tell what a file is: the longest magic
FILL = 1 << 20  # unpacked bytes gathered before they are handed on; a piece may give very few
CAPTURE_NAMES = (".pcap", ".pcapng", ".cap", ".dmp", ".ntar")
PACKED_NAMES = (".gz", ".zst", ".xz")
FORMATS = "pcap and pcapng, plain or packed with gz, zst or xz"


@dataclass(frozen=True)
class Source:
    """One capture to read."""

    name: str  # as messages call it
    path: Path | None  # None: stdin
    size: int | None  # bytes; None where that is not known before its end


def find_sources(
    paths: Sequence[str | Path], unreadable: Callable[[str, str], None]
) -> list[Source]:
    """The captures that `paths` mean: files as they are, folders with every capture below them.

    What cannot be read below a folder goes to `unreadable(name, problem)` and stops nothing.
    """
    sources: list[Source] = []
    for path in paths:
        if str(path) == STDIN:
            sources.append(Source("stdin", None, None))
            continue
        try:
            about = os.stat(path)
        except OSError as error:
            raise unopened(str(path), error) from error
        if stat.S_ISDIR(about.st_mode):
            sources += _below(Path(path), unreadable)
        else:
            sources.append(_source(Path(path), about))
    if not sources:
        raise CaptureError(f"There is no capture in {', '.join(map(str, paths)) or 'no path'}.",
                           f"Name files, or folders that hold some: {FORMATS}.")
    return sources


def _source(path: Path, about: os.stat_result) -> Source:
    return Source(str(path), path, about.st_size if stat.S_ISREG(about.st_mode) else None)


def _below(folder: Path, unreadable: Callable[[str, str], None]) -> Iterator[Source]:
    def refused(error: OSError) -> None:
        unreadable(str(error.filename), _reason(error))

    for place, folders, names in os.walk(folder, onerror=refused):
        folders.sort()
        for name in sorted(names):
            path = Path(place, name)
            try:
                about = path.stat()
                if stat.S_ISREG(about.st_mode) and (_named_so(name) or _begins_so(path)):
                    yield _source(path, about)
            except OSError as error:
                if _named_so(name):
                    unreadable(str(path), _reason(error))


def _named_so(name: str) -> bool:
    stem, ending = os.path.splitext(name.lower())
    return (os.path.splitext(stem)[1] if ending in PACKED_NAMES else ending) in CAPTURE_NAMES


def _begins_so(path: Path) -> bool:
    """Whether a file begins like a capture, whatever its name; a packed one is looked into."""
    with path.open("rb", buffering=0) as file:
        stream = Stream(file)
        head = stream.head(4)
    return head in MAGICS or head == PCAPNG_MAGIC


def unopened(name: str, error: OSError) -> CaptureError:
    """The error for a file that cannot be read at all."""
    remedy = {
        FileNotFoundError: "Check the path; a capture that is rotated away in between is gone.",
        PermissionError: "Allow this user to read it, or run as one who may.",
    }.get(type(error), "")
    return CaptureError(f"{name} cannot be read: {_reason(error)}.", remedy)


def _reason(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()


class Stream:
    """A capture's bytes, unpacked where they were packed."""

    def __init__(self, file: ByteFile) -> None:
        self._file: Any = file
        self._read: Any = getattr(file, "read1", file.read)  # what is there, no waiting for more
        self._read_into: Any = getattr(file, "readinto1", getattr(file, "readinto", None))
        self._ahead = memoryview(b"")  # at hand, to be given out before anything else
        self._unpacked: Unpacked | None = None
        self._problem: str | None = None
        self.position = 0  # bytes of the file that were read
        kind = unpacker(self.head(HEAD))
        if kind is not None:
            self._unpacked = kind(self._packed, bytes(self._ahead))
            self._ahead = memoryview(b"")

    @property
    def problem(self) -> str | None:
        """Why the stream ended where it should not have; None if it did not."""
        return self._problem or (self._unpacked.problem if self._unpacked else None)

    def head(self, count: int) -> bytes:
        """The first `count` bytes, fewer if there are no more; they are given out again."""
        while len(self._ahead) < count and (more := self._some(count - len(self._ahead))):
            self._ahead = memoryview(bytes(self._ahead) + more)
        return bytes(self._ahead[:count])

    def readinto(self, view: memoryview) -> int:
        """Bytes put into `view`; 0 at the end."""
        if not self._ahead:
            if self._unpacked is None and self._read_into is not None:
                return self._straight(view)
            self._ahead = memoryview(self._some(len(view)))
        count, least = 0, min(len(view), FILL if self._unpacked else 1)
        while self._ahead and count < len(view):
            part = self._ahead[:len(view) - count]
            view[count:count + len(part)] = part
            count += len(part)
            self._ahead = self._ahead[len(part):]
            if not self._ahead and count < least:
                self._ahead = memoryview(self._some(len(view) - count))
        return count

    def close(self) -> None:
        self._file.close()

    def _some(self, most: int) -> bytes:
        return self._unpacked.read(most) if self._unpacked else self._packed(most)

    def _straight(self, view: memoryview) -> int:
        try:
            count = int(self._read_into(view) or 0)
        except OSError as error:
            self._problem = f"reading it failed: {_reason(error)}"
            return 0
        self.position += count
        return count

    def _packed(self, count: int) -> bytes:
        """Bytes as they are in the file."""
        try:
            data: bytes = self._read(count) or b""
        except OSError as error:
            self._problem = f"reading it failed: {_reason(error)}"
            return b""
        self.position += len(data)
        return data
