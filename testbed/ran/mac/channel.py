"""What a UE's radio is like over time: CQI, and MCS where a recording has it, constant in pieces.

    channel = make_channel(ChannelConfig(Kind.VEHICULAR, snr_db=14), seed=7)
    down = mcs_slots(channel, Direction.DOWN, mcs_by_cqi(...), slot_seconds=1e-3, slots=60_000)

A channel is made (`fading`), or read of a CSV file or a base station's KPI log (`channel_file`).
After `period` it begins anew. A CQI holds from the moment it is there: that reports take time, and
that a base station learns from failures, is the scheduler's to know. It knows no cells and no
interference: a UE's signal-to-noise ratio is what it is said to be.
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from testbed.ran.mac.tables import (
    CQI_TABLES,
    MCS_TABLES,
    OUT_OF_RANGE,
    RATE_ONE,
    CqiTable,
    efficiency,
)
from xapp.errors import ConfigurationError

UNKNOWN = -2  # in place of an MCS: none is recorded, the CQI says it
MOST_PIECES = 10_000_000  # of one channel: a day of reports every 10 ms
# Of Shannon's capacity, what a link gets: puts 64-QAM's last CQI at 25.7 dB and CQI 1 at -7.5 dB.
SHANNON_PART = 0.65
MOST_BITS = 100.0  # a resource element: many layers' worth
HIGHEST_MCS = max(len(rows) for rows in MCS_TABLES.values()) - 1
Seconds = NDArray[np.floating[Any]]


class Kind(enum.Enum):
    """Where a channel comes from."""

    STATIC = "static"  # one ratio all the time
    PEDESTRIAN = "pedestrian"  # fading and shadows at 3 km/h
    VEHICULAR = "vehicular"  # the same at 60 km/h
    CELL_EDGE = "cell-edge"  # a walk from near the mast to the edge of the cell and back
    OUTAGE = "outage"  # static, and at times gone
    CSV = "csv"  # a file of `seconds` and `cqi`, `snr_db`, `mcs_down` or `mcs_up`
    KPI = "kpi"  # a base station's log of KPIs


class Direction(enum.IntEnum):
    DOWN = 0
    UP = 1


@dataclass(frozen=True)
class ChannelConfig:
    """One UE's radio."""

    kind: Kind = Kind.STATIC
    snr_db: float = 20.0  # mean signal-to-noise ratio; near the mast, of a walk
    edge_snr_db: float = -4.0  # of a walk, where it turns
    up_offset_db: float = 0.0  # what the uplink has more or less than that
    speed_kmh: float | None = None  # None: 3 for a pedestrian and a walk, 60 for a vehicle
    carrier_ghz: float = 3.5
    shadow_db: float = 4.0  # standard deviation of shadows
    shadow_metres: float = 50.0  # over which they stay alike
    diversity: int = 4  # independent fades that the report of a whole carrier averages
    report_seconds: float = 0.005  # between two CQIs
    seconds: float = 60.0  # then it begins anew
    outage_seconds: float = 1.0  # mean length of an outage
    outage_every: float = 10.0  # seconds between two of them, mean
    cqi_table: CqiTable = CqiTable.TABLE2
    file: Path | None = None  # of kind csv or kpi
    row_seconds: float | None = None  # from line to line of it; None: its own times
    seed: int | None = None  # None: of the cell's seed and the UE's place

    def __post_init__(self) -> None:
        if (self.file is None) == (self.kind in (Kind.CSV, Kind.KPI)):
            raise ConfigurationError(
                f"A channel of kind {self.kind.value} "
                f"{'needs a file' if self.file is None else 'has no file'}.",
                "Give `file` with kind csv or kpi, and with these alone.")
        times = (self.report_seconds, self.seconds, self.outage_seconds, self.outage_every,
                 self.carrier_ghz, self.shadow_metres,
                 1.0 if self.row_seconds is None else self.row_seconds)
        if min(times) <= 0 or self.diversity < 1 or self.shadow_db < 0 or (
                self.speed_kmh is not None and not 0 < self.speed_kmh <= 1000):
            raise ConfigurationError("A channel has times, lengths or a speed that cannot be.",
                                     "They are above 0, a speed up to 1000 km/h.")
        if max(abs(self.snr_db), abs(self.edge_snr_db), abs(self.up_offset_db)) > 100:
            raise ConfigurationError("A signal-to-noise ratio is beyond 100 dB.",
                                     "Common ones are -10 to 35 dB.")
        if self.seconds / self.report_seconds > MOST_PIECES:
            raise ConfigurationError(f"A channel of {self.seconds:g} s with a report every "
                                     f"{self.report_seconds:g} s has too many pieces.",
                                     "Shorten `seconds`; it begins anew then.")


@dataclass(frozen=True)
class Channel:
    """Pieces, each from its second to the next one's. Arrays are of one length."""

    seconds: Seconds  # rising, the first is 0
    cqi: NDArray[np.int8]  # downlink; 0: out of range
    cqi_up: NDArray[np.int8]
    mcs_down: NDArray[np.int8]  # as recorded, UNKNOWN where it is not
    mcs_up: NDArray[np.int8]
    snr_db: NDArray[np.float64]  # NaN where it is not known
    period: float  # seconds, after the last piece began

    def __post_init__(self) -> None:
        count = len(self.seconds)
        if any(len(one) != count for one in (self.cqi, self.cqi_up, self.mcs_down, self.mcs_up,
                                             self.snr_db)):
            raise ValueError("a channel's columns have different lengths")
        if not count or self.seconds[0] != 0 or not (np.diff(self.seconds) > 0).all() or not (
                self.seconds[-1] < self.period < math.inf):
            raise ValueError("a channel's pieces do not follow each other from 0 to its period")

    def at(self, seconds: Seconds) -> NDArray[np.intp]:
        """The piece that holds at each moment."""
        return np.searchsorted(self.seconds, seconds % self.period, side="right") - 1


def made_of(seconds: Seconds, snr_db: NDArray[np.float64], period: float,
            table: CqiTable, up_offset_db: float = 0.0) -> Channel:
    """A channel of signal-to-noise ratios; -inf is an outage. Pieces that are alike are one."""
    cqi, cqi_up = cqi_of_snr(snr_db, table), cqi_of_snr(snr_db + up_offset_db, table)
    first = np.ones(len(seconds), np.bool_)
    first[1:] = (np.diff(cqi) != 0) | (np.diff(cqi_up) != 0)
    none = np.full(int(first.sum()), UNKNOWN, np.int8)
    return Channel(seconds[first], cqi[first], cqi_up[first], none, none, snr_db[first], period)


def cqi_of_snr(snr_db: NDArray[np.float64], table: CqiTable) -> NDArray[np.int8]:
    """The highest CQI of which the efficiency is within `SHANNON_PART` of the capacity."""
    return np.searchsorted(needed_snr(table), snr_db, side="right").astype(np.int8)


def snr_of_bits(bits: NDArray[np.float64]) -> NDArray[np.float64]:
    """The ratio in dB that carries so many bits a resource element; -inf for none at all."""
    with np.errstate(divide="ignore"):
        snr: NDArray[np.float64] = 10 * np.log10(
            np.expm1(np.minimum(bits, MOST_BITS) / SHANNON_PART * math.log(2)))
    return snr


def needed_snr(table: CqiTable) -> NDArray[np.float64]:
    """[cqi - 1] -> from which signal-to-noise ratio on, in dB, it is reported."""
    return snr_of_bits(efficiency(CQI_TABLES[table])[1:] / RATE_ONE)


def mcs_slots(channel: Channel, direction: Direction, by_cqi: NDArray[np.int32],
              slot_seconds: float, slots: int, start: float = 0.0,
              highest: int = HIGHEST_MCS) -> NDArray[np.int8]:
    """[slot] -> MCS, OUT_OF_RANGE where nothing gets through; what a slot begins with holds for it.

    `by_cqi` is `tables.mcs_by_cqi`'s. A recorded MCS beyond `highest`, which the table in use does
    not have, becomes that.
    """
    # Half a nanosecond more, so that a change on a slot's very edge is not lost in a float's end.
    piece = channel.at(start + np.arange(slots) * slot_seconds + 5e-10)
    down = direction is Direction.DOWN
    cqi = (channel.cqi if down else channel.cqi_up)[piece]
    recorded = (channel.mcs_down if down else channel.mcs_up)[piece]
    mcs = np.where(recorded == UNKNOWN, by_cqi[cqi], np.minimum(recorded, highest))
    return np.where(cqi == 0, OUT_OF_RANGE, mcs).astype(np.int8)


def period_slots(channel: Channel, slot_seconds: float) -> int:
    """Slots after which it begins anew, as near as slots get to it."""
    return max(1, round(channel.period / slot_seconds))


def make_channel(config: ChannelConfig, seed: int) -> Channel:
    """As configured; the same with the same seed."""
    if config.file is not None:
        from testbed.ran.mac.channel_file import read_channel, read_kpi
        read = read_kpi if config.kind is Kind.KPI else read_channel
        return read(config.file, config.cqi_table, config.up_offset_db, config.row_seconds)
    from testbed.ran.mac.fading import make
    return make(config, np.random.default_rng(seed if config.seed is None else config.seed))

