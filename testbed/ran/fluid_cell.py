"""Cells as a fluid: bits wait in queues and flow out as resource blocks allow, in small steps.

What it has: per-UE offered load, slices with minimum, maximum and dedicated shares, borrowing of
what others do not use, limits of single UEs, handover, drops of full queues, and a seeded channel.
Without quotas everybody is in one queue: who has more waiting gets more, so that a split LLM waits
behind a download. With a minimum its slice is served first.

What it is not: it has no packets, slots, HARQ, transport block sizes, control channels or
interference, and uplink has no grants to wait for. A mean delay is what waited over what flowed
(Little's law) and a constant; it has no tail. Throughput is PRBs times a rate, not 38.214.
Figures from it are good for E2 and for steering, and say nothing about radio: a UE's CQI is what
its rate would need.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from testbed.ran.cell_model import (
    NOTHING,
    CellFacts,
    Counters,
    Radio,
    Session,
    Share,
    Snapshot,
    UeFacts,
)
from testbed.ran.mac.channel import cqi_of_snr, snr_of_bits
from testbed.ran.mac.tables import CqiTable
from testbed.ran.offered_load import LoadConfig, Source, source_of
from testbed.ran.sharing import Claim, divide
from xapp.e2.common import plmn_octets
from xapp.errors import ConfigurationError, ProtocolError
from xapp.observations import Snssai

MOST_UES = 1024  # beyond it, a step takes longer than it stands for
ELEMENTS = 168_000  # resource elements of a PRB in a second
MOST_BEHIND = 60.0  # seconds that are caught up at once; a longer pause counts as none


@dataclass(frozen=True)
class SliceConfig:
    """A slice as the base station is configured with it."""

    slice: Snssai = field(default_factory=lambda: Snssai(1))
    minimum: int = 0  # percent
    maximum: int = 100
    dedicated: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.dedicated <= 100 or not 0 <= self.minimum <= self.maximum <= 100:
            raise ConfigurationError(f"The shares of slice {self.slice} cannot be meant.",
                                     "Give 0 <= minimum <= maximum <= 100.")

    @property
    def share(self) -> Share:
        return Share(self.minimum, self.maximum, self.dedicated)


@dataclass(frozen=True)
class SessionConfig:
    """A PDU session."""

    slice: Snssai = field(default_factory=lambda: Snssai(1))
    address: str = "10.45.0.2"
    dnn: str = "internet"
    load: LoadConfig = field(default_factory=LoadConfig)


@dataclass(frozen=True)
class UeConfig:
    """A UE."""

    sessions: tuple[SessionConfig, ...]
    cell: int = 0  # of the list of cells: where it begins
    kbps_per_prb: float = 700.0  # down; 106 PRBs then make 74 Mbit/s
    up_ratio: float = 0.5  # uplink rate to downlink rate


@dataclass(frozen=True)
class CellConfig:
    """A cell."""

    nci: int  # NR cell identity
    prbs: int = 106

    def __post_init__(self) -> None:
        if not 0 <= self.nci < 1 << 36 or not 1 <= self.prbs <= 275:
            raise ConfigurationError(f"Cell {self.nci:#x} with {self.prbs} PRBs cannot be meant.",
                                     "An identity has 36 bits; a carrier has 1 to 275 PRBs.")


@dataclass(frozen=True)
class FluidConfig:
    """All of it."""

    cells: tuple[CellConfig, ...]
    ues: tuple[UeConfig, ...]
    slices: tuple[SliceConfig, ...] = (SliceConfig(),)
    plmn: str = "00101"
    step_seconds: float = 0.01
    noise: float = 0.1  # of a UE's rate: standard deviation, in parts of it
    base_delay: float = 0.004  # seconds that even an empty cell takes
    queue_kbit: float = 2000.0  # of each session and direction; what comes on top is dropped
    seed: int = 1

    def __post_init__(self) -> None:
        try:
            plmn_octets(self.plmn)
        except ProtocolError as error:
            raise ConfigurationError(f"plmn: {error.problem}", "Write such as 00101.") from None
        if not self.cells or len({one.nci for one in self.cells}) < len(self.cells):
            raise ConfigurationError("Cells need identities of their own, and one is needed.",
                                     "Correct `cells`.")
        if len(self.ues) > MOST_UES:
            raise ConfigurationError(f"{len(self.ues)} UEs are more than {MOST_UES}.",
                                     "Run several base stations.")
        known = {one.slice for one in self.slices}
        for ue in self.ues:
            if not 0 <= ue.cell < len(self.cells):
                raise ConfigurationError(f"A UE begins in cell number {ue.cell}, which is none.",
                                         f"There are 0 to {len(self.cells) - 1}.")
            if not all(one.slice in known for one in ue.sessions):
                raise ConfigurationError("A session is in a slice that is not under `slices`.",
                                         f"There are {', '.join(map(str, known))}.")
        if not 0 < self.step_seconds <= 1 or not 0 <= self.noise <= 1 or self.queue_kbit <= 0:
            raise ConfigurationError("step_seconds, noise or queue_kbit cannot be meant.",
                                     "Leave them out for 0.01, 0.1 and 2000.")


@dataclass
class _Queue:
    """A session in one direction."""

    waits: float = 0.0  # bits
    moved: float = 0.0
    waited: float = 0.0
    dropped: float = 0.0
    prbs: float = 0.0


@dataclass
class _Session:
    config: SessionConfig
    source: Source
    queues: tuple[_Queue, _Queue]

    def counters(self) -> Counters:
        down, up = self.queues
        return Counters(down.moved, up.moved, down.waited, up.waited, down.dropped, up.dropped,
                        down.prbs, up.prbs)


@dataclass
class _Ue:
    config: UeConfig
    facts: UeFacts
    sessions: list[_Session]
    limit: Share = field(default_factory=Share)
    channel: float = 1.0


class FluidCells:
    """A `Ran` without packets."""

    def __init__(self, config: FluidConfig, now: float = 0.0) -> None:
        self.config = config
        self.skipped = 0.0  # seconds that were not caught up
        self.flows: dict[tuple[int, int], int] = {}  # RAN UE id and QFI: DRB
        self._generation = 0
        self._begin(now)

    def _begin(self, now: float) -> None:
        config = self.config
        self._chance = random.Random(config.seed + self._generation)
        self._now = now
        self.flows.clear()
        self._cells = {one.nci: CellFacts(one.nci, one.prbs) for one in config.cells}
        self._shares = {(cell.nci, one.slice): one.share for cell in config.cells
                        for one in config.slices}
        self._used = {nci: NOTHING for nci in self._cells}
        first = 1 + 1000 * self._generation  # numbers are not those of before a restart
        self._ues = [self._ue(one, first + place) for place, one in enumerate(config.ues)]

    def _ue(self, config: UeConfig, number: int) -> _Ue:
        sessions = [_Session(one, source_of(one.load, self._chance), (_Queue(), _Queue()))
                    for one in config.sessions]
        facts = UeFacts(number, number + 100, number, self.config.cells[config.cell].nci, tuple(
            Session(one.slice, one.address, one.dnn) for one in config.sessions))
        return _Ue(config, facts, sessions)

    # What E2 sees.

    def radio(self, f1_id: int) -> Radio | None:
        """Such as carries the UE's rate with one layer."""
        ue = self._find(f1_id)
        if ue is None:
            return None
        snr = snr_of_bits(np.array([self._rate(ue, place) for place in (0, 1)]) / ELEMENTS)
        return Radio(int(cqi_of_snr(snr[:1], CqiTable.TABLE2)[0]),
                     float(snr[1]) if np.isfinite(snr[1]) else None)

    @property
    def plmn(self) -> str:
        return self.config.plmn

    @property
    def cells(self) -> Sequence[CellFacts]:
        return tuple(self._cells.values())

    @property
    def ues(self) -> Sequence[UeFacts]:
        return tuple(one.facts for one in self._ues)

    @property
    def shares(self) -> Mapping[tuple[int, Snssai], Share]:
        return dict(self._shares)

    @property
    def limits(self) -> Mapping[int, Share]:
        """Of each UE, by gNB-CU-UE-F1AP-ID."""
        return {one.facts.f1_id: one.limit for one in self._ues}

    @property
    def tokens(self) -> int:
        """That all split LLMs got back."""
        return sum(one.source.tokens for ue in self._ues for one in ue.sessions)

    def waiting(self, f1_id: int) -> tuple[float, float]:
        """Bits that a UE's queues hold, down and up."""
        ue = self._find(f1_id)
        sessions = [] if ue is None else ue.sessions
        return (sum(one.queues[0].waits for one in sessions),
                sum(one.queues[1].waits for one in sessions))

    def snapshot(self) -> Snapshot:
        ues: dict[int, dict[Snssai, Counters]] = {}
        for ue in self._ues:
            mine = ues.setdefault(ue.facts.f1_id, {})
            for one in ue.sessions:
                mine[one.config.slice] = mine.get(one.config.slice, NOTHING).plus(one.counters())
        return Snapshot(self._now, ues, dict(self._used))

    # What E2 asks for.

    def set_share(self, cell: int | None, snssai: Snssai, share: Share) -> bool:
        keys = [key for key in self._shares if cell in (None, key[0]) and key[1] == snssai]
        for key in keys:
            self._shares[key] = share
        return bool(keys)

    def limit_ue(self, f1_id: int, share: Share) -> bool:
        ue = self._find(f1_id)
        if ue is not None:
            ue.limit = share
        return ue is not None

    def hand_over(self, f1_id: int, cell: int) -> bool:
        ue = self._find(f1_id)
        if ue is None or cell not in self._cells or ue.facts.cell == cell:
            return False
        ue.facts = replace(ue.facts, cell=cell)
        return True

    def map_flow(self, ran_id: int, drb: int, qfi: int) -> bool:
        known = any(one.facts.ran_id == ran_id for one in self._ues)
        if known:
            self.flows[ran_id, qfi] = drb  # remembered; flows of a bearer share its queue here
        return known

    def restart(self, now: float) -> None:
        self._generation += 1
        self._begin(now)

    def _find(self, f1_id: int) -> _Ue | None:
        return next((one for one in self._ues if one.facts.f1_id == f1_id), None)

    # Time.

    def advance(self, now: float) -> None:
        """Step up to `now`; the rest below a step waits for the next call."""
        if now - self._now > MOST_BEHIND:
            self.skipped += now - self._now - MOST_BEHIND
            self._now = now - MOST_BEHIND
        seconds = self.config.step_seconds
        while now - self._now >= seconds - 1e-9:
            self._step(seconds)
            self._now += seconds

    def _step(self, seconds: float) -> None:
        for ue in self._ues:
            # A channel that forgets within a second, never below a fifth of its mean.
            noise = self._chance.gauss(0, self.config.noise * 0.2)
            ue.channel = min(2.0, max(0.2, 1 + (ue.channel - 1) * 0.98 + noise))
            for session in ue.sessions:
                self._offer(session, seconds)
        for cell in self._cells.values():
            there = [one for one in self._ues if one.facts.cell == cell.nci]
            for place in (0, 1):
                self._serve(cell, there, place, seconds)

    def _offer(self, session: _Session, seconds: float) -> None:
        down, up = session.queues
        offered = session.source.offer(self._now, seconds, down.waits, up.waits)
        for queue, bits in zip(session.queues, offered, strict=True):
            room = max(0.0, self.config.queue_kbit * 1000 - queue.waits)
            queue.waits += min(bits, room)
            queue.dropped += max(0.0, bits - room)

    def _serve(self, cell: CellFacts, ues: list[_Ue], place: int, seconds: float) -> None:
        """Slices share the cell, and the UEs of each its part."""
        claims, members = [], []
        for (nci, snssai), share in self._shares.items():
            if nci != cell.nci:
                continue
            mine = [(ue, one.queues[place], self._rate(ue, place) * seconds) for ue in ues
                    for one in ue.sessions if one.config.slice == snssai]
            inner = [_ue_claim(cell, ue, queue.waits / bits) for ue, queue, bits in mine]
            claims.append(_slice_claim(cell, share, inner))
            members.append((mine, inner))
        used = 0.0
        for part, (mine, inner) in zip(divide(cell.prbs, claims), members, strict=True):
            for prbs, (_, queue, bits) in zip(divide(part, inner), mine, strict=True):
                self._move(queue, prbs, bits, seconds)
                used += prbs
        grown = Counters(down_prbs=used * seconds) if place == 0 else Counters(
            up_prbs=used * seconds)
        self._used[cell.nci] = self._used[cell.nci].plus(grown)

    def _move(self, queue: _Queue, prbs: float, bits: float, seconds: float) -> None:
        moved = min(queue.waits, prbs * bits)
        # Half of what moves waited for half the step at least; the base delay is on top.
        queue.waited += (queue.waits - moved / 2) * seconds + moved * self.config.base_delay
        queue.waits -= moved
        if queue.waits < 1e-3:  # rounding
            moved += queue.waits
            queue.waits = 0.0
        queue.moved += moved
        queue.prbs += prbs * seconds

    def _rate(self, ue: _Ue, place: int) -> float:
        """Bits a second of one PRB."""
        rate = ue.config.kbps_per_prb * 1000 * ue.channel
        return rate * (ue.config.up_ratio if place else 1.0)


def _ue_claim(cell: CellFacts, ue: _Ue, wanted: float) -> Claim:
    return Claim(wanted, ue.limit.minimum * cell.prbs / 100, ue.limit.maximum * cell.prbs / 100)


def _slice_claim(cell: CellFacts, share: Share, inner: list[Claim]) -> Claim:
    """All its UEs together, within its share."""
    percent = cell.prbs / 100
    bounded = sum(min(one.wanted, one.ceiling) for one in inner)
    floor = max(share.minimum * percent, sum(min(one.wanted, one.floor) for one in inner))
    return Claim(sum(one.wanted for one in inner), floor, min(share.maximum * percent, bounded),
                 share.dedicated * percent)
