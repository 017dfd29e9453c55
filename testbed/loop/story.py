"""What the loop's run comes to: figures of each phase, from token times and the xApp's records.

Pure: it is given all that happened and when the phases began and ended. A token that nobody waited
for any more counts as a wait until the phase's end, so that a stall without an end is seen.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

STALL_SECONDS = 0.5
ENDED = ("confirmed", "unproven")  # states of decisions that stand


@dataclass(frozen=True, slots=True)
class Token:
    """One token at the phone."""

    answer: int
    number: int  # in its answer
    asked: float  # seconds, as `at`
    at: float


@dataclass(frozen=True)
class PhaseFigures:
    """One phase; None is what was not measured."""

    name: str
    seconds: float
    tokens: int
    tokens_per_second: float
    first_token_ms: float | None  # median over answers
    p50_ms: float | None  # between tokens of an answer
    p95_ms: float | None
    p99_ms: float | None
    stalls: int  # waits over half a second
    longest_ms: float | None


def waits(tokens: Sequence[Token], begin: float, end: float) -> list[float]:
    """Seconds between tokens of one answer that came in [begin, end), and the last open wait."""
    found = []
    for before, after in pairwise(tokens):
        if before.answer == after.answer and begin <= after.at < end:
            found.append(after.at - before.at)
        elif before.answer == after.answer and before.at < end <= after.at:
            found.append(end - max(before.at, begin))
    return found


def phase_figures(name: str, tokens: Sequence[Token], begin: float, end: float) -> PhaseFigures:
    """What one phase came to."""
    inside = [one for one in tokens if begin <= one.at < end]
    between = sorted(waits(tokens, begin, end))
    first = [one.at - one.asked for one in inside if one.number == 0]
    return PhaseFigures(
        name, end - begin, len(inside), len(inside) / (end - begin),
        1000 * statistics.median(first) if first else None,
        _quantile(between, 0.5), _quantile(between, 0.95), _quantile(between, 0.99),
        sum(one > STALL_SECONDS for one in between),
        1000 * between[-1] if between else None)


def _quantile(ordered: Sequence[float], share: float) -> float | None:
    """Milliseconds."""
    if not ordered:
        return None
    return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def ratio(value: float | None, base: float | None) -> float | None:
    return value / base if value is not None and base else None


def verdict(phases: Sequence[PhaseFigures],
            decisions: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What congestion did, what steering did, and what was undone."""
    calm, congested, steered, after = phases
    return {
        "decisions": len(decisions),
        "standing": sum(one.get("state") in ENDED for one in decisions),
        "congested_times_calm_p95": ratio(congested.p95_ms, calm.p95_ms),
        "steered_times_calm_p95": ratio(steered.p95_ms, calm.p95_ms),
        "after_times_calm_p95": ratio(after.p95_ms, calm.p95_ms),
        "stalls": {one.name: one.stalls for one in phases}}
