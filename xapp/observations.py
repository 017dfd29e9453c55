"""What the xApp knows of a network at one moment: cells, slices, UEs, flows, each as last reported.

Frozen facts that every part of the xApp speaks in; identities have one text form each, the same in
logs, in SQLite and in the REST API. `None` is "not known", never 0. Times (`at`, `since`) are
seconds of the xApp's own monotonic clock. It does not know where the facts come from, nor what is
done about them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from xapp.errors import ConfigurationError
from xapp.flow_ends import FlowEnds

_SNSSAI = re.compile(r"(\d{1,3})(?:-([0-9a-fA-F]{6}))?")


@dataclass(frozen=True, slots=True)
class Snssai:
    """A slice's identity: slice/service type, and differentiator where it has one."""

    sst: int  # 0 to 255
    sd: int | None = None  # 0 to 0xFFFFFE

    @classmethod
    def parse(cls, text: str) -> Snssai:
        """From `1` or `1-000001`, with the differentiator in six hexadecimal digits."""
        found = _SNSSAI.fullmatch(text)
        if found is None or int(found[1]) > 255:
            raise ConfigurationError(f"{text!r} is no S-NSSAI.",
                                     "Write SST or SST-SD, such as 1 or 1-000001.")
        return cls(int(found[1]), None if found[2] is None else int(found[2], 16))

    def __str__(self) -> str:
        return str(self.sst) if self.sd is None else f"{self.sst}-{self.sd:06x}"


@dataclass(frozen=True, slots=True)
class CellKey:
    """A cell of an E2 node."""

    node: str  # the node's name, such as gnb_001_01_000019b
    cell: str  # NR cell identity, 9 hexadecimal digits; empty where the node never named one

    def __str__(self) -> str:
        return f"{self.node}/{self.cell}"


@dataclass(frozen=True, slots=True)
class UeKey:
    """A UE as one node's E2 interface names it; not valid after the node was lost."""

    node: str
    ue: str  # kind and number, such as du:3 or amf:17; see `ue_names`

    def __str__(self) -> str:
        return f"{self.node}/{self.ue}"


@dataclass(frozen=True, slots=True)
class Quota:
    """A slice's share of a cell's PRBs, in percent, in one direction or both."""

    minimum: int = 0  # what it gets whenever it asks for it; lent to others meanwhile
    maximum: int = 100  # what it never exceeds
    dedicated: int = 0  # of the minimum: never lent to anyone

    def __str__(self) -> str:
        return f"{self.minimum}-{self.maximum} %, {self.dedicated} % dedicated"


@dataclass(frozen=True, slots=True)
class Load:
    """Traffic of a UE, a slice or a cell as its node last reported it, over the report's period."""

    at: float  # when the report came
    down_kbps: float | None = None
    up_kbps: float | None = None
    down_prbs: float | None = None  # percent of the cell's, as used on average
    up_prbs: float | None = None
    down_delay_ms: float | None = None  # waiting in RLC
    up_delay_ms: float | None = None
    down_drops: float | None = None  # share of packets, 0 to 1
    # Percent of the cell by which PRBs may be less, as whole percents were reported and summed up:
    # how good the figures are, and none of them.
    prbs_over: float = field(default=0.0, compare=False)


@dataclass(frozen=True, slots=True)
class Flow:
    """A flow that a tap, or the counters of a UE, gave a label; matched to a UE where known."""

    key: str  # unique while the xApp runs
    label: str
    confidence: float  # 0 to 1
    since: float  # when it was first heard of
    at: float  # when it was last heard of
    ue: UeKey | None = None
    address: str | None = None  # of the UE
    slice: Snssai | None = None  # that carries it
    from_counters: bool = False  # labelled by KPIs alone, without packets
    up_bytes_per_second: float | None = None
    down_bytes_per_second: float | None = None
    steps_per_second: float | None = None  # activation rows up, each answered by a token
    step_bytes: float | None = None  # of such a row on the link
    ends: FlowEnds | None = None  # its 5-tuple, where it has ports


@dataclass(frozen=True, slots=True)
class Ue:
    """A UE under a node."""

    key: UeKey
    cell: CellKey | None
    slice: Snssai | None
    load: Load
    address: str | None = None
    # With RSRP in dBm, best first. None: a neighbour by the operator's word, and nothing tells how
    # well this UE hears it. KPM never does: srsRAN reports RSRP of the serving cell, of one UE.
    neighbours: tuple[tuple[CellKey, float | None], ...] = ()
    moved: float = float("-inf")  # when it was last told to go to another cell, or went


@dataclass(frozen=True, slots=True)
class Slice:
    """A slice in a cell, with the quota that is in force as far as the xApp knows."""

    snssai: Snssai
    quota: Quota | None  # None: never set nor read
    since: float  # when that quota was put in force
    load: Load
    recent: tuple[Load, ...] = ()  # its last reports, `load` too, oldest first; empty: not kept


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell, and what shares it."""

    key: CellKey
    prbs: int | None  # that it has, downlink
    load: Load
    slices: Mapping[Snssai, Slice] = field(default_factory=dict)
    roomy_since: float | None = None  # PRBs are left over; None: they are not, or nothing tells


@dataclass(frozen=True, slots=True)
class Observations:
    """All of it, at `now`."""

    now: float
    cells: Mapping[CellKey, Cell] = field(default_factory=dict)
    ues: Mapping[UeKey, Ue] = field(default_factory=dict)
    flows: Mapping[str, Flow] = field(default_factory=dict)
    tap_heard: float | None = None  # when a tap last spoke; None: never
