"""Where one flow's packets are a split model at work: prefill, decode and pauses, turn by turn.

In decode a split model is a metronome: one row of constant size goes up, one small answer of
constant size comes down, and again. Before it a train of rows goes up, the prompt: prefill.
Encrypted or not makes no difference, since only sizes, directions and times count. Pure arithmetic
on arrays; it knows neither captures nor flows.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

TOLERANCE = 0.04  # sizes this close are the same: TLS records and control frames vary a little
SLACK = 16  # bytes beside it, for small ones: a WebSocket ping that went along
LEAST_BEATS = 8  # fewer exchanges in a row are no metronome
LEAST_SHARE = 0.3  # of all exchanges must keep the beat; a prompt whose rows come back keeps none
LEAST_RUN = 3  # exchanges in a row that make a decode, once the flow is known to have one
LEAST_PROMPT = 1.8  # rows; other loops of requests keep a beat as well, but send no prompt before
LEAST_ROW = 100  # bytes: no model's row is smaller
STUMBLES = 2  # exchanges off the beat in a row that a decode survives: a resend, a ping
PAUSE = 1.0  # seconds of silence, at least, that end a decode
PAUSE_PERIODS = 25.0  # silence of so many periods ends one too, where periods are long


class Phase(IntEnum):
    SETUP = 0  # connecting, shaking hands, and whatever else is no model
    PREFILL = 1  # the prompt's rows go up; ends with the answer's first token
    DECODE = 2  # a row up, a token down
    PAUSE = 3  # nobody computes: the person reads or thinks


@dataclass(frozen=True)
class Span:
    """One phase; bytes are payload."""

    phase: Phase
    start: int  # nanoseconds since 1970
    end: int
    turn: int  # from 1; a pause belongs to the turn before it, setup to none: 0
    up: int
    down: int
    tokens: int  # that came down in it

    @property
    def seconds(self) -> float:
        return (self.end - self.start) / 1e9


@dataclass(frozen=True)
class Session:
    """A flow taken apart."""

    spans: tuple[Span, ...]
    row: int  # payload bytes up for one token, the usual
    answer: int  # payload bytes down for one token, the usual
    share: float  # of exchanges that keep the beat
    period: float  # seconds from token to token, median
    token_times: NDArray[np.int64]  # when each token had come down
    turned: bool = False  # the capture began with the edge's packet: down is the phone's way

    @property
    def tokens(self) -> int:
        return sum(span.tokens for span in self.spans)

    @property
    def turns(self) -> int:
        return max((span.turn for span in self.spans), default=0)

    @property
    def rate(self) -> float:
        """Tokens a second while decoding; NaN where nothing was decoded."""
        decodes = [span for span in self.spans if span.phase == Phase.DECODE]
        seconds = sum(span.seconds for span in decodes)
        return sum(span.tokens for span in decodes) / seconds if seconds else float("nan")


@dataclass(frozen=True)
class _Bursts:
    """Data of one direction without data of the other in between."""

    up: NDArray[np.bool_]
    bytes: NDArray[np.int64]
    start: NDArray[np.int64]
    end: NDArray[np.int64]


def session_of(
    time: NDArray[np.int64], size: NDArray[np.int64], need_prompt: bool = True
) -> Session | None:
    """Take a flow apart; None where it has no metronome in it.

    `time` in nanoseconds; `size` payload bytes, above 0 up and below 0 down, 0 without payload.
    Without a prompt before any decode it is another loop of requests, or a capture that began too
    late; `need_prompt=False` takes it all the same.
    """
    order = np.argsort(time[size != 0], kind="stable")
    time, size = time[size != 0][order], size[size != 0][order].astype(np.int64)
    if len(time) < 2 * LEAST_BEATS:
        return None
    found = _session_of(time, size, need_prompt)
    if found is None:
        turned = _session_of(time, -size, need_prompt)
        found = None if turned is None else replace(turned, turned=True)
    return found


def _session_of(
    time: NDArray[np.int64], size: NDArray[np.int64], need_prompt: bool
) -> Session | None:
    bursts = _bursts(time, size)
    row, answer = _beat(bursts)
    if row < LEAST_ROW or answer <= 0 or answer > 1.5 * row:
        return None
    bursts = _without_control(bursts, row, answer)
    beats = _beats(bursts, row, answer)
    exchanges = int(np.count_nonzero(bursts.up[:-1] & ~bursts.up[1:]))
    if len(beats) < LEAST_BEATS or len(beats) < LEAST_SHARE * exchanges:
        return None
    period = float(np.median(np.diff(bursts.end[beats + 1]))) / 1e9
    runs = _runs(bursts, beats, period)
    if not runs:
        return None
    spans, tokens = _spans(bursts, runs, answer)
    whole = _filled(spans, time, size)
    prompt = max((span.up for span in whole if span.phase == Phase.PREFILL), default=0)
    if need_prompt and prompt < LEAST_PROMPT * row:
        return None
    return Session(tuple(whole), row, answer, len(beats) / exchanges, period,
                   np.array(tokens, np.int64))


def _bursts(time: NDArray[np.int64], size: NDArray[np.int64]) -> _Bursts:
    up = size > 0
    silent = np.diff(time) > PAUSE * 1e9
    begins = np.flatnonzero(np.concatenate([[True], (up[1:] != up[:-1]) | silent]))
    ends = np.concatenate([begins[1:], [len(time)]]) - 1
    return _Bursts(up[begins], np.add.reduceat(np.abs(size), begins), time[begins], time[ends])


def _same(sizes: NDArray[np.int64], usual: int) -> NDArray[np.bool_]:
    return np.abs(sizes - usual) <= max(SLACK, TOLERANCE * usual)


def _usual(sizes: NDArray[np.int64]) -> int:
    """The size that most others are close to."""
    if not len(sizes):
        return 0
    values, counts = np.unique(sizes, return_counts=True)
    return int(values[np.argmax(counts)])


def _beat(bursts: _Bursts) -> tuple[int, int]:
    """The usual sizes of an exchange: up, and down after it."""
    first = np.flatnonzero(bursts.up[:-1] & ~bursts.up[1:])
    row = _usual(bursts.bytes[first])
    return row, _usual(bursts.bytes[first[_same(bursts.bytes[first], row)] + 1])


def _without_control(bursts: _Bursts, row: int, answer: int) -> _Bursts:
    """Pings and their like taken out, and what they parted joined again."""
    least = np.where(bursts.up, 0.5 * row, 0.6 * answer)
    keep = bursts.bytes >= least
    up, size = bursts.up[keep], bursts.bytes[keep]
    start, end = bursts.start[keep], bursts.end[keep]
    joined = (up[1:] == up[:-1]) & (start[1:] - end[:-1] <= PAUSE * 1e9)
    begins = np.flatnonzero(np.concatenate([[True], ~joined]))
    ends = np.concatenate([begins[1:], [len(up)]]) - 1
    return _Bursts(up[begins], np.add.reduceat(size, begins), start[begins], end[ends])


def _beats(bursts: _Bursts, row: int, answer: int) -> NDArray[np.int64]:
    """Where a row goes up and an answer comes down: indices of the rows."""
    pair = bursts.up[:-1] & ~bursts.up[1:]
    return np.flatnonzero(pair & _same(bursts.bytes[:-1], row) & _same(bursts.bytes[1:], answer))


def _runs(bursts: _Bursts, beats: NDArray[np.int64], period: float) -> list[tuple[int, int]]:
    """Decodes: first and last beat of each, as indices of bursts."""
    silence = max(PAUSE, PAUSE_PERIODS * period) * 1e9
    apart = np.diff(beats) > 2 * (STUMBLES + 1)
    quiet = bursts.start[beats[1:]] - bursts.end[beats[:-1] + 1] > silence
    # A train of several rows in one burst is the next prompt, however soon it comes.
    usual = int(np.median(bursts.bytes[beats]))
    prompt = np.array([bool(np.any(bursts.up[a + 2:b] & (bursts.bytes[a + 2:b] > 1.6 * usual)))
                       for a, b in itertools.pairwise(beats)], bool)
    cut = np.flatnonzero(apart | quiet | prompt)
    edges = np.concatenate([[0], cut + 1, [len(beats)]])
    return [(int(beats[a]), int(beats[b - 1])) for a, b in itertools.pairwise(edges)
            if b - a >= LEAST_RUN and np.diff(edges).max() >= LEAST_BEATS]


def _spans(
    bursts: _Bursts, runs: list[tuple[int, int]], answer: int
) -> tuple[list[Span], list[int]]:
    """Prefill and decode of each run, and when tokens came; bytes are filled in later."""
    spans: list[Span] = []
    times: list[int] = []
    before = -1  # last burst of the run before
    for turn, (first, last) in enumerate(runs, 1):
        begin = _prefill_begin(bursts, first, before)
        downs = np.arange(begin, last + 2)
        downs = downs[~bursts.up[downs] & _same(bursts.bytes[downs], answer)]
        ahead = downs[downs < first]
        if begin < first:
            end = int(bursts.end[ahead[0]]) if len(ahead) else int(bursts.start[first])
            spans.append(Span(Phase.PREFILL, int(bursts.start[begin]), end, turn, 0, 0,
                              min(1, len(ahead))))
        else:
            end = int(bursts.start[first])
        inside = int(np.count_nonzero(bursts.end[downs] > end))
        spans.append(Span(Phase.DECODE, end, int(bursts.end[last + 1]), turn, 0, 0, inside))
        times += [int(moment) for moment in bursts.end[downs]]
        before = last + 1
    return spans, times


def _prefill_begin(bursts: _Bursts, first: int, before: int) -> int:
    """The burst with which the prompt begins that leads to the run at `first`."""
    begin = first
    if begin - 1 > before and not bursts.up[begin - 1]:
        begin -= 1  # the first token, which is the prompt's result
    while begin - 1 > before and bursts.up[begin - 1]:
        begin -= 1  # rows; long ones in several pieces
    return begin if bursts.up[begin] else first


def _filled(
    spans: list[Span], time: NDArray[np.int64], size: NDArray[np.int64]
) -> list[Span]:
    """Every moment in a phase: setup before the first, pauses between; with their bytes."""
    whole: list[Span] = []
    at, turn = int(time[0]), 0
    for span in spans:
        if span.start > at:
            gap = Phase.PAUSE if turn else Phase.SETUP
            whole.append(Span(gap, at, span.start, turn, 0, 0, 0))
        whole.append(span)
        at, turn = span.end, span.turn
    if int(time[-1]) > at:
        whole.append(Span(Phase.PAUSE, at, int(time[-1]), turn, 0, 0, 0))
    edges = np.searchsorted(time, [span.start for span in whole] + [int(time[-1]) + 1])
    result = []
    for span, a, b in zip(whole, edges[:-1], edges[1:], strict=True):
        part = size[a:b]
        result.append(Span(span.phase, span.start, span.end, span.turn,
                           int(part[part > 0].sum()), int(-part[part < 0].sum()), span.tokens))
    return result
