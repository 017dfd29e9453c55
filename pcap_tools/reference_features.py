"""A vector of features by its definition: plain lists and loops over a flow's packets, and slow.

The other half of `reference`: tests hold `accumulate` and `describe` against it. It shares their
constants, and none of their code.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from pcap_tools.accumulate import (
    BURST_GAP,
    GAP_BINS,
    PAUSE_AFTER,
    PAUSE_OCTAVES,
    SAME,
    SAME_SHARE,
    SHORTEST,
    SIZE_BINS,
    SMALL,
)
from pcap_tools.features import FIRST_PACKETS, NAMES, ROW

NAN = math.nan
SIDES = ("up", "down")
LOST = 1e-10


@dataclass(frozen=True)
class Seen:
    """What features know of a packet."""

    time: int  # nanoseconds since the flow's first packet
    side: int  # 0 up, 1 down
    size: int  # payload bytes


@dataclass(frozen=True)
class Turn:
    """What one side sent until the other did."""

    side: int
    sizes: list[int]
    begin: int
    end: int


def octaves(value: float) -> float:
    whole = 0
    while value >= 2:
        value /= 2
        whole += 1
    return whole + value - 1


def mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else NAN


def deviation(values: Sequence[float]) -> float:
    if len(values) < 2:
        return NAN
    middle = mean(values)
    variance = math.fsum((value - middle) ** 2 for value in values) / len(values)
    return math.sqrt(variance) if variance > LOST * middle * middle else 0.0


def variation(values: Sequence[float]) -> float:
    return deviation(values) / mean(values) if len(values) > 1 and sum(values) > 0 else NAN


def share(part: float, whole: float) -> float:
    return part / whole if whole > 0 else NAN


def memory(values: Sequence[float]) -> float:
    """Products of neighbours, less the mean's square, by the variance."""
    spread = deviation(values)
    if len(values) < 3 or spread == 0:
        return NAN
    products = [one * other for one, other in pairwise(values)]
    return min(max((mean(products) - mean(values) ** 2) / spread ** 2, -1.0), 1.0)


def quantile(values: Sequence[float], part: float, bottom: float, width: float,
             bins: int) -> float:
    """As a histogram of octaves tells it: straight within the bin, and never outside the values."""
    if not values:
        return NAN
    histogram = [0] * bins
    for value in values:
        at = math.floor((octaves(max(value, 1.0)) - bottom) / width) + 1
        histogram[min(max(at, 0), bins - 1)] += 1
    wanted, below = part * len(values), 0.0
    for index, number in enumerate(histogram):
        if number and below + number >= wanted:
            low = bottom + (index - 1) * width if index else 0.0
            place: float = low + (bottom + index * width - low) * (wanted - below) / number
            value = 2.0 ** math.floor(place) * (1 + place - math.floor(place))
            return min(max(value, min(values)), max(values))
        below += number
    raise AssertionError("a histogram lost values")


def gap_median(gaps: Sequence[float]) -> float:
    return quantile(gaps, 0.5, 14.0, 1.0, GAP_BINS) * 1e-9


def gaps_of(times: Sequence[int]) -> list[float]:
    """Time since the latest before; none runs backwards."""
    return [float(max(time - max(times[:index]), 0)) for index, time in enumerate(times) if index]


def turns_of(data: Sequence[Seen]) -> list[Turn]:
    """All turns but the last, which may go on."""
    turns: list[Turn] = []
    latest = data[0].time if data else 0
    for packet in data:
        if turns and turns[-1].side == packet.side:
            turns[-1].sizes.append(packet.size)
        else:
            if turns:
                turns[-1] = Turn(turns[-1].side, turns[-1].sizes, turns[-1].begin, latest)
            turns.append(Turn(packet.side, [packet.size], packet.time, 0))
        latest = max(latest, packet.time)
    return turns[:-1]


def describe(packets: Sequence[Seen], stream: bool, with_first: bool) -> list[float]:
    """The vector, in the schema's order."""
    data = [packet for packet in packets if packet.size > 0]
    named: dict[str, float] = {"stream": float(stream)}
    named |= _volume(packets, data)
    named |= _gaps(gaps_of([packet.time for packet in packets]))
    logarithms = [octaves(max(gap, SHORTEST)) for gap in gaps_of([one.time for one in data])]
    named["data_gap_log_std"] = deviation(logarithms)
    named["data_gap_memory"] = memory(logarithms)
    for number, side in enumerate(SIDES):
        mine = [packet for packet in data if packet.side == number]
        named |= _sizes([packet.size for packet in mine], side)
        named |= _side_gaps(mine, side)
        named |= _bursts(mine, side)
    named |= _turns(data)
    for index in range(FIRST_PACKETS):
        known = with_first and index < len(data)
        named[f"size_{index + 1}"] = (
            data[index].size * (1 - 2 * data[index].side) if known else NAN)
        if index:
            before = max(packet.time for packet in data[:index]) if known else 0
            named[f"gap_{index + 1}"] = max(data[index].time - before, 0) * 1e-9 if known else NAN
    assert named.keys() == set(NAMES), named.keys() ^ set(NAMES)
    return [named[name] for name in NAMES]


def _volume(packets: Sequence[Seen], data: Sequence[Seen]) -> dict[str, float]:
    duration = (max(packet.time for packet in packets) - packets[0].time) * 1e-9
    named: dict[str, float] = {"duration": duration, "packet_rate": share(len(packets), duration)}
    for number, side in enumerate(SIDES):
        mine = [packet for packet in packets if packet.side == number]
        sizes = [packet.size for packet in mine if packet.size > 0]
        named[f"packets_{side}"] = len(mine)
        named[f"data_packets_{side}"] = len(sizes)
        named[f"bytes_{side}"] = sum(sizes)
        named[f"byte_rate_{side}"] = share(sum(sizes), duration)
        named[f"empty_share_{side}"] = share(len(mine) - len(sizes), len(mine))
    changes = sum(one.side != other.side for one, other in pairwise(data))
    named["up_packet_share"] = share(named["data_packets_up"], len(data))
    named["up_byte_share"] = share(named["bytes_up"], named["bytes_up"] + named["bytes_down"])
    named["turn_share"] = share(changes, len(data) - 1)
    return named


def _sizes(sizes: Sequence[int], side: str) -> dict[str, float]:
    named = {f"size_mean_{side}": mean(sizes), f"size_std_{side}": deviation(sizes),
             f"size_min_{side}": min(sizes, default=NAN),
             f"size_max_{side}": max(sizes, default=NAN), f"size_cv_{side}": variation(sizes)}
    for percent in (25, 50, 75):
        named[f"size_q{percent}_{side}"] = quantile(sizes, percent / 100, 3.0, 0.5, SIZE_BINS)
    for name, low, high in (("tiny", 0, 64), ("small", 64, 256), ("medium", 256, 1024),
                            ("large", 1024, math.inf)):
        named[f"{name}_share_{side}"] = share(sum(low <= size < high for size in sizes), len(sizes))
    return named


def _gaps(gaps: Sequence[float]) -> dict[str, float]:
    named = {"gap_mean": mean(gaps) * 1e-9, "gap_std": deviation(gaps) * 1e-9,
             "gap_min": min(gaps, default=NAN) * 1e-9, "gap_max": max(gaps, default=NAN) * 1e-9,
             "gap_median": gap_median(gaps)}
    for name, low, high in (("1ms", -1, 20), ("8ms", 20, 23), ("33ms", 23, 25), ("134ms", 25, 27),
                            ("1s", 27, 30), ("longer", 30, 99)):
        inside = sum((low < 0 or gap >= 2 ** low) and gap < 2 ** high for gap in gaps)
        named[f"gap_share_{name}"] = share(inside, len(gaps))
    return named


def _side_gaps(mine: Sequence[Seen], side: str) -> dict[str, float]:
    gaps = gaps_of([packet.time for packet in mine])
    logarithms = [octaves(max(gap, SHORTEST)) for gap in gaps]
    return {f"data_gap_mean_{side}": mean(gaps) * 1e-9, f"data_gap_std_{side}":
            deviation(gaps) * 1e-9, f"data_gap_median_{side}": gap_median(gaps),
            f"data_gap_cv_{side}": variation(gaps),
            f"data_gap_log_std_{side}": deviation(logarithms),
            f"pause_share_{side}": share(sum(_pauses(gaps)), len(gaps))}


def _pauses(gaps: Sequence[float]) -> list[bool]:
    """Which gaps are long for what was before them."""
    logarithms = [octaves(max(gap, SHORTEST)) for gap in gaps]
    return [index >= PAUSE_AFTER and value > sum(logarithms[:index]) / index + PAUSE_OCTAVES
            for index, value in enumerate(logarithms)]


def _bursts(mine: Sequence[Seen], side: str) -> dict[str, float]:
    gaps = gaps_of([packet.time for packet in mine])
    named: dict[str, float] = {}
    for prefix, ends in (("burst", [gap > BURST_GAP for gap in gaps]), ("spurt", _pauses(gaps))):
        begins = [0] * bool(mine) + [index + 1 for index, end in enumerate(ends) if end]
        pairs = list(pairwise(begins))
        payloads = [sum(packet.size for packet in mine[a:b]) for a, b in pairs]
        periods = [float(max(mine[b].time - mine[a].time, 0)) for a, b in pairs]
        named[f"{prefix}_bytes_{side}"] = mean(payloads)
        named[f"{prefix}_bytes_cv_{side}"] = variation(payloads)
        named[f"{prefix}_packets_{side}"] = mean([b - a for a, b in pairs])
        named[f"{prefix}_period_{side}"] = mean(periods) * 1e-9
        named[f"{prefix}_period_cv_{side}"] = variation(periods)
    return named


def _same(turn: Turn, before: Turn) -> bool:
    return abs(sum(turn.sizes) - sum(before.sizes)) <= max(SAME, SAME_SHARE * sum(before.sizes))


def _small(turn: Turn) -> bool:
    return len(turn.sizes) == 1 and turn.sizes[0] < SMALL


def _turns(data: Sequence[Seen]) -> dict[str, float]:
    turns = turns_of(data)
    named: dict[str, float] = {"turns": len(turns)}
    payload = [0, 0]
    for number, side in enumerate(SIDES):
        mine = [turn for turn in turns if turn.side == number]
        payloads = [sum(turn.sizes) for turn in mine]
        payload[number] = sum(payloads)
        repeats = [sum(turn.sizes) for before, turn in pairwise(mine)
                   if _same(turn, before)]
        named[f"turn_bytes_{side}"] = mean(payloads)
        named[f"turn_bytes_cv_{side}"] = variation(payloads)
        named[f"turn_repeat_share_{side}"] = share(len(repeats), len(mine) - 1)
        named[f"turn_repeat_bytes_{side}"] = mean(repeats)
        named[f"turn_single_share_{side}"] = share(
            sum(len(turn.sizes) == 1 for turn in mine), len(mine))
        named[f"turn_small_share_{side}"] = share(sum(map(_small, mine)), len(mine))
        named[f"turn_first_ratio_{side}"] = (
            payloads[0] / mean(payloads[1:]) if len(mine) > 1 else NAN)
        exact = [after for before, after in pairwise(payloads) if after == before]
        named[f"turn_exact_share_{side}"] = share(len(exact), len(mine) - 1)
        named[f"turn_exact_bytes_{side}"] = exact[-1] if exact else NAN
        named[f"turn_exact_rest_{side}"] = exact[-1] % ROW if exact else NAN
    named["exchange_up_share"] = share(payload[0], sum(payload))
    return named | _delays(data, turns) | _beats(turns)


def _delays(data: Sequence[Seen], turns: Sequence[Turn]) -> dict[str, float]:
    """Between turns; the turn that is not over has begun, and ends the last delay."""
    begins = [turn.begin for turn in turns]
    if turns:
        begins.append(next(packet.time for index, packet in enumerate(data)
                           if index >= sum(len(turn.sizes) for turn in turns)))
    delays = [(turn.side, float(max(begin - turn.end, 0)))
              for turn, begin in zip(turns, begins[1:], strict=True)] if turns else []
    responses = [delay for side, delay in delays if side == 0]
    thinks = [delay for side, delay in delays if side == 1]
    first = turns[0].side if turns else 0
    up = begins[first::2]  # turns alternate
    periods = [float(max(other - one, 0)) for one, other in pairwise(up)]
    return {
        "response_mean": mean(responses) * 1e-9, "response_median": gap_median(responses),
        "response_cv": variation(responses),
        "response_stretch": share(mean(responses), min(responses)) if len(responses) > 1 else NAN,
        "think_mean": mean(thinks) * 1e-9, "think_cv": variation(thinks),
        "think_share": share(mean(thinks), mean(thinks) + mean(responses)),
        "period_mean": mean(periods) * 1e-9, "period_cv": variation(periods),
        "period_memory": memory(periods)}


def _exact(turn: Turn, before: Turn) -> bool:
    return sum(turn.sizes) == sum(before.sizes)


def _longest(hits: Sequence[bool]) -> int:
    longest = run = 0
    for hit in hits:
        run = run + 1 if hit else 0
        longest = max(longest, run)
    return longest


def _beats(turns: Sequence[Turn]) -> dict[str, float]:
    """Exchanges that are like a metronome's, repeat to the byte, or are mirrored."""
    beats: list[bool] = []
    steady: list[bool] = []
    mirrors = 0
    for index, turn in enumerate(turns):
        if turn.side == 1:
            ups = [one for one in turns[:index] if one.side == 0]
            downs = [one for one in turns[:index] if one.side == 1]
            twice = len(ups) > 1
            beats.append(twice and _same(ups[-1], ups[-2]) and _small(turn))
            steady.append(twice and bool(downs) and _exact(ups[-1], ups[-2])
                          and _exact(turn, downs[-1]))
            mirrors += bool(ups) and _same(turn, ups[-1])
    return {"metronome_longest": _longest(beats), "metronome_share": share(sum(beats), len(beats)),
            "steady_longest": _longest(steady), "steady_share": share(sum(steady), len(steady)),
            "mirror_share": share(mirrors, len(beats))}
