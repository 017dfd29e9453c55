"""What goes to an OSC near-RT RIC and comes from it, as small frozen dataclasses and JSON.

RMR messages have a type, a RAN name (meid) and a subscription id; calls are HTTP requests that
somebody else makes. Every answer of the RIC is read with caps, and what it should not say raises
ProtocolError. It keeps no state.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from xapp.e2.e2ap_messages import SubscriptionRequest
from xapp.e2.e2ap_types import ActionType
from xapp.e2.nodes import NodeEvent
from xapp.errors import ProtocolError
from xapp.events import Event
from xapp.ric.osc_config import OscConfig

# RMR's message types.
HEALTH_REQUEST, HEALTH_RESPONSE = 100, 101
ALARM, METRICS = 110, 120
CONTROL, CONTROL_ACKNOWLEDGE, CONTROL_FAILURE, INDICATION = 12040, 12041, 12042, 12050
MOST_PAYLOAD = 64 << 10  # octets of an RMR message: what RMR is opened with here
MOST_NOTIFICATION = 64 << 10  # octets; one has some hundred
MOST_INSTANCES = 256  # subscriptions in one notification
MOST_SAID = 300  # characters of a text of the RIC's, for the operator
NOTIFIED_AT = "/ric/v1/subscriptions/response"  # where the subscription manager sends them
_REST_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")  # becomes part of a URL
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]+")


@dataclass(frozen=True, slots=True)
class RmrMessage:
    """One message, either way; `origin` is the one that this one answers to its sender.

    With `to`, HOST:PORT, it goes there directly, whatever the routes.
    """

    type: int
    payload: bytes
    meid: str = ""  # the RAN's name
    subscription: int = -1
    origin: int = 0
    to: str = ""


class Ask(Enum):
    """What a call is for; what is asked of one service is asked in order."""

    STATES = "states"
    NODE = "node"
    SUBSCRIBE = "subscribe"
    DELETE = "delete"
    REGISTER = "register"
    DEREGISTER = "deregister"


@dataclass(frozen=True, slots=True)
class Call:
    """An HTTP request to a service of the RIC; `about` names what the answer is about."""

    ask: Ask
    method: str
    url: str
    about: str = ""
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """Of a call; a status of 0 means that none came, and why."""

    status: int
    body: bytes = b""
    why: str = ""

    @property
    def good(self) -> bool:
        return 200 <= self.status < 300

    def said(self) -> str:
        """For an operator."""
        if not self.status:
            return self.why
        text = clean(self.body[:MOST_SAID].decode("utf-8", "replace"))
        return f"status {self.status}" + (f", {text}" if text else "")


@dataclass(frozen=True, slots=True)
class Told:
    """What base stations did, for the core."""

    events: tuple[NodeEvent, ...]


@dataclass(frozen=True, slots=True)
class Tell:
    """What an operator may want to know."""

    event: Event


Out = RmrMessage | Call | Told | Tell


@dataclass(frozen=True, slots=True)
class Instance:
    """What a notification says of one subscription."""

    ours: int  # XappEventInstanceId
    e2: int  # E2EventInstanceId; 0: it failed
    cause: str = ""
    source: str = ""
    timeout: str = ""

    @property
    def failed(self) -> bool:
        return self.e2 == 0 or bool(self.cause)

    @property
    def final(self) -> bool:
        """Asking again is of no use: the base station said no, or the request is none."""
        return not self.timeout and self.source.upper() in ("E2NODE", "ASN1")


def clean(text: str) -> str:
    """A text of somebody else's, in one line that does nothing to a terminal."""
    return _CONTROLS.sub(" ", text).strip()[:MOST_SAID]


def read_object(data: bytes, what: str) -> dict[str, Any]:
    """The JSON object that an answer is."""
    value = read_json(data, what)
    if not isinstance(value, dict):
        raise ProtocolError(f"{what} is no JSON object.")
    return value


def read_json(data: bytes, what: str) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise ProtocolError(f"{what} is no JSON.") from None


def rest_id(fields: dict[str, Any]) -> str:
    """The subscription manager's own id of what was asked, which deletes it."""
    value = fields.get("SubscriptionId")
    if not isinstance(value, str) or _REST_ID.fullmatch(value) is None:
        raise ProtocolError("The subscription manager names no subscription.")
    return value


def instances(fields: dict[str, Any]) -> list[Instance]:
    """Of a notification, or of a response that says the same."""
    listed = fields.get("SubscriptionInstances")
    if not isinstance(listed, list | None) or len(listed or ()) > MOST_INSTANCES:
        raise ProtocolError("A notification without a list of subscriptions.")
    found = []
    for one in listed or ():
        if not isinstance(one, dict):
            raise ProtocolError("A notification of no subscription.")
        texts = [one.get(name) or "" for name in ("ErrorCause", "ErrorSource", "TimeoutType")]
        if not all(isinstance(text, str) for text in texts):
            raise ProtocolError("A notification with a cause that is no text.")
        found.append(Instance(_short(one, "XappEventInstanceId"), _short(one, "E2EventInstanceId"),
                              *(clean(text) for text in texts)))
    return found


def _short(fields: dict[str, Any], name: str) -> int:
    value = fields.get(name, 0)  # some leave out zeros
    if type(value) is not int or not 0 <= value < 65536:
        raise ProtocolError(f"A notification whose {name} is no number of 16 bits.")
    return value


def subscription_body(config: OscConfig, ran: str, asked: SubscriptionRequest, ours: int,
                      known: str | None) -> bytes:
    """What asks the subscription manager; the same again for the same question.

    The framework's own models write other keys than the manager reads, so these are written here.
    """
    actions = [{
        "ActionID": action.id, "ActionType": _TYPES[action.type],
        "ActionDefinition": list(action.definition or b""),
        "SubsequentAction": {"SubsequentActionType": "continue", "TimeToWait": "zero"},
    } for action in asked.details.actions]
    body: dict[str, Any] = {
        "ClientEndpoint": {"Host": config.host, "HTTPPort": config.http_port,
                           "RMRPort": config.rmr_port},
        "Meid": ran, "RANFunctionID": asked.function,
        "E2SubscriptionDirectives": {"E2TimeoutTimerValue": 2, "E2RetryCount": 2,
                                     "RMRRoutingNeeded": True},
        "SubscriptionDetails": [{
            "XappEventInstanceId": ours, "EventTriggers": list(asked.details.trigger),
            "ActionToBeSetupList": actions}]}
    return written(body if known is None else {"SubscriptionId": known, **body})


_TYPES = {ActionType.REPORT: "report", ActionType.INSERT: "insert", ActionType.POLICY: "policy"}


def registration(config: OscConfig, pod: str, version: str, descriptor: str) -> bytes:
    """What makes an xApp known to the application manager, and through it to the routes."""
    return written({
        "appName": pod, "appInstanceName": config.name, "appVersion": version, "configPath": "",
        "httpEndpoint": f"{config.host}:{config.http_port}",
        "rmrEndpoint": f"{config.rmr_host}:{config.rmr_port}", "config": descriptor})


def deregistration(config: OscConfig, pod: str) -> bytes:
    return written({"appName": pod, "appInstanceName": config.name})


def written(value: dict[str, Any] | Sequence[Any]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
