"""The E2 node's end of an association: sets itself up, answers, indicates.

A setup that is refused or not answered is tried again, after the time that the refusal names. What
only the node can know (whether to accept a subscription, what a control does) is asked for by an
event and answered with a command. How it is driven says `connection`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from xapp.e2.connection import Connection, Key, Pending
from xapp.e2.connection_events import (
    Accepted,
    Command,
    ConnectionUpdateAsked,
    ControlAsked,
    Event,
    GivenUp,
    HeldOff,
    Send,
    SubscriptionAsked,
    SubscriptionStopped,
    UpdateAcknowledged,
    UpdateRefused,
)
from xapp.e2.connection_table import NODE_TABLE, E2Config, State
from xapp.e2.e2ap import encode
from xapp.e2.e2ap_causes import Cause, MiscCause, RicRequestCause, TransportCause
from xapp.e2.e2ap_components import Component, ComponentRemoved
from xapp.e2.e2ap_identities import GlobalE2NodeId
from xapp.e2.e2ap_messages import (
    ConfigurationUpdate,
    ConfigurationUpdateAcknowledge,
    ConfigurationUpdateFailure,
    ConnectionUpdate,
    ConnectionUpdateAcknowledge,
    ControlAcknowledge,
    ControlFailure,
    ControlRequest,
    E2SetupFailure,
    E2SetupRequest,
    E2SetupResponse,
    Indication,
    Message,
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
from xapp.e2.e2ap_types import (
    ActionRefused,
    FunctionRevision,
    IndicationType,
    Procedure,
    RanFunction,
    RequestId,
    SubscriptionCause,
    TnlRefused,
)
from xapp.errors import TransportError

MOST_SUBSCRIPTIONS = 1024  # of a RIC: as many as one E2AP message can list


class NodeConnection(Connection):
    """The node's end."""

    table = NODE_TABLE

    def __init__(self, node: GlobalE2NodeId, functions: Sequence[RanFunction],
                 components: Sequence[Component], ppid: int, config: E2Config | None = None,
                 handles: Iterator[int] | None = None) -> None:
        super().__init__(config, ppid, handles)
        self.node = node
        self.functions = {one.id: one for one in functions}
        self.components = tuple(components)
        self.setups = 0  # in a row without success
        self._setup: Command | None = None
        self._held_off_until: float | None = None
        # Subscriptions, and the answer each was given; None where it has none yet.
        self._asked: dict[RequestId, tuple[SubscriptionRequest, bytes | None]] = {}

    @property
    def subscriptions(self) -> tuple[SubscriptionRequest, ...]:
        """Those that are accepted."""
        return tuple(message for message, answer in self._asked.values() if answer is not None)

    # Commands.

    def set_up(self, now: float) -> Command:
        """Introduce the node; what becomes of it comes as events."""
        self._now = max(self._now, now)
        if self.state not in (State.NEW, State.HELD_OFF):
            raise TransportError(f"The association is {self.state.value}.",
                                 "A node sets up once, and again by itself.")
        return self._ask_setup()

    def _ask_setup(self) -> Command:
        transaction = self._next_transaction()
        self.state = State.SETTING_UP
        self._held_off_until = None
        self.setups += 1
        return self._ask(Procedure.E2_SETUP, transaction, E2SetupRequest(
            transaction, self.node, tuple(self.functions.values()), self.components))

    def accept_subscription(
        self, request: RequestId, admitted: Sequence[int] | None = None,
        refused: Sequence[ActionRefused] = (),
    ) -> bytes:
        """The answer that admits a subscription: all its actions, or those given."""
        message, _ = self._known(request)
        if admitted is None:
            admitted = [action.id for action in message.details.actions]
        answer = encode(SubscriptionResponse(request, message.function, tuple(admitted),
                                             tuple(refused)))
        self._asked[request] = message, answer
        return answer

    def refuse_subscription(self, request: RequestId, cause: Cause) -> bytes:
        """The answer that refuses it."""
        message, _ = self._known(request)
        del self._asked[request]
        return encode(SubscriptionFailure(request, message.function, cause))

    def _known(self, request: RequestId) -> tuple[SubscriptionRequest, bytes | None]:
        if request not in self._asked:
            raise TransportError(f"There is no subscription {request}.",
                                 "See the events: it was deleted, or lost by a reset.")
        return self._asked[request]

    def require_delete(self, subscriptions: Sequence[tuple[RequestId, Cause]]) -> bytes:
        """Ask the RIC to delete subscriptions."""
        return encode(SubscriptionDeleteRequired(tuple(
            SubscriptionCause(request, self._known(request)[0].function, cause)
            for request, cause in subscriptions)))

    def indicate(self, request: RequestId, action: int, header: bytes, message: bytes,
                 number: int | None = None, type: IndicationType = IndicationType.REPORT,
                 ) -> bytes:
        """An indication of a subscription, answered or not."""
        function = self._known(request)[0].function
        return encode(Indication(request, function, action, number, type, header, message))

    def acknowledge_control(self, asked: ControlRequest, outcome: bytes | None = None) -> bytes:
        return encode(ControlAcknowledge(asked.request, asked.function, asked.call_process,
                                         outcome))

    def fail_control(self, asked: ControlRequest, cause: Cause,
                     outcome: bytes | None = None) -> bytes:
        return encode(ControlFailure(asked.request, asked.function, cause, asked.call_process,
                                     outcome))

    def update_functions(
        self, now: float, added: Sequence[RanFunction] = (), modified: Sequence[RanFunction] = (),
        deleted: Sequence[FunctionRevision] = (),
    ) -> Command:
        """Tell what the node can do now."""
        self._ready(now)
        gone = {one.id for one in deleted}
        self.functions = {id: one for id, one in self.functions.items() if id not in gone}
        self._asked = {request: asked for request, asked in self._asked.items()
                       if asked[0].function not in gone}
        self.functions |= {one.id: one for one in (*added, *modified)}
        transaction = self._next_transaction()
        return self._ask(Procedure.SERVICE_UPDATE, transaction, ServiceUpdate(
            transaction, tuple(added), tuple(modified), tuple(deleted)))

    def update_components(
        self, now: float, added: Sequence[Component] = (), updated: Sequence[Component] = (),
        removed: Sequence[ComponentRemoved] = (),
    ) -> Command:
        """Tell how the node is configured now."""
        self._ready(now)
        gone = ({(one.interface, one.id) for one in removed}
                | {(one.interface, one.id) for one in updated})
        kept = [one for one in self.components if (one.interface, one.id) not in gone]
        self.components = (*kept, *updated, *added)
        transaction = self._next_transaction()
        return self._ask(Procedure.CONFIGURATION_UPDATE, transaction, ConfigurationUpdate(
            transaction, None, tuple(added), tuple(updated), tuple(removed)))

    def _ready(self, now: float) -> None:
        self._now = max(self._now, now)
        if self.state is not State.READY:
            raise TransportError(f"The association is {self.state.value}.",
                                 "Wait until the node is set up.")

    # Setup.

    def tick(self, now: float) -> list[Event]:
        events = super().tick(now)
        if (self.state is State.HELD_OFF and self._held_off_until is not None
                and self._held_off_until <= self._now):
            self._events.append(Send(self._ask_setup().data))
        return events + self._taken()

    def next_deadline(self) -> float | None:
        deadlines = [super().next_deadline(),
                     self._held_off_until if self.state is State.HELD_OFF else None]
        return min((one for one in deadlines if one is not None), default=None)

    def _accepted(self, message: E2SetupResponse) -> bool:
        if self._answered(Procedure.E2_SETUP, message.transaction, message) is None:
            return False
        self.setups = 0
        self._events.append(Accepted(message.ric, message.accepted, message.rejected))
        return True

    def _refused(self, message: E2SetupFailure) -> bool:
        if self._answered(Procedure.E2_SETUP, message.transaction, message) is None:
            return False
        wait = message.time_to_wait
        self._hold_off(message.cause or MiscCause.UNSPECIFIED,
                       wait.seconds if wait else self.config.hold_off_seconds)
        return True

    def _hold_off(self, cause: Cause | None, seconds: float) -> None:
        self.state = State.HELD_OFF
        most = self.config.setup_attempts
        if most and self.setups >= most:
            self._events.append(GivenUp(self.setups))
        else:
            self._held_off_until = self._now + seconds
            self._events.append(HeldOff(cause, seconds))

    # What the RIC asks for.

    def _subscription_asked(self, message: SubscriptionRequest) -> None:
        before = self._asked.get(message.request)
        if before is not None and before[0] == message:
            if before[1] is not None:  # the RIC did not hear the answer
                self._events.append(Send(before[1]))
        elif message.function not in self.functions:
            self._refuse(message, RicRequestCause.RAN_FUNCTION_ID_INVALID)
        elif before is not None:
            self._refuse(message, RicRequestCause.DUPLICATE_REQUEST_ID)
        elif len(self._asked) >= MOST_SUBSCRIPTIONS:
            self._refuse(message, RicRequestCause.FUNCTION_RESOURCE_LIMIT)
        else:
            self._asked[message.request] = message, None
            self._events.append(SubscriptionAsked(message))

    def _refuse(self, message: SubscriptionRequest, cause: Cause) -> None:
        self._send(SubscriptionFailure(message.request, message.function, cause))

    def _delete_asked(self, message: SubscriptionDeleteRequest) -> None:
        if self._asked.pop(message.request, None) is None:
            self._send(SubscriptionDeleteFailure(message.request, message.function,
                                                 RicRequestCause.REQUEST_ID_UNKNOWN))
        else:
            self._events.append(SubscriptionStopped(message.request))
            self._send(SubscriptionDeleteResponse(message.request, message.function))

    def _control_asked(self, message: ControlRequest) -> None:
        if message.function in self.functions:
            self._events.append(ControlAsked(message))
        else:
            self._send(ControlFailure(message.request, message.function,
                                      RicRequestCause.RAN_FUNCTION_ID_INVALID,
                                      message.call_process))

    def _queried(self, message: ServiceQuery) -> None:
        """Announce what the RIC did not name; an update without any says that there is nothing."""
        if any(procedure is Procedure.SERVICE_UPDATE for procedure, _ in self._pending):
            return  # the answer to the update on its way says it all
        known = {(one.id, one.revision) for one in message.accepted}
        missing = tuple(one for one in self.functions.values()
                        if (one.id, one.revision) not in known)
        gone = tuple(one for one in message.accepted if one.id not in self.functions)
        transaction = self._next_transaction()
        self._events.append(Send(self._ask(
            Procedure.SERVICE_UPDATE, transaction,
            ServiceUpdate(transaction, missing, (), gone)).data))

    def _connection_update_asked(self, message: ConnectionUpdate) -> None:
        wanted = [one.tnl for one in (*message.added, *message.modified)] + list(message.removed)
        self._send(ConnectionUpdateAcknowledge(message.transaction, (), tuple(
            TnlRefused(tnl, TransportCause.RESOURCE_UNAVAILABLE) for tnl in wanted[:32])))
        self._events.append(ConnectionUpdateAsked(message))

    def _update_acknowledged(
        self, message: ServiceUpdateAcknowledge | ConfigurationUpdateAcknowledge
    ) -> None:
        pending = self._update_of(message, message.transaction)
        if pending is not None:
            rejected = message.rejected if isinstance(message, ServiceUpdateAcknowledge) else ()
            self._events.append(UpdateAcknowledged(pending.handle, rejected))

    def _update_refused(self, message: ServiceUpdateFailure | ConfigurationUpdateFailure) -> None:
        pending = self._update_of(message, message.transaction)
        if pending is not None:
            self._events.append(UpdateRefused(pending.handle, message.cause))

    def _update_of(self, message: Message, transaction: int) -> Pending | None:
        functions = isinstance(message, ServiceUpdateAcknowledge | ServiceUpdateFailure)
        return self._answered(Procedure.SERVICE_UPDATE if functions
                              else Procedure.CONFIGURATION_UPDATE, transaction, message)

    # Ends of procedures without the answer that belongs to them.

    def _unanswered(self, key: Key, pending: Pending) -> None:
        if pending.procedure is Procedure.E2_SETUP:
            self._hold_off(None, 0.0)  # it has waited long enough already
        else:
            super()._unanswered(key, pending)

    def _failed(self, key: Key, pending: Pending, cause: Cause | None) -> None:
        if pending.procedure is Procedure.E2_SETUP:
            self._hold_off(cause, self.config.hold_off_seconds)
        elif pending.procedure is Procedure.RESET:
            self._unanswered(key, pending)
        else:
            self._events.append(UpdateRefused(pending.handle, cause))

    def _abandoned(self, key: Key, pending: Pending, why: str) -> None:
        if pending.procedure is Procedure.E2_SETUP and self.state is State.SETTING_UP:
            self._hold_off(None, self.config.hold_off_seconds)
        else:
            super()._abandoned(key, pending, why)

    def _forget(self, why: str) -> None:
        super()._forget(why)
        for request in self._asked:
            self._events.append(SubscriptionStopped(request))
        self._asked.clear()
