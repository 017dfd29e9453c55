"""A core, and a made-up gNB that speaks E2 to it with the production node end; nothing is real but
the bytes.

The gNB announces what its kind announces, reports what it is asked for in its kind's own layout,
and does what controls say as its kind does it. One UE each is in two slices: the split-LLM one gets
what it is guaranteed, the other takes the rest. What goes wrong is set by the test. The disk is a
list.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from classifier.labels import LLM_SPLIT
from classifier.messages import Labelled, TapStatus
from tests.xapp.e2.e2ap_examples import CU_CP, DU, F1, NG, RIC
from tests.xapp.e2.examples import CCC_DEFINITION, GUAMI, KPM_DEFINITION, QUOTA_PARAMETERS
from tests.xapp.steering_scene import LLM, REST, Station
from xapp.actuators.base import E2Control, RemoteRequest
from xapp.base_stations_config import NodeConfig, RanConfig
from xapp.base_stations_names import name_of
from xapp.core import Core
from xapp.core_config import CoreConfig
from xapp.e2 import ccc
from xapp.e2.common import FunctionName
from xapp.e2.connection_events import ControlAsked, Event, Send, SubscriptionAsked
from xapp.e2.connection_node import NodeConnection
from xapp.e2.e2ap import encode
from xapp.e2.e2ap_causes import RicRequestCause
from xapp.e2.e2ap_identities import GlobalE2NodeId
from xapp.e2.e2ap_messages import ControlRequest, Message, SubscriptionRequest
from xapp.e2.e2ap_types import RanFunction
from xapp.e2.kpm import (
    FUNCTION,
    KPM_V2,
    ActionDefinition,
    CellAction,
    CommonConditionAction,
    IndicationHeader,
    IndicationMessage,
    Report,
    UeReport,
    UeReports,
    ntp_octets,
)
from xapp.e2.measurements import Announced, Measurement, Values
from xapp.e2.node import key_of
from xapp.e2.nodes import Drop, NodeEvent, Nodes, ToPeer
from xapp.e2.profiles import COMMON_MEASUREMENTS, PROFILES, SRSRAN_MEASUREMENTS, Profile
from xapp.e2.rc_function import RC_FUNCTION, ControlAction, ControlStyle, RcFunctionDefinition
from xapp.e2.ue_id import GnbDuUe, GnbUe, UeId
from xapp.events import Code
from xapp.events import Event as Told
from xapp.observations import CellKey, Snssai, UeKey
from xapp.store import Committed
from xapp.store_records import Kind, Left, Record, Sample
from xapp.ue_map import Origin, UeEntry

NODE = name_of(key_of(DU))
CELL = CellKey(NODE, "00066c000")
ADDRESS = "10.45.0.2"
KPM_OID, RC_OID = "1.3.6.1.4.1.53148.1.2.2.2", "1.3.6.1.4.1.53148.1.1.2.3"
CCC_OID = "1.3.6.1.4.1.53148.1.6.2.4"
# What each kind announces: its measurements, and RC's styles and actions.
ANNOUNCED: dict[str, tuple[tuple[str, ...], tuple[tuple[int, int], ...]]] = {
    "spec": (COMMON_MEASUREMENTS, ((2, 6),)),
    "srsran": (COMMON_MEASUREMENTS + SRSRAN_MEASUREMENTS, ((2, 6), (3, 1))),
    "oai": (("DRB.UEThpDl", "DRB.UEThpUl", "DRB.PdcpSduVolumeDL", "DRB.PdcpSduVolumeUL",
             "RRU.PrbTotDl", "RRU.PrbTotUl"), ((1, 2), (2, 6)))}
EPOCH = 1_700_000_000  # seconds since 1970 when the test's clock shows 0
LEFT = Left()
START = 100.0
ENOUGH = 15  # percent of the cell with which no packets wait


def kpm_function(kind: str, number: int = 2) -> RanFunction:
    names = tuple(Announced(name) for name in ANNOUNCED[kind][0])
    definition = replace(KPM_DEFINITION, reports=tuple(
        replace(style, measurements=names) for style in KPM_DEFINITION.reports or ()))
    return RanFunction(number, FUNCTION.encode(definition), 1, KPM_OID)


def rc_function(kind: str, number: int = 3) -> RanFunction:
    controls = tuple(
        ControlStyle(style, "Control", (ControlAction(
            action, "An action", QUOTA_PARAMETERS if (style, action) == (2, 6) else None),),
            1, 1, None, 1) for style, action in ANNOUNCED[kind][1])
    return RanFunction(number, RC_FUNCTION.encode(RcFunctionDefinition(
        FunctionName("ORAN-E2SM-RC", RC_OID, "RAN Control", 0), controls=controls)), 1, RC_OID)


def ccc_function(number: int = 4) -> RanFunction:
    return RanFunction(number, ccc.write_function(CCC_DEFINITION), 1, CCC_OID)


@dataclass
class Gnb:
    """One unit of a base station, and its radio."""

    kind: str = "spec"
    identity: GlobalE2NodeId = DU
    functions: tuple[RanFunction, ...] = ()
    ues: dict[int, Snssai] = field(default_factory=lambda: {1: LLM, 2: REST})
    answer: str = "ack"  # to controls: ack, refuse, nothing, ack without effect
    accepts: bool = True  # subscriptions
    counting: bool = True
    reports: bool = True
    subscriptions: list[SubscriptionRequest] = field(default_factory=list)
    controls: list[ControlRequest] = field(default_factory=list)
    ppid: int = 72

    def __post_init__(self) -> None:
        self.profile: Profile = PROFILES[self.kind]
        self.station = Station(self.profile)
        self.functions = self.functions or (kpm_function(self.kind), rc_function(self.kind))
        self.end = NodeConnection(self.identity, self.functions, (F1, NG), self.ppid)
        self._number = 0

    def hear(self, event: Event, now: float) -> bytes | None:
        """What is answered to what the RIC asks."""
        if isinstance(event, Send):
            return event.data
        if isinstance(event, SubscriptionAsked):
            if not self.accepts:
                return self.end.refuse_subscription(event.message.request,
                                                    RicRequestCause.ACTION_NOT_SUPPORTED)
            self.subscriptions.append(event.message)
            return self.end.accept_subscription(event.message.request)
        if isinstance(event, ControlAsked):
            self.controls.append(event.message)
            return self._control(event.message)
        return None

    def _control(self, asked: ControlRequest) -> bytes | None:
        if self.answer == "refuse":
            return self.end.fail_control(asked, RicRequestCause.CONTROL_MESSAGE_INVALID)
        if self.answer != "ack without effect":
            oid = next(one.oid for one in self.functions if one.id == asked.function)
            self.station.obey(E2Control(NODE, "du", oid, asked.function, asked.header,
                                        asked.message, ()))
        return None if self.answer == "nothing" else self.end.acknowledge_control(asked)

    def action(self, asked: SubscriptionRequest) -> ActionDefinition:
        return self.profile.kpm.action.decode(asked.details.actions[0].definition or b"")

    def indications(self, now: float) -> list[bytes]:
        """A report of each subscription."""
        start = ntp_octets(int((EPOCH + now) * 1e9))
        header = self.profile.kpm.header.encode(IndicationHeader(
            start[:4] if self.profile.kpm is KPM_V2 else start))
        self._number += 1
        data = []
        for one in self.end.subscriptions:
            message = self.message(one)
            if not isinstance(message, UeReports) or message.ues:
                data.append(self.end.indicate(
                    one.request, one.details.actions[0].id, header,
                    self.profile.kpm.message.encode(message),
                    self._number if self.counting else None))
        return data

    def message(self, asked: SubscriptionRequest) -> IndicationMessage:
        action = self.action(asked).action
        if not isinstance(action, CommonConditionAction):
            assert isinstance(action, CellAction)
            measurements = action.measurements
            return Report((self._values(measurements, None),), measurements)
        wanted = {one.condition.value for one in action.conditions}
        measured = action.action.measurements
        return UeReports(tuple(
            UeReport(self.name(number), Report((self._values(measured, snssai),), measured))
            for number, snssai in self.ues.items()
            if self.kind == "srsran" or octets(snssai) in wanted))

    def name(self, number: int) -> UeId:
        if self.kind == "oai":
            return GnbUe(number + 100, GUAMI, ran_id=number.to_bytes(8))
        return GnbDuUe(number)

    def _values(self, measured: Sequence[Measurement], snssai: Snssai | None) -> Values:
        share = 100 if snssai is None else self.shares()[snssai]
        values = {"RRU.PrbTotDl": share, "RRU.PrbTotUl": share, "DRB.UEThpDl": share * 100,
                  "DRB.UEThpUl": share * 100,
                  "DRB.RlcSduDelayDl": 2000 if share < ENOUGH else 100}  # tenths of a millisecond
        return Values(tuple(values.get(str(one.name)) for one in measured))

    def shares(self) -> dict[Snssai, int]:
        """The split-LLM slice gets its guarantee, and a little where it has none."""
        slices = self.station.slices
        given = max(slices[LLM].minimum, 4, 100 - slices[REST].maximum)
        return {LLM: given, REST: min(100 - given, slices[REST].maximum)}


def octets(snssai: Snssai) -> bytes:
    return bytes((snssai.sst,)) + (b"" if snssai.sd is None else snssai.sd.to_bytes(3))


def ran(kind: str = "spec", profile: str = "", period: int = 500) -> RanConfig:
    return RanConfig((NodeConfig("*", profile or kind, {CELL.cell: 106}),), (LLM, REST), period)


class Scene:
    """The core with one disk, one clock, and as many gNBs as a test opens; it is `Outward`."""

    def __init__(self, kind: str = "spec", config: CoreConfig | None = None, run: int = 1) -> None:
        self.now = START
        self.nodes = Nodes(RIC, 1)
        self.records: list[Record] = []
        self.samples: list[Sample] = []
        self.said: list[Told] = []
        self.remote_calls: list[tuple[int, RemoteRequest]] = []
        self.dropped: list[str] = []
        self.commits = self.takes = True
        self._tickets: list[str] = []
        self._waiting: list[ToPeer] = []
        self.peers: dict[int, Gnb] = {}
        self.config = config or CoreConfig(ran=ran(kind))
        self.core = Core(self.config, self.nodes, self, run)
        self.core.start(LEFT, (), self.now)

    # `Outward`.

    def transmit(self, events: Sequence[NodeEvent]) -> None:
        self._waiting += [one for one in events if isinstance(one, ToPeer)]

    def put(self, what: Record | Sample, ticket: str | None = None) -> bool:
        if not self.takes:
            return False
        if isinstance(what, Record):
            self.records.append(what)
        else:
            self.samples.append(what)
        if ticket is not None and self.commits:
            self._tickets.append(ticket)
        return True

    def ask_remote(self, call: int, step: RemoteRequest) -> None:
        self.remote_calls.append((call, step))

    def say(self, event: Told) -> None:
        self.said.append(event)

    # What happens.

    def open(self, gnb: Gnb) -> int:
        """A unit associates and sets up; the number of its association."""
        number = self.nodes.opened(self.now)
        self.peers[number] = gnb
        self.receive(number, gnb.end.set_up(self.now).data)
        self.pump()
        return number

    def close(self, number: int) -> None:
        del self.peers[number]
        self.apply(self.nodes.closed(number, self.now))
        self.pump()

    def receive(self, number: int, data: bytes) -> None:
        self.apply(self.nodes.receive(number, data, self.peers[number].ppid, self.now))

    def send(self, number: int, message: Message) -> None:
        self.receive(number, encode(message))
        self.pump()

    def apply(self, events: Sequence[NodeEvent]) -> None:
        """As the termination does it."""
        self.transmit(events)
        for event in events:
            if isinstance(event, Drop):
                self.dropped.append(event.why)
        told = [one for one in events if not isinstance(one, ToPeer)]
        if told:
            self.core.node_events(told, self.now)

    def pump(self) -> None:
        """Deliver what is on its way, and what follows from it."""
        while self._waiting or self._tickets:
            tickets, self._tickets = self._tickets, []
            for ticket in tickets:
                self.core.stored(Committed(ticket), self.now)
            waiting, self._waiting = self._waiting, []
            for one in waiting:
                peer = self.peers.get(one.association)
                if peer is None:
                    continue
                for event in peer.end.receive(one.data, one.ppid, self.now):
                    answer = peer.hear(event, self.now)
                    if answer is not None:
                        self.receive(one.association, answer)

    def report(self) -> None:
        """Every gNB reports now."""
        for number, gnb in list(self.peers.items()):
            for data in gnb.indications(self.now) if gnb.reports else ():
                self.receive(number, data)
        self.pump()

    def label(self, confidence: float = 0.95, ended: bool = False, sequence: int = 1) -> None:
        """The tap calls the UE's flow one of a split LLM."""
        self.core.label(Labelled(
            7, LLM_SPLIT, confidence, "first", 1, ADDRESS, "192.0.2.9", 40000, 443, 6, ended,
            tap="tap", sequence=sequence), "tcp://tap", self.now)
        self.pump()

    def tap_lives(self, sequence: int = 0, labels: int = 1, live: int = 1) -> None:
        self.core.label(TapStatus(1, 1.0, 1, 1, 0, 1, live, 0, labels, 0.0, tap="tap",
                                  sequence=sequence), "tcp://tap", self.now)
        self.pump()

    def map(self, kind: str = "spec") -> None:
        """Whose the address is."""
        ue = "oai:1" if kind == "oai" else "du:1"
        self.core.mapped(Origin.FILE, [UeEntry(ADDRESS, UeKey(NODE, ue), LLM)], self.now)

    def wait(self, seconds: float, step: float = 0.5, tap: bool = True) -> None:
        """Time passes, with reports and a tap that says that it lives."""
        end = self.now + seconds
        while self.now < end - 1e-9:
            self.now = min(end, self.now + step)
            if tap and self.core.flows.heard is not None:
                self.tap_lives()
            self.report()
            self.apply(self.nodes.tick(self.now))
            self.core.tick(self.now)
            self.pump()

    def steer(self, gnb: Gnb) -> Gnb:
        """A base station is there, and a flow on it: what leads to a decision."""
        self.map(gnb.kind)
        self.open(gnb)
        self.wait(1.0)
        self.now += 0.1  # so that it is looked at at once
        self.label()
        return gnb

    # What is seen.

    def codes(self) -> list[Code]:
        return [event.code for event in self.said]

    def sentences(self, code: Code) -> list[str]:
        return [event.sentence for event in self.said if event.code is code]

    def of(self, kind: Kind) -> list[Record]:
        return [record for record in self.records if record.kind is kind]

    def ends(self) -> list[str]:
        return [str(record.body["state"]) for record in self.of(Kind.DECISION_ENDED)]


def cu_cp(kind: str = "spec") -> Gnb:
    """A CU-CP of the same base station."""
    return Gnb(kind, CU_CP, (rc_function(kind, 5),), ppid=70)
