"""Files that the loop's settings name: where they are for whoever runs elsewhere, what they are.

It reads of a trace no more than its first line.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from testbed.errors import TestbedFailure
from testbed.loop.own_cell import Words
from testbed.loop.settings import LoopSettings

MOST_LINE = 1 << 16  # bytes of column names
FILE, INNER = "file", ("channel", "traffic")  # keys that name one, and that hold such keys


def with_whole_paths(settings: LoopSettings) -> LoopSettings:
    """The same files, found from everywhere."""
    return replace(
        settings, recording=_whole(settings.recording),
        channel_trace=_whole(settings.channel_trace),
        crowd_groups=tuple(map(_words, settings.crowd_groups)),
        traffic=tuple(map(_words, settings.traffic)))


def _whole(file: str | None) -> str | None:
    return None if file is None else str(Path(file).expanduser().resolve())


def _words(one: Words) -> Words:
    return {key: _value(key, value) for key, value in one.items()}


def _value(key: str, value: object) -> Any:
    if key == FILE and isinstance(value, str):
        return _whole(value)
    if key in INNER and isinstance(value, Mapping):
        return _words(value)
    if key in INNER and isinstance(value, list | tuple):
        return [_words(one) if isinstance(one, Mapping) else one for one in value]
    return value


def trace_kind(path: Path) -> str:
    """Of a channel: by its columns, a base station's log of KPIs, or a CSV of the cell's own."""
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rb") as file:
            line = file.readline(MOST_LINE)
    except (OSError, EOFError, zlib.error) as error:
        raise TestbedFailure(f"channel_trace: {path} cannot be read: {error}.",
                             "Name a CSV file, packed with gzip or not.") from error
    names = line.decode("utf-8", "replace").strip().split(",")
    return "kpi" if "Timestamp" in names and "seconds" not in names else "csv"
