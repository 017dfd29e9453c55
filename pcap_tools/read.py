"""Captures as `Records`: files, folders or stdin, in any format that `containers` knows.

What is damaged is warned of with its place, and passed over as far as it can be told where the next
record begins; everything before it is delivered. It does not know what is in the frames.

A batch refers to a buffer that is used again once the batch is let go of: keep it as long as you
like, but keep few, for each keeps some megabytes.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from pcap_tools.containers.chunks import CHUNK, Chunks
from pcap_tools.containers.files import (
    FORMATS,
    ByteFile,
    Source,
    Stream,
    find_sources,
    unopened,
)
from pcap_tools.containers.pcap import FILE_HEADER, PcapHeader, PcapWalker
from pcap_tools.containers.pcapng import MAGIC as PCAPNG_MAGIC
from pcap_tools.containers.pcapng import PcapngWalker
from pcap_tools.containers.walking import Columns, Outcome, Step
from pcap_tools.errors import CaptureError
from pcap_tools.records import Counters, Records, Warning

BATCH = 1 << 16  # frames at most in one batch
MOST_WARNINGS = 100  # of one file: a capture full of damage must not fill the memory with words


class Walker(Protocol):
    """A format; see `PcapWalker`."""

    @property
    def dropped(self) -> int | None: ...
    @property
    def unknown_blocks(self) -> int: ...
    def walk(self, data: np.typing.NDArray[np.uint8], begin: int, end: int,
             columns: Columns) -> Step: ...
    def search(self, data: np.typing.NDArray[np.uint8], begin: int, end: int,
               final: bool) -> Step: ...
    def joined(self, head: bytes) -> None: ...


def open_captures(
    paths: Sequence[str | Path], batch: int = BATCH, *, chunk: int = CHUNK,
    stdin: ByteFile | None = None,
) -> CaptureReader:
    """A reader of all captures that `paths` mean, one after the other; `-` is stdin.

    Raises `CaptureError` for a path that does not exist or is a folder without captures. A file
    that turns out to be none raises it where it is the only one, and is warned of otherwise.
    """
    warnings: list[Warning] = []
    sources = find_sources(paths, lambda name, problem: warnings.append(
        Warning(name, None, f"cannot be read: {problem}")))
    return CaptureReader(sources, warnings, batch, chunk, stdin)


class CaptureReader:
    """Iterate over it once; counters, warnings and position are up to date after each batch."""

    def __init__(self, sources: Sequence[Source], warnings: list[Warning], batch: int = BATCH,
                 chunk: int = CHUNK, stdin: ByteFile | None = None) -> None:
        self.counters = Counters()
        self.warnings = warnings
        self.sources = sources
        sizes = [source.size for source in sources]
        # Bytes of the files, packed ones as they are.
        self.total: int | None = None if None in sizes else sum(size or 0 for size in sizes)
        self._batch, self._chunk, self._stdin = batch, chunk, stdin
        self._before = 0  # bytes of the files that are done with
        self._stream: Stream | None = None
        self._frames = self._all()

    @property
    def position(self) -> int:
        """Bytes of the files read so far, as `total` counts them."""
        return self._before + (self._stream.position if self._stream else 0)

    def __iter__(self) -> Iterator[Records]:
        return self._frames

    def close(self) -> None:
        """End early; harmless at any time."""
        self._frames.close()
        self._leave()

    def __enter__(self) -> CaptureReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _all(self) -> Generator[Records, None, None]:
        readable = 0
        for source in self.sources:
            try:
                yield from self._one(source)
                readable += 1
            except CaptureError as error:
                if len(self.sources) == 1:
                    raise
                self.warnings.append(Warning(source.name, None, str(error)))
            finally:
                self._leave()
        if not readable:
            raise CaptureError(f"None of the {len(self.sources)} files can be read as a capture: "
                               f"{self.warnings[-1]}", f"What is understood: {FORMATS}.")

    def _leave(self) -> None:
        if self._stream is not None:
            self._before += self._stream.position
            self._stream.close()
            self._stream = None

    def _one(self, source: Source) -> Iterator[Records]:
        """The frames of one capture."""
        self._stream = stream = self._open(source)
        account = _Account(source.name, self.counters, self.warnings)
        walker = _walker(stream, account)
        chunks = Chunks(stream, self._chunk)
        if isinstance(walker, PcapWalker):
            stream.head(FILE_HEADER)
            chunks.more(FILE_HEADER)
            chunks.begin = FILE_HEADER
        yield from _frames(chunks, walker, account, self._batch)
        if stream.problem:
            account.warn(chunks.position, stream.problem)
        self.counters.unknown_blocks += walker.unknown_blocks
        if walker.dropped is not None:
            self.counters.dropped = (self.counters.dropped or 0) + walker.dropped

    def _open(self, source: Source) -> Stream:
        if source.path is None:
            return Stream(self._stdin or sys.stdin.buffer)
        try:
            return Stream(source.path.open("rb", buffering=0))
        except OSError as error:
            raise unopened(source.name, error) from error


def _walker(stream: Stream, account: _Account) -> Walker:
    """The walker for what the stream begins with."""
    head = stream.head(FILE_HEADER)
    header = PcapHeader.read(head)
    if header is not None:
        if header.version > (2, 4) or header.version < (2, 0):
            account.warn(0, "is of version {}.{}; it is read like 2.4".format(*header.version))
        return PcapWalker(header)
    if head[:4] == PCAPNG_MAGIC:
        return PcapngWalker()
    what = (f"cannot be read: {stream.problem}" if stream.problem else
            "is empty" if not head else
            f"ends within its header, after {len(head)} bytes" if PcapHeader.starts(head) else
            "is no capture")
    raise CaptureError(f"{account.source} {what}.", f"What is understood: {FORMATS}.")


def _frames(chunks: Chunks, walker: Walker, account: _Account, batch: int) -> Iterator[Records]:
    """Everything that can be told of the stream's records."""
    while True:
        columns = Columns.empty(min(batch, (chunks.end - chunks.begin) // 16 + 1))
        step = walker.walk(chunks.data, chunks.begin, chunks.end, columns)
        place = chunks.position + step.position - chunks.begin
        chunks.begin = step.position
        if step.count:
            yield account.deliver(chunks.data[:chunks.end], columns, step.count)
        del columns
        if step.outcome is Outcome.MORE and not chunks.final:
            chunks.more(step.need)
        elif step.outcome is Outcome.MORE:
            # Either the capture was cut off here, or a length is damaged and more is to come.
            left = chunks.end - chunks.begin
            _search(chunks, walker)
            if chunks.begin == chunks.end:
                account.ended(place, left, step.need)
                return
            account.skipped(place, chunks.position - place,
                            f"a record of {step.need:,} bytes would run over the end", False)
        elif step.outcome is Outcome.HEADER:
            chunks.more(FILE_HEADER)
            if chunks.end - chunks.begin < FILE_HEADER:
                account.ended(place, chunks.end - chunks.begin, FILE_HEADER)
                return
            walker.joined(bytes(chunks.data[chunks.begin:chunks.begin + FILE_HEADER]))
            chunks.begin += FILE_HEADER
        elif step.outcome is Outcome.BAD:
            if step.next >= 0:
                chunks.begin = step.next
            else:
                _search(chunks, walker)
            account.skipped(place, chunks.position - place, step.problem,
                            chunks.final and chunks.begin == chunks.end)


def _search(chunks: Chunks, walker: Walker) -> None:
    """Go on to where something makes sense again, or to the end."""
    begin = chunks.begin + 1
    while True:
        step = walker.search(chunks.data, min(begin, chunks.end), chunks.end, chunks.final)
        chunks.begin = step.position
        if step.outcome is Outcome.FOUND:
            return
        if chunks.final:
            chunks.begin = chunks.end
            return
        chunks.more(step.need)
        begin = chunks.begin


class _Account:
    """What one file adds to the counters and warnings."""

    def __init__(self, source: str, counters: Counters, warnings: list[Warning]) -> None:
        self.source = source
        self._counters, self._warnings, self._warned = counters, warnings, 0

    def deliver(self, data: np.typing.NDArray[np.uint8], columns: Columns, count: int) -> Records:
        """The rows filled, as a batch that is counted."""
        found = Records(data, *(getattr(columns, field.name)[:count]
                                for field in dataclasses.fields(Columns)))
        counters = self._counters
        counters.packets += count
        counters.bytes += int(found.length.sum(dtype=np.int64))
        counters.captured_bytes += int(found.captured.sum(dtype=np.int64))
        counters.truncated += int(np.count_nonzero(found.captured < found.length))
        first, last = int(found.time.min()), int(found.time.max())
        counters.first = first if counters.first is None else min(first, counters.first)
        counters.last = last if counters.last is None else max(last, counters.last)
        links = np.bincount(found.link)
        for link in np.flatnonzero(links):
            counters.links[int(link)] = counters.links.get(int(link), 0) + int(links[link])
        return found

    def ended(self, place: int, left: int, need: int) -> None:
        """The stream is over; `left` bytes are too few for what begins with them."""
        if left:
            self._counters.skipped_bytes += left
            self.warn(place, f"it ends in the middle of a record: {left:,} bytes are there of "
                             f"{need:,} or more; everything before them was read")

    def skipped(self, place: int, count: int, problem: str, over: bool) -> None:
        """`count` bytes from `place` on were passed over."""
        self._counters.bad_records += 1
        self._counters.skipped_bytes += count
        self.warn(place, f"{problem}; {count:,} bytes were passed over, "
                         + ("to the end" if over else "to the next record that makes sense"))

    def warn(self, place: int | None, problem: str) -> None:
        self._warned += 1
        if self._warned < MOST_WARNINGS:
            self._warnings.append(Warning(self.source, place, problem))
        elif self._warned == MOST_WARNINGS:
            self._warnings.append(Warning(
                self.source, place, "there is more like this; it is counted, but not listed"))
