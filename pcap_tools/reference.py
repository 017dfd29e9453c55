"""Flows and samples by their definition: each flow keeps its packets, and is looked for one by one.

What `flow_engine` gives has to be the same, which tests hold it to. It is slow, needs memory for
every packet, and shares nothing with the kernel but constants and the tables' layout.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pcap_tools.flow_kernel import LATEST
from pcap_tools.flow_rows import FLAG_NAMES
from pcap_tools.flow_table import FLOW, SAMPLE
from pcap_tools.flow_update import LINGER, REMEMBERED
from pcap_tools.flows import End, FlowConfig, Sampled
from pcap_tools.packets import Status, Tunnel
from pcap_tools.reference_features import Seen, describe, deviation, gaps_of, mean

TCP, UDP = 6, 17
FIN, SYN, RST, ACK = 1, 2, 4, 16
STAGES = ((Sampled.AFTER_100_MS, 100_000_000), (Sampled.AFTER_1_S, 1_000_000_000),
          (Sampled.AFTER_2_S, 2_000_000_000), (Sampled.AFTER_10_S, 10_000_000_000))
WINDOWS = ((Sampled.WINDOW_100_MS, 100_000_000), (Sampled.WINDOW_1_S, 1_000_000_000),
           (Sampled.WINDOW_10_S, 10_000_000_000))
COUNTED = {5: Sampled.PACKETS_5, 10: Sampled.PACKETS_10, 20: Sampled.PACKETS_20}
Place = tuple[bytes, int]  # address and port


@dataclass
class Packet:
    time: int
    source: Place
    destination: Place
    row: Any  # of PACKET

    @property
    def opens(self) -> bool:
        return self.row["protocol"] == TCP and int(self.row["flags"]) & 0x17 == SYN

    @property
    def payload(self) -> int:
        """Known, or what usual headers leave."""
        if self.row["payload"] >= 0:
            return int(self.row["payload"])
        rest = int(self.row["length"]) - (40 if self.row["version"] == 6 else 20)
        if self.row["protocol"] == TCP:
            return rest - 32 if rest - 32 > 20 else 0
        return max(rest - 8 if self.row["protocol"] == UDP else rest, 0)


@dataclass
class Flow:
    number: int
    up: Place
    down: Place
    kind: tuple[int, int, int]  # version, protocol, tunnel
    packets: list[tuple[Packet, int]] = field(default_factory=list)  # with their sides
    teids: list[int] = field(default_factory=lambda: [0, 0])
    sampled: int = 0  # packets at the last stage of time that was sampled
    stage: int = 0
    windows: list[list[Seen]] = field(default_factory=lambda: [[], [], []])
    ends: list[int] = field(default_factory=lambda: [width for _, width in WINDOWS])

    @property
    def first(self) -> int:
        return self.packets[0][0].time

    @property
    def last(self) -> int:
        return max(packet.time for packet, _ in self.packets)

    def flags(self, side: int) -> list[int]:
        return [int(packet.row["flags"]) if packet.row["protocol"] == TCP else 0
                for packet, at in self.packets if at == side]

    @property
    def over(self) -> bool:
        fins = [any(flags & FIN for flags in self.flags(side)) for side in (0, 1)]
        resets = any(flags & RST for flags in self.flags(0) + self.flags(1))
        return all(fins) or resets

    def seen(self, packet: Packet, side: int) -> Seen:
        return Seen(packet.time - self.first, side, packet.payload)


class Reference:
    """The interface of `FlowEngine`, without frames."""

    def __init__(self, config: FlowConfig | None = None) -> None:
        self.config = config or FlowConfig()
        self.idle, self.active = (min(round(min(seconds, 1e10) * 1e9), 1 << 61)
                                  for seconds in (self.config.idle, self.config.active))
        self.clock = -1
        self.begun = self.evicted = 0
        self.alive: list[Flow] = []
        self.fragments: dict[tuple[Any, ...], tuple[int, int, int]] = {}
        self._flows: list[Any] = []
        self._samples: list[Any] = []

    def feed_packets(self, packets: NDArray[np.void]) -> None:
        for row in packets:
            if row["status"] in (Status.FLOW, Status.FRAGMENT):
                self._take(self._packet(row))

    def advance(self, now: int) -> None:
        self.clock = max(self.clock, now)
        self._expire()
        for flow in self.alive:
            self._due(flow, now)

    def finish(self) -> None:
        for flow in list(self.alive):
            self._close(flow, End.SOURCE, self.clock)

    def flows(self) -> NDArray[np.void]:
        taken, self._flows = self._flows, []
        return np.concatenate([np.zeros(0, FLOW), *taken])

    def samples(self) -> NDArray[np.void]:
        taken, self._samples = self._samples, []
        return np.concatenate([np.zeros(0, SAMPLE), *taken])

    def _packet(self, row: Any) -> Packet:
        """The row, with the ports of its first fragment."""
        time = min(max(int(row["time"]), 0), LATEST)
        ports = int(row["source_port"]), int(row["destination_port"])
        addresses = row["source"].tobytes(), row["destination"].tobytes()
        if row["fragment"]:
            key = (addresses, *(int(row[name]) for name in (
                "fragment", "protocol", "tunnel", "teid")))
            if row["status"] == Status.FLOW:
                self.fragments[key] = (time, *ports)
            else:
                found = self.fragments.get(key)
                ports = found[1:] if found and abs(time - found[0]) <= REMEMBERED else (0, 0)
        return Packet(time, (addresses[0], ports[0]), (addresses[1], ports[1]), row)

    def _deadline(self, flow: Flow) -> int:
        return flow.last + (min(LINGER, self.idle) if flow.over else self.idle)

    def _expire(self) -> None:
        for flow in sorted(self.alive, key=lambda one: (self._deadline(one), one.number)):
            if self._deadline(flow) < self.clock:
                self._close(flow, End.FINISHED if flow.over else End.IDLE, self._deadline(flow))

    def _take(self, packet: Packet) -> None:
        if packet.time > self.clock or packet.time < self.clock - self.idle:
            self.clock = packet.time
        self._expire()
        flow, side = self._find(packet)
        if flow is not None:
            if packet.time - flow.first > self.active:
                self._close(flow, End.ACTIVE, packet.time)
                flow = None
            elif self._reused(flow, packet, side):
                self._close(flow, End.FINISHED if flow.over else End.REUSED, packet.time)
                flow = None
        if flow is None:
            flow, side = self._begin(packet)
        else:
            self._due(flow, packet.time)
        flow.packets.append((packet, side))
        if packet.row["tunnel"] == Tunnel.GTP_U:
            flow.teids[side] = int(packet.row["teid"])
        for window in flow.windows:
            window.append(flow.seen(packet, side))
        if len(flow.packets) in COUNTED:
            self._sample(flow, COUNTED[len(flow.packets)], packet.time)

    def _find(self, packet: Packet) -> tuple[Flow | None, int]:
        """The flow with this TEID, or else the newest that has none yet in this direction."""
        row = packet.row
        kind = (int(row["version"]), int(row["protocol"]), int(row["tunnel"]))
        best: tuple[Flow | None, int] = (None, -1)
        for flow in self.alive:
            ends = (packet.source, packet.destination)
            if flow.kind != kind or ends not in ((flow.up, flow.down), (flow.down, flow.up)):
                continue
            side = 0 if ends == (flow.up, flow.down) else 1
            if row["tunnel"] != Tunnel.GTP_U or flow.teids[side] == row["teid"]:
                return flow, side
            if flow.teids[side] == 0:
                best = flow, side
        return best

    @staticmethod
    def _reused(flow: Flow, packet: Packet, side: int) -> bool:
        if not packet.opens:
            return False
        if flow.over:
            return True
        own = [one for one, at in flow.packets if one.opens and at == side]
        if own:
            return bool(own[-1].row["sequence"] != packet.row["sequence"])
        return len(flow.packets) > 1

    def _begin(self, packet: Packet) -> tuple[Flow, int]:
        if len(self.alive) == self.config.most:
            self.evicted += 1
            self._close(min(self.alive, key=lambda one: (self._deadline(one), one.number)),
                        End.EVICTED, self.clock)
        row = packet.row
        answers = row["protocol"] == TCP and int(row["flags"]) & 0x17 == SYN | ACK
        ends = (packet.destination, packet.source) if answers else (
            packet.source, packet.destination)
        flow = Flow(self.begun, *ends,
                    (int(row["version"]), int(row["protocol"]), int(row["tunnel"])))
        self.begun += 1
        self.alive.append(flow)
        return flow, int(answers)

    def _due(self, flow: Flow, now: int) -> None:
        elapsed = now - flow.first
        while flow.stage < len(STAGES) and elapsed >= STAGES[flow.stage][1]:
            kind, moment = STAGES[flow.stage]
            if len(flow.packets) > flow.sampled:
                self._sample(flow, kind, flow.first + moment)
                flow.sampled = len(flow.packets)
            flow.stage += 1
        for number, (_, width) in enumerate(WINDOWS):
            if elapsed >= flow.ends[number]:
                self._window(flow, number)
                flow.ends[number] = (elapsed // width + 1) * width

    def _window(self, flow: Flow, number: int) -> None:
        packets = flow.windows[number]
        if packets and self.config.windows and WINDOWS[number][0] >= self.config.shortest:
            self._sample(flow, WINDOWS[number][0], flow.first + flow.ends[number], packets)
        flow.windows[number] = []

    def _close(self, flow: Flow, end: End, now: int) -> None:
        self._due(flow, now)
        for number in range(len(WINDOWS)):
            self._window(flow, number)
        self._sample(flow, Sampled.WHOLE, flow.last)
        self.alive.remove(flow)
        out = np.zeros(1, FLOW)
        self._key(flow, out)
        out["end"], out["first"], out["last"] = end, flow.first, flow.last
        self._statistics(flow, out)
        self._flows.append(out)

    def _key(self, flow: Flow, out: NDArray[np.void]) -> None:
        rows = [packet.row for packet, _ in flow.packets]
        out["flow"] = flow.number
        for name, place in (("source", flow.up), ("destination", flow.down)):
            out[name] = np.frombuffer(place[0], np.uint8)
            out[f"{name}_port"] = place[1]
        out["version"], out["protocol"], out["tunnel"] = flow.kind
        out["teid_up"], out["teid_down"] = flow.teids
        out["vlan"] = rows[0]["vlan"]
        qfis = [row["qfi"] for row in rows
                if row["tunnel"] == Tunnel.GTP_U and row["qfi"] != 255]
        out["qfi"] = qfis[-1] if qfis else 255
        out["quic"] = any(row["quic"] and row["protocol"] != TCP for row in rows)

    def _sample(self, flow: Flow, kind: Sampled, at: int, packets: list[Seen] | None = None,
                ) -> None:
        if not self.config.samples:
            return
        out = np.zeros(1, SAMPLE)
        self._key(flow, out)
        out["kind"], out["at"] = kind, at
        seen = packets or [flow.seen(packet, side) for packet, side in flow.packets]
        out["vector"] = describe(seen, flow.kind[1] == TCP, packets is None)
        self._samples.append(out)

    @staticmethod
    def _statistics(flow: Flow, out: NDArray[np.void]) -> None:
        _gap_statistics(out, "", [packet.time for packet, _ in flow.packets])
        for side, name in enumerate(("up", "down")):
            mine = [packet for packet, at in flow.packets if at == side]
            lengths = [int(packet.row["length"]) for packet in mine]
            out[f"packets_{name}"], out[f"bytes_{name}"] = len(mine), sum(lengths)
            out[f"payload_{name}"] = sum(packet.payload for packet in mine)
            out[f"length_mean_{name}"] = mean(lengths)
            out[f"length_std_{name}"] = _spread(lengths)
            out[f"length_min_{name}"] = min(lengths, default=0)
            out[f"length_max_{name}"] = max(lengths, default=0)
            _gap_statistics(out, f"_{name}", [packet.time for packet in mine])
            for bit, flag in enumerate(FLAG_NAMES):
                out[f"{flag}_{name}"] = sum(flags >> bit & 1 for flags in flow.flags(side))


def _gap_statistics(out: NDArray[np.void], ending: str, times: list[int]) -> None:
    gaps = gaps_of(times)
    out[f"gap_mean{ending}"] = mean(gaps) * 1e-9
    out[f"gap_std{ending}"] = _spread(gaps) * 1e-9
    out[f"gap_min{ending}"] = min(gaps, default=np.nan) * 1e-9
    out[f"gap_max{ending}"] = max(gaps, default=np.nan) * 1e-9


def _spread(values: list[Any]) -> float:
    """Deviation; of one value it is 0."""
    return 0.0 if len(values) == 1 else deviation(values)
