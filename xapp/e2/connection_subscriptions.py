"""Subscriptions of one association, as the RIC keeps them: asked for, indicated, deleted, lost.

A subscription has one action, since a widespread gNB answers for one only. Its indications count
from the moment it is asked for: nodes begin before they answer. What the node still does for
subscriptions given up here is deleted when it shows. `connection_ric` adds the rest of the RIC's
end.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from xapp.e2.connection import MOST_PENDING, Connection, Key, Pending
from xapp.e2.connection_events import (
    Command,
    DeleteRefused,
    Indicated,
    Send,
    StrayIndication,
    Subscribed,
    SubscriptionEnded,
    SubscriptionLost,
    SubscriptionRefused,
    Unanswered,
)
from xapp.e2.connection_table import SUBSCRIPTION_TABLE, E2Config, Signal, Stage, State
from xapp.e2.e2ap_causes import Cause, RicRequestCause, say_cause
from xapp.e2.e2ap_messages import (
    ErrorIndication,
    Indication,
    SubscriptionDeleteFailure,
    SubscriptionDeleteRequest,
    SubscriptionDeleteRequired,
    SubscriptionDeleteResponse,
    SubscriptionDetails,
    SubscriptionFailure,
    SubscriptionRequest,
    SubscriptionResponse,
)
from xapp.e2.e2ap_types import Action, Procedure, RanFunction, RequestId
from xapp.errors import ConfigurationError, TransportError

MOST_SUBSCRIPTIONS = 1024  # of an association: as many as one E2AP message can list
INSTANCES = 65536
NUMBERS = 65536  # of indications, after which they begin anew
# A node that answers so to a repeated request has taken the first one.
TAKEN_BEFORE = (RicRequestCause.DUPLICATE_REQUEST_ID, RicRequestCause.DUPLICATE_ACTION,
                RicRequestCause.DUPLICATE_EVENT_TRIGGER)


@dataclass
class Subscription:
    """One of ours."""

    handle: int
    request: RequestId
    function: int
    trigger: bytes
    action: Action
    stage: Stage = Stage.ASKED
    indications: int = 0  # that came
    last: int | None = None  # the latest number of one

    def counted(self, number: int | None) -> tuple[int, bool]:
        """How many indications were lost before this one, and whether it comes late."""
        self.indications += 1
        if number is None:
            return 0, False
        if self.last is None:
            self.last = number
            return 0, False
        ahead = (number - self.last) % NUMBERS
        if not 0 < ahead < NUMBERS // 2:
            return 0, True
        self.last = number
        return ahead - 1, False


class Subscriber(Connection):
    """The part of the RIC's end that subscribes."""

    def __init__(self, requestor: int, config: E2Config | None, handles: Iterator[int] | None,
                 ) -> None:
        super().__init__(config, handles=handles)
        self.requestor = requestor
        self.functions: dict[int, RanFunction] = {}
        self.subscriptions: dict[int, Subscription] = {}  # by handle
        self._by_request: dict[RequestId, Subscription] = {}
        self._instance = -1

    def subscribe(self, function: int, trigger: bytes, action: Action, now: float,
                  handle: int | None = None) -> Command:
        """Ask for a subscription; with `handle` for one that was lost."""
        self._ready(now, function)
        if len(self._by_request) >= MOST_SUBSCRIPTIONS:
            raise TransportError(f"The node has {MOST_SUBSCRIPTIONS} subscriptions already.",
                                 "Delete some first.")
        request = self._next_request()
        command = self._ask(Procedure.SUBSCRIPTION, request, SubscriptionRequest(
            request, function, SubscriptionDetails(trigger, (action,))), handle)
        subscription = Subscription(command.handle, request, function, trigger, action)
        self.subscriptions[command.handle] = self._by_request[request] = subscription
        return command

    def delete(self, handle: int, now: float) -> Command:
        """Ask for the end of a subscription."""
        subscription = self.subscriptions.get(handle)
        if subscription is None or subscription.stage is Stage.DELETING:
            raise TransportError(f"There is no subscription {handle} to delete.",
                                 "See the events: it was refused, lost or deleted.")
        self._ready(now, None)
        command = self._ask(Procedure.SUBSCRIPTION_DELETE, subscription.request,
                            SubscriptionDeleteRequest(subscription.request,
                                                      subscription.function), handle)
        self._end((Procedure.SUBSCRIPTION, subscription.request))
        self._move(subscription, Signal.DELETE)
        return command

    def _ready(self, now: float, function: int | None) -> None:
        self._now = max(self._now, now)
        if self.state is not State.READY:
            raise TransportError(f"The association is {self.state.value}.",
                                 "Wait until its node is set up.")
        if function is not None and function not in self.functions:
            raise ConfigurationError(f"The node has no RAN function {function}.",
                                     f"It announced {sorted(self.functions) or 'none'}.")

    def _next_request(self) -> RequestId:
        used = {name for _, name in self._pending} | self._by_request.keys()
        for step in range(1, INSTANCES):
            request = RequestId(self.requestor, (self._instance + step) % INSTANCES)
            if request not in used:
                self._instance = request.instance
                return request
        raise AssertionError("there are fewer subscriptions and procedures than instances")

    def _move(self, subscription: Subscription, signal: Signal) -> None:
        """Follow the table; what is gone is forgotten."""
        stage = SUBSCRIPTION_TABLE[subscription.stage].get(signal, subscription.stage)
        subscription.stage = stage
        if stage is Stage.GONE:
            self.subscriptions.pop(subscription.handle, None)
            self._by_request.pop(subscription.request, None)

    def _lose_function(self, function: int) -> None:
        for subscription in list(self.subscriptions.values()):
            if subscription.function == function:
                self._end((Procedure.SUBSCRIPTION, subscription.request))
                self._end((Procedure.SUBSCRIPTION_DELETE, subscription.request))
                self._lose(subscription, f"the node took RAN function {function} away")

    def _lose(self, subscription: Subscription, why: str) -> None:
        asked_for = subscription.stage is Stage.DELETING
        self._move(subscription, Signal.LOST)
        self._events.append(SubscriptionEnded(subscription.handle, False) if asked_for
                            else SubscriptionLost(subscription.handle, why))

    # What the node answers, and what it sends by itself.

    def _indicated(self, message: Indication) -> None:
        subscription = self._by_request.get(message.request)
        if subscription is None:
            self._events.append(StrayIndication(message))
            if not self._delete_orphan(message.request, message.function):
                self._send_error(ErrorIndication(
                    None, message.request, message.function, RicRequestCause.REQUEST_ID_UNKNOWN))
        elif subscription.stage is not Stage.DELETING:  # else it crossed the deletion
            missed, late = subscription.counted(message.number)
            self._events.append(Indicated(subscription.handle, message,
                                          subscription.stage is Stage.ASKED, missed, late))

    def _subscribed(self, message: SubscriptionResponse) -> None:
        pending = self._answered(Procedure.SUBSCRIPTION, message.request, message)
        subscription = self._by_request.get(message.request)
        if pending is None or subscription is None:
            if subscription is None:
                self._delete_orphan(message.request, message.function)
            return
        ours = subscription.action.id
        refused = {one.id: one.cause for one in message.refused}
        if ours in refused and ours not in message.admitted:
            self._refuse(subscription, refused[ours])
        else:  # whatever number the node gives the one action
            self._move(subscription, Signal.ANSWERED)
            self._events.append(Subscribed(subscription.handle))

    def _subscription_refused(self, message: SubscriptionFailure) -> None:
        pending = self._answered(Procedure.SUBSCRIPTION, message.request, message)
        subscription = self._by_request.get(message.request)
        if pending is None or subscription is None:
            return
        repeated = pending.attempts < self.config.subscription_attempts - 1
        if repeated and message.cause in TAKEN_BEFORE:
            self._move(subscription, Signal.ANSWERED)
            self._events.append(Subscribed(subscription.handle))
        else:
            self._refuse(subscription, message.cause)

    def _refuse(self, subscription: Subscription, cause: Cause) -> None:
        self._move(subscription, Signal.REFUSED)
        self._events.append(SubscriptionRefused(subscription.handle, cause))

    def _deleted(self, message: SubscriptionDeleteResponse) -> None:
        if self._answered(Procedure.SUBSCRIPTION_DELETE, message.request, message) is not None:
            self._finish(message.request, True)

    def _delete_refused(self, message: SubscriptionDeleteFailure) -> None:
        pending = self._answered(Procedure.SUBSCRIPTION_DELETE, message.request, message)
        subscription = self._by_request.get(message.request)
        if pending is None or subscription is None:
            return
        if message.cause is RicRequestCause.REQUEST_ID_UNKNOWN:
            self._finish(message.request, True)
        else:
            self._move(subscription, Signal.KEPT)
            self._events.append(DeleteRefused(subscription.handle, message.cause))

    def _finish(self, request: RequestId, confirmed: bool) -> None:
        subscription = self._by_request.get(request)
        if subscription is not None:
            self._move(subscription, Signal.DELETED)
            self._events.append(SubscriptionEnded(subscription.handle, confirmed))

    def _delete_required(self, message: SubscriptionDeleteRequired) -> None:
        for one in message.subscriptions:
            subscription = self._by_request.get(one.request)
            if subscription is not None:
                self._end((Procedure.SUBSCRIPTION, one.request))
                self._lose(subscription, f"the node ends it: {say_cause(one.cause)}")
                self._over[Procedure.SUBSCRIPTION, one.request] = subscription.handle
                self._delete_orphan(one.request, one.function)

    def _delete_orphan(self, request: RequestId, function: int) -> bool:
        """Delete at the node, once, what was given up here; whether it is such a one."""
        handle = self._over.pop((Procedure.SUBSCRIPTION, request), None)
        if handle is None or len(self._pending) >= MOST_PENDING:
            return (Procedure.SUBSCRIPTION_DELETE, request) in self._pending
        if (Procedure.SUBSCRIPTION_DELETE, request) not in self._pending:
            self._events.append(Send(self._ask(
                Procedure.SUBSCRIPTION_DELETE, request,
                SubscriptionDeleteRequest(request, function), handle).data))
        return True

    # Ends of procedures without the answer that belongs to them.

    def _unanswered(self, key: Key, pending: Pending) -> None:
        subscription = self.subscriptions.get(pending.handle)
        if pending.procedure is Procedure.SUBSCRIPTION_DELETE:
            if subscription is not None:
                self._finish(subscription.request, False)
        elif pending.procedure is Procedure.SUBSCRIPTION and subscription is not None:
            if subscription.indications:
                self._move(subscription, Signal.PROVEN)
                self._events.append(Subscribed(pending.handle, answered=False))
            else:
                self._move(subscription, Signal.UNANSWERED)
                self._events.append(Unanswered(pending.handle, pending.procedure,
                                               "no answer came in time"))
        else:
            super()._unanswered(key, pending)

    def _failed(self, key: Key, pending: Pending, cause: Cause | None) -> None:
        subscription = self.subscriptions.get(pending.handle)
        if pending.procedure is Procedure.SUBSCRIPTION and subscription is not None:
            self._refuse(subscription, cause or RicRequestCause.UNSPECIFIED)
        else:
            self._unanswered(key, pending)

    def _abandoned(self, key: Key, pending: Pending, why: str) -> None:
        if pending.procedure not in (Procedure.SUBSCRIPTION, Procedure.SUBSCRIPTION_DELETE):
            super()._abandoned(key, pending, why)  # those are told of as subscriptions

    def _forget(self, why: str) -> None:
        super()._forget(why)
        for subscription in list(self.subscriptions.values()):
            self._lose(subscription, why)
