"""What happens to a cell at its moments: outages, UEs that go and come back, handovers, and more.

    script = Script(config.events)
    for event, begins in script.due(now): ...        # in order of time; `script.next` is when

An event with `seconds` ends after them. Where another of its kind and its place begins before that,
only the later one's end counts. It knows no cell and reads no clock: `perform` hands an event to
whatever carries it out, and says in words what was done.
"""

from __future__ import annotations

import enum
import heapq
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from testbed.ran.mac.channel import ChannelConfig
from testbed.ran.mac.channel import Kind as ChannelKind
from xapp.errors import ConfigurationError

MOST_EVENTS = 10_000  # of a file, and that wait in a run: a control in a loop fills no memory
MOST_BACKHAUL_MS = 1e4  # each way: beyond it nobody waits for an answer


class Kind(enum.Enum):
    """What happens."""

    OUTAGE = "outage"  # of a cell: nothing is sent in it
    LEAVE = "leave"  # a UE is gone, with what waits for it
    RETURN = "return"  # it is there again
    HANDOVER = "handover"  # of a UE, to another cell
    CHANNEL = "channel"  # a UE's radio is another one from now on
    BACKHAUL = "backhaul"  # the way between base station and core loses or delays packets


ENDS = (Kind.OUTAGE, Kind.LEAVE, Kind.BACKHAUL)  # kinds that can end by themselves
OF_UES = (Kind.LEAVE, Kind.RETURN, Kind.HANDOVER, Kind.CHANNEL)


@dataclass(frozen=True)
class EventConfig:
    """One of them."""

    kind: Kind
    at: float = 0.0  # seconds after the cell began; of what is told to a running cell, from then
    seconds: float | None = None  # that an outage, an absence or a loss lasts; None: for good
    ue: str | None = None  # name
    cell: int | None = None  # place in `cells`: of an outage (None: all), where a handover goes
    new_address: bool = True  # who returns has other addresses than before
    channel: ChannelConfig | None = None  # the new one
    loss: float | None = None  # of a backhaul, share of packets; None: all, but 0 with a delay
    delay_ms: float = 0.0  # of a backhaul, each way

    def __post_init__(self) -> None:
        kind = self.kind.value
        if not 0 <= self.at < 1e7 or (self.seconds is not None and not 0 < self.seconds < 1e7):
            raise ConfigurationError(f"A time of {kind} cannot be.",
                                     "`at` is not below 0, `seconds` above it.")
        if self.seconds is not None and self.kind not in ENDS:
            raise ConfigurationError(f"{kind} does not last: it has no `seconds`.",
                                     f"Those have: {', '.join(one.value for one in ENDS)}.")
        if (self.ue is not None) != (self.kind in OF_UES):
            raise ConfigurationError(
                f"{kind} {'needs a UE' if self.ue is None else 'is of no UE'}.",
                "Give `ue` with " + ", ".join(one.value for one in OF_UES) + ".")
        if self.cell is not None and self.kind not in (Kind.OUTAGE, Kind.HANDOVER):
            raise ConfigurationError(f"{kind} is of no cell.", "Leave `cell` out.")
        if self.cell is None and self.kind is Kind.HANDOVER:
            raise ConfigurationError("handover needs a cell.", "Give `cell`, its place in `cells`.")
        if (self.channel is not None) != (self.kind is Kind.CHANNEL):
            raise ConfigurationError(
                f"{kind} {'needs a channel' if self.channel is None else 'has no channel'}.",
                "Give `channel` with kind channel, and with it alone.")
        if self.kind is Kind.BACKHAUL and not (
                0 <= self.lost <= 1 and 0 <= self.delay_ms <= MOST_BACKHAUL_MS):
            raise ConfigurationError(
                f"A loss of {self.lost:g} and a delay of {self.delay_ms:g} ms cannot be.",
                f"Give a share from 0 to 1, and 0 to {MOST_BACKHAUL_MS:g} ms.")

    @property
    def lost(self) -> float:
        """Share of packets that a backhaul loses."""
        if self.loss is not None:
            return self.loss
        return 0.0 if self.delay_ms else 1.0


def check(event: EventConfig, ues: Iterable[str], cells: int, where: str) -> None:
    """Raise unless it names what there is."""
    known = list(ues)
    if event.ue is not None and event.ue not in known:
        raise ConfigurationError(f"{where}.ue: there is no UE {event.ue!r}.",
                                 f"There are {', '.join(known[:12])}.")
    if event.cell is not None and not 0 <= event.cell < cells:
        raise ConfigurationError(f"{where}.cell: {event.cell} is none.",
                                 f"There are 0 to {cells - 1}.")
    if event.channel is not None and event.channel.kind in (ChannelKind.CSV, ChannelKind.KPI):
        raise ConfigurationError(f"{where}.channel: a changed channel is of no file.",
                                 "Give a UE such a channel from the begin.")


class Carrier(Protocol):
    """What carries events out. Each answers in words, or raises `ConfigurationError`."""

    def outage(self, cell: int | None, up: bool) -> str: ...

    def leave(self, ue: str) -> str: ...

    def come_back(self, ue: str, new_address: bool) -> str: ...

    def hand_over(self, ue: str, cell: int) -> str: ...

    def change_channel(self, ue: str, channel: ChannelConfig) -> str: ...

    def backhaul(self, loss: float | None, delay_ms: float) -> str:
        """`loss` None: as configured again."""


def perform(event: EventConfig, begins: bool, carrier: Carrier) -> str:
    """Have it begin, or end; what was done."""
    ue, cell = event.ue or "", event.cell
    if event.kind is Kind.OUTAGE:
        return carrier.outage(cell, not begins)
    if event.kind is Kind.BACKHAUL:
        return carrier.backhaul(event.lost if begins else None, event.delay_ms)
    if event.kind is Kind.LEAVE and begins:
        return carrier.leave(ue)
    if event.kind in (Kind.LEAVE, Kind.RETURN):
        return carrier.come_back(ue, event.new_address)
    if event.kind is Kind.HANDOVER:
        assert cell is not None  # as __post_init__ sees to
        return carrier.hand_over(ue, cell)
    assert event.channel is not None  # the same
    return carrier.change_channel(ue, event.channel)


@dataclass(order=True)
class _Moment:
    at: float
    number: int
    event: EventConfig = field(compare=False)
    begins: bool = field(compare=False)


class Script:
    """Events in order of their times; more may be added while it goes on."""

    def __init__(self, events: Iterable[EventConfig] = ()) -> None:
        self._waiting: list[_Moment] = []
        self._number = 0
        self._ends: dict[tuple[Kind, str | int | None], int] = {}  # the end that counts
        for event in events:
            self.add(event)

    @property
    def next(self) -> float | None:
        """When something is due, or None."""
        return self._waiting[0].at if self._waiting else None

    def add(self, event: EventConfig, now: float = 0.0) -> None:
        """Have it happen `event.at` seconds from `now`."""
        if len(self._waiting) >= MOST_EVENTS:
            raise ConfigurationError("Too many events wait.", f"At most {MOST_EVENTS} can.")
        self._put(now + event.at, event, True)

    def due(self, now: float) -> Iterable[tuple[float, EventConfig, bool]]:
        """What is due at `now`, with its time, and whether it begins or ends there."""
        while self._waiting and self._waiting[0].at <= now:
            moment = heapq.heappop(self._waiting)
            event = moment.event
            kind = Kind.LEAVE if event.kind is Kind.RETURN else event.kind
            place = (kind, event.cell if event.ue is None else event.ue)
            if moment.begins:
                self._ends.pop(place, None)
                if event.seconds is not None:
                    self._ends[place] = self._put(moment.at + event.seconds, event, False)
            elif self._ends.get(place) != moment.number:
                continue  # another one began since, whose end is the one that counts
            else:
                del self._ends[place]
            yield moment.at, event, moment.begins

    def _put(self, at: float, event: EventConfig, begins: bool) -> int:
        self._number += 1
        heapq.heappush(self._waiting, _Moment(at, self._number, event, begins))
        return self._number
