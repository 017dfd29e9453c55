"""What is kept of a flow's packets, or of a window's, so that features can be told at any moment.

Three rows of numbers: `sums`, `counts` (histograms) and `first` (the first data packets one by
one). All zeroes is the empty state. Times are nanoseconds since the flow's first packet. What the
numbers are good for is `describe`'s business.
"""

from __future__ import annotations

import math
from typing import Any

from pcap_tools.compiled import compiled, inlined
from pcap_tools.features import FIRST_PACKETS

# Of `sums`: packets, whichever way.
(PACKETS_UP, PACKETS_DOWN, START, LAST, GAP_SUM, GAP_SQUARE, GAP_MIN, GAP_MAX,
 # Gaps between data packets, whichever way, as logarithms.
 DATA_LAST, LOG_SUM, LOG_SQUARE, LOG_PRODUCT, LOG_BEFORE,
 # The turn that is not over yet: its direction plus one.
 OPEN, OPEN_BYTES, OPEN_PACKETS, UP_START,
 RESPONSES, RESPONSE_SUM, RESPONSE_SQUARE, RESPONSE_MIN, RESPONSE_MAX,
 THINKS, THINK_SUM, THINK_SQUARE,
 PERIODS, PERIOD_SUM, PERIOD_SQUARE, PERIOD_PRODUCT, PERIOD_BEFORE,
 # Exchanges like a metronome's: this run, the longest, all; and whether the last turn up repeats.
 RUN, LONGEST, BEATS, UP_REPEATS,
 # The same of exchanges that repeat to the byte; and those whose turns are as long as each other.
 STEADY_RUN, STEADY_LONGEST, STEADIES, UP_EXACT, MIRRORS, WINDOW_END) = range(40)
SIDES = 40  # here one side's numbers begin, and those of the other SIDE further on
# Of a side: data packets.
(DATA, BYTES, SIZE_SQUARE, SIZE_MIN, SIZE_MAX, SIDE_LAST,
 SIDE_GAP_SUM, SIDE_GAP_SQUARE, SIDE_GAP_MIN, SIDE_GAP_MAX, SIDE_LOG_SUM, SIDE_LOG_SQUARE, PAUSES,
 # Turns that are over.
 TURNS, TURN_BYTES, TURN_SQUARE, REPEATS, REPEAT_BYTES, SINGLES, SMALLS, TURN_FIRST,
 TURN_BEFORE, EXACTS, EXACT_BYTES) = range(24)
BURSTS = 24  # two kinds of bursts, BURST apart: ended by an absolute and by a relative pause
(BURST_COUNT, BURST_BYTES, BURST_SQUARE, BURST_PACKETS, BURST_PERIOD, BURST_PERIOD_SQUARE,
 BURST_START, BURST_OPEN_BYTES, BURST_OPEN_PACKETS) = range(9)
BURST = 9
SIDE = BURSTS + 2 * BURST
SUMS = SIDES + 2 * SIDE

# Of `counts`: histograms.
SIZE_BINS = 20  # half octaves of payload; the first is all below 8 bytes, the last from 5,792 on
GAP_BINS = 24  # octaves; the first is all below 16 µs, the last from 68 s on
SIZES, GAPS, RESPONSE_GAPS = 0, 2 * SIZE_BINS, 2 * SIZE_BINS + 3 * GAP_BINS  # gaps: all, up, down
COUNTS = RESPONSE_GAPS + GAP_BINS
FIRST = 2 * FIRST_PACKETS - 1  # sizes, then gaps

BURST_GAP = 20e6  # nanoseconds without data that end a burst
PAUSE_OCTAVES = 2.0  # a relative pause is four times the usual gap
PAUSE_AFTER = 3  # gaps that must have been seen to say what is usual
SHORTEST = 1000.0  # nanoseconds: shorter gaps depend on the clock of who captured
SMALL = 200.0  # bytes: a packet with a token or an acknowledgement of the application
SAME, SAME_SHARE = 16.0, 0.05  # two turns are equally long within this


@inlined
def octaves(value: float) -> float:
    """Nearly the binary logarithm: exact at powers of two, straight between them."""
    mantissa, exponent = math.frexp(value)
    return exponent + 2.0 * mantissa - 2.0


@inlined
def size_bin(size: float) -> int:
    return min(max(int(2.0 * octaves(size)) - 5, 0), SIZE_BINS - 1)


@inlined
def gap_bin(gap: float) -> int:
    return min(max(int(octaves(max(gap, 1.0))) - 13, 0), GAP_BINS - 1)


@compiled
def add(sums: Any, counts: Any, first: Any, keep_first: bool, side: int, size: float,
        time: float) -> None:
    """One more packet; `size` is its payload."""
    packets = sums[PACKETS_UP] + sums[PACKETS_DOWN]
    if packets == 0.0:
        sums[START] = time
        sums[LAST] = time
    else:
        gap = max(time - sums[LAST], 0.0)
        sums[GAP_SUM] += gap
        sums[GAP_SQUARE] += gap * gap
        sums[GAP_MIN] = gap if packets == 1.0 else min(sums[GAP_MIN], gap)
        sums[GAP_MAX] = max(sums[GAP_MAX], gap)
        counts[GAPS + gap_bin(gap)] += 1
        sums[LAST] = max(sums[LAST], time)
    sums[PACKETS_UP + side] += 1.0
    if size > 0.0:
        _data(sums, counts, first, keep_first, side, size, time)


@compiled
def _data(sums: Any, counts: Any, first: Any, keep_first: bool, side: int, size: float,
          time: float) -> None:
    """One more data packet."""
    number = int(sums[SIDES + DATA] + sums[SIDES + SIDE + DATA])
    gap = max(time - sums[DATA_LAST], 0.0)
    if number > 0:
        logarithm = octaves(max(gap, SHORTEST))
        sums[LOG_SUM] += logarithm
        sums[LOG_SQUARE] += logarithm * logarithm
        if number > 1:
            sums[LOG_PRODUCT] += logarithm * sums[LOG_BEFORE]
        sums[LOG_BEFORE] = logarithm
    if keep_first and number < FIRST_PACKETS:
        first[number] = size if side == 0 else -size
        if number > 0:
            first[FIRST_PACKETS + number - 1] = gap * 1e-9
    _turn(sums, counts, side, size, time)
    _side(sums, counts, side, size, time)
    sums[DATA_LAST] = time if number == 0 else max(sums[DATA_LAST], time)


@compiled
def _side(sums: Any, counts: Any, side: int, size: float, time: float) -> None:
    """The same packet among those of its direction."""
    base = SIDES + side * SIDE
    number = sums[base + DATA]
    if number == 0.0:
        sums[base + SIZE_MIN] = size
        _burst(sums, base + BURSTS, True, size, time)
        _burst(sums, base + BURSTS + BURST, True, size, time)
    else:
        sums[base + SIZE_MIN] = min(sums[base + SIZE_MIN], size)
        gap = max(time - sums[base + SIDE_LAST], 0.0)
        logarithm = octaves(max(gap, SHORTEST))
        gaps = number - 1.0
        pause = gaps >= PAUSE_AFTER and logarithm > sums[base + SIDE_LOG_SUM] / gaps + PAUSE_OCTAVES
        _burst(sums, base + BURSTS, gap > BURST_GAP, size, time)
        _burst(sums, base + BURSTS + BURST, pause, size, time)
        if pause:
            sums[base + PAUSES] += 1.0
        sums[base + SIDE_GAP_SUM] += gap
        sums[base + SIDE_GAP_SQUARE] += gap * gap
        sums[base + SIDE_GAP_MIN] = gap if gaps == 0.0 else min(sums[base + SIDE_GAP_MIN], gap)
        sums[base + SIDE_GAP_MAX] = max(sums[base + SIDE_GAP_MAX], gap)
        sums[base + SIDE_LOG_SUM] += logarithm
        sums[base + SIDE_LOG_SQUARE] += logarithm * logarithm
        counts[GAPS + (1 + side) * GAP_BINS + gap_bin(gap)] += 1
    sums[base + DATA] = number + 1.0
    sums[base + BYTES] += size
    sums[base + SIZE_SQUARE] += size * size
    sums[base + SIZE_MAX] = max(sums[base + SIZE_MAX], size)
    counts[SIZES + side * SIZE_BINS + size_bin(size)] += 1
    sums[base + SIDE_LAST] = time if number == 0.0 else max(sums[base + SIDE_LAST], time)


@compiled
def _burst(sums: Any, at: int, begins: bool, size: float, time: float) -> None:
    """The burst that this packet continues, or begins, ending the one before."""
    if begins:
        if sums[at + BURST_OPEN_PACKETS] > 0.0:
            payload = sums[at + BURST_OPEN_BYTES]
            period = max(time - sums[at + BURST_START], 0.0)
            sums[at + BURST_COUNT] += 1.0
            sums[at + BURST_BYTES] += payload
            sums[at + BURST_SQUARE] += payload * payload
            sums[at + BURST_PACKETS] += sums[at + BURST_OPEN_PACKETS]
            sums[at + BURST_PERIOD] += period
            sums[at + BURST_PERIOD_SQUARE] += period * period
        sums[at + BURST_START] = time
        sums[at + BURST_OPEN_BYTES] = 0.0
        sums[at + BURST_OPEN_PACKETS] = 0.0
    sums[at + BURST_OPEN_BYTES] += size
    sums[at + BURST_OPEN_PACKETS] += 1.0


@compiled
def _turn(sums: Any, counts: Any, side: int, size: float, time: float) -> None:
    """The turn that this packet continues, or begins, ending that of the other side."""
    if sums[OPEN] == side + 1.0:
        sums[OPEN_BYTES] += size
        sums[OPEN_PACKETS] += 1.0
        return
    if sums[OPEN] != 0.0:
        _end_turn(sums, 1 - side)
        delay = max(time - sums[DATA_LAST], 0.0)
        if side == 1:
            sums[RESPONSES] += 1.0
            sums[RESPONSE_SUM] += delay
            sums[RESPONSE_SQUARE] += delay * delay
            sums[RESPONSE_MIN] = delay if sums[RESPONSES] == 1.0 else min(sums[RESPONSE_MIN], delay)
            sums[RESPONSE_MAX] = max(sums[RESPONSE_MAX], delay)
            counts[RESPONSE_GAPS + gap_bin(delay)] += 1
        else:
            sums[THINKS] += 1.0
            sums[THINK_SUM] += delay
            sums[THINK_SQUARE] += delay * delay
    if side == 0:
        if sums[SIDES + TURNS] > 0.0:  # a turn up before this one
            _period(sums, max(time - sums[UP_START], 0.0))
        sums[UP_START] = time
    sums[OPEN] = side + 1.0
    sums[OPEN_BYTES] = size
    sums[OPEN_PACKETS] = 1.0


@compiled
def _period(sums: Any, period: float) -> None:
    sums[PERIOD_PRODUCT] += period * sums[PERIOD_BEFORE]
    sums[PERIODS] += 1.0
    sums[PERIOD_SUM] += period
    sums[PERIOD_SQUARE] += period * period
    sums[PERIOD_BEFORE] = period


@inlined
def _alike(payload: float, other: float) -> bool:
    return other > 0.0 and abs(payload - other) <= max(SAME, SAME_SHARE * other)


@compiled
def _end_turn(sums: Any, side: int) -> None:
    """The open turn is over; it was this side's."""
    base = SIDES + side * SIDE
    payload = sums[OPEN_BYTES]
    repeats = _alike(payload, sums[base + TURN_BEFORE])
    exact = payload == sums[base + TURN_BEFORE]
    single = sums[OPEN_PACKETS] == 1.0
    small = single and payload < SMALL
    if sums[base + TURNS] == 0.0:
        sums[base + TURN_FIRST] = payload
    sums[base + TURNS] += 1.0
    sums[base + TURN_BYTES] += payload
    sums[base + TURN_SQUARE] += payload * payload
    sums[base + TURN_BEFORE] = payload
    if repeats:
        sums[base + REPEATS] += 1.0
        sums[base + REPEAT_BYTES] += payload
    if exact:
        sums[base + EXACTS] += 1.0
        sums[base + EXACT_BYTES] = payload
    if single:
        sums[base + SINGLES] += 1.0
    if small:
        sums[base + SMALLS] += 1.0
    if side == 0:
        sums[UP_REPEATS] = 1.0 if repeats else 0.0
        sums[UP_EXACT] = 1.0 if exact else 0.0
    else:
        _end_exchange(sums, payload, small, exact)


@compiled
def _end_exchange(sums: Any, payload: float, small: bool, exact: bool) -> None:
    """A turn down of so many bytes is over, and with it an exchange."""
    if small and sums[UP_REPEATS] == 1.0:
        sums[RUN] += 1.0
        sums[BEATS] += 1.0
        sums[LONGEST] = max(sums[LONGEST], sums[RUN])
    else:
        sums[RUN] = 0.0
    if exact and sums[UP_EXACT] == 1.0:
        sums[STEADY_RUN] += 1.0
        sums[STEADIES] += 1.0
        sums[STEADY_LONGEST] = max(sums[STEADY_LONGEST], sums[STEADY_RUN])
    else:
        sums[STEADY_RUN] = 0.0
    if _alike(payload, sums[SIDES + TURN_BEFORE]):
        sums[MIRRORS] += 1.0
