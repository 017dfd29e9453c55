"""What a gNB counts about one UE, and the features of the last seconds of it.

A history is an array of rows, one for each report, with the columns of `KpiRow`; NaN is what a gNB
does not report. Every feature looks backwards only. It knows no labels, no files and no clock, and
leaves out what names the cell, the slice or the radio channel: quality indicators tell where a UE
stands, not what it does.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import astuple, dataclass, fields

import numpy as np
from numpy.typing import NDArray

from classifier.bundle import Schema
from pcap_tools.compiled import compiled

VERSION = 1
WINDOWS = (4, 16, 64, 256)  # rows: 1, 4, 16 and 64 seconds at 250 ms
LONGEST = max(WINDOWS)
QUIET_WINDOW = 16  # rows
# What a UE with nothing to say still gets and sends, in cells without any user traffic: a lone
# block now and then, and grants for signalling that srsRAN counts as 0.1 Mbit/s.
QUIET_BLOCKS = 3.0  # transport blocks down in the window
QUIET_BYTES = 400.0  # down in the window, where blocks are not reported
QUIET_UPLINK = 0.11  # Mbit/s in any one row
BYTES_PER_MBPS = 31250.0  # of 250 ms


@dataclass(frozen=True)
class KpiRow:
    """One report of one UE; each value is that of the report's period, None where unknown.

    In brackets the measurement of 3GPP TS 28.552, as E2SM-KPM names it, or the nearest to it.
    """

    downlink_mbps: float | None = None  # DRB.UEThpDl / 1000
    downlink_blocks: float | None = None  # TB.TotNbrDl: transport blocks sent
    downlink_buffer: float | None = None  # bytes waiting, DRB.BufferSize.Qos of some gNBs
    downlink_prbs: float | None = None  # RRU.PrbUsedDl, summed over the period's slots
    downlink_mcs: float | None = None  # mean of CARR.PDSCHMCSDist; 0 where nothing was sent
    uplink_mbps: float | None = None  # DRB.UEThpUl / 1000
    uplink_blocks: float | None = None  # TB.TotNbrUl
    uplink_buffer: float | None = None  # bytes of the buffer status report
    uplink_mcs: float | None = None  # mean of CARR.PUSCHMCSDist

    def values(self) -> NDArray[np.float32]:
        """As one row of a history; what is no finite number from 0 is missing."""
        known = [math.nan if value is None else float(value) for value in astuple(self)]
        row = np.array(known)
        row[~((row >= 0) & (row < 1e12))] = np.nan
        return row.astype(np.float32)


COLUMNS = tuple(entry.name for entry in fields(KpiRow))
_AMOUNTS = tuple(name for name in COLUMNS if not name.endswith("_mcs"))
_PER_WINDOW = (
    *(f"{name}_{what}" for name in _AMOUNTS for what in ("mean", "spread", "peak")),
    "downlink_active", "uplink_active", "active", "bursts", "downlink_block_bytes",
    "uplink_block_bytes", "uplink_share", "uplink_block_share", "downlink_mcs_sending",
    "uplink_mcs_sending")


def _names() -> Iterator[str]:
    for window in WINDOWS:
        for name in _PER_WINDOW:
            yield f"{name}_{window}"
    yield from (f"{name}_last" for name in _AMOUNTS)


FEATURES = tuple(_names())
SCHEMA = Schema("kpi", VERSION, FEATURES)


def vectors(history: NDArray[np.float32]) -> NDArray[np.float32]:
    """The features after each row of one UE's `history` [rows, columns]."""
    out = np.empty((len(history), len(FEATURES)), np.float32)
    for end in range(1, len(history) + 1):
        _features(history, end, out[end - 1])
    return out


def quiet(history: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Whether the UE sent and got nothing of its user's in the 4 s up to each row."""
    return np.array([_quiet(history, end) for end in range(1, len(history) + 1)], dtype=np.bool_)


def vector_now(history: NDArray[np.float32]) -> tuple[NDArray[np.float32], bool]:
    """The features after the last row of `history`, and whether it is quiet."""
    out = np.empty(len(FEATURES), np.float32)
    _features(history, len(history), out)
    return out, bool(_quiet(history, len(history)))


@compiled
def _quiet(history: NDArray[np.float32], end: int) -> bool:
    blocks, volume = 0.0, 0.0
    for at in range(max(0, end - QUIET_WINDOW), end):
        if history[at, 5] > QUIET_UPLINK:
            return False
        if not np.isnan(history[at, 1]):
            blocks += history[at, 1]
        elif not np.isnan(history[at, 0]):
            volume += history[at, 0] * BYTES_PER_MBPS
    return blocks <= QUIET_BLOCKS and volume <= QUIET_BYTES


@compiled
def _down_active(history: NDArray[np.float32], at: int) -> bool:
    if not np.isnan(history[at, 1]):
        return bool(history[at, 1] > 1)
    return bool(history[at, 0] > 0.005)


@compiled
def _features(history: NDArray[np.float32], end: int, out: NDArray[np.float32]) -> None:
    """FEATURES in their order; columns 0 to 3 and 5 to 7 are amounts, 4 and 8 the MCS."""
    place = 0
    for window in WINDOWS:
        start = max(0, end - window)
        for column in (0, 1, 2, 3, 5, 6, 7):
            count, total, squares, peak = 0, 0.0, 0.0, 0.0
            for at in range(start, end):
                value = history[at, column]
                if not np.isnan(value):
                    count += 1
                    total += value
                    squares += value * value
                    peak = max(peak, value)
            mean = total / count if count else np.nan
            out[place] = mean
            variance = max(squares / count - mean * mean, 0.0) if count else np.nan
            out[place + 1] = np.sqrt(variance) / mean if mean > 0 else np.nan
            out[place + 2] = peak if count else np.nan
            place += 3
        downs, ups, either, bursts, before = 0, 0, 0, 0, False
        for at in range(start, end):
            down = _down_active(history, at)
            up = history[at, 5] > QUIET_UPLINK
            downs += down
            ups += up
            either += down or up
            bursts += (down or up) and not before
            before = down or up
        out[place] = downs / (end - start)
        out[place + 1] = ups / (end - start)
        out[place + 2] = either / (end - start)
        out[place + 3] = bursts
        first = place - 21
        down_rate, down_blocks = out[first], out[first + 3]
        up_rate, up_blocks = out[first + 12], out[first + 15]
        out[place + 4] = down_rate / down_blocks if down_blocks > 0 else np.nan
        out[place + 5] = up_rate / up_blocks if up_blocks > 0 else np.nan
        out[place + 6] = up_rate / (up_rate + down_rate) if up_rate + down_rate > 0 else np.nan
        blocks = up_blocks + down_blocks
        out[place + 7] = up_blocks / blocks if blocks > 0 else np.nan
        out[place + 8] = _sending(history, start, end, 4)
        out[place + 9] = _sending(history, start, end, 8)
        place += 10
    for column in (0, 1, 2, 3, 5, 6, 7):
        out[place] = history[end - 1, column]
        place += 1


@compiled
def _sending(history: NDArray[np.float32], start: int, end: int, column: int) -> float:
    """The mean over the rows in which something was sent."""
    count, total = 0, 0.0
    for at in range(start, end):
        if history[at, column] > 0:
            count += 1
            total += history[at, column]
    return total / count if count else np.nan
