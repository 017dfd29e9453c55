"""An OSC near-RT RIC made up for tests: what its services say, with a gNB of real E2 behind it.

It answers calls as the subscription manager, the E2 manager and the application manager do, gives
subscriptions request ids of its own, and carries E2AP between the gNB and whoever has a RAN name.
It has no sockets: a test carries calls, notifications and RMR messages, in the order that it likes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from tests.xapp.core_scene import Gnb
from tests.xapp.e2.e2ap_examples import F1, NG, RIC
from xapp.e2.e2ap import decode, encode
from xapp.e2.e2ap_components import ComponentAck
from xapp.e2.e2ap_messages import (
    ControlAcknowledge,
    E2SetupResponse,
    Indication,
    SubscriptionDeleteRequest,
    SubscriptionDetails,
    SubscriptionFailure,
    SubscriptionRequest,
)
from xapp.e2.e2ap_types import Action, FunctionRevision, RequestId
from xapp.ric.osc_messages import (
    ALARM,
    CONTROL,
    CONTROL_ACKNOWLEDGE,
    CONTROL_FAILURE,
    INDICATION,
    METRICS,
    Answer,
    Call,
    RmrMessage,
)

RAN = "gnbd_001_001_00019b_0"
SUBMGR, FIRST_E2 = 123, 17


@dataclass
class MadeRic:
    """One RIC with one base station."""

    gnb: Gnb = field(default_factory=Gnb)
    name: str = RAN
    connected: bool = True
    since: int = 1
    status: int = 0  # that the subscription manager answers with, where it is not well
    manager_status: int = 0  # the same of the E2 manager
    failure: dict[str, str] | None = None  # what notifications say went wrong
    notifications: list[bytes] = field(default_factory=list)  # to be sent
    messages: list[RmrMessage] = field(default_factory=list)  # to be sent over RMR
    asked: list[dict[str, Any]] = field(default_factory=list)
    kept: dict[str, RequestId] = field(default_factory=dict)  # by the manager's own id
    registrations: list[dict[str, Any]] = field(default_factory=list)
    deregistrations: list[dict[str, Any]] = field(default_factory=list)
    policies: list[RmrMessage] = field(default_factory=list)  # answers and queries of A1
    alarms: list[dict[str, Any]] = field(default_factory=list)
    metrics: list[dict[str, Any]] = field(default_factory=list)
    now: float = 0.0

    def __post_init__(self) -> None:
        self._e2 = FIRST_E2
        self._same: dict[bytes, str] = {}  # questions and what they were called
        self.set_up()

    def set_up(self) -> None:
        """As the E2 termination has it: the gNB is accepted, and has no subscriptions."""
        self.gnb.end.set_up(self.now)
        accepted = tuple(FunctionRevision(one.id, one.revision) for one in self.gnb.functions)
        components = tuple(ComponentAck(one.interface, one.id) for one in (F1, NG))
        self.gnb.end.receive(encode(E2SetupResponse(0, RIC, accepted, (), components)), 72,
                             self.now)

    # HTTP.

    def call(self, call: Call) -> Answer:
        status, body = self.http(call.method, "/" + call.url.split("/", 3)[3], call.body or b"")
        return Answer(status, body)

    def http(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        """What a service answers."""
        if path.startswith("/v1/nodeb/"):
            return self._manager(path.rsplit("/", 1)[1])
        if path.startswith("/ric/v1/subscriptions"):
            if self.status:
                return self.status, b"{}"
            return (self._subscribe(body) if method == "POST"
                    else self._delete(path.rsplit("/", 1)[1]))
        made = json.loads(body)
        (self.registrations if path == "/ric/v1/register" else self.deregistrations).append(made)
        return 201, b""

    def _manager(self, name: str) -> tuple[int, bytes]:
        if self.manager_status:
            return self.manager_status, b"{}"
        status = "CONNECTED" if self.connected else "DISCONNECTED"
        identity = {"plmnId": "00F110", "nbId": f"{411:022b}"}
        if name == "states":
            return 200, json.dumps([{"inventoryName": self.name, "globalNbId": identity,
                                     "connectionStatus": status}]).encode()
        if name != self.name:
            return 404, b"{}"
        functions = []
        for one in self.gnb.functions:
            functions.append({"ranFunctionId": one.id, "ranFunctionRevision": one.revision,
                              "ranFunctionOid": one.oid,
                              "ranFunctionDefinition": one.definition.hex()})
        return 200, json.dumps({
            "ranName": name, "connectionStatus": status, "globalNbId": identity,
            "nodeType": "GNB", "gnb": {"ranFunctions": functions, "gnbType": "GNB"},
            "setupFromNetwork": True, "statusUpdateTimeStamp": str(self.since)}).encode()

    def _subscribe(self, body: bytes) -> tuple[int, bytes]:
        """The notification is there before the answer is."""
        asked = json.loads(body)
        self.asked.append(asked)
        known = asked.pop("SubscriptionId", None)
        text = json.dumps(asked, sort_keys=True).encode()
        if known is not None and known not in self.kept and self._same.get(text) != known:
            return 404, b""
        name = known or self._same.get(text) or f"rest{len(self._same) + 1}"
        self._same[text] = name
        ours = asked["SubscriptionDetails"][0]["XappEventInstanceId"]
        if name not in self.kept and self.failure is None:
            self._place(name, asked)
        said: dict[str, Any] = {"XappEventInstanceId": ours, "E2EventInstanceId": 0}
        if name in self.kept:
            said["E2EventInstanceId"] = self.kept[name].instance
        else:
            said |= self.failure or {"ErrorCause": "refused", "ErrorSource": "E2Node"}
        self.notifications.append(json.dumps(
            {"SubscriptionId": name, "SubscriptionInstances": [said]}).encode())
        return 201, json.dumps({"SubscriptionId": name, "SubscriptionInstances": None}).encode()

    def _place(self, name: str, asked: dict[str, Any]) -> None:
        """At the gNB, under a request id of the manager's."""
        request, self._e2 = RequestId(SUBMGR, self._e2), self._e2 + 1
        details = asked["SubscriptionDetails"][0]
        actions = tuple(Action(one["ActionID"], definition=bytes(one["ActionDefinition"]))
                        for one in details["ActionToBeSetupList"])
        answers = self._at_gnb(encode(SubscriptionRequest(
            request, asked["RANFunctionID"],
            SubscriptionDetails(bytes(details["EventTriggers"]), actions))))
        if not any(isinstance(decode(one), SubscriptionFailure) for one in answers):
            self.kept[name] = request

    def _delete(self, name: str) -> tuple[int, bytes]:
        request = self.kept.pop(name, None)
        if request is None:
            return 404, b""
        for text in [text for text, one in self._same.items() if one == name]:
            del self._same[text]
        self._at_gnb(encode(SubscriptionDeleteRequest(request, 2)))
        return 204, b""

    def _at_gnb(self, data: bytes) -> list[bytes]:
        found = []
        for event in self.gnb.end.receive(data, 72, self.now):
            answer = self.gnb.hear(event, self.now)
            if answer is not None:
                found.append(answer)
        return found

    # RMR.

    def active(self) -> set[tuple[int, str]]:
        """The alarms that the alarm manager would show."""
        found: set[tuple[int, str]] = set()
        for one in self.alarms:
            identity = one["specificProblem"], one["identifyingInfo"]
            if one["AlarmAction"] == "RAISE":
                found.add(identity)
            elif one["AlarmAction"] == "CLEAR":
                found.discard(identity)
            else:
                found.clear()
        return found

    def rmr(self, message: RmrMessage) -> None:
        """A message of the xApp's."""
        if message.type in (ALARM, METRICS):
            assert bool(message.to) is (message.type == ALARM)
            (self.alarms if message.type == ALARM else self.metrics).append(
                json.loads(message.payload))
            return
        if message.type != CONTROL:
            self.policies.append(message)
            return
        assert message.meid == self.name
        for answer in self._at_gnb(message.payload):
            good = isinstance(decode(answer), ControlAcknowledge)
            self.messages.append(RmrMessage(CONTROL_ACKNOWLEDGE if good else CONTROL_FAILURE,
                                            answer, self.name))

    def report(self) -> None:
        """The gNB indicates everything that is subscribed to."""
        for data in self.gnb.indications(self.now):
            indication = decode(data)
            assert isinstance(indication, Indication)
            self.messages.append(RmrMessage(INDICATION, data, self.name,
                                            indication.request.instance))

    def restart(self) -> None:
        """The gNB was away between two looks: it has no subscriptions any more."""
        self.gnb = Gnb(self.gnb.kind)
        self.since += 1
        self.set_up()
        for name in list(self.kept):
            del self.kept[name]
        self._same.clear()
