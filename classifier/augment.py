"""The same flow as another network would have carried it: rate, round trip, MTU, jitter, loss.

Made from packets, before any feature is computed, so that features stay consistent with each other.
Randomness is passed in. It knows no labels; what it must not change is the order of what each side
says and how much that is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pcap_tools.packets import Status

Packets = NDArray[np.void]  # PACKET, of one flow, in the order of time
Mask = NDArray[np.bool_]

TCP = 6
SEGMENTS = (536, 1160, 1208, 1340, 1360, 1400, 1448, 2720, 8948)  # bytes of payload, as seen
TOGETHER = 3e-3  # seconds within which full segments are taken for one write
SLOWED = 0.4  # share of the networks whose rate is drawn as well: most of these are slow
RATES_UP, RATES_DOWN = (40e3, 2e6), (100e3, 5e6)  # bytes per second
MOST_PIECES = 16  # that one packet is cut into: large offloaded ones give no more


@dataclass(frozen=True)
class Change:
    """What another network does; the defaults do nothing."""

    pace: float = 1.0  # gaps within a direction's trains are multiplied by it: another rate
    rate_up: float = 0.0  # bytes per second that the link carries up at most; 0 leaves it
    rate_down: float = 0.0  # and down
    trip: float = 0.0  # seconds more, or less, from each turn to its answer: a server elsewhere
    segment: int = 0  # bytes of payload a packet may carry; 0 leaves them
    jitter: float = 0.0  # seconds, mean, that single packets are late; their order is kept
    loss: float = 0.0  # share of packets that are lost; with TCP they come again
    twice: float = 0.0  # share of packets that come twice
    start: float = 0.0  # share of the flow that was over before the capture began


def draw(random: np.random.Generator) -> Change:
    """A network like some that exist."""
    often = random.random(8)
    slow = often[7] < SLOWED
    return Change(
        pace=float(np.exp(random.uniform(np.log(0.25), np.log(4.0)))) if often[0] < 0.7 else 1.0,
        rate_up=_between(random, *RATES_UP) if slow else 0.0,
        rate_down=_between(random, *RATES_DOWN) if slow else 0.0,
        trip=float(random.exponential(0.04) - 0.015) if often[1] < 0.7 else 0.0,
        segment=int(random.choice(SEGMENTS)) if often[2] < 0.6 else 0,
        jitter=float(np.exp(random.uniform(np.log(2e-4), np.log(2e-2)))) if often[3] < 0.6 else 0.0,
        loss=float(random.uniform(0, 0.03)) if often[4] < 0.3 else 0.0,
        twice=float(random.uniform(0, 0.01)) if often[5] < 0.2 else 0.0,
        start=float(random.uniform(0, 0.8)) if often[6] < 0.15 else 0.0,
    )


def _between(random: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(random.uniform(np.log(low), np.log(high))))


def vary(packets: Packets, change: Change, random: np.random.Generator) -> Packets:
    """One flow, changed; `packets` stay as they are."""
    packets = packets[int(change.start * len(packets)):].copy()
    if len(packets) < 2 or (packets["status"] != Status.FLOW).any():
        return packets
    if change.segment and packets["protocol"][0] == TCP:
        packets = resegmented(packets, change.segment)
    packets["time"] = retimed(packets, change)
    if change.jitter:
        packets["time"] += _late(packets, change.jitter, random)
    if change.loss or change.twice:
        packets = lossy(packets, change, random)
    return packets[np.argsort(packets["time"], kind="stable")]


def upwards(packets: Packets) -> Mask:
    """Which packets go the way of the first one."""
    first = packets[0]
    return np.asarray((packets["source"] == first["source"]).all(axis=1)
                      & (packets["source_port"] == first["source_port"]))


def retimed(packets: Packets, change: Change) -> NDArray[np.int64]:
    """Times with other gaps, at another rate, and another delay wherever the direction changes."""
    up = upwards(packets)
    gaps = np.diff(packets["time"]).clip(min=0) / 1e9
    turned = up[1:] != up[:-1]
    train = ~turned & (gaps < 0.05)
    gaps[train] *= change.pace
    # What follows waits until a slow link has carried what came before; and all that answers it.
    rates = np.where(up, change.rate_up, change.rate_down)[:-1]
    with np.errstate(divide="ignore"):
        carried = np.where(rates > 0, packets["length"][:-1] / rates, 0.0)
    gaps = np.maximum(gaps, carried)
    # Only what answers: up to the farther side and back. Less than nothing cannot be.
    answers = turned & ~up[1:]
    if packets["protocol"][0] == TCP:
        gaps[answers] = np.maximum(gaps[answers] + change.trip, np.minimum(gaps[answers], 1e-4))
    times = packets["time"][0] + np.concatenate([[0.0], np.cumsum(gaps)]) * 1e9
    return np.asarray(times, np.int64)


def _late(packets: Packets, mean: float, random: np.random.Generator) -> NDArray[np.int64]:
    """How late each packet is, so that each direction keeps its order."""
    late = (random.exponential(mean, len(packets)) * 1e9).astype(np.int64)
    up = upwards(packets)
    for side in (up, ~up):
        arrived = np.maximum.accumulate(packets["time"][side] + late[side])
        late[side] = arrived - packets["time"][side]
    return late


def resegmented(packets: Packets, segment: int) -> Packets:
    """TCP's payload in other pieces: full packets joined with what follows, then cut anew."""
    up = upwards(packets)
    payload = packets["payload"].astype(np.int64)
    if (payload < 0).any():
        return packets
    full = np.zeros(len(packets), bool)
    for side in (up, ~up):
        if side.any():
            full[side] = (payload[side] >= payload[side].max()) & (payload[side] >= 500)
    gaps = np.diff(packets["time"]) / 1e9
    # A packet goes on with the last one if that one was full, went the same way, and just now.
    joined = np.concatenate([[False], full[:-1] & (up[1:] == up[:-1]) & (payload[1:] > 0)
                             & (gaps < TOGETHER)])
    group = np.cumsum(~joined) - 1
    heads = np.flatnonzero(~joined)
    total = np.bincount(group, weights=payload).astype(np.int64)
    ends = np.append(heads[1:], len(packets)) - 1
    pieces = np.clip(-(-total // segment), 1, np.maximum(ends - heads + 1, 1) * MOST_PIECES)
    parts = np.repeat(np.arange(len(heads)), pieces)
    place = np.arange(len(parts)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    out = packets[heads[parts]].copy()
    size = np.minimum(segment, np.maximum(total[parts] - place * segment, 0))
    out["length"] += (size - out["payload"]).astype(np.int32)
    out["payload"] = size
    # Spread over the time the old pieces took.
    span = (packets["time"][ends] - packets["time"][heads])[parts]
    out["time"] += (span * place / np.maximum(pieces[parts] - 1, 1)).astype(np.int64)
    return out


def lossy(packets: Packets, change: Change, random: np.random.Generator) -> Packets:
    """Without what was lost; with TCP it comes again later, and some come twice."""
    lost = random.random(len(packets)) < change.loss
    lost[0] = False  # it fixes the direction
    twice = random.random(len(packets)) < change.twice
    again = packets[twice].copy()
    again["time"] += random.integers(10_000, 1_000_000, len(again))
    parts = [packets[~lost], again]
    if packets["protocol"][0] == TCP:
        repeated = packets[lost & (packets["payload"] > 0)].copy()
        repeated["time"] += random.integers(40_000_000, 300_000_000, len(repeated))
        parts.append(repeated)
    return np.concatenate(parts)
