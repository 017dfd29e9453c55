"""What a flow is, and when it is over.

A flow is what two end points exchange: same addresses, ports and protocol in either direction, in
the same GTP-U tunnel pair if any. Whoever sent its first packet is the one that goes *up*. Pure
data; `flow_engine` does the work.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class End(IntEnum):
    """Why a flow was closed."""

    SOURCE = 0  # the capture ended
    IDLE = 1  # no packet for the idle time
    ACTIVE = 2  # it lasted longer than the active time; its next packet begins another
    FINISHED = 3  # both sides said FIN, or one RST
    REUSED = 4  # a SYN on a connection in use: the ports belong to another now
    EVICTED = 5  # the table was full, and this flow had been silent for longest


class Sampled(IntEnum):
    """When a sample of a flow's features was taken: once at each stage, and at each window's end.

    Stages describe the flow from its first packet; windows what happened in them alone.
    """

    PACKETS_5 = 0
    PACKETS_10 = 1
    PACKETS_20 = 2
    AFTER_100_MS = 3
    AFTER_1_S = 4
    AFTER_2_S = 5
    AFTER_10_S = 6
    WINDOW_100_MS = 7
    WINDOW_1_S = 8
    WINDOW_10_S = 9
    WHOLE = 10  # at the flow's end


@dataclass(frozen=True)
class FlowConfig:
    """How packets become flows."""

    idle: float = 120.0  # seconds without a packet, by packet time, after which a flow is over
    active: float = 1800.0  # seconds after which a flow is cut; inf never cuts
    most: int = 1 << 20  # live flows; then the one that was silent for longest makes room
    windows: bool = False  # take samples at the end of each window too, not only at the stages
    samples: bool = True  # take samples at all; without, only flows are counted
    shortest: Sampled = Sampled.WINDOW_100_MS  # with windows, of this and of longer ones alone
    room: int = 1 << 12  # flows that there is room for at once; doubled when there are more
    rows: bool = True  # hand out what was counted of flows that are over; without, only samples
