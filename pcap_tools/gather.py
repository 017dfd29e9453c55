"""Drives a source through parser, flow engine and whoever wants to see what comes out.

One loop for every command: progress, Ctrl-C and the account of what was read are the same
everywhere. It does not know what is done with packets and flows.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import numpy as np

from pcap_tools.naming import NANOSECONDS, link_name, protocol_name, time_text
from pcap_tools.packets import Status
from pcap_tools.records import Counters, Records, Warning

ALL_READ, FAILED, PARTIAL, INTERRUPTED = 0, 1, 3, 130  # exit codes of every command
SHOWN_WARNINGS = 20  # lines; the rest is counted

Item = TypeVar("Item", covariant=True)


class Source(Protocol[Item]):
    """Something that yields frames, or what was made of them, and counts what it read."""

    @property
    def counters(self) -> Counters: ...
    @property
    def warnings(self) -> list[Warning]: ...
    def __iter__(self) -> Iterator[Item]: ...
    def close(self) -> None: ...


@dataclass
class Account:
    """What was read, for people and scripts."""

    counters: Counters
    warnings: list[str]
    files: list[str]
    interrupted: bool = False  # by Ctrl-C: what was read until then is in the results
    statuses: dict[str, int] = field(default_factory=dict)
    protocols: dict[str, int] = field(default_factory=dict)
    tunnels: dict[str, int] = field(default_factory=dict)

    @property
    def partial(self) -> bool:
        return bool(self.warnings or self.counters.bad_records or self.counters.skipped_bytes)

    @property
    def exit_code(self) -> int:
        return INTERRUPTED if self.interrupted else PARTIAL if self.partial else ALL_READ

    def document(self) -> dict[str, Any]:
        """The object that `--json` prints."""
        counters = self.counters
        first, last = counters.first, counters.last
        return {
            "files": self.files, "packets": counters.packets, "bytes": counters.bytes,
            "captured_bytes": counters.captured_bytes,
            "link_types": {link_name(number): count
                           for number, count in sorted(counters.links.items())},
            "first": None if first is None else time_text(first),
            "last": None if last is None else time_text(last),
            "seconds": None if first is None or last is None else (last - first) / NANOSECONDS,
            "truncated": counters.truncated, "bad_records": counters.bad_records,
            "skipped": counters.skipped_bytes, "dropped": counters.dropped,
            "complete": not self.partial and not self.interrupted, "warnings": self.warnings}


def tell(warnings: list[str], command: str) -> None:
    """Warnings go to stderr, so that results can be piped on."""
    for line in warnings[:SHOWN_WARNINGS]:
        print(f"airsplit {command}: {line}", file=sys.stderr)
    if len(warnings) > SHOWN_WARNINGS:
        print(f"airsplit {command}: and {len(warnings) - SHOWN_WARNINGS} more warnings",
              file=sys.stderr)


def account_of(source: Source[Any], interrupted: bool) -> Account:
    files = [str(one.name) for one in getattr(source, "sources", ())]
    return Account(source.counters, [str(warning) for warning in source.warnings], files,
                   interrupted)


def read_through(source: Source[Item], take: Callable[[Item], None], quiet: bool = False
                 ) -> Account:
    """Hand everything of `source` to `take`, with a bar on a terminal; Ctrl-C ends the reading."""
    interrupted = False
    with progress_bar(source, quiet) as moved:
        try:
            for item in source:
                take(item)
                moved()
        except KeyboardInterrupt:
            interrupted = True
        finally:
            source.close()
    return account_of(source, interrupted)


@contextmanager
def progress_bar(
    source: Source[Any], quiet: bool, what: str = "reading",
) -> Iterator[Callable[[], None]]:
    """How far it is, how fast and how long yet, on stderr; nothing where that is no terminal."""
    if quiet or not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    began = time.monotonic()
    with Progress(
            TextColumn(what), BarColumn(), DownloadColumn(), TransferSpeedColumn(),
            TextColumn("{task.fields[packets]}"), TimeElapsedColumn(), TimeRemainingColumn(),
            console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=getattr(source, "total", None), packets="")

        def moved() -> None:
            seconds = max(time.monotonic() - began, 1e-6)
            rate = source.counters.packets / seconds
            bar.update(task, completed=getattr(source, "position", 0),
                       packets=f"{rate:,.0f} packets/s")

        yield moved


class Tally:
    """Packets by what they are, for `info`."""

    def __init__(self) -> None:
        self._status = np.zeros(256, np.int64)
        self._protocol = np.zeros(256, np.int64)
        self._tunnel = np.zeros(256, np.int64)

    def take(self, records: Records) -> None:
        from pcap_tools.parse import parse

        packets = parse(records)
        self._status += np.bincount(packets["status"], minlength=256)
        chosen = packets[packets["status"] <= Status.FRAGMENT]
        self._protocol += np.bincount(chosen["protocol"], minlength=256)
        self._tunnel += np.bincount(chosen["tunnel"], minlength=256)

    def document(self) -> Mapping[str, dict[str, int]]:
        from pcap_tools.packets import Tunnel

        return {
            "kinds": {Status(number).name.lower(): int(self._status[number])
                      for number in np.flatnonzero(self._status).tolist()},
            "protocols": {protocol_name(number): int(self._protocol[number])
                          for number in np.flatnonzero(self._protocol).tolist()},
            "tunnels": {Tunnel(number).name.lower(): int(self._tunnel[number])
                        for number in np.flatnonzero(self._tunnel).tolist() if number}}


def flow_counts(packets: Mapping[Status, int], flows: int, evicted: int) -> dict[str, Any]:
    """The flow engine's own account as plain names and numbers."""
    return {"packets": {status.name.lower(): int(count) for status, count in packets.items()},
            "flows": int(flows), "evicted": int(evicted)}
