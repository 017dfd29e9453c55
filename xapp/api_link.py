"""What the xApp and the process of its REST API say to each other, as bytes and back.

Each message is its length in four bytes and JSON: one object with a `kind`. Pictures are made of
what every other part of the xApp speaks in, whose keys are no JSON: they travel as lists. It has no
sockets, and knows none of the messages but pictures and policies.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import orjson

from xapp.errors import TransportError
from xapp.events import Level
from xapp.observations import Cell, CellKey, Flow, Load, Observations, Slice, Ue
from xapp.operations import (
    Clock,
    Counts,
    DecisionState,
    Health,
    Modes,
    NodeView,
    Picture,
    PolicyView,
)
from xapp.timings import Times

if TYPE_CHECKING:
    from pydantic import TypeAdapter

MOST_TO_API = 64 << 20  # bytes of a message: a picture of 4,096 UEs and 65,536 flows has some 40 MB
MOST_TO_XAPP = 1 << 20  # a command holds a policy of at most 64 KiB, which JSON may write longer
_LENGTH = struct.Struct("!I")
Message = Mapping[str, Any]


def pack(message: Message, most: int) -> bytes:
    """A message for the link."""
    try:
        data = orjson.dumps(message, option=orjson.OPT_NON_STR_KEYS)
    except (TypeError, RecursionError) as error:
        raise TransportError(f"That cannot be told to the other process: {error}.",
                             "Send plain JSON that is not nested so deeply.") from error
    if len(data) > most:
        raise TransportError(f"{len(data)} bytes are more than the {most} of a message.",
                             "Send less.")
    return _LENGTH.pack(len(data)) + data


class Unpacker:
    """Messages out of bytes as they come."""

    def __init__(self, most: int) -> None:
        self._most, self._buffer = most, bytearray()

    def feed(self, data: bytes) -> Iterator[dict[str, Any]]:
        """All messages that are complete now."""
        self._buffer += data
        while len(self._buffer) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer)
            if length > self._most:
                raise TransportError(f"A message of {length} bytes is announced; {self._most} are "
                                     "the most.", "Both processes have to be of one version.")
            end = _LENGTH.size + length
            if len(self._buffer) < end:
                return
            body = bytes(self._buffer[_LENGTH.size:end])
            del self._buffer[:end]
            yield _object(body)


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise TransportError(f"A message is no JSON: {error}.", _VERSIONS) from error
    if not isinstance(found, dict) or not isinstance(found.get("kind"), str):
        raise TransportError("A message has no kind.", _VERSIONS)
    return found


_VERSIONS = "Both processes have to be of one version."
_NEVER = ("at", "since", "moved")  # of a load, a quota and a UE: when it was


@dataclass(frozen=True, slots=True)
class _Cell:
    """A cell, its slices as a list."""

    key: CellKey
    prbs: int | None
    load: Load
    slices: tuple[Slice, ...]


@dataclass(frozen=True, slots=True)
class _Counts:
    """Counts whose keys are no JSON as a list."""

    plain: tuple[int, int, int, int, int]
    flows_evicted: int
    decisions: Mapping[DecisionState, int]
    events: Mapping[Level, int]
    controls: tuple[tuple[str, str, int], ...]


@dataclass(frozen=True, slots=True)
class _Picture:
    """A picture that is JSON."""

    clock: Clock
    started: float
    health: Health
    modes: Modes
    nodes: tuple[NodeView, ...]
    now: float
    cells: tuple[_Cell, ...]
    ues: tuple[Ue, ...]
    flows: tuple[Flow, ...]
    tap_heard: float | None
    counts: _Counts
    version: str
    loop: Times
    acknowledgement: Times
    effect: Times
    priority: int


def picture_document(picture: Picture) -> Any:
    """A picture for `pack`."""
    seen, counts = picture.observations, picture.counts
    return _Picture(
        picture.clock, picture.started, picture.health, picture.modes, picture.nodes, seen.now,
        tuple(_Cell(one.key, one.prbs, one.load, tuple(one.slices.values()))
              for one in seen.cells.values()),
        tuple(seen.ues.values()), tuple(seen.flows.values()), seen.tap_heard,
        _Counts((counts.indications, counts.indications_lost, counts.labels, counts.labels_lost,
                 counts.labels_bad), counts.flows_evicted, counts.decisions, counts.events,
                tuple((*pair, count) for pair, count in counts.controls.items())),
        picture.version, picture.loop, picture.acknowledgement, picture.effect, picture.priority)


def picture_of(document: Any) -> Picture:
    """The inverse of what `picture_document` and the link made."""
    _restore_never(document)
    found: _Picture = _valid(_adapter(_Picture), document)
    counts = found.counts
    return Picture(
        found.clock, found.started, found.health, found.modes, found.nodes,
        Observations(found.now, {one.key: Cell(
            one.key, one.prbs, one.load, {each.snssai: each for each in one.slices})
            for one in found.cells},
            {one.key: one for one in found.ues}, {one.key: one for one in found.flows},
            found.tap_heard),
        Counts(*counts.plain, counts.decisions, counts.events,
               {(actuator, answer): count for actuator, answer, count in counts.controls},
               counts.flows_evicted),
        found.version, found.loop, found.acknowledgement, found.effect, found.priority)


def _restore_never(document: Any) -> None:
    """What never was is at minus infinity, which JSON has not: it came as null."""
    if not isinstance(document, dict):
        return
    waiting: list[Any] = [document.get("cells"), document.get("ues")]
    while waiting:
        one = waiting.pop()
        if isinstance(one, list):
            waiting += one
        elif isinstance(one, dict):
            for name in _NEVER:
                if name in one and one[name] is None:
                    one[name] = float("-inf")
            waiting += [one.get("load"), one.get("slices")]


def policies_of(document: Any) -> tuple[PolicyView, ...]:
    """A1 policies, which travel as they are."""
    found: tuple[PolicyView, ...] = _valid(_adapter(tuple[PolicyView, ...]), document)
    return found


def _valid(adapter: TypeAdapter[Any], document: Any) -> Any:
    try:
        return adapter.validate_python(document)
    except ValueError as error:
        raise TransportError(f"A message is not as it should be: {str(error)[:200]}.",
                             _VERSIONS) from error


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter  # only the API's process has it

    return TypeAdapter(kind)
