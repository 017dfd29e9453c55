"""Tables of many captures, made by several processes or, with Ray, on several machines.

Every capture is read by itself, so a flow that goes on in the next file is another flow there; flow
numbers are those of the files one after the other. What comes out does not depend on how many
processes there are, nor on whether they are Ray's. Memory here is small: a large table waits on
disk for its turn. It does not know what is done with the rows.
"""

from __future__ import annotations

import tempfile
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from pcap_tools.containers.files import FORMATS, STDIN, Source, find_sources
from pcap_tools.errors import CaptureError, UsageError
from pcap_tools.flow_engine import FlowEngine
from pcap_tools.flow_table import FLOW, SAMPLE
from pcap_tools.flows import FlowConfig
from pcap_tools.packets import Status
from pcap_tools.read import open_captures
from pcap_tools.records import Counters, Warning
from pcap_tools.workers import Moved, Progress, Workers

WAITING = 1 << 20  # bytes of a table that wait in memory; a larger one does so on disk
AHEAD = 4  # captures for each of Ray's processes that are under way or wait to be fetched
BATCHES = 16  # of frames, between fetching flows: each time costs as much as a thousand packets
GROUP = 1 << 15  # rows fetched from disk at once
Rows = NDArray[np.void]


@dataclass(frozen=True)
class Wanted:
    """Which table of each capture."""

    config: FlowConfig = field(default_factory=lambda: FlowConfig(samples=False))
    samples: bool = False  # rows of SAMPLE instead of FLOW
    moments: tuple[int, ...] | None = None  # of samples, `Sampled`; None is all

    @property
    def kind(self) -> np.dtype[np.void]:
        return SAMPLE if self.samples else FLOW


@dataclass
class Part:
    """What one capture gave."""

    counters: Counters
    warnings: list[Warning]
    packets: dict[Status, int] = field(default_factory=dict)  # by what they were
    flows: int = 0
    evicted: int = 0
    rows: list[Rows] = field(default_factory=list)
    spooled: Path | None = None  # further rows, before those in `rows`
    error: CaptureError | None = None  # nothing of it could be read

    def tables(self) -> Iterator[Rows]:
        """All rows, some thousand at a time; those on disk are gone afterwards."""
        kind = self.rows[0].dtype if self.rows else None
        if self.spooled is not None and kind is not None:
            with self.spooled.open("rb") as file:
                while len(rows := np.fromfile(file, kind, GROUP)):
                    yield rows
            self.spooled.unlink()
        yield from self.rows


def rows_of(path: str, wanted: Wanted, part: Part, moved: Moved) -> Iterator[Rows]:
    """The rows of one capture as they come; everything else of it is put into `part`."""
    try:
        reader = open_captures([path])
        part.counters, part.warnings = reader.counters, reader.warnings
        engine, before = FlowEngine(wanted.config), 0
        for number, records in enumerate(reader, 1):
            engine.feed(records)
            if wanted.samples or number % BATCHES == 0:
                yield _fetched(engine, wanted)
            read, before = reader.position - before, reader.position
            if not moved(read):
                break
        engine.finish()
        yield _fetched(engine, wanted)
        moved(reader.position - before)
        reader.close()
    except CaptureError as error:
        part.error = error
        return
    found = engine.counters
    part.packets, part.flows, part.evicted = found.packets, found.flows, found.evicted


def _fetched(engine: FlowEngine, wanted: Wanted) -> Rows:
    """What the engine has ready."""
    flows = engine.flows()
    if not wanted.samples:
        return flows
    rows = engine.samples()
    return rows if wanted.moments is None else rows[np.isin(rows["kind"], wanted.moments)]


def table_of(
    path: str, wanted: Wanted, spool: str | None = None,
    moved: Moved = lambda count: True,
) -> Part:
    """The table of one capture. `moved` is told of bytes read, and says whether to go on."""
    part, waiting = Part(Counters(), []), _Spool(spool, wanted)
    for rows in rows_of(path, wanted, part, moved):
        waiting.take(rows)
    part.rows, part.spooled = [waiting.rest()], waiting.path
    return part


class _Spool:
    """Rows of one capture, on disk once they are many."""

    def __init__(self, folder: str | None, wanted: Wanted) -> None:
        self._folder, self._wanted = folder, wanted
        self._rows: list[Rows] = []
        self._bytes = 0
        self.path: Path | None = None

    def take(self, rows: Rows) -> None:
        if len(rows):
            self._rows.append(rows)
            self._bytes += rows.nbytes
        if self._folder is not None and self._bytes > WAITING:
            if self.path is None:
                self.path = Path(tempfile.mkstemp(dir=self._folder, suffix=".rows")[1])
            with self.path.open("ab") as file:
                self.rest().tofile(file)

    def rest(self) -> Rows:
        """The rows in memory, which are let go of."""
        found, self._rows, self._bytes = self._rows, [], 0
        if not found:
            return np.empty(0, self._wanted.kind)
        return found[0] if len(found) == 1 else np.concatenate(found)


class ParallelTables:
    """Iterate over it once for rows, in the order of the captures; see `CaptureReader` for the
    rest, which is the same: `counters`, `warnings`, `position` and `total`."""

    def __init__(self, paths: Sequence[str | Path], wanted: Wanted, jobs: int = 1,
                 ray: bool = False) -> None:
        if any(str(path) == STDIN for path in paths):
            raise UsageError("Standard input cannot be read by several processes.",
                             "Name files or folders, or read it with one process.")
        if jobs < 1:
            raise UsageError(f"{jobs} processes cannot read anything.", "Give 1 or more.")
        self.counters = Counters()
        self.warnings: list[Warning] = []
        self.sources: list[Source] = find_sources(paths, lambda name, problem:
            self.warnings.append(Warning(name, None, f"cannot be read: {problem}")))
        self.total = sum(source.size or 0 for source in self.sources)
        self.packets = dict.fromkeys(Status, 0)
        self.flows = self.evicted = 0
        self._wanted, self._jobs = wanted, min(jobs, len(self.sources))
        self._ray = _import_ray() if ray else None
        self._progress = Progress(self._jobs)
        self._parts = self._all()

    @property
    def position(self) -> int:
        """Bytes of the files read so far, by all processes."""
        return self._progress.position

    def __iter__(self) -> Iterator[Rows]:
        return self._parts

    def close(self) -> None:
        """End early; processes at work end after their batch."""
        self._progress.end()
        self._parts.close()

    def _all(self) -> Generator[Rows, None, None]:
        readable, last = 0, None
        with ExitStack() as stack:
            for source, part, tables in self._run(stack):
                for rows in tables:
                    rows["flow"] += self.flows
                    yield rows
                if part.error is not None:
                    last = part.error
                    self.warnings.append(Warning(source.name, None, str(part.error)))
                    continue
                readable += 1
                self._account(part)
        if not readable and last is not None:
            if len(self.sources) == 1:
                raise last
            raise CaptureError(f"None of the {len(self.sources)} files can be read as a capture: "
                               f"{self.warnings[-1]}", f"What is understood: {FORMATS}.")

    def _run(self, stack: ExitStack) -> Iterator[tuple[Source, Part, Iterator[Rows]]]:
        """Each capture with its rows; what else there is of it is known after them."""
        if self._ray is None and self._jobs == 1:
            for source in self.sources:
                part = Part(Counters(), [])
                yield source, part, rows_of(str(source.path), self._wanted, part,
                                            self._progress.moved)
            return
        if self._ray is not None:
            parts = _with_ray(self._ray, self.sources, self._wanted, self._jobs, self._progress)
        else:
            spool = stack.enter_context(tempfile.TemporaryDirectory(prefix="airsplit-"))
            tasks = [_Task(str(source.path), self._wanted, spool) for source in self.sources]
            workers = Workers(_work, tasks, self._jobs, self._progress)
            stack.callback(workers.close)
            parts = iter(workers)
        for source, part in zip(self.sources, parts, strict=True):
            yield source, part, part.tables()

    def _account(self, part: Part) -> None:
        add(self.counters, part.counters)
        self.warnings += part.warnings
        for status, count in part.packets.items():
            self.packets[status] += count
        self.flows += part.flows
        self.evicted += part.evicted


def add(total: Counters, one: Counters) -> None:
    """Add the counts of `one` to `total`."""
    for name in ("packets", "bytes", "captured_bytes", "truncated", "bad_records", "skipped_bytes",
                 "unknown_blocks"):
        setattr(total, name, getattr(total, name) + getattr(one, name))
    for name, choose in (("first", min), ("last", max), ("dropped", _sum)):
        known = [value for value in (getattr(total, name), getattr(one, name)) if value is not None]
        setattr(total, name, choose(known) if known else None)
    for link, count in one.links.items():
        total.links[link] = total.links.get(link, 0) + count


def _sum(values: list[int]) -> int:
    return sum(values)


@dataclass(frozen=True)
class _Task:
    """One capture for one process."""

    path: str
    wanted: Wanted
    spool: str  # folder for rows that wait


def _work(task: _Task, moved: Moved) -> Part:
    return table_of(task.path, task.wanted, task.spool, moved)


def _import_ray() -> Any:
    try:
        import ray  # type: ignore[import-not-found,unused-ignore]  # optional, see the message
    except ModuleNotFoundError as error:
        raise UsageError("Ray is not installed.", "Install it (`pip install ray`, on every machine "
                         "beside airsplit), or use processes of this machine.") from error
    return ray


def _with_ray(ray: Any, sources: Sequence[Source], wanted: Wanted, jobs: int,
              progress: Progress) -> Iterator[Part]:
    """The same on Ray's processes: those of a cluster where RAY_ADDRESS names one, whose machines
    have to see the captures under the same paths."""
    if not ray.is_initialized():
        ray.init(log_to_driver=False)
    remote = ray.remote(table_of)
    waiting: deque[Any] = deque()
    for number, source in enumerate(sources):
        while len(waiting) < AHEAD * jobs and number + len(waiting) < len(sources):
            waiting.append(remote.remote(str(sources[number + len(waiting)].path), wanted))
        part = cast(Part, ray.get(waiting.popleft()))
        part.rows = [rows.copy() for rows in part.rows]  # Ray's own cannot be written to
        progress.moved(source.size or 0)
        yield part
