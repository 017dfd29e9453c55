"""The columns of a trial, from its steps and counts. Pure; what was not measured is None."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from testbed.experiments.kind import Value
from testbed.modes.agreement import counts_of
from testbed.modes.capture import Captured
from testbed.modes.columns import COLUMNS
from testbed.modes.metering import Step
from testbed.modes.opening import Offset


@dataclass(frozen=True)
class Turn:
    """One answer of one sequence."""

    sequence: int
    turn: int
    ids: tuple[int, ...]
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Far:
    """What the other side counted, in all sequences together."""

    received: float | None = None  # bytes on its sockets
    sent: float | None = None
    pinged: bool = False  # it answers pings, and such an answer may be under way at either end
    packing: float | None = None  # seconds
    steps_seconds: float | None = None  # in steps of the layers that were for tokens, no prompts
    steps_waited: float | None = None  # that these steps' rows had waited there
    steps_count: int | None = None
    load: float | None = None  # seconds
    cpu: float | None = None  # seconds
    peak: float | None = None  # bytes


@dataclass
class Measured:
    """All of a trial."""

    turns: list[Turn]
    seconds: float  # of all answers together
    sent: int | None  # bytes on the client's sockets, without what came before the first question
    received: int | None
    far: Far = field(default_factory=Far)
    captured: Captured | None = None  # None: nobody was allowed to look
    offset: Offset | None = None
    load: float | None = None  # seconds, of the client
    connect: float | None = None
    cpu: float | None = None
    peak: int | None = None  # bytes over what the client's process held before it was opened
    gpu_percent: float | None = None
    gpu_mib: float | None = None
    wanted: Sequence[Sequence[int]] | None = None  # what the model unsplit answers


def figures_of(one: Measured) -> Mapping[str, Value]:
    """The row."""
    prompts = [turn.steps[0] for turn in one.turns if turn.steps]
    tokens = [step for turn in one.turns for step in turn.steps[1:]] or prompts
    count = sum(len(turn.ids) for turn in one.turns)
    found: dict[str, Value] = {column.name: None for column in COLUMNS}
    found |= {
        "first_token_ms": _ms(_median(step.seconds for step in prompts)),
        "token_ms": None if tokens is prompts else _ms(_median(step.seconds for step in tokens)),
        "token_p95_ms": None if tokens is prompts else _ms(
            _quantile([step.seconds for step in tokens], 0.95)),
        "answer_ms": _ms(_median(sum(step.seconds for step in turn.steps) for turn in one.turns)),
        "tokens_per_second": count / one.seconds if one.seconds > 0 else None, "tokens": count,
        "bytes_up": one.sent, "bytes_down": one.received,
        "bytes_total": _sum(one.sent, one.received),
        "prompt_up": _total(prompts, "sent"), "prompt_down": _total(prompts, "received"),
        "up_per_token": None if tokens is prompts else _mean(tokens, "sent"),
        "down_per_token": None if tokens is prompts else _mean(tokens, "received"),
        "load_client_s": one.load, "load_server_s": one.far.load, "connect_ms": _ms(one.connect),
        "cpu_client_s": one.cpu, "cpu_server_s": one.far.cpu, "peak_client_mib": _mib(one.peak),
        "peak_server_mib": _mib(one.far.peak), "gpu_percent": one.gpu_percent,
        "gpu_mib": one.gpu_mib}
    return found | counts_of(one) | _times(one, tokens) | _sameness(one)


def _times(one: Measured, tokens: Sequence[Step]) -> dict[str, Value]:
    """The parts of the middle token: what is not known to be elsewhere was the wire."""
    whole = _median(step.seconds for step in tokens)
    client = _median(step.client for step in tokens)
    server = _median(step.server for step in tokens)
    compute = _median(step.computed for step in tokens)
    far = one.far
    if server is None and far.steps_seconds is not None and far.steps_count:
        compute = far.steps_seconds / far.steps_count
        if far.steps_waited is not None:
            server = compute + far.steps_waited / far.steps_count
    packing = _median(step.packing for step in tokens)
    if packing is not None and far.packing is not None:
        # A step of several sequences is in the turn of each.
        packing += far.packing / max(1.0, sum(
            1 / step.sequences for turn in one.turns for step in turn.steps))
    wire = None
    if whole is not None and client is not None and server is not None and one.sent is not None:
        wire = whole - client - server - (packing or 0.0)
        if wire < 0:  # an edge's mean may be more than the middle token's
            wire = None
    ways = [_ways(step, one.offset) for step in tokens]
    return {
        "client_ms": _ms(client), "server_ms": _ms(server), "compute_ms": _ms(compute),
        "wire_ms": _ms(wire), "serialise_ms": _ms(packing),
        "up_ms": _ms(_median(up for up, _ in ways)), "down_ms": _ms(_median(
            down for _, down in ways)),
        "clock_error_ms": None if one.offset is None else _ms(one.offset.error)}


def _ways(step: Step, offset: Offset | None) -> tuple[float | None, float | None]:
    """Seconds up and down, each between two clocks."""
    if offset is None or step.reported is None:
        return None, None
    ended = step.began + step.exchange
    return (step.reported.whole - offset.seconds - step.began,
            ended - (step.reported.ready - offset.seconds))


def _sameness(one: Measured) -> dict[str, Value]:
    if one.wanted is None:
        return {}
    differing = [place for turn, wanted in zip(one.turns, one.wanted, strict=True)
                 if (place := diverges_at(turn.ids, wanted)) is not None]
    return {"same_tokens": not differing, "diverges_at": min(differing, default=None)}


def diverges_at(ids: Sequence[int], wanted: Sequence[int]) -> int | None:
    """The first token that is another one, or is missing; None where all are the same."""
    both = min(len(ids), len(wanted))
    return next((place for place in range(both) if ids[place] != wanted[place]),
                None if len(ids) == len(wanted) else both)


def step_rows(one: Measured) -> list[dict[str, Any]]:
    """A row for each step."""
    return [{"sequence": turn.sequence, "turn": turn.turn, "step": place, "rows": step.rows,
             "sent": step.sent, "received": step.received, "ms": _ms(step.seconds),
             "exchange_ms": None if step.sent is None else _ms(step.exchange),
             "client_ms": _ms(step.client),
             "serialise_ms": _ms(step.packing), "server_ms": _ms(step.server),
             "compute_ms": _ms(step.computed),
             "wire_ms": None if step.server is None else _ms(
                 step.exchange - step.server - (step.packing or 0.0))}
            for turn in one.turns for place, step in enumerate(turn.steps)]


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _median(values: Iterable[float | None]) -> float | None:
    known = _known(values)
    return statistics.median(known) if known else None


def _quantile(values: Sequence[float], share: float) -> float | None:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))] if values else None


def _total(steps: Sequence[Step], name: str) -> float | None:
    values = _all(steps, name)
    return None if values is None else sum(values)


def _mean(steps: Sequence[Step], name: str) -> float | None:
    values = _all(steps, name)
    return None if values is None else statistics.fmean(values)


def _all(steps: Sequence[Step], name: str) -> list[float] | None:
    values = [getattr(step, name) for step in steps]
    return values if values and None not in values else None


def _sum(*values: int | None) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1e3


def _mib(count: float | None) -> float | None:
    return None if count is None else count / (1 << 20)
