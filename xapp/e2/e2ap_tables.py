"""Which information elements each of E2AP's messages has: number, criticality, presence, type.

One table, in the order in which elements are sent; they are taken in any order. The dataclass of a
message has an attribute for each element, of the name given here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from xapp.e2.aper import Codec, enumerated, field, integer, octet_string, sequence
from xapp.e2.e2ap_causes import CAUSE
from xapp.e2.e2ap_components import COMPONENT, COMPONENT_ACK, COMPONENT_REMOVED
from xapp.e2.e2ap_container import items
from xapp.e2.e2ap_identities import GLOBAL_E2_NODE_ID, GLOBAL_RIC_ID, TNL_INFORMATION
from xapp.e2.e2ap_messages import (
    ConfigurationUpdate,
    ConfigurationUpdateAcknowledge,
    ConfigurationUpdateFailure,
    ConnectionUpdate,
    ConnectionUpdateAcknowledge,
    ConnectionUpdateFailure,
    ControlAcknowledge,
    ControlFailure,
    ControlRequest,
    E2SetupFailure,
    E2SetupRequest,
    E2SetupResponse,
    ErrorIndication,
    Indication,
    Message,
    ResetRequest,
    ResetResponse,
    ServiceQuery,
    ServiceUpdate,
    ServiceUpdateAcknowledge,
    ServiceUpdateFailure,
    SubscriptionDeleteFailure,
    SubscriptionDeleteRequest,
    SubscriptionDeleteRequired,
    SubscriptionDeleteResponse,
    SubscriptionDetails,
    SubscriptionFailure,
    SubscriptionRequest,
    SubscriptionResponse,
)
from xapp.e2.e2ap_types import (
    ACTION,
    ACTION_ADMITTED,
    ACTION_ID,
    ACTION_REFUSED,
    DIAGNOSTICS,
    FUNCTION_ID,
    FUNCTION_REFUSED,
    FUNCTION_REVISION,
    RAN_FUNCTION,
    REQUEST_ID,
    SUBSCRIPTION_CAUSE,
    TIME_TO_WAIT,
    TNL_ASSOCIATION,
    TNL_PAIR,
    TNL_REFUSED,
    TNL_REMOVED,
    Criticality,
    IndicationType,
    Kind,
    Procedure,
)

REJECT, IGNORE = Criticality.REJECT, Criticality.IGNORE
FUNCTIONS, COMPONENTS, ACTIONS, ASSOCIATIONS, REQUESTS = 256, 1024, 16, 32, 1024  # most of a list


@dataclass(frozen=True)
class Element:
    """An information element of a message."""

    id: int
    name: str  # of the dataclass's attribute
    codec: Codec[Any]
    criticality: Criticality = REJECT
    optional: bool = False
    absent: Any = None  # the attribute's value where the element is not there


@dataclass(frozen=True)
class MessageType:
    """A message: what kind of PDU, of which procedure, with which elements."""

    cls: type
    kind: Kind
    procedure: Procedure
    criticality: Criticality  # the procedure's
    elements: tuple[Element, ...]


def _list(id: int, item: int, name: str, codec: Codec[Any], most: int, optional: bool = True,
          criticality: Criticality = REJECT, item_criticality: Criticality = IGNORE,
          least: int = 1) -> Element:
    return Element(id, name, items(item, item_criticality, codec, least, most), criticality,
                   optional, ())


def _functions(id: int, name: str, optional: bool = True) -> Element:
    return _list(id, 8, name, RAN_FUNCTION, FUNCTIONS, optional)


def _components(id: int, name: str, codec: Codec[Any], optional: bool = True) -> Element:
    return _list(id, id + 1, name, codec, COMPONENTS, optional, item_criticality=REJECT)


def _octets(id: int, name: str, optional: bool = False) -> Element:
    return Element(id, name, octet_string(), optional=optional)


def _cause(criticality: Criticality, optional: bool = False) -> Element:
    return Element(1, "cause", CAUSE, criticality, optional)


DETAILS = sequence(
    SubscriptionDetails, field("trigger", octet_string()),
    field("actions", items(19, IGNORE, ACTION, 1, ACTIONS)), extensible=True)
_TRANSACTION = Element(49, "transaction", integer(0, 255, extensible=True))
_REQUEST = Element(29, "request", REQUEST_ID)
_FUNCTION = Element(5, "function", FUNCTION_ID)
_REQUESTED = (_REQUEST, _FUNCTION)
_CALL_PROCESS = _octets(20, "call_process", True)
_OUTCOME = _octets(32, "outcome", True)
_DIAGNOSTICS = Element(2, "diagnostics", DIAGNOSTICS, IGNORE, True)
_WAIT = Element(31, "time_to_wait", TIME_TO_WAIT, IGNORE, True)
_ACCEPTED = _list(9, 6, "accepted", FUNCTION_REVISION, FUNCTIONS)
_REJECTED = _list(13, 7, "rejected", FUNCTION_REFUSED, FUNCTIONS)
_INDICATION_TYPE = enumerated(IndicationType, extensible=True)
_TIME = octet_string(8, 8)

_CLASSES: tuple[tuple[Procedure, Criticality, tuple[tuple[type, tuple[Element, ...]], ...]], ...]
_CLASSES = (
    (Procedure.E2_SETUP, REJECT, (
        (E2SetupRequest, (
            _TRANSACTION, Element(3, "node", GLOBAL_E2_NODE_ID),
            _functions(10, "functions", optional=False),
            _components(50, "components", COMPONENT, optional=False))),
        (E2SetupResponse, (
            _TRANSACTION, Element(4, "ric", GLOBAL_RIC_ID), _ACCEPTED, _REJECTED,
            _components(52, "components", COMPONENT_ACK, optional=False))),
        (E2SetupFailure, (
            _TRANSACTION, _cause(IGNORE), _WAIT, _DIAGNOSTICS,
            Element(48, "tnl", TNL_INFORMATION, IGNORE, True))))),
    (Procedure.SUBSCRIPTION, REJECT, (
        (SubscriptionRequest, (
            *_REQUESTED, Element(30, "details", DETAILS),
            Element(62, "start", _TIME, optional=True),
            Element(63, "end", _TIME, optional=True))),
        (SubscriptionResponse, (
            *_REQUESTED, _list(17, 14, "admitted", ACTION_ADMITTED, ACTIONS, optional=False),
            _list(18, 16, "refused", ACTION_REFUSED, ACTIONS, least=0))),
        (SubscriptionFailure, (*_REQUESTED, _cause(REJECT), _DIAGNOSTICS)))),
    (Procedure.SUBSCRIPTION_DELETE, REJECT, (
        (SubscriptionDeleteRequest, _REQUESTED),
        (SubscriptionDeleteResponse, _REQUESTED),
        (SubscriptionDeleteFailure, (*_REQUESTED, _cause(IGNORE), _DIAGNOSTICS)))),
    (Procedure.SUBSCRIPTION_DELETE_REQUIRED, IGNORE, (
        (SubscriptionDeleteRequired, (
            _list(60, 61, "subscriptions", SUBSCRIPTION_CAUSE, REQUESTS, optional=False,
                  criticality=IGNORE),)),)),
    (Procedure.INDICATION, IGNORE, (
        (Indication, (
            *_REQUESTED, Element(15, "action", ACTION_ID),
            Element(27, "number", integer(0, 65535), optional=True),
            Element(28, "type", _INDICATION_TYPE), _octets(25, "header"),
            _octets(26, "message"), _CALL_PROCESS)),)),
    (Procedure.CONTROL, REJECT, (
        (ControlRequest, (
            *_REQUESTED, _CALL_PROCESS, _octets(22, "header"), _octets(23, "message"),
            Element(21, "acknowledge", enumerated((False, True), extensible=True),
                    optional=True))),
        (ControlAcknowledge, (*_REQUESTED, _CALL_PROCESS, _OUTCOME)),
        (ControlFailure, (*_REQUESTED, _CALL_PROCESS, _cause(IGNORE), _OUTCOME, _DIAGNOSTICS)))),
    (Procedure.SERVICE_UPDATE, REJECT, (
        (ServiceUpdate, (
            _TRANSACTION, _functions(10, "added"), _functions(12, "modified"),
            _list(11, 6, "deleted", FUNCTION_REVISION, FUNCTIONS))),
        (ServiceUpdateAcknowledge, (_TRANSACTION, _ACCEPTED, _REJECTED)),
        (ServiceUpdateFailure, (_TRANSACTION, _cause(REJECT), _WAIT, _DIAGNOSTICS)))),
    (Procedure.SERVICE_QUERY, IGNORE, ((ServiceQuery, (_TRANSACTION, _ACCEPTED)),)),
    (Procedure.CONFIGURATION_UPDATE, REJECT, (
        (ConfigurationUpdate, (
            _TRANSACTION, Element(3, "node", GLOBAL_E2_NODE_ID, optional=True),
            _components(50, "added", COMPONENT), _components(33, "updated", COMPONENT),
            _components(54, "removed", COMPONENT_REMOVED),
            _list(58, 59, "associations_removed", TNL_PAIR, ASSOCIATIONS,
                  item_criticality=REJECT))),
        (ConfigurationUpdateAcknowledge, (
            _TRANSACTION, _components(52, "added", COMPONENT_ACK),
            _components(35, "updated", COMPONENT_ACK),
            _components(56, "removed", COMPONENT_ACK))),
        (ConfigurationUpdateFailure, (_TRANSACTION, _cause(IGNORE), _WAIT, _DIAGNOSTICS)))),
    (Procedure.CONNECTION_UPDATE, REJECT, (
        (ConnectionUpdate, (
            _TRANSACTION, _list(44, 43, "added", TNL_ASSOCIATION, ASSOCIATIONS),
            _list(46, 47, "removed", TNL_REMOVED, ASSOCIATIONS),
            _list(45, 43, "modified", TNL_ASSOCIATION, ASSOCIATIONS))),
        (ConnectionUpdateAcknowledge, (
            _TRANSACTION, _list(39, 43, "set_up", TNL_ASSOCIATION, ASSOCIATIONS),
            _list(40, 41, "failed", TNL_REFUSED, ASSOCIATIONS))),
        (ConnectionUpdateFailure, (
            _TRANSACTION, _cause(REJECT, optional=True), _WAIT, _DIAGNOSTICS)))),
    (Procedure.RESET, REJECT, (
        (ResetRequest, (_TRANSACTION, _cause(IGNORE))),
        (ResetResponse, (_TRANSACTION, _DIAGNOSTICS)))),
    (Procedure.ERROR_INDICATION, IGNORE, (
        (ErrorIndication, (
            Element(49, "transaction", _TRANSACTION.codec, optional=True),
            Element(29, "request", REQUEST_ID, optional=True),
            Element(5, "function", FUNCTION_ID, optional=True),
            _cause(IGNORE, optional=True), _DIAGNOSTICS)),)),
)

# The messages of each procedure come in the order of Kind.
MESSAGE_TYPES: tuple[MessageType, ...] = tuple(
    MessageType(cls, kind, procedure, criticality, elements)
    for procedure, criticality, messages in _CLASSES
    for kind, (cls, elements) in zip(Kind, messages, strict=False))
BY_CLASS: Mapping[type, MessageType] = {one.cls: one for one in MESSAGE_TYPES}
BY_CODE: Mapping[tuple[int, Kind], MessageType] = {
    (one.procedure, one.kind): one for one in MESSAGE_TYPES}


def message_type(message: Message) -> MessageType:
    """The table's entry for a message."""
    return BY_CLASS[type(message)]
