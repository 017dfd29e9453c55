"""What happens on an association, one small frozen dataclass each.

A handle is the number that a command gave out: events name what they are about by it. `Send` is the
only one that somebody has to act on: it is what goes to the peer.
"""

from __future__ import annotations

from dataclasses import dataclass

from xapp.e2.e2ap_causes import Cause
from xapp.e2.e2ap_components import Component, ComponentRemoved
from xapp.e2.e2ap_identities import GlobalE2NodeId, GlobalRicId
from xapp.e2.e2ap_messages import (
    ConnectionUpdate,
    ControlRequest,
    ErrorIndication,
    Indication,
    SubscriptionRequest,
)
from xapp.e2.e2ap_types import (
    ActionRefused,
    FunctionRefused,
    FunctionRevision,
    Procedure,
    RanFunction,
    RequestId,
)


@dataclass(frozen=True, slots=True)
class Command:
    """What a command made: bytes to send, and the handle by which events name it."""

    handle: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Send:
    """Bytes for the peer."""

    data: bytes


# Of both ends.


@dataclass(frozen=True, slots=True)
class Garbage:
    """Bytes that are no message of this protocol."""

    problem: str
    count: int  # of such, on this association


@dataclass(frozen=True, slots=True)
class NotUnderstood:
    """A message that is none to this end: its cause is what the peer heard, where it heard one."""

    name: str
    cause: Cause | None
    problem: str


@dataclass(frozen=True, slots=True)
class OutOfPlace:
    """A message that is not for this state or this end, or answers nothing that was asked."""

    name: str
    state: str
    handle: int | None = None  # what it answers too late


@dataclass(frozen=True, slots=True)
class PeerError:
    """The peer did not understand something; `handle` is the procedure it ends, if any."""

    indication: ErrorIndication
    handle: int | None


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A procedure that ends without an answer."""

    handle: int
    procedure: Procedure
    why: str


@dataclass(frozen=True, slots=True)
class ResetByPeer:
    """Everything under way and all subscriptions are gone; events before this one name them."""

    cause: Cause | None


@dataclass(frozen=True, slots=True)
class ResetDone:
    handle: int
    answered: bool


@dataclass(frozen=True, slots=True)
class Closed:
    """The transport is gone; events before this one name what went with it."""


# Of the RIC's end.


@dataclass(frozen=True, slots=True)
class NodeUp:
    """A node was accepted."""

    node: GlobalE2NodeId
    functions: tuple[RanFunction, ...]
    components: tuple[Component, ...]
    before: GlobalE2NodeId | None = None  # who was on this association until now


@dataclass(frozen=True, slots=True)
class NodeRefused:
    """A node was not accepted."""

    node: GlobalE2NodeId
    cause: Cause


@dataclass(frozen=True, slots=True)
class FunctionsChanged:
    added: tuple[RanFunction, ...]
    modified: tuple[RanFunction, ...]
    deleted: tuple[FunctionRevision, ...]


@dataclass(frozen=True, slots=True)
class ComponentsChanged:
    added: tuple[Component, ...]
    updated: tuple[Component, ...]
    removed: tuple[ComponentRemoved, ...]


@dataclass(frozen=True, slots=True)
class Subscribed:
    handle: int
    answered: bool = True  # False: no answer came in time, but its indications did


@dataclass(frozen=True, slots=True)
class SubscriptionRefused:
    handle: int
    cause: Cause


@dataclass(frozen=True, slots=True)
class SubscriptionLost:
    """A subscription that this end did not delete is gone."""

    handle: int
    why: str


@dataclass(frozen=True, slots=True)
class SubscriptionEnded:
    """A subscription that this end deleted is gone; `confirmed` where the node said so."""

    handle: int
    confirmed: bool


@dataclass(frozen=True, slots=True)
class DeleteRefused:
    """The node keeps a subscription."""

    handle: int
    cause: Cause | None


@dataclass(frozen=True, slots=True)
class Indicated:
    """An indication of a subscription; what its number tells, where the node numbers them."""

    handle: int
    indication: Indication
    early: bool  # the subscription is not answered yet
    missed: int = 0  # indications that were lost just before it
    late: bool = False  # it came before, or others that were sent after it did


@dataclass(frozen=True, slots=True)
class StrayIndication:
    """An indication that nobody asked for."""

    indication: Indication


@dataclass(frozen=True, slots=True)
class ControlAcknowledged:
    """The node says that it did what was asked; whether it had an effect is another question."""

    handle: int
    outcome: bytes | None
    late: bool  # after Unanswered


@dataclass(frozen=True, slots=True)
class ControlFailed:
    handle: int
    cause: Cause | None
    outcome: bytes | None
    late: bool


@dataclass(frozen=True, slots=True)
class ConnectionUpdated:
    """The answer to a change of associations; a cause means that nothing was changed."""

    handle: int
    refused: Cause | None


# Of the node's end.


@dataclass(frozen=True, slots=True)
class Accepted:
    ric: GlobalRicId
    functions: tuple[FunctionRevision, ...]
    rejected: tuple[FunctionRefused, ...]


@dataclass(frozen=True, slots=True)
class HeldOff:
    """The setup was refused or not answered; the next attempt comes by itself."""

    cause: Cause | None  # None: no answer
    seconds: float  # until then


@dataclass(frozen=True, slots=True)
class GivenUp:
    """As many setups as are allowed had no success."""

    attempts: int


@dataclass(frozen=True, slots=True)
class SubscriptionAsked:
    """Answer with `accept_subscription` or `refuse_subscription`."""

    message: SubscriptionRequest


@dataclass(frozen=True, slots=True)
class SubscriptionStopped:
    """The RIC wants no more of it, or is gone."""

    request: RequestId


@dataclass(frozen=True, slots=True)
class ControlAsked:
    """Answer with `acknowledge_control` or `fail_control`."""

    message: ControlRequest


@dataclass(frozen=True, slots=True)
class ConnectionUpdateAsked:
    """The RIC wants other associations; it was told that only this one is there."""

    message: ConnectionUpdate


@dataclass(frozen=True, slots=True)
class UpdateAcknowledged:
    handle: int
    rejected: tuple[FunctionRefused, ...] = ()


@dataclass(frozen=True, slots=True)
class UpdateRefused:
    handle: int
    cause: Cause | None


Event = (
    Send | Garbage | NotUnderstood | OutOfPlace | PeerError | Unanswered | ResetByPeer | ResetDone
    | Closed | NodeUp | NodeRefused | FunctionsChanged | ComponentsChanged | Subscribed
    | SubscriptionRefused | SubscriptionLost | SubscriptionEnded | DeleteRefused | Indicated
    | StrayIndication | ControlAcknowledged | ControlFailed | ConnectionUpdated | Accepted
    | HeldOff | GivenUp | SubscriptionAsked | SubscriptionStopped | ControlAsked
    | ConnectionUpdateAsked | UpdateAcknowledged | UpdateRefused
)
Refusals = tuple[ActionRefused, ...]
