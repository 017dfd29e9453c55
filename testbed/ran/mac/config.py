"""How an emulated base station schedules: timing, HARQ, queues, pattern, and two profiles.

    timing = PROFILES["5g-lab"]

The dataclasses are the schema of a cell file's `mac` section, with units in their comments. Who is
in the cell, and which slices there are, `layout` says.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from testbed.ran.mac.channel import Channel
from testbed.ran.mac.tables import CqiTable, McsTable
from xapp.errors import ConfigurationError

SYMBOLS = 14  # of a slot
CONTROL_SYMBOLS = 1  # of a slot's downlink, for PDCCH
SPECIAL_DOWN = 9  # symbols of a TDD pattern's S slot that carry downlink, PDCCH apart
MOST_PATTERN = 20  # slots
HARQ_PROCESSES = 16  # of each bearer and direction; TS 38.214 allows as many for a UE


class Scheduler(enum.Enum):
    """Whose turn it is inside a slice, and where slices compete for what nobody is guaranteed."""

    ROUND_ROBIN = "round-robin"  # who waited longest
    PROPORTIONAL_FAIR = "proportional-fair"  # who has the best channel for what it got


class Discipline(enum.Enum):
    """What a queue drops."""

    TAIL = "tail"  # what comes when it is full
    CODEL = "codel"  # that too, and from the front while packets have waited too long (RFC 8289)


@dataclass(frozen=True)
class QueueConfig:
    """Of each bearer, each way."""

    packets: int = 2048  # at most
    kbytes: int = 1500  # at most: what RLC buffers of base stations are set to, about
    discipline: Discipline = Discipline.TAIL
    target_ms: float = 10.0  # CoDel: a wait that is no standing queue; above a HARQ turn
    interval_ms: float = 100.0  # CoDel: for which it has to be exceeded

    def __post_init__(self) -> None:
        _within("queue.packets", self.packets, 1, 1 << 16)
        _within("queue.kbytes", self.kbytes, 1, 1 << 20)
        _within("queue.target_ms", self.target_ms, 0.1, 10_000)
        _within("queue.interval_ms", self.interval_ms, 1, 100_000)


@dataclass(frozen=True)
class MacConfig:
    """All of it, the same for every cell of a base station."""

    pattern: str = "FDD"  # or a TDD pattern of D, S and U, such as DDDSU
    scheduler: Scheduler = Scheduler.ROUND_ROBIN
    queue: QueueConfig = field(default_factory=QueueConfig)
    mcs_table: McsTable = McsTable.QAM256
    cqi_table: CqiTable = CqiTable.TABLE2
    layers: int = 1
    dmrs_per_prb: int = 12  # resource elements of a block's slot that carry references
    down_slots: int = 4  # from a grant to the packet at the other end: air, decoding, stacks
    up_slots: int = 4
    harq_slots: int = 8  # from a transmission to the next of the same block
    harq_most: int = 4  # transmissions of a block; then RLC sends its content anew
    rlc_most: int = 8  # times that RLC does; then the radio link has failed
    bler: float = 0.1  # of first transmissions: what link adaptation aims at
    again_bler: float = 0.01  # of repetitions, which are combined
    request_slots: int = 8  # from one opportunity for a scheduling request to the next
    request_jitter: int = 0  # slots that a request may come later, by chance
    grant_slots: int = 4  # from a request or a report to the transmission that it leads to
    request_bytes: int = 128  # that a request is granted, before there is a report
    handover_ms: float = 40.0  # in which a UE that moves hears nothing
    failure_ms: float = 1000.0  # out of range until the radio link has failed (T310)
    reestablish_ms: float = 150.0  # from the channel's return to the UE's
    give_up_ms: float = 5000.0  # without a link until what waits is thrown away
    overhead_bytes: int = 6  # headers of MAC, RLC and PDCP in a block

    def __post_init__(self) -> None:
        _check_pattern(self.pattern)
        for name, least, most in (
                ("layers", 1, 4), ("dmrs_per_prb", 0, 48), ("down_slots", 1, 60),
                ("up_slots", 1, 60), ("harq_slots", 2, 60), ("harq_most", 1, 16),
                ("rlc_most", 1, 100), ("bler", 0, 0.9), ("again_bler", 0, 0.9),
                ("request_slots", 1, 320), ("request_jitter", 0, 320), ("grant_slots", 1, 60),
                ("request_bytes", 8, 10_000), ("handover_ms", 0, 10_000),
                ("failure_ms", 10, 100_000), ("reestablish_ms", 0, 100_000),
                ("give_up_ms", 10, 1_000_000), ("overhead_bytes", 0, 100)):
            _within(f"mac.{name}", getattr(self, name), least, most)
        if max(self.down_slots, self.up_slots) > self.harq_slots:
            raise ConfigurationError("mac: a block is repeated before its failure is known.",
                                     "Let harq_slots be at least down_slots and up_slots.")

    @property
    def slots(self) -> tuple[tuple[int, int], ...]:
        """Symbols down and up of each slot of the pattern; 0 where there are none."""
        full = SYMBOLS - CONTROL_SYMBOLS
        if self.pattern == "FDD":
            return ((full, SYMBOLS),)
        kinds = {"D": (full, 0), "S": (SPECIAL_DOWN, 0), "U": (0, SYMBOLS)}
        return tuple(kinds[one] for one in self.pattern)


@dataclass(frozen=True)
class Bearer:
    """A session of a UE at the scheduler; its number is its place in the layout."""

    ue: int  # place of its UE
    slice: int  # place of its slice


@dataclass(frozen=True)
class Layout:
    """Who is there."""

    prbs: tuple[int, ...]  # of each cell
    ue_cells: tuple[int, ...]  # where each UE begins
    bearers: tuple[Bearer, ...]
    shares: tuple[tuple[int, int, int], ...]  # each slice's minimum, maximum, dedicated; percent
    channels: tuple[Channel, ...]  # each UE's radio

    def __post_init__(self) -> None:
        if len(self.channels) != len(self.ue_cells):
            raise ValueError("each UE has one channel")
        if not all(0 <= one.ue < len(self.ue_cells) and 0 <= one.slice < len(self.shares)
                   for one in self.bearers):
            raise ValueError("a bearer is of a UE or a slice that is not there")
        if len({(one.ue, one.slice) for one in self.bearers}) < len(self.bearers):
            raise ConfigurationError("A UE has two sessions in one slice.",
                                     "Put them into slices of their own, or leave one out.")


def _check_pattern(pattern: str) -> None:
    if pattern == "FDD":
        return
    if not 2 <= len(pattern) <= MOST_PATTERN or not {"D", "U"} <= set(pattern) <= set("DSU"):
        raise ConfigurationError(f"mac.pattern: {pattern!r} is none.",
                                 "Write FDD, or slots of D, S and U such as DDDSU.")


def _within(name: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise ConfigurationError(f"{name} is {value:g}.", f"Give {least:g} to {most:g}.")


# Measured with srsRAN 4G over ZeroMQ (50 PRBs): ping 21.4 / 31.8 / 46.9 ms, mean deviation 7.1;
# 22.1 Mbit/s down, 14.6 up. `bench_cell` and the researchers' guide show what these come to beside
# it. Of 5G no figures were at hand.
PROFILES: Mapping[str, MacConfig] = {
    "lte-lab": MacConfig(
        mcs_table=McsTable.QAM64, cqi_table=CqiTable.TABLE1, down_slots=6, up_slots=6,
        harq_slots=8, request_slots=8, request_jitter=16, grant_slots=4),
    "5g-lab": MacConfig(
        pattern="DDDSU", down_slots=4, up_slots=4, harq_slots=8, request_slots=10,
        request_jitter=5, grant_slots=4),
}
