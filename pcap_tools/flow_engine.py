"""Packets in; flows, and samples of their features, out: the one interface to the flow table.

A flow is over by the packets' own time; `advance` is for live use, where time passes without any.
Memory is that of the live flows, at most `FlowConfig.most`: when all places are taken, ended
connections go first, then whoever was silent for longest (`End.EVICTED`, counted). What it hands
out is independent of how the packets came in, one by one or by the million, as frames or as rows of
`PACKET`. It knows neither files nor interfaces.

Who is who: whoever sent the first packet goes up, except where that packet is a SYN-ACK. A GTP-U
flow has one TEID for each direction, learnt from the first packet in it; the same inner addresses
with another TEID are another flow. The outermost tunnel's kind belongs to a flow's identity, VLANs
do not. A later fragment goes with its first one; if that is not known, to a flow with ports 0.
Where a packet's payload is not known (-1), it is the length less the headers that are usual.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pcap_tools import flow_kernel as kernel
from pcap_tools import flow_state as own
from pcap_tools.errors import UsageError
from pcap_tools.flow_rows import flow_rows, sample_rows
from pcap_tools.flow_table import FLOW, SAMPLE
from pcap_tools.flows import FlowConfig, Sampled
from pcap_tools.packets import PACKET, Status
from pcap_tools.parse import WORDS, columns
from pcap_tools.records import Records
from pcap_tools.sampling import Limits

MOST = 1 << 30  # live flows that a lookup entry can name
LONGEST = 1 << 61  # nanoseconds that stand for ever


@dataclass(frozen=True)
class FlowCounters:
    """What became of every packet, and of the flows, since the engine began."""

    packets: dict[Status, int]  # taken in, by what they were
    flows: int  # begun
    live: int  # of these not over yet
    evicted: int  # of these closed for want of room


class FlowEngine:
    """Packets go in with `feed`, `feed_packets`; `flows` and `samples` give what came of them."""

    def __init__(self, config: FlowConfig | None = None, seed: int | None = None) -> None:
        """`seed` is the lookup hash's; it changes nothing of what comes out."""
        self.config = config or FlowConfig()
        self._limits = _limits(self.config)
        accumulators = 1 + self._limits.windows if self.config.samples else 0
        self.state = own.state(min(self.config.room, self.config.most), accumulators,
                                secrets.randbits(62) if seed is None else seed)
        self._rows = np.zeros(kernel.BLOCK, PACKET).view(WORDS)
        self._flows: list[NDArray[Any]] = []
        self._samples: list[NDArray[Any]] = []

    def feed(self, records: Records) -> None:
        """Take captured frames in."""
        data, start, captured, length, time, link = columns(records)
        at = 0
        while at < len(start):
            at, why = kernel.run_records(self.state, self._limits, data, start, captured, length,
                                         time, link, self._rows, at)
            self._make_room(why)

    def feed_packets(self, packets: NDArray[np.void]) -> None:
        """Take rows of `PACKET` in."""
        if packets.dtype != PACKET:
            raise UsageError("These are no rows of packets.PACKET.", "Make them with parse.parse.")
        rows = np.require(packets, PACKET, ["C", "W"]).view(WORDS)
        at = 0
        while at < len(rows):
            at, why = kernel.run(self.state, self._limits, rows, at, len(rows))
            self._make_room(why)

    def advance(self, now: int) -> None:
        """It is `now` (nanoseconds since 1970), and no packet before that is still to come."""
        now = min(max(now, 0), kernel.LATEST)
        while not kernel.advance(self.state, self._limits, now):
            self._take_output()

    def finish(self) -> None:
        """Close all flows: the source has ended."""
        while not kernel.finish(self.state, self._limits):
            self._take_output()

    def flows(self) -> NDArray[np.void]:
        """Rows of FLOW: those closed since this was last asked, in the order of their ends."""
        self._take_output()
        taken, self._flows = self._flows, []
        return np.concatenate([np.zeros(0, FLOW), *taken])

    def samples(self) -> NDArray[np.void]:
        """Rows of SAMPLE: those taken since this was last asked, in order."""
        self._take_output()
        taken, self._samples = self._samples, []
        return np.concatenate([np.zeros(0, SAMPLE), *taken])

    @property
    def live(self) -> int:
        """Flows that are not over yet."""
        return int(self.state.expiry.size[0])

    @property
    def counters(self) -> FlowCounters:
        numbers = self.state.numbers
        return FlowCounters(
            {status: int(numbers[own.STATUS + status]) for status in Status},
            int(numbers[own.NEXT]), self.live, int(numbers[own.EVICTED]))

    def _make_room(self, why: int) -> None:
        if why == kernel.SLOTS_FULL:
            slots = min(2 * len(self.state.live), self._limits.most)
            self.state = own.grown(self.state, slots)
        elif why == kernel.OUTPUT_FULL:
            self._take_output()

    def _take_output(self) -> None:
        """Bring the kernel's output into tables."""
        state = self.state
        closed, samples = int(state.numbers[own.CLOSED]), int(state.numbers[own.SAMPLES])
        if closed and self.config.rows:
            self._flows.append(flow_rows(state.closed[:closed], state.closed_sides[:2 * closed]))
        if samples:
            self._samples.append(sample_rows(
                state.samples[:samples], state.sample_flows[:samples], state.vectors[:samples]))
        state.numbers[own.CLOSED] = state.numbers[own.SAMPLES] = 0


def _limits(config: FlowConfig) -> Limits:
    """Checked, and in the kernel's units."""
    if not 1 <= config.most <= MOST:
        raise UsageError(f"A flow table of {config.most} flows cannot be made.",
                         f"Give a number from 1 to {MOST:,}.")
    if config.room < 1:
        raise UsageError(f"A flow table cannot begin with room for {config.room} flows.",
                         "Give a number from 1 on.")
    for name, seconds in (("idle", config.idle), ("active", config.active)):
        if not seconds > 0:
            raise UsageError(f"The {name} time is {seconds} seconds.", "It has to be more than 0.")
    if not Sampled.WINDOW_100_MS <= config.shortest <= Sampled.WINDOW_10_S:
        raise UsageError(f"{config.shortest.name} is no window.",
                         "Give WINDOW_100_MS, WINDOW_1_S or WINDOW_10_S.")
    windows = Sampled.WINDOW_10_S - config.shortest + 1 if config.windows else 0
    return Limits(_nanoseconds(config.idle), _nanoseconds(config.active), config.most,
                  config.samples, windows if config.samples else 0)


def _nanoseconds(seconds: float) -> int:
    return min(round(min(seconds, 1e10) * 1e9), LONGEST)
