"""What E2AP answers to what it does not understand (its chapter on erroneous data), as a table.

A request that has a failure message is answered with that; anything else with an error indication;
an error indication, and an answer that is not understood, with nothing. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from xapp.e2.e2ap import Reading
from xapp.e2.e2ap_causes import Cause, ProtocolCause
from xapp.e2.e2ap_messages import (
    ConfigurationUpdate,
    ConfigurationUpdateFailure,
    ConnectionUpdate,
    ConnectionUpdateFailure,
    ControlFailure,
    ControlRequest,
    E2SetupFailure,
    E2SetupRequest,
    ErrorIndication,
    Message,
    ServiceUpdate,
    ServiceUpdateFailure,
    SubscriptionDeleteFailure,
    SubscriptionDeleteRequest,
    SubscriptionFailure,
    SubscriptionRequest,
)
from xapp.e2.e2ap_types import Diagnostics, Kind

_FAILURES: Mapping[type, Callable[..., Message]] = {
    E2SetupRequest: E2SetupFailure, ServiceUpdate: ServiceUpdateFailure,
    ConfigurationUpdate: ConfigurationUpdateFailure, ConnectionUpdate: ConnectionUpdateFailure,
    SubscriptionRequest: SubscriptionFailure, SubscriptionDeleteRequest: SubscriptionDeleteFailure,
    ControlRequest: ControlFailure,
}
UNKNOWN_BYTES = ErrorIndication(cause=ProtocolCause.TRANSFER_SYNTAX_ERROR)


def answer_to(found: Reading) -> Message | None:
    """What the sender of `found`, which was not understood in part or whole, should hear."""
    if found.cause is None or found.pdu.kind is not Kind.INITIATING:
        return None
    if found.type is not None and found.type.cls is ErrorIndication:
        return None  # else two ends would go on for ever
    if found.message is None and found.type is not None:
        failure = _failure(found.type.cls, found.values, found.cause, found.diagnostics)
        if failure is not None:
            return failure
    return _error(found.values, found.cause, found.diagnostics)


def out_of_place(message: Message, name: str, found: Reading) -> Message | None:
    """What the sender of a message should hear that is not for this state."""
    if found.pdu.kind is not Kind.INITIATING or isinstance(message, ErrorIndication):
        return None
    cause = ProtocolCause.MESSAGE_NOT_COMPATIBLE_WITH_RECEIVER_STATE
    diagnostics = Diagnostics(found.pdu.procedure, found.pdu.kind, found.pdu.criticality)
    return (_failure(type(message), found.values, cause, diagnostics)
            or _error(found.values, cause, diagnostics))


def _failure(cls: type, values: Mapping[str, Any], cause: Cause,
             diagnostics: Diagnostics) -> Message | None:
    make = _FAILURES.get(cls)
    names = ("transaction",) if "transaction" in cls.__annotations__ else ("request", "function")
    known = {name: values.get(name) for name in names}
    if make is None or None in known.values():
        return None
    return make(**known, cause=cause, diagnostics=diagnostics)


def _error(values: Mapping[str, Any], cause: Cause, diagnostics: Diagnostics) -> Message:
    return ErrorIndication(values.get("transaction"), values.get("request"),
                           values.get("function"), cause, diagnostics)
