"""The seam between E2 and a cell: what an emulated base station must know of its data plane.

A `Ran` counts and obeys: it tells who is where, hands out counters that only ever grow, and takes
quotas, limits and handovers. The E2 side takes differences of two snapshots, so that any number of
subscriptions can look at any windows. Time comes in by `advance`, simulated or real. How bits get
through the air, by arithmetic or by a scheduler with packets, is not known here, and E2 is not
known behind it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Protocol

from xapp.observations import Snssai


@dataclass(frozen=True, slots=True)
class Share:
    """A part of a cell's resource blocks, in percent, as TS 28.541 means it."""

    minimum: int = 0  # guaranteed when wanted
    maximum: int = 100
    dedicated: int = 0  # kept free even when not wanted


@dataclass(frozen=True, slots=True)
class CellFacts:
    """One cell."""

    nci: int  # NR cell identity, 36 bits
    prbs: int  # resource blocks of its bandwidth


@dataclass(frozen=True, slots=True)
class Session:
    """A PDU session of a UE."""

    slice: Snssai
    address: str
    dnn: str


@dataclass(frozen=True, slots=True)
class UeFacts:
    """One UE with all the numbers that interfaces give it."""

    f1_id: int  # gNB-CU-UE-F1AP-ID: a DU's name for it
    amf_id: int  # AMF-UE-NGAP-ID: a CU-CP's
    ran_id: int  # RAN UE id: OpenAirInterface's
    cell: int  # NR cell identity of the serving cell
    sessions: tuple[Session, ...]
    others: tuple[Snssai, ...] = ()  # slices where single flows of it are, and no session

    @property
    def slices(self) -> frozenset[Snssai]:
        """Where anything of it may be."""
        return frozenset((*(one.slice for one in self.sessions), *self.others))


@dataclass(frozen=True, slots=True)
class Counters:
    """What happened to one UE's traffic of one slice since the start; all of it only grows."""

    down_bits: float = 0.0  # delivered
    up_bits: float = 0.0
    down_waited: float = 0.0  # bits times seconds that they waited; over bits: the mean delay
    up_waited: float = 0.0
    down_dropped: float = 0.0  # bits
    up_dropped: float = 0.0
    down_prbs: float = 0.0  # resource blocks times seconds
    up_prbs: float = 0.0

    def plus(self, other: Counters) -> Counters:
        return Counters(*(getattr(self, one) + getattr(other, one) for one in _NAMES))

    def minus(self, other: Counters) -> Counters:
        return Counters(*(getattr(self, one) - getattr(other, one) for one in _NAMES))


_NAMES = tuple(one.name for one in fields(Counters))
NOTHING = Counters()


@dataclass(frozen=True, slots=True)
class Radio:
    """How well a UE and its cell hear each other."""

    cqi: int  # downlink; 0: out of range
    up_snr_db: float | None  # that the uplink has at least; None: nothing gets through


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All counters at one moment."""

    at: float
    ues: Mapping[int, Mapping[Snssai, Counters]] = field(default_factory=dict)  # by f1_id
    cells: Mapping[int, Counters] = field(default_factory=dict)  # by NR cell identity


class Ran(Protocol):
    """A data plane under an emulated base station."""

    @property
    def plmn(self) -> str:
        """Digits of its network."""

    @property
    def cells(self) -> Sequence[CellFacts]: ...

    @property
    def ues(self) -> Sequence[UeFacts]:
        """As they are now; they move, and have other numbers after a restart."""

    @property
    def shares(self) -> Mapping[tuple[int, Snssai], Share]:
        """Each slice's share in each cell, by NR cell identity, as it is in force."""

    @property
    def limits(self) -> Mapping[int, Share]:
        """Each UE's, by gNB-CU-UE-F1AP-ID."""

    def radio(self, f1_id: int) -> Radio | None:
        """A UE's now; None where there is no such UE, or no radio is modelled."""

    def advance(self, now: float) -> None:
        """Time has passed."""

    def snapshot(self) -> Snapshot: ...

    def set_share(self, cell: int | None, snssai: Snssai, share: Share) -> bool:
        """Give a slice a share of a cell (None: of all); False where there is no such thing."""

    def limit_ue(self, f1_id: int, share: Share) -> bool:
        """Bound one UE's grants; False where there is no such UE."""

    def hand_over(self, f1_id: int, cell: int) -> bool:
        """Move a UE; False where UE or cell do not exist, or it is there already."""

    def map_flow(self, ran_id: int, drb: int, qfi: int) -> bool:
        """Put a QoS flow into a bearer; False where there is no such UE."""

    def restart(self, now: float) -> None:
        """The base station starts anew: configured quotas, counters from 0, other UE numbers."""
