"""Reads a phone's own log of its tokens' times, as the app's recordings hold it.

A line is a JSON object with `time`, seconds since 1970. A log cut short is read as far as it goes.
It knows nothing of packets.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pcap_tools.errors import CaptureError

NAME = "timing.jsonl"  # beside a recording's capture
LONGEST_LINE = 1 << 16  # bytes; an ordinary one has 200
MOST = 1_000_000  # tokens: some days of talk, and 8 MB


def read_times(file: Path) -> tuple[NDArray[np.int64], str | None]:
    """Nanoseconds since 1970 of each token, in order; and what was wrong with the rest, if so."""
    times: list[int] = []
    problem = None
    try:
        with file.open("rb") as stream:
            while line := stream.readline(LONGEST_LINE):
                moment = _time_of(line)
                if moment is None or len(times) == MOST:
                    problem = (f"{file}, line {len(times) + 1}: is no line of a timing log; "
                               "what follows is left out.") if moment is None else (
                               f"{file} has more than {MOST:,} lines; the rest is left out.")
                    break
                times.append(moment)
    except OSError as error:
        raise CaptureError(f"--timing {file} cannot be read: {error.strerror or error}.",
                           "Give the timing.jsonl of a recording.") from error
    return np.sort(np.array(times, np.int64)), problem


def _time_of(line: bytes) -> int | None:
    try:
        seconds = float(json.loads(line)["time"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    # Beyond the year 2200 no 64-bit nanoseconds are left.
    return int(seconds * 1e9) if math.isfinite(seconds) and 0 <= seconds < 7.2e9 else None


def find_log(captures: list[str]) -> Path | None:
    """The log of the recording that is the one capture given: its folder, or the file in it."""
    if len(captures) != 1 or captures[0] == "-":
        return None
    path = Path(captures[0])
    log = (path if path.is_dir() else path.parent) / NAME
    return log if log.is_file() else None
