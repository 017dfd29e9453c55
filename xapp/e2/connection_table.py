"""The states of an association and of its subscriptions, and what moves them: tables, no code.

An association has one table for each end: for every state, the messages that may come in it, the
method that deals with each, and the state afterwards. What is not in the table is not compatible
with the state, and is told so. It does not know what the methods do (`connection_ric`,
`connection_node`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

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
    SubscriptionFailure,
    SubscriptionRequest,
    SubscriptionResponse,
)
from xapp.e2.e2ap_types import Procedure


class State(Enum):
    """Of an association."""

    NEW = "new"  # nobody has introduced itself
    SETTING_UP = "setting up"  # the node has asked, and waits
    HELD_OFF = "held off"  # the node was refused, and asks again later
    READY = "ready"
    RESETTING = "resetting"  # this end has asked for a reset
    CLOSED = "closed"  # the transport is gone


class Step(NamedTuple):
    """What a message does."""

    action: str  # the method; where it returns False, the state stays
    then: State | None = None  # None stays


Table = Mapping[State, Mapping[type, Step]]

_ERRORS: Mapping[type, Step] = {ErrorIndication: Step("_peer_error")}
_RESET: Mapping[type, Step] = {ResetRequest: Step("_reset_by_peer")}
# An E2 setup clears everything, whenever it comes (E2AP 8.3.1).
_SETUP: Mapping[type, Step] = {E2SetupRequest: Step("_set_up", State.READY)}
_LATE = Step("_late")

RIC_TABLE: Table = {
    State.NEW: {**_ERRORS, **_RESET, **_SETUP},
    State.READY: {
        **_ERRORS, **_RESET, **_SETUP,
        Indication: Step("_indicated"),
        SubscriptionResponse: Step("_subscribed"),
        SubscriptionFailure: Step("_subscription_refused"),
        SubscriptionDeleteResponse: Step("_deleted"),
        SubscriptionDeleteFailure: Step("_delete_refused"),
        SubscriptionDeleteRequired: Step("_delete_required"),
        ControlAcknowledge: Step("_control_acknowledged"),
        ControlFailure: Step("_control_failed"),
        ServiceUpdate: Step("_functions_updated"),
        ConfigurationUpdate: Step("_components_updated"),
        ConnectionUpdateAcknowledge: Step("_connection_updated"),
        ConnectionUpdateFailure: Step("_connection_refused"),
        ResetResponse: _LATE,
    },
    # What crosses the reset on its way belongs to what was reset.
    State.RESETTING: {
        **_ERRORS, **_RESET, **_SETUP,
        ResetResponse: Step("_reset_done", State.READY),
        Indication: Step("_crossed"), SubscriptionDeleteRequired: Step("_crossed"),
        SubscriptionResponse: _LATE, SubscriptionFailure: _LATE,
        SubscriptionDeleteResponse: _LATE, SubscriptionDeleteFailure: _LATE,
        ControlAcknowledge: _LATE, ControlFailure: _LATE,
        ConnectionUpdateAcknowledge: _LATE, ConnectionUpdateFailure: _LATE,
        ServiceUpdate: Step("_functions_updated"),
        ConfigurationUpdate: Step("_components_updated"),
    },
    State.CLOSED: {},
}

NODE_TABLE: Table = {
    State.NEW: {**_ERRORS, **_RESET},
    State.SETTING_UP: {
        **_ERRORS, **_RESET,
        E2SetupResponse: Step("_accepted", State.READY),
        E2SetupFailure: Step("_refused", State.HELD_OFF),
    },
    State.HELD_OFF: {**_ERRORS, **_RESET, E2SetupResponse: _LATE, E2SetupFailure: _LATE},
    State.READY: {
        **_ERRORS, **_RESET,
        SubscriptionRequest: Step("_subscription_asked"),
        SubscriptionDeleteRequest: Step("_delete_asked"),
        ControlRequest: Step("_control_asked"),
        ServiceQuery: Step("_queried"),
        ServiceUpdateAcknowledge: Step("_update_acknowledged"),
        ServiceUpdateFailure: Step("_update_refused"),
        ConfigurationUpdateAcknowledge: Step("_update_acknowledged"),
        ConfigurationUpdateFailure: Step("_update_refused"),
        ConnectionUpdate: Step("_connection_update_asked"),
        E2SetupResponse: _LATE, E2SetupFailure: _LATE, ResetResponse: _LATE,
    },
    State.RESETTING: {
        **_ERRORS, **_RESET,
        ResetResponse: Step("_reset_done", State.READY),
        SubscriptionRequest: Step("_crossed"), SubscriptionDeleteRequest: Step("_crossed"),
        ControlRequest: Step("_crossed"), ServiceQuery: Step("_crossed"),
        ServiceUpdateAcknowledge: _LATE, ServiceUpdateFailure: _LATE,
        ConfigurationUpdateAcknowledge: _LATE, ConfigurationUpdateFailure: _LATE,
        ConnectionUpdate: Step("_connection_update_asked"),
    },
    State.CLOSED: {},
}


class Stage(Enum):
    """Of a subscription, as the RIC sees it."""

    ASKED = "asked"
    ACTIVE = "active"
    DELETING = "deleting"
    GONE = "gone"


class Signal(Enum):
    """What moves a subscription."""

    ANSWERED = "answered"  # the node admitted it
    REFUSED = "refused"
    PROVEN = "proven"  # no answer came in time, but indications did
    UNANSWERED = "unanswered"
    DELETE = "delete"  # the RIC asks for its end
    DELETED = "deleted"
    KEPT = "kept"  # the node refused to delete it
    LOST = "lost"  # by a reset, a setup, the end of the function or of the association


SUBSCRIPTION_TABLE: Mapping[Stage, Mapping[Signal, Stage]] = {
    Stage.ASKED: {
        Signal.ANSWERED: Stage.ACTIVE, Signal.PROVEN: Stage.ACTIVE, Signal.REFUSED: Stage.GONE,
        Signal.UNANSWERED: Stage.GONE, Signal.DELETE: Stage.DELETING, Signal.LOST: Stage.GONE},
    Stage.ACTIVE: {
        Signal.DELETE: Stage.DELETING, Signal.LOST: Stage.GONE},
    Stage.DELETING: {
        Signal.DELETED: Stage.GONE, Signal.UNANSWERED: Stage.GONE, Signal.KEPT: Stage.ACTIVE,
        Signal.REFUSED: Stage.GONE, Signal.LOST: Stage.GONE},
    Stage.GONE: {},
}


@dataclass(frozen=True)
class E2Config:
    """How long an end waits, and how often it asks."""

    setup_seconds: float = 5.0  # for the answer to an E2 setup
    setup_attempts: int = 0  # setups in a row without success before giving up; 0 never gives up
    hold_off_seconds: float = 5.0  # before the next setup where the refusal does not say
    subscription_seconds: float = 3.0  # for the answer to a subscription, and to its deletion
    subscription_attempts: int = 3
    control_seconds: float = 2.0  # for the answer to a control; it is never sent twice
    update_seconds: float = 3.0  # for the answer to an update of functions, components, addresses
    update_attempts: int = 2
    reset_seconds: float = 3.0
    reset_attempts: int = 2
    errors_in_a_row: int = 5  # error indications that may be sent at once
    errors_per_second: float = 1.0  # and on average: garbage must not make garbage

    def patience(self, procedure: Procedure) -> tuple[float, int]:
        """Seconds to wait for an answer, and how often to ask."""
        return {
            Procedure.E2_SETUP: (self.setup_seconds, 1),
            Procedure.SUBSCRIPTION: (self.subscription_seconds, self.subscription_attempts),
            Procedure.SUBSCRIPTION_DELETE: (self.subscription_seconds, self.subscription_attempts),
            Procedure.CONTROL: (self.control_seconds, 1),
            Procedure.RESET: (self.reset_seconds, self.reset_attempts),
        }.get(procedure, (self.update_seconds, self.update_attempts))
