"""E2AP's messages, one frozen dataclass each.

What the specification makes optional is None, or an empty tuple, where it is absent. So is what is
mandatory but has the criticality *ignore*: a receiver has to go on without it. How they become
bytes is `e2ap`'s business.
"""

from __future__ import annotations

from dataclasses import dataclass

from xapp.e2.e2ap_causes import Cause
from xapp.e2.e2ap_components import Component, ComponentAck, ComponentRemoved
from xapp.e2.e2ap_identities import GlobalE2NodeId, GlobalRicId, TnlInformation
from xapp.e2.e2ap_types import (
    Action,
    ActionRefused,
    Diagnostics,
    FunctionRefused,
    FunctionRevision,
    IndicationType,
    RanFunction,
    RequestId,
    SubscriptionCause,
    TimeToWait,
    TnlAssociation,
    TnlPair,
    TnlRefused,
)


@dataclass(frozen=True, slots=True)
class E2SetupRequest:
    """A node introduces itself."""

    transaction: int
    node: GlobalE2NodeId
    functions: tuple[RanFunction, ...]  # at least one, up to 256
    components: tuple[Component, ...]  # at least one, up to 1024


@dataclass(frozen=True, slots=True)
class E2SetupResponse:
    transaction: int
    ric: GlobalRicId
    accepted: tuple[FunctionRevision, ...]
    rejected: tuple[FunctionRefused, ...]
    components: tuple[ComponentAck, ...]


@dataclass(frozen=True, slots=True)
class E2SetupFailure:
    transaction: int
    cause: Cause | None
    time_to_wait: TimeToWait | None = None
    diagnostics: Diagnostics | None = None
    tnl: TnlInformation | None = None  # where to try instead


@dataclass(frozen=True, slots=True)
class SubscriptionDetails:
    """When (the service model's trigger) to do what."""

    trigger: bytes
    actions: tuple[Action, ...]  # at least one, up to 16


@dataclass(frozen=True, slots=True)
class SubscriptionRequest:
    request: RequestId
    function: int
    details: SubscriptionDetails
    start: bytes | None = None  # NTP's eight octets, since E2AP v3
    end: bytes | None = None


@dataclass(frozen=True, slots=True)
class SubscriptionResponse:
    request: RequestId
    function: int
    admitted: tuple[int, ...]  # numbers of actions
    refused: tuple[ActionRefused, ...] = ()


@dataclass(frozen=True, slots=True)
class SubscriptionFailure:
    request: RequestId
    function: int
    cause: Cause
    diagnostics: Diagnostics | None = None


@dataclass(frozen=True, slots=True)
class SubscriptionDeleteRequest:
    request: RequestId
    function: int


@dataclass(frozen=True, slots=True)
class SubscriptionDeleteResponse:
    request: RequestId
    function: int


@dataclass(frozen=True, slots=True)
class SubscriptionDeleteFailure:
    request: RequestId
    function: int
    cause: Cause | None
    diagnostics: Diagnostics | None = None


@dataclass(frozen=True, slots=True)
class SubscriptionDeleteRequired:
    """A node asks for the end of subscriptions; the RIC deletes them."""

    subscriptions: tuple[SubscriptionCause, ...]


@dataclass(frozen=True, slots=True)
class Indication:
    """What a subscription brings; header and message are the service model's."""

    request: RequestId
    function: int
    action: int
    number: int | None  # some nodes never send it
    type: IndicationType
    header: bytes
    message: bytes
    call_process: bytes | None = None


@dataclass(frozen=True, slots=True)
class ControlRequest:
    request: RequestId
    function: int
    header: bytes
    message: bytes
    call_process: bytes | None = None
    acknowledge: bool | None = None  # whether an acknowledgement is wanted


@dataclass(frozen=True, slots=True)
class ControlAcknowledge:
    request: RequestId
    function: int
    call_process: bytes | None = None
    outcome: bytes | None = None


@dataclass(frozen=True, slots=True)
class ControlFailure:
    request: RequestId
    function: int
    cause: Cause | None
    call_process: bytes | None = None
    outcome: bytes | None = None
    diagnostics: Diagnostics | None = None


@dataclass(frozen=True, slots=True)
class ServiceUpdate:
    """A node's RAN functions changed."""

    transaction: int
    added: tuple[RanFunction, ...] = ()
    modified: tuple[RanFunction, ...] = ()
    deleted: tuple[FunctionRevision, ...] = ()


@dataclass(frozen=True, slots=True)
class ServiceUpdateAcknowledge:
    transaction: int
    accepted: tuple[FunctionRevision, ...] = ()
    rejected: tuple[FunctionRefused, ...] = ()


@dataclass(frozen=True, slots=True)
class ServiceUpdateFailure:
    transaction: int
    cause: Cause
    time_to_wait: TimeToWait | None = None
    diagnostics: Diagnostics | None = None


@dataclass(frozen=True, slots=True)
class ServiceQuery:
    """A RIC asks for the functions that it does not name."""

    transaction: int
    accepted: tuple[FunctionRevision, ...] = ()


@dataclass(frozen=True, slots=True)
class ConfigurationUpdate:
    """A node's components changed."""

    transaction: int
    node: GlobalE2NodeId | None = None
    added: tuple[Component, ...] = ()
    updated: tuple[Component, ...] = ()
    removed: tuple[ComponentRemoved, ...] = ()
    associations_removed: tuple[TnlPair, ...] = ()


@dataclass(frozen=True, slots=True)
class ConfigurationUpdateAcknowledge:
    transaction: int
    added: tuple[ComponentAck, ...] = ()
    updated: tuple[ComponentAck, ...] = ()
    removed: tuple[ComponentAck, ...] = ()


@dataclass(frozen=True, slots=True)
class ConfigurationUpdateFailure:
    transaction: int
    cause: Cause | None
    time_to_wait: TimeToWait | None = None
    diagnostics: Diagnostics | None = None


@dataclass(frozen=True, slots=True)
class ConnectionUpdate:
    """A RIC asks for other associations."""

    transaction: int
    added: tuple[TnlAssociation, ...] = ()
    removed: tuple[TnlInformation, ...] = ()
    modified: tuple[TnlAssociation, ...] = ()


@dataclass(frozen=True, slots=True)
class ConnectionUpdateAcknowledge:
    transaction: int
    set_up: tuple[TnlAssociation, ...] = ()
    failed: tuple[TnlRefused, ...] = ()


@dataclass(frozen=True, slots=True)
class ConnectionUpdateFailure:
    transaction: int
    cause: Cause | None = None
    time_to_wait: TimeToWait | None = None
    diagnostics: Diagnostics | None = None


@dataclass(frozen=True, slots=True)
class ResetRequest:
    """Forget all subscriptions and everything under way."""

    transaction: int
    cause: Cause | None


@dataclass(frozen=True, slots=True)
class ResetResponse:
    transaction: int
    diagnostics: Diagnostics | None = None


@dataclass(frozen=True, slots=True)
class ErrorIndication:
    """Something came that was not understood, and that nothing else answers."""

    transaction: int | None = None
    request: RequestId | None = None
    function: int | None = None
    cause: Cause | None = None
    diagnostics: Diagnostics | None = None


Message = (
    E2SetupRequest | E2SetupResponse | E2SetupFailure
    | SubscriptionRequest | SubscriptionResponse | SubscriptionFailure
    | SubscriptionDeleteRequest | SubscriptionDeleteResponse | SubscriptionDeleteFailure
    | SubscriptionDeleteRequired | Indication
    | ControlRequest | ControlAcknowledge | ControlFailure
    | ServiceUpdate | ServiceUpdateAcknowledge | ServiceUpdateFailure | ServiceQuery
    | ConfigurationUpdate | ConfigurationUpdateAcknowledge | ConfigurationUpdateFailure
    | ConnectionUpdate | ConnectionUpdateAcknowledge | ConnectionUpdateFailure
    | ResetRequest | ResetResponse | ErrorIndication
)
