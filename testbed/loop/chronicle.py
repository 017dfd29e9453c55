"""A run's story as events in order of time: what a person would tell of it, each with its figure.

Pure; it is asked again and again while a run goes on, so that what it has told stays told: events
are only added. What did not happen is not in it.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from classifier.labels import LLM_SPLIT
from testbed.loop.settings import LLM, PHASES
from testbed.loop.story import Token

STALL_TIMES = 2.0  # over the calm median: from here on tokens are told to be held up
IN_A_ROW = 5  # waits, so that one late token is no event


class What(enum.StrEnum):
    """Kinds of events, in the order in which the story has them."""

    BASELINE = "baseline"
    CONGESTION = "congestion"
    STALL = "stall"
    LABEL = "label"
    MOVE = "flow moves"  # into another slice, in an emulator
    STEER = "steer"
    FLOW = "flow"
    CONGESTION_ENDS = "congestion ends"
    PUT_AWAY = "put away"
    RELEASE = "release"


@dataclass(frozen=True)
class Event:
    """Something that happened."""

    at: float  # seconds since the first phase began
    what: What
    text: str


@dataclass(frozen=True)
class Facts:
    """What is known of a run so far. Times as in events."""

    tokens: Sequence[Token]
    labels: Sequence[Mapping[str, Any]]  # messages with `heard` by the run's time
    cell_quotas: Sequence[tuple[float, Mapping[str, Any]]]
    base: int  # percent that the model's slice is guaranteed by configuration
    calm_until: float  # the first phase's end
    congestion_at: float | None
    congestion_end: float | None
    put_away_at: float | None  # the phone
    load: str  # in words
    moves: Sequence[tuple[float, str]] = ()  # flows that reports showed in another slice


def chronicle(facts: Facts) -> list[Event]:
    """All events, in order of time."""
    found = [Event(0.0, What.BASELINE, f"{PHASES[0]}: the phone has the cell for itself")]
    if facts.congestion_at is not None:
        found.append(Event(facts.congestion_at, What.CONGESTION, f"the crowd comes: {facts.load}"))
    if facts.congestion_end is not None:
        found.append(Event(facts.congestion_end, What.CONGESTION_ENDS, "the crowd goes"))
    if facts.put_away_at is not None:
        found.append(Event(facts.put_away_at, What.PUT_AWAY, "the phone's flow has ended"))
    found.extend(_labels(facts))
    found.extend(Event(at, What.MOVE, f"the emulator moves flow {flow} into slice {LLM}, which no "
                       "real network does") for at, flow in facts.moves)
    found.extend(_quotas(facts))
    found.extend(_waits(facts, found))
    return sorted(found, key=lambda one: one.at)


def _labels(facts: Facts) -> Iterator[Event]:
    """The first right label of each flow."""
    seen = set()
    for one in facts.labels:
        if one["label"] == LLM_SPLIT and one["flow"] not in seen:
            seen.add(one["flow"])
            yield Event(one["heard"], What.LABEL, f"the classifier calls the flow from "
                        f"{one['source']}:{one['source_port']} {LLM_SPLIT} "
                        f"({100 * one['confidence']:.0f} % sure, by {_stage(one['stage'])})")


def _stage(name: str) -> str:
    """What a label rests on, in words: PACKETS_5, AFTER_100_MS."""
    kind, _, rest = name.partition("_")
    if kind == "PACKETS":
        return f"{rest} packets"
    number, _, unit = rest.partition("_")
    return f"its {'first' if kind == 'AFTER' else 'last'} {number} {unit.lower()}"


def _quotas(facts: Facts) -> Iterator[Event]:
    """The model's slice has more than by configuration; and no more of it."""
    before = facts.base
    for at, shares in facts.cell_quotas:
        now = int((shares.get(LLM) or {}).get("minimum", 0))
        if now > facts.base and now != before:
            yield Event(at, What.STEER, f"the cell guarantees slice {LLM} {now} % of its "
                        f"resource blocks, {before} % before")
        elif now <= facts.base < before:
            yield Event(at, What.RELEASE, f"slice {LLM} is back at {now} %, from {before} %")
        before = now


def _waits(facts: Facts, known: Sequence[Event]) -> Iterator[Event]:
    """Tokens are held up under congestion; and come again once somebody steers."""
    waits = [(after.at, after.at - before.at) for before, after in pairwise(facts.tokens)
             if before.answer == after.answer]
    calm = sorted(wait for at, wait in waits if 0 <= at < facts.calm_until)
    if not calm or facts.congestion_at is None:
        return
    limit = STALL_TIMES * calm[len(calm) // 2]
    held = _first(waits, facts.congestion_at, lambda wait: wait > limit)
    if held is None:
        return
    yield Event(held[0], What.STALL, f"tokens wait: {1000 * held[1]:.0f} ms from one to the next, "
                f"{1000 * calm[len(calm) // 2]:.0f} ms before")
    steered = next((one.at for one in known if one.what is What.STEER and one.at > held[0]), None)
    end = facts.congestion_end
    if steered is None or (end is not None and steered > end):
        return
    flow = _first(waits, steered, lambda wait: wait <= limit)
    if flow is not None and (end is None or flow[0] <= end):
        yield Event(flow[0], What.FLOW,
                    f"tokens flow: {1000 * flow[1]:.0f} ms from one to the next")


def _first(waits: Sequence[tuple[float, float]], begin: float, fits: Any,
           ) -> tuple[float, float] | None:
    """When several waits on end fit for the first time since `begin`, and their median."""
    row: list[float] = []
    for at, wait in waits:
        row = [*row, wait] if at >= begin and fits(wait) else []
        if len(row) == IN_A_ROW:
            return at, sorted(row)[IN_A_ROW // 2]
    return None
