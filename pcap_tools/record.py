"""An interface into a capture file, next to a log of its times; until told to stop.

The capture grows as `NAME.part` and gets its name when it is whole, so that nobody reads half of
one. The log has one JSON object a line: `start`, one each `second`, `file` when a capture is done,
`stop`; each with the wall clock and the monotonic one, so that a testbed's machines can be lined
up. A disk that fills up ends the recording before it is full. It opens no interface itself; clocks
are passed in.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Protocol

from pcap_tools.errors import OutputError, UsageError
from pcap_tools.records import Records, RecordSource

LOG_SUFFIX = ".timing.jsonl"
LOOK_SECONDS = 1.0  # between two lines of the log, and two looks at the disk


class CaptureWriter(Protocol):
    """A capture file; `write.PcapWriter` is one."""

    bytes: int

    def write(self, records: Records) -> None: ...
    def flush(self) -> None: ...
    def close(self) -> None: ...


OpenWriter = Callable[[Path], CaptureWriter]


@dataclass(frozen=True)
class RecordConfig:
    """How a recording is kept."""

    rotate_bytes: int | None = None  # of a file, after which another begins
    keep_free: int = 256 << 20  # bytes that stay free on the disk; below, the recording ends
    most_packets: int | None = None  # after which it ends

    def __post_init__(self) -> None:
        for value in (self.rotate_bytes, self.most_packets):
            if value is not None and value < 1:
                raise UsageError(f"{value} leaves no room for a packet.", "Give a larger number.")


@dataclass
class Recorded:
    """What a recording became."""

    packets: int = 0
    bytes: int = 0  # of the packets, as they were on the wire
    dropped: int | None = None  # that the kernel had no room for
    seconds: float = 0.0
    files: list[str] = field(default_factory=list)
    log: str = ""
    ended_by: str = "the source"  # who ended it
    problem: str | None = None  # where it ended before its time


@dataclass(frozen=True)
class Clocks:
    """Both in seconds."""

    wall: Callable[[], float]
    monotonic: Callable[[], float]


def host_filter(hosts: list[str], ports: list[str], rest: str = "") -> str:
    """The capture filter for traffic with these hosts and ports or port ranges (8000-8010)."""
    parts = []
    if hosts:
        parts.append(" or ".join(f"host {host}" for host in hosts))
    if ports:
        parts.append(" or ".join(
            f"portrange {port}" if "-" in port else f"port {port}" for port in ports))
    parts += [rest] if rest.strip() else []
    return parts[0] if len(parts) == 1 else " and ".join(f"({part})" for part in parts)


def numbered(out: Path, number: int) -> Path:
    """The name of one file of a recording that goes on in the next: run-0001.pcap."""
    return out.with_name(f"{out.stem}-{number:04d}{out.suffix}")


def record(source: RecordSource, out: Path, open_writer: OpenWriter, config: RecordConfig,
           clocks: Clocks, about: Mapping[str, Any],
           told: Callable[[Recorded], None] = lambda _: None,
           why: Callable[[], str] = lambda: "the source",
           free: Callable[[Path], int] = lambda path: shutil.disk_usage(path).free) -> Recorded:
    """Write what `source` yields to `out` until it ends; it should tick at least each second.

    `about` goes into the log's first line. `told` hears of the state each second. `why` says who
    ended the source, where no limit of `config` did.
    """
    recording = _Recording(out, open_writer, config, clocks, free)
    with recording:
        recording.begin(about)
        for records in source:
            recording.take(records, source.counters.dropped)
            if recording.look(source.counters.dropped):
                told(recording.done)
            if recording.over:
                source.close()
        recording.done.dropped = source.counters.dropped
        recording.end(why())
    return recording.done


class _Recording:
    """The files of one recording."""

    def __init__(self, out: Path, open_writer: OpenWriter, config: RecordConfig, clocks: Clocks,
                 free: Callable[[Path], int]) -> None:
        self.done = Recorded(log=str(out.with_suffix(LOG_SUFFIX)))
        self.over = False
        self._out, self._open_writer, self._config = out, open_writer, config
        self._clocks, self._free = clocks, free
        self._log: IO[str] | None = None
        self._writer: CaptureWriter | None = None
        self._part = Path()
        self._since = (0, 0, 0)  # packets, bytes and drops in the log's lines so far
        self._began = self._next_look = 0.0

    def begin(self, about: Mapping[str, Any]) -> None:
        self._check_disk()
        if self.over:
            raise OutputError(f"{self.done.problem}", "Free some space, or give --keep-free less.")
        try:
            self._log = Path(self.done.log).open(  # noqa: SIM115  # closed at the end
                "w", encoding="utf-8", buffering=1)
        except OSError as error:
            raise _not_written(self.done.log, error) from error
        self._open_next()
        self._began = self._clocks.monotonic()
        self._next_look = self._began + LOOK_SECONDS
        self._say("start", **about)

    def _open_next(self) -> None:
        self._part = Path(f"{self._name()}.part")
        self._writer = self._open_writer(self._part)

    def _name(self) -> Path:
        if self._config.rotate_bytes is None:
            return self._out
        return numbered(self._out, len(self.done.files) + 1)

    def take(self, records: Records, dropped: int | None) -> None:
        """Write the frames, as far as they are still wanted."""
        most = self._config.most_packets
        if most is not None and self.done.packets + len(records) >= most:
            records = _first(records, most - self.done.packets)
            self.end("the number of packets")
        if not len(records) or self._writer is None:
            return
        self._writer.write(records)
        self.done.packets += len(records)
        self.done.bytes += int(records.length.sum(dtype="int64"))
        rotate = self._config.rotate_bytes
        if rotate is not None and self._writer.bytes >= rotate and not self.over:
            self._finish_file()
            self._open_next()

    def look(self, dropped: int | None) -> bool:
        """Once a second: write the log's line, and see whether the disk has room."""
        now = self._clocks.monotonic()
        self.done.seconds, self.done.dropped = now - self._began, dropped
        if now < self._next_look:
            return False
        self._next_look = max(self._next_look + LOOK_SECONDS, now)
        self._say_second()
        self._check_disk()
        return True

    def _say_second(self) -> None:
        now = (self.done.packets, self.done.bytes, self.done.dropped or 0)
        packets, size, dropped = (new - old for new, old in zip(now, self._since, strict=True))
        self._since = now
        self._say("second", packets=packets, bytes=size,
                  dropped=None if self.done.dropped is None else dropped)

    def _check_disk(self) -> None:
        try:
            free = self._free(self._out.parent)
        except OSError as error:
            raise _not_written(str(self._out.parent), error) from error
        if free < self._config.keep_free:
            self.done.problem = (f"Only {free:,} bytes are free in {self._out.parent}, and "
                                 f"{self._config.keep_free:,} are to stay so.")
            self.end("a full disk")

    def end(self, by: str) -> None:
        """Note who ended it; the first one counts."""
        if not self.over:
            self.over, self.done.ended_by = True, by

    def _say(self, event: str, **values: Any) -> None:
        assert self._log is not None
        line = {"event": event, "wall": self._clocks.wall(),
                "monotonic": self._clocks.monotonic(), **values}
        try:
            self._log.write(json.dumps(line) + "\n")
        except OSError as error:
            raise _not_written(self.done.log, error) from error

    def _finish_file(self) -> None:
        """The capture is whole and gets its name."""
        if self._writer is None:
            return
        writer, self._writer = self._writer, None
        name = self._name()
        writer.close()
        try:
            self._part.replace(name)
        except OSError as error:
            raise _not_written(str(name), error) from error
        self.done.files.append(str(name))
        self._say("file", name=name.name, file_bytes=writer.bytes)

    def __enter__(self) -> _Recording:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Whatever ended it: what was written is kept, under its name."""
        try:
            if self._log is not None:
                self._finish_file()
                self._say_second()
                self._say("stop", packets=self.done.packets, bytes=self.done.bytes,
                          dropped=self.done.dropped, ended_by=self.done.ended_by,
                          problem=self.done.problem)
        except OutputError:
            if kind is None:  # else the first error is the one to tell
                raise
        finally:
            if self._log is not None:
                self._log.close()


def _first(records: Records, count: int) -> Records:
    return Records(records.data, records.start[:count], records.captured[:count],
                   records.length[:count], records.time[:count], records.link[:count],
                   records.interface[:count])


def _not_written(name: str, error: OSError) -> OutputError:
    return OutputError(f"{name} cannot be written: {error.strerror or error}.",
                       "See whether the folder exists, may be written to, and has room.")
