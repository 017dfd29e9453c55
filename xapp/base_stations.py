"""Base stations between E2 and the rest of the xApp: what each is, what it is asked, what it says.

    stations = BaseStations(nodes, observer, config, tell)
    heard = stations.take(events, now)       # Ready, Gone, Reported, Answered; and reports observed

Names a base station, guesses its kind unless the operator said it, asks for KPM reports as its kind
bears them, and turns indications into observations. Sans-IO: what is to be sent is in `outbox`,
events of `Nodes` for whoever has the associations. It decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from xapp.actuators.base import E2Control, Function, NodeFacts, functions_of
from xapp.base_stations_config import NodeConfig, RanConfig
from xapp.base_stations_names import Ues, name_of, name_plmn
from xapp.base_stations_reports import Wanted, wanted
from xapp.e2.announced import Announced, Guess, narrowed, read_functions
from xapp.e2.announced import guess as guess_profile
from xapp.e2.common import KPM_OIDS
from xapp.e2.connection_events import (
    ControlAcknowledged,
    ControlFailed,
    FunctionsChanged,
    Garbage,
    Indicated,
    NodeRefused,
    Subscribed,
    SubscriptionRefused,
    Unanswered,
)
from xapp.e2.e2ap_types import Action, Procedure
from xapp.e2.kpm import ConditionReport, read_header
from xapp.e2.kpm_requests import Subscription
from xapp.e2.node import NodeKey, Unit, UnitKey
from xapp.e2.nodes import Happened, NodeAppeared, NodeEvent, NodeLost, Nodes, UnitLost, UnitUp
from xapp.e2.profiles import PROFILES, Profile
from xapp.errors import ConfigurationError, PolicyError, ProtocolError
from xapp.events import Code, Event, error, info, warning
from xapp.observations import CellKey
from xapp.observing import Observer, Source
from xapp.units import Units

_UNITS = {Unit.DU: "du", Unit.CU_CP: "cu_cp", Unit.CU_UP: "cu_up", Unit.WHOLE: "gnb"}
_BY_NAME = {text: unit for unit, text in _UNITS.items()}
MOST_BAD = 3  # indications that cannot be read, told of one subscription; the rest is counted


@dataclass(frozen=True, slots=True)
class Ready:
    """A base station is there, or what it can do has changed."""

    facts: NodeFacts


@dataclass(frozen=True, slots=True)
class Gone:
    name: str


@dataclass(frozen=True, slots=True)
class Reported:
    """Something new was observed of a base station."""

    name: str


@dataclass(frozen=True, slots=True)
class Answered:
    """A control was answered, or never will be."""

    handle: int
    acknowledged: bool
    why: str
    answered: bool = True  # False: no answer came


Heard = Ready | Gone | Reported | Answered


@dataclass
class Station:
    """One base station."""

    name: str
    key: NodeKey
    config: NodeConfig
    since: float
    there: bool = False
    guess: Guess | None = None
    announced: dict[UnitKey, Announced] = field(default_factory=dict)
    functions: dict[UnitKey, tuple[tuple[int, str], ...]] = field(default_factory=dict)
    associations: dict[UnitKey, tuple[int, float]] = field(default_factory=dict)  # and since when
    handles: dict[UnitKey, tuple[int, ...]] = field(default_factory=dict)  # of subscriptions
    asked: dict[UnitKey, tuple[Subscription, ...]] = field(default_factory=dict)
    refused: set[int] = field(default_factory=set)  # of these handles, until they are granted
    bad: int = 0  # indications that could not be read
    shape: tuple[Units, bool] | None = None  # how it reports, and whether its cell has no name
    _profile: Profile | None = None  # None: to be found out; it is asked for with every report

    @property
    def profile(self) -> Profile:
        if self._profile is None:
            if self.config.profile != "auto":
                self._profile = narrowed(PROFILES[self.config.profile], self.joined)
            else:
                self._profile = PROFILES["spec"] if self.guess is None else self.guess.profile
        return self._profile

    def judged(self) -> None:
        """A unit announced something: which kind that makes it."""
        self.guess, self._profile = guess_profile(self.joined), None

    def reports(self, unit: UnitKey) -> bool:
        """Whether a unit was asked for reports, and did not refuse all of them."""
        return any(one not in self.refused for one in self.handles.get(unit, ()))

    def lost(self, unit: UnitKey) -> None:
        for part in (self.associations, self.announced, self.functions):
            part.pop(unit, None)
        self._profile = None

    @property
    def joined(self) -> Announced:
        """What all its units announced."""
        found = list(self.announced.values())
        return Announced(
            tuple(one for part in found for one in part.kpm),
            tuple(one for part in found for one in part.rc),
            tuple(one for part in found for one in part.ccc),
            tuple(one for part in found for one in part.others),
            tuple(one for part in found for one in part.problems),
            any(part.own_models for part in found))


class BaseStations:
    """All base stations."""

    def __init__(self, nodes: Nodes, observer: Observer, config: RanConfig,
                 tell: Callable[[Event], None]) -> None:
        self._nodes, self._observer, self.config, self._tell = nodes, observer, config, tell
        self._stations: dict[NodeKey, Station] = {}
        self._by_name: dict[str, Station] = {}
        self._remotes: set[str] = set()  # nodes whose remote control is connected
        self._sources: dict[int, tuple[Station, Source]] = {}  # by handle of the subscription
        self.outbox: list[NodeEvent] = []

    # What is known.

    @property
    def stations(self) -> tuple[Station, ...]:
        return tuple(self._stations.values())

    def facts(self, name: str) -> NodeFacts | None:
        """A base station as actuators see it; None where it is not there."""
        station = self._by_name.get(name)
        return self._facts(station) if station is not None and station.there else None

    # What happens.

    def take(self, events: Sequence[NodeEvent], now: float) -> list[Heard]:
        """What `Nodes` tells."""
        heard: list[Heard] = []
        for event in events:
            if isinstance(event, Happened):
                heard += self._happened(event, now)
            elif isinstance(event, NodeAppeared):
                self._appeared(event, now)
            elif isinstance(event, UnitUp):
                heard += self._unit_up(event, now)
            elif isinstance(event, UnitLost):
                heard += self._unit_lost(event)
            elif isinstance(event, NodeLost):
                heard += self._lost(event, now)
        return heard

    def remote(self, name: str, connected: bool) -> list[Heard]:
        """A base station's remote control came or went."""
        (self._remotes.add if connected else self._remotes.discard)(name)
        facts = self.facts(name)
        return [] if facts is None else [Ready(facts)]

    def control(self, step: E2Control, now: float) -> int:
        """Ask for an action; its handle. Raises an XappError where it cannot be asked."""
        station = self._by_name.get(step.node)
        if station is None or not station.there:
            raise ConfigurationError(f"{step.node} is not connected.", "Wait until it is back.")
        handle, events = self._nodes.control(station.key, (step.oid,), step.header, step.message,
                                             now, _BY_NAME.get(step.unit))
        self.outbox += events
        return handle

    # Base stations come and go.

    def _appeared(self, event: NodeAppeared, now: float) -> None:
        station = self._stations.get(event.key)
        if station is None:
            name = name_of(event.key)
            station = Station(name, event.key, self.config.of(name), now)
            self._stations[event.key] = self._by_name[name] = station
        station.there, station.since = True, now
        self._tell(info(Code.NODE_UP, f"{station.name} is {'back' if event.again else 'there'}.",
                        station.name))

    def _unit_up(self, event: UnitUp, now: float) -> list[Heard]:
        station = self._stations[event.key]
        station.associations[event.unit] = (event.association, now)
        functions = self._nodes.connections[event.association].functions
        station.functions[event.unit] = tuple(
            (one.id, one.oid.strip("\0 ")) for one in functions.values())
        found = read_functions((one.id, one.oid, one.definition) for one in functions.values())
        first = len(station.announced) == 0
        station.announced[event.unit] = found
        for problem in found.problems:
            self._tell(warning(Code.FUNCTION_UNKNOWN, f"{station.name} {event.unit}: {problem}",
                               station.name))
        self._judge_kind(station)
        cells = self._cells(station)
        shape = station.config.units(station.profile.name), CellKey(station.name, "") in cells
        if first or self._observer.names(station.name) is None or shape != station.shape:
            # A CU-CP that is there before its DU tells neither the kind nor the cells' names.
            self._observer.node_up(station.name, shape[0], cells)
            station.shape = shape
            for unit in [one for one in station.asked if one in station.announced]:
                self._subscribe(station, unit, now)
        for cell, prbs in cells.items():
            self._observer.cell_is(cell, prbs)
            self._observer.neighbours_are(cell, tuple(
                CellKey(station.name, one) for one in station.config.neighbours.get(cell.cell, ())))
        self._subscribe(station, event.unit, now)
        return [Ready(self._facts(station))]

    def _judge_kind(self, station: Station) -> None:
        before = station.guess
        station.judged()
        assert station.guess is not None  # just now
        if station.config.profile != "auto" or (
                before is not None and before.profile.name == station.guess.profile.name):
            return
        said = "; ".join(station.guess.reasons)
        if station.guess.certain:
            self._tell(info(Code.NODE_KIND, f"{station.name} is {station.guess.profile.title}: "
                            f"{said}.", station.name))
        else:
            self._tell(warning(
                Code.NODE_KIND, f"{station.name} is taken for {station.guess.profile.title}: "
                f"{said}. Say what it is under `ran.nodes` in the configuration.", station.name))

    def _unit_lost(self, event: UnitLost) -> list[Heard]:
        station = self._stations[event.key]
        station.lost(event.unit)
        self._tell(warning(Code.UNIT_LOST, f"{station.name} lost its {event.unit}: {event.why}.",
                           station.name))
        return [Ready(self._facts(station))] if station.associations else []

    def _lost(self, event: NodeLost, now: float) -> list[Heard]:
        station = self._stations[event.key]
        station.there, station.since = False, now
        self._observer.node_lost(station.name)
        self._tell(warning(Code.NODE_LOST, f"{station.name} is gone.", station.name))
        return [Gone(station.name)]

    def _cells(self, station: Station) -> dict[CellKey, int | None]:
        """As the operator says, else as CCC names them, else one without a name."""
        names: dict[str, int | None] = dict(station.config.cells)
        if not names:
            names = {f"{cell.cell.cell:09x}": None for _, one in station.joined.ccc
                     for cell in one.cells}
        return {CellKey(station.name, name): prbs for name, prbs in (names or {"": None}).items()}

    def _facts(self, station: Station) -> NodeFacts:
        functions: tuple[Function, ...] = ()
        for unit, announced in station.announced.items():
            functions += functions_of(_UNITS[unit.unit], announced, dict(station.functions[unit]))
        plmn, connected = name_plmn(station.key), station.name in self._remotes
        return NodeFacts(station.name, station.profile, functions,
                         Ues(station.name, self._observer.names), plmn, connected,
                         remote_due=station.config.remote is not None and not connected)

    # Reports.

    def _subscribe(self, station: Station, unit: UnitKey, now: float) -> None:
        """Ask a unit with KPM for reports; what was asked before is renewed by `Nodes`."""
        every = self._wanted(station, station.announced[unit])
        asked = tuple(one.subscription for one in every)
        if station.asked.get(unit) == asked:
            return
        for handle in station.handles.pop(unit, ()):
            self._sources.pop(handle, None)
            station.refused.discard(handle)
            self.outbox += self._nodes.unsubscribe(station.key, handle, now)
        handles = []
        for note in dict.fromkeys(one.note for one, _, _ in every if one.note):
            self._tell(info(Code.STALE_REPORTS, note, station.name))
        for one, cell, snssai in every:
            for definition in one.actions:
                handle, events = self._nodes.subscribe(
                    station.key, KPM_OIDS, one.trigger, Action(1, definition=definition), now,
                    unit.unit)
                self.outbox += events
                handles.append(handle)
                self._sources[handle] = station, Source(
                    station.name, handle, one.measurements, cell, snssai, self.config.period_ms)
        station.handles[unit], station.asked[unit] = tuple(handles), asked

    def _wanted(self, station: Station, announced: Announced) -> list[Wanted]:
        """Subscriptions for a unit; what its kind would not bear is told and left out."""
        found: list[Wanted] = []
        for _, kpm in announced.kpm:
            try:
                found += wanted(station.profile, kpm, station.key.plmn, self._cells(station),
                                self.config)
            except PolicyError as problem:
                self._tell(error(Code.NO_REPORTS, f"{station.name}: {problem}", station.name))
        return found

    def _happened(self, event: Happened, now: float) -> list[Heard]:
        what = event.event
        station = None if event.key is None else self._stations.get(event.key)
        if isinstance(what, Indicated):
            return self._indicated(what, now)
        if isinstance(what, ControlAcknowledged):
            return [Answered(what.handle, True, "")]
        if isinstance(what, ControlFailed):
            return [Answered(what.handle, False, _said(what.cause))]
        if isinstance(what, Unanswered) and what.procedure is Procedure.CONTROL:
            return [Answered(what.handle, False, what.why, answered=False)]
        if isinstance(what, FunctionsChanged) and station is not None and event.unit is not None:
            return self._unit_up(UnitUp(station.key, event.unit, event.association), now)
        name = "" if station is None else station.name
        if isinstance(what, SubscriptionRefused):
            self._refused(what, station, now)
        elif isinstance(what, Subscribed) and station is not None:
            self._granted(what, station)
        elif isinstance(what, Unanswered) and what.procedure is Procedure.SUBSCRIPTION:
            self._tell(warning(Code.NO_REPORTS, f"{name} does not answer a subscription: "
                               f"{what.why}; it is asked again.", name))
        elif isinstance(what, NodeRefused):
            self._tell(warning(Code.NODE_REFUSED, f"A base station was refused: "
                               f"{_said(what.cause)}.", name))
        elif isinstance(what, Garbage) and what.count <= MOST_BAD:
            self._tell(warning(Code.GARBAGE, f"{name or 'A stranger'} sent what is no E2AP: "
                               f"{what.problem}", name))
        return []

    def _refused(self, what: SubscriptionRefused, station: Station | None, now: float) -> None:
        if station is None or what.handle not in self._sources:
            return  # it is not wanted any more
        station.refused.add(what.handle)
        due = self._nodes.asked_again(station.key, what.handle)
        again = "" if due is None else f"; it is asked again in {due - now:.0f} s"
        self._tell(error(Code.NO_REPORTS, f"{station.name} refuses to report: "
                         f"{_said(what.cause)}{again}.", station.name))

    def _granted(self, what: Subscribed, station: Station) -> None:
        if what.handle in station.refused:
            station.refused.discard(what.handle)
            self._tell(info(Code.REPORTS_GRANTED, f"{station.name} reports what it refused before.",
                            station.name))

    def _indicated(self, event: Indicated, now: float) -> list[Heard]:
        known = self._sources.get(event.handle)
        if known is None:
            return []
        station, source = known
        try:
            message = station.profile.kpm.message.decode(event.indication.message)
            start = read_header(event.indication.header).seconds
        except ProtocolError as problem:
            station.bad += 1
            if station.bad <= MOST_BAD:
                self._tell(warning(Code.GARBAGE, f"A report of {station.name} cannot be read: "
                                   f"{problem.problem}", station.name))
            return []
        if isinstance(message, ConditionReport):
            return []  # of style 3, which is never asked for
        new = self._observer.report(source, message, now, event.indication.number, start)
        return [Reported(station.name)] if new else []


def _said(cause: object) -> str:
    return str(getattr(cause, "name", cause)).lower().replace("_", " ")
