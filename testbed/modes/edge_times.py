"""When an edge's steps were, as it tells by `--step-times`: joined to the client's own steps.

    before = edge_offset(edge, clock)         # None of an edge that keeps no times
    ...
    turns = joined(turns, prompt, [edge_steps(edge, session) for session in sessions])

It asks over HTTP, beside the sockets whose bytes count, and never while these are counted.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING, Any

from testbed.modes.policies import Reported

if TYPE_CHECKING:
    from testbed.modes.figures import Turn
    from testbed.modes.metering import Step
    from testbed.modes.opening import Offset
    from testbed.modes.programs import Server

PATH = "/v1/steps"
TIMEOUT = 20.0  # seconds of silence
MOST_BYTES = 16 << 20  # of an answer: a step is some 90


@dataclass(frozen=True)
class Times:
    """One step's, by the edge's clock in seconds."""

    came: float
    began: float
    ended: float


def edge_offset(edge: Server, clock: Callable[[], float]) -> Offset | None:
    """The edge's clock less the client's, by the shortest of some exchanges; None of an edge that
    does not tell its clock."""
    from testbed.modes.opening import CLOCK_EXCHANGES, Offset

    found = []
    try:
        with closing(HTTPConnection(edge.host, edge.port, timeout=TIMEOUT)) as wire:
            wire.connect()
            for _ in range(CLOCK_EXCHANGES):
                sent = clock()
                now = _number(_ask(wire, PATH), "now")
                back = clock()
                found.append(Offset(now - (sent + back) / 2, (back - sent) / 2))
    except (OSError, HTTPException, ValueError):
        return None
    return min(found, key=lambda one: one.error)


def edge_steps(edge: Server, session: str) -> dict[int, Times]:
    """By the position after its rows; none where it does not tell."""
    try:
        with closing(HTTPConnection(edge.host, edge.port, timeout=TIMEOUT)) as wire:
            return steps_of(_ask(wire, f"{PATH}?session={session}"))
    except (OSError, HTTPException, ValueError):
        return {}


def steps_of(told: Any) -> dict[int, Times]:
    """What an edge's answer says; ValueError where it is none."""
    steps = told.get("steps") if isinstance(told, dict) else None
    if not isinstance(steps, list):
        raise ValueError("there are no steps")
    return {int(_number(one, "end")): Times(*(_number(one, name) for name in (
        "came", "began", "ended"))) for one in steps}  # of a position that came again, the last


def joined(turns: Sequence[Turn], prompt: int, told: Sequence[Mapping[int, Times]]) -> list[Turn]:
    """All turns, each step with what its sequence's edge told of it; `prompt`: ids of a question.

    A step is the one after whose rows its token stands.
    """
    ends = [0] * len(told)
    found = []
    for turn in turns:
        first, times = ends[turn.sequence] + prompt, told[turn.sequence]
        ends[turn.sequence] = first + len(turn.ids)
        found.append(replace(turn, steps=tuple(
            _with(step, times.get(first + place)) for place, step in enumerate(turn.steps))))
    return found


def _with(step: Step, times: Times | None) -> Step:
    if times is None:
        return step
    # A prompt comes in several frames, and what its earlier ones took is not told.
    computed = times.ended - times.began if step.rows == 1 else None
    return replace(step, server=times.ended - times.came, computed=computed,
                   reported=Reported(times.came, times.ended, computed or 0.0))


def _ask(wire: HTTPConnection, path: str) -> Any:
    wire.request("GET", path)
    answer = wire.getresponse()
    text = answer.read(MOST_BYTES)
    if answer.status != 200 or not answer.isclosed():
        raise ValueError("it does not tell")
    return json.loads(text)


def _number(told: Any, name: str) -> float:
    value: Any = told.get(name) if isinstance(told, dict) else None
    if type(value) not in (int, float) or not math.isfinite(value):
        raise ValueError(f"{name} is no number")
    return float(value)
