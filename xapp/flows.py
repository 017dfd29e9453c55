"""Labelled flows as taps tell of them: which are under way, whose they are, and what they send.

    table.take(message, "tcp://10.0.0.5:5556", now)
    flows = table.flows(ue_map, now)

A tap speaks of a flow when its label is first known, when it changes and when the flow ends, of a
split model's each ten seconds too; in between, the tap's status is what says that it lasts. So a
flow is heard of whenever its tap is. What may have been lost (gaps in numbers, counts that do not
add up) makes flows of it doubtful: they go unless they are spoken of again. A tap that starts anew
knows nothing of its former flows.

Taps' clocks are not trusted: times are those of arrival. However many flows a tap makes up, a look
costs no more than the limits below allow. It opens nothing and decodes nothing.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from classifier.labels import LLM_SPLIT
from classifier.messages import AddressRates, Gaps, Labelled, Message, TapStatus
from xapp.errors import ConfigurationError
from xapp.flow_ends import FlowEnds, ends_of
from xapp.flow_room import Known, Room, Stretch
from xapp.observations import Flow, Snssai, UeKey
from xapp.ue_map import UeMap

# Stages that rest on a second or more: what a flow sends is not told by its first packets.
TELLING = frozenset({"AFTER_1_S", "AFTER_2_S", "AFTER_10_S", "WINDOW_10_S"})
STRANGER_SECONDS = 1.0  # for which it is not said anew that a flow of nobody known still lasts
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _default_subnets() -> tuple[Network, ...]:
    return subnets("10.45.0.0/16", "10.46.0.0/16", "2001:db8:cafe::/48", "2001:db8:babe::/48")


def subnets(*texts: str) -> tuple[Network, ...]:
    """Networks from text; ConfigurationError names the one that is none."""
    found = []
    for text in texts:
        try:
            found.append(ipaddress.ip_network(text))
        except ValueError as error:
            raise ConfigurationError(f"{text!r} is no network of UEs: {error}.",
                                     "Write `flows.ue_subnets` such as 10.45.0.0/16.") from None
    return tuple(found)


@dataclass(frozen=True, slots=True)
class FlowsConfig:
    """What is remembered, and for how long."""

    ue_subnets: tuple[Network, ...] = field(default_factory=_default_subnets)  # Open5GS's own
    wanted: frozenset[str] = frozenset({LLM_SPLIT})  # labels that are kept when room is short
    most: int = 10_000  # flows; about 1 kB each, and some 3 µs of each look
    most_strangers: int = 2_000  # of these, of no known UE: they await the UE map, or are made up
    most_of_ue: int = 256  # of these, of one UE; a busy phone has some dozens
    most_taps: int = 64  # a sender of made-up tap names gets no further
    linger: float = 15.0  # seconds that a flow is still shown after its end
    doubt: float = 60.0  # seconds until a flow goes whose end may have been lost
    away: float = 300.0  # seconds of a tap's silence after which its flows go


@dataclass(slots=True)
class FlowCounters:
    """Since the start."""

    labels: int = 0
    statuses: int = 0
    lost: int = 0  # messages that taps sent and that never came
    restarts: int = 0  # of taps
    evicted: int = 0  # flows given up because there was no room for them
    refused: int = 0  # messages of more taps than are remembered


@dataclass(slots=True)
class Tap:
    """One tap, as it is heard."""

    name: str  # which tap, and which run of it
    heard: float
    status: TapStatus | None = None
    labels: int = 0  # messages of this run since the last status
    doubt_since: float | None = None  # when something of it was first missed
    gaps: Gaps = field(default_factory=Gaps)
    stretch: Stretch = field(default_factory=Stretch)

    def end_all(self, now: float) -> None:
        """What it told of until now is over: however many flows that is, at once."""
        self.stretch.ended = now
        self.stretch = Stretch()


class FlowTable:
    """Flows of all taps."""

    def __init__(self, config: FlowsConfig = FlowsConfig()) -> None:
        self._config = config
        self._taps: dict[str, Tap] = {}  # by where they are heard
        self._room = Room(config.most, config.most_strangers, config.most_of_ue)
        self.counters = FlowCounters()

    def __len__(self) -> int:
        return len(self._room)

    @property
    def taps(self) -> Mapping[str, Tap]:
        return self._taps

    @property
    def heard(self) -> float | None:
        """When a tap last spoke; None: never."""
        return max((tap.heard for tap in self._taps.values()), default=None)

    def take(self, message: Message, source: str, now: float) -> None:
        """A message that came from the tap at `source`."""
        tap = self._tap(message, source, now)
        if tap is None:
            return
        tap.heard = now
        lost = tap.gaps.saw(message)
        if isinstance(message, TapStatus):
            lost += self._took_status(tap, message)
        elif isinstance(message, AddressRates):
            return  # it says nothing of flows, so that a lost one makes none doubtful
        else:
            self.counters.labels += 1
            tap.labels += 1
            self._took_label(message, tap, source, now)
        self.counters.lost += lost
        if lost and tap.doubt_since is None:
            tap.doubt_since = now

    def _tap(self, message: Message, source: str, now: float) -> Tap | None:
        tap = self._taps.get(source)
        if tap is None:
            if len(self._taps) >= self._config.most_taps:
                self.counters.refused += 1
                return None
            tap = self._taps[source] = Tap(message.tap, now)
        elif tap.name != message.tap:
            self.counters.restarts += 1
            tap.end_all(now)
            tap = self._taps[source] = Tap(message.tap, now)
        return tap

    def _took_status(self, tap: Tap, status: TapStatus) -> int:
        """How many label messages were lost since the status before."""
        self.counters.statuses += 1
        before, tap.status = tap.status, status
        came, tap.labels = tap.labels, 0
        if status.live == 0:
            tap.end_all(tap.heard)
            tap.doubt_since = None
        if before is None:
            return 0
        # Numbers show a gap only with the next message of a topic; the last may be missing.
        missing = status.labels - before.labels - came
        return missing if missing > 0 and tap.doubt_since is None else 0

    def _took_label(self, message: Labelled, tap: Tap, source: str, now: float) -> None:
        key = f"{message.tap or source}/{message.flow}"
        known = self._room.get(key)
        if known is None:
            known = Known(key, message, now, now, source, tap.stretch)
        else:
            known.message, known.heard, known.flow, known.end = message, now, None, None
            known.stretch = tap.stretch
        known.over = now if message.ended else None
        self.counters.evicted += self._room.put(known, message.label in self._config.wanted)

    def flows(self, ue_map: UeMap, now: float) -> dict[str, Flow]:
        """Flows under way and those that ended lately, by key."""
        self.expire(now)
        looked_at = list(self._room)
        for known in looked_at:
            known.flow = self._flow(known, ue_map)
        self.counters.evicted += self._room.settle(looked_at)
        return {known.key: known.flow for known in self._room if known.flow is not None}

    def expire(self, now: float) -> None:
        """Forget what ended a while ago, what is doubtful for too long, and taps that are away."""
        for known in [known for known in self._room if self._is_over(known, now)]:
            self._room.remove(known)
        away = {source for source, tap in self._taps.items()
                if now - tap.heard > self._config.away}
        if away:
            for source in away - {known.source for known in self._room}:
                del self._taps[source]
        for tap in self._taps.values():
            if tap.doubt_since is not None and now - tap.doubt_since > self._config.doubt:
                tap.doubt_since = None  # all that was doubtful is gone or was spoken of again

    def _is_over(self, known: Known, now: float) -> bool:
        ended = known.ended
        if ended is not None:
            return now - ended > self._config.linger
        tap = self._taps.get(known.source)
        if tap is None or now - tap.heard > self._config.away:
            return True
        since = tap.doubt_since
        return since is not None and known.heard <= since and now - since > self._config.doubt

    def _flow(self, known: Known, ue_map: UeMap) -> Flow:
        ended, tap = known.ended, self._taps.get(known.source)
        at = ended if ended is not None else known.heard if tap is None else tap.heard
        address, began = self._ue_end(known, ue_map)
        entry = None if address is None else ue_map.of_address(address)
        ue, snssai = (None, None) if entry is None else (entry.ue, entry.slice)
        before = known.flow
        if before is None or (before.address, before.ue, before.slice) != (address, ue, snssai):
            return self._made(known, at, address, began, ue, snssai)
        if at == before.at or (ue is None and ended is None
                               and 0 < at - before.at < STRANGER_SECONDS):
            return before
        return replace(before, at=at)

    def _made(self, known: Known, at: float, address: str | None, began: bool, ue: UeKey | None,
              snssai: Snssai | None) -> Flow:
        message = known.message
        up, down = _rate(message.up_rate, message), _rate(message.down_rate, message)
        stepping = began and message.label in self._config.wanted and message.stage in TELLING
        return Flow(
            known.key, message.label, message.confidence, known.since, at, ue, address, snssai,
            up_bytes_per_second=up if began else down,
            down_bytes_per_second=down if began else up,
            steps_per_second=1e6 / message.step_us if stepping and message.step_us else None,
            step_bytes=float(message.step_bytes) if stepping and message.step_bytes else None,
            ends=_ends(message, began))

    def _ue_end(self, known: Known, ue_map: UeMap) -> tuple[str | None, bool]:
        """The UE's address, and whether the UE began the flow; None where neither end is one's."""
        message = known.message
        for address, began in ((message.source, True), (message.destination, False)):
            if ue_map.of_address(address) is not None:
                return address, began
        if message.teid_up and (tunnel := ue_map.address_of_tunnel(message.teid_up)) is not None:
            return tunnel, tunnel != message.destination
        if known.end is None:  # networks do not change, and text is slow to read
            known.end = next(((address, began) for address, began in (
                (message.source, True), (message.destination, False)) if self._is_ues(address)),
                (None, True))
        return known.end

    def _is_ues(self, address: str) -> bool:
        parsed = ipaddress.ip_address(address)
        return any(parsed in network for network in self._config.ue_subnets
                   if network.version == parsed.version)


def _rate(told: int, message: Labelled) -> float | None:
    """Bytes a second, where the message rests on long enough to tell."""
    return float(told) if told and message.stage in TELLING else None


def _ends(message: Labelled, began: bool) -> FlowEnds | None:
    """The 5-tuple, the UE's side first."""
    ue, peer = (message.source, message.source_port), (message.destination,
                                                       message.destination_port)
    return ends_of(message.protocol, *(ue if began else peer), *(peer if began else ue))
