"""What each number of a sample's vector means: names, units, one line each; the schema's version.

A vector describes a flow up to some moment, or one window of it. Sizes are bytes of transport
payload, so that padding, link layers and bare acknowledgements do not matter; a *data packet* is
one that carries some. A *turn* is all that one side sends until the other side does, a *burst* what
it sends without a pause, and an *exchange* one turn up and the turn down that answers it: these
count bytes, not packets, and do not change with the MTU. NaN stands for what is not defined yet,
such as the mean of nothing. Addresses, ports, names and TTLs are left out: they tell the capture
apart, not the application. It knows nothing of how the numbers are come by (`accumulate`,
`describe`).
"""

from __future__ import annotations

from dataclasses import dataclass

SCHEMA = 2  # changes whenever a vector's length, order or meaning does
FIRST_PACKETS = 20  # data packets whose sizes and gaps are kept one by one
# Bytes: a model's row has a multiple of so many, as its width is one of 64 and a number has two.
ROW = 128


@dataclass(frozen=True)
class Feature:
    """One number of a vector."""

    name: str
    unit: str  # "" where it is a ratio
    meaning: str
    robust: bool = False  # survives another MTU, and another pace of all that happens


def _volume() -> list[Feature]:
    return [
        Feature("packets_up", "packets", "packets up, empty ones too"),
        Feature("packets_down", "packets", "packets down, empty ones too"),
        Feature("data_packets_up", "packets", "packets up that carry payload"),
        Feature("data_packets_down", "packets", "packets down that carry payload"),
        Feature("bytes_up", "bytes", "payload up"),
        Feature("bytes_down", "bytes", "payload down"),
        Feature("duration", "s", "from the first packet to the last"),
        Feature("packet_rate", "1/s", "packets by duration"),
        Feature("byte_rate_up", "bytes/s", "payload up by duration"),
        Feature("byte_rate_down", "bytes/s", "payload down by duration"),
        Feature("up_packet_share", "", "data packets up among all"),
        Feature("up_byte_share", "", "payload up in all payload", True),
        Feature("empty_share_up", "", "packets up without payload among those up"),
        Feature("empty_share_down", "", "packets down without payload among those down"),
        Feature("turn_share", "", "data packets at which the direction changes"),
        Feature("stream", "", "1 for TCP, 0 for anything else"),
    ]


def _sizes(side: str) -> list[Feature]:
    return [
        Feature(f"size_mean_{side}", "bytes", f"payload of data packets {side}, mean"),
        Feature(f"size_std_{side}", "bytes", f"payload of data packets {side}, deviation"),
        Feature(f"size_min_{side}", "bytes", f"payload of data packets {side}, least"),
        Feature(f"size_max_{side}", "bytes", f"payload of data packets {side}, most"),
        Feature(f"size_q25_{side}", "bytes", f"a quarter {side} are smaller, from a histogram"),
        Feature(f"size_q50_{side}", "bytes", f"half of those {side} are smaller, likewise"),
        Feature(f"size_q75_{side}", "bytes", f"three quarters {side} are smaller, likewise"),
        Feature(f"size_cv_{side}", "", f"size deviation by mean, {side}"),
        Feature(f"tiny_share_{side}", "", f"data packets {side} under 64 bytes"),
        Feature(f"small_share_{side}", "", f"data packets {side} of 64 to 255 bytes"),
        Feature(f"medium_share_{side}", "", f"data packets {side} of 256 to 1,023 bytes"),
        Feature(f"large_share_{side}", "", f"data packets {side} of 1,024 bytes and more"),
    ]


def _gaps() -> list[Feature]:
    return [
        Feature("gap_mean", "s", "time between packets, whichever way, mean"),
        Feature("gap_std", "s", "time between packets, deviation"),
        Feature("gap_min", "s", "time between packets, least"),
        Feature("gap_max", "s", "time between packets, most"),
        Feature("gap_median", "s", "time between packets, median from a histogram"),
        Feature("gap_share_1ms", "", "gaps under 1.05 ms"),
        Feature("gap_share_8ms", "", "gaps of 1.05 to 8.4 ms"),
        Feature("gap_share_33ms", "", "gaps of 8.4 to 33.6 ms"),
        Feature("gap_share_134ms", "", "gaps of 33.6 to 134 ms"),
        Feature("gap_share_1s", "", "gaps of 134 ms to 1.07 s"),
        Feature("gap_share_longer", "", "gaps of more than 1.07 s"),
    ]


def _data_gaps(side: str) -> list[Feature]:
    return [
        Feature(f"data_gap_mean_{side}", "s", f"time between data packets {side}, mean"),
        Feature(f"data_gap_std_{side}", "s", f"time between data packets {side}, deviation"),
        Feature(f"data_gap_median_{side}", "s", f"time between data packets {side}, median"),
        Feature(f"data_gap_cv_{side}", "", f"gap deviation by mean, {side}"),
        Feature(f"data_gap_log_std_{side}", "octaves", f"deviation of gaps' logarithms, {side}"),
        Feature(f"pause_share_{side}", "", f"gaps {side} over four times the usual so far"),
    ]


def _series() -> list[Feature]:
    return [
        Feature("data_gap_log_std", "octaves",
                "deviation of the logarithms of gaps between data packets, whichever way"),
        Feature("data_gap_memory", "", "correlation of one gap's logarithm with the next"),
    ]


def _bursts(prefix: str, ended: str, side: str) -> list[Feature]:
    return [
        Feature(f"{prefix}_bytes_{side}", "bytes", f"payload of a burst {side}, ended by {ended}"),
        Feature(f"{prefix}_bytes_cv_{side}", "", "deviation of these bursts by mean"),
        Feature(f"{prefix}_packets_{side}", "packets", "data packets of such a burst, mean"),
        Feature(f"{prefix}_period_{side}", "s", "from one such burst's start to the next, mean"),
        Feature(f"{prefix}_period_cv_{side}", "", "deviation of that by mean"),
    ]


def _turns(side: str) -> list[Feature]:
    return [
        Feature(f"turn_bytes_{side}", "bytes", f"payload of a turn {side}, mean", True),
        Feature(f"turn_bytes_cv_{side}", "", f"payload of turns {side}, deviation by mean", True),
        Feature(f"turn_repeat_share_{side}", "", f"turns {side} as long as the one before", True),
        Feature(f"turn_repeat_bytes_{side}", "bytes", f"payload of these repeated turns {side}",
                True),
        Feature(f"turn_single_share_{side}", "", f"turns {side} of one packet"),
        Feature(f"turn_small_share_{side}", "", f"turns {side} of one packet below 200 bytes",
                True),
        Feature(f"turn_first_ratio_{side}", "", f"first turn {side} by the mean of the later ones",
                True),
        Feature(f"turn_exact_share_{side}", "",
                f"turns {side} to the byte as long as the one before", True),
        Feature(f"turn_exact_bytes_{side}", "bytes",
                f"payload of the latest such turn {side}", True),
        Feature(f"turn_exact_rest_{side}", "bytes",
                f"that modulo {ROW}: what frames rows of numbers, whatever the rows' width", True),
    ]


def _exchanges() -> list[Feature]:
    return [
        Feature("turns", "turns", "turns that are over, whichever way"),
        Feature("response_mean", "s", "from the end of a turn up to its answer, mean"),
        Feature("response_median", "s", "from the end of a turn up to its answer, median"),
        Feature("response_cv", "", "deviation of that delay by mean", True),
        Feature("response_stretch", "", "mean of that delay by the least", True),
        Feature("think_mean", "s", "from the end of a turn down to the next one up, mean"),
        Feature("think_cv", "", "deviation of that by mean", True),
        Feature("think_share", "", "mean thinking time in that and the mean response", True),
        Feature("period_mean", "s", "from one turn up to the next, start to start, mean"),
        Feature("period_cv", "", "deviation of that by mean", True),
        Feature("period_memory", "", "correlation of one such period with the next", True),
        Feature("metronome_longest", "exchanges",
                "longest run of exchanges with equal turns up and one small packet down"),
        Feature("metronome_share", "", "such exchanges among all", True),
        Feature("exchange_up_share", "", "payload up in that of all turns that are over", True),
        Feature("mirror_share", "", "exchanges whose turn down is as long as that up", True),
        Feature("steady_longest", "exchanges",
                "longest run of exchanges like the one before to the byte, up and down"),
        Feature("steady_share", "", "such exchanges among all", True),
    ]


def _sequence() -> list[Feature]:
    sizes = [Feature(f"size_{number}", "bytes",
                     f"payload of data packet {number}, negative where it went down")
             for number in range(1, FIRST_PACKETS + 1)]
    gaps = [Feature(f"gap_{number}", "s", f"time from data packet {number - 1} to {number}")
            for number in range(2, FIRST_PACKETS + 1)]
    return sizes + gaps


FEATURES: tuple[Feature, ...] = (
    *_volume(),
    *_sizes("up"), *_sizes("down"),
    *_gaps(),
    *_data_gaps("up"), *_data_gaps("down"),
    *_series(),
    *_bursts("burst", "20 ms without data", "up"), *_bursts("burst", "20 ms without data", "down"),
    *_bursts("spurt", "a pause over four times the usual gap", "up"),
    *_bursts("spurt", "a pause over four times the usual gap", "down"),
    *_turns("up"), *_turns("down"),
    *_exchanges(),
    *_sequence(),
)
NAMES: tuple[str, ...] = tuple(feature.name for feature in FEATURES)
