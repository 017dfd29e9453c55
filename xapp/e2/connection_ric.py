"""The RIC's end of an association: accepts a node, subscribes, controls, and keeps its books.

Subscriptions are `connection_subscriptions`' part of it; how it is driven says `connection`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from xapp.e2.connection import Key, Pending
from xapp.e2.connection_events import (
    Command,
    ComponentsChanged,
    ConnectionUpdated,
    ControlAcknowledged,
    ControlFailed,
    FunctionsChanged,
    NodeRefused,
    NodeUp,
)
from xapp.e2.connection_subscriptions import Subscriber
from xapp.e2.connection_table import RIC_TABLE, E2Config, State
from xapp.e2.e2ap import encode
from xapp.e2.e2ap_causes import Cause, RicRequestCause, RicServiceCause
from xapp.e2.e2ap_components import Component, ComponentAck, ComponentId, Interface
from xapp.e2.e2ap_identities import GlobalE2NodeId, GlobalRicId, TnlInformation
from xapp.e2.e2ap_messages import (
    ConfigurationUpdate,
    ConfigurationUpdateAcknowledge,
    ConnectionUpdate,
    ConnectionUpdateAcknowledge,
    ConnectionUpdateFailure,
    ControlAcknowledge,
    ControlFailure,
    ControlRequest,
    E2SetupFailure,
    E2SetupRequest,
    E2SetupResponse,
    Message,
    ServiceQuery,
    ServiceUpdate,
    ServiceUpdateAcknowledge,
)
from xapp.e2.e2ap_types import (
    FunctionRefused,
    FunctionRevision,
    Procedure,
    RanFunction,
    RequestId,
    TimeToWait,
    TnlAssociation,
)

MOST_FUNCTIONS = 256  # of a node: as many as one E2AP message can list
MOST_COMPONENTS = 1024  # the same


@dataclass(frozen=True)
class Refusal:
    """Why a node is not accepted, and when it may ask again."""

    cause: Cause
    time_to_wait: TimeToWait | None = None


Judge = Callable[[E2SetupRequest], Refusal | None]


class RicConnection(Subscriber):
    """The RIC's end."""

    table = RIC_TABLE

    def __init__(self, ric: GlobalRicId, requestor: int, config: E2Config | None = None,
                 judge: Judge = lambda message: None, handles: Iterator[int] | None = None,
                 ) -> None:
        super().__init__(requestor, config, handles)
        self.ric = ric
        self.node: GlobalE2NodeId | None = None
        self.components: dict[tuple[Interface, ComponentId], Component] = {}
        self._judge = judge

    # Commands.

    def control(self, function: int, header: bytes, message: bytes, now: float,
                call_process: bytes | None = None, acknowledge: bool = True) -> Command:
        """Ask for an action; without `acknowledge` only a failure will be told."""
        self._ready(now, function)
        request = self._next_request()
        command = self._ask(Procedure.CONTROL, request, ControlRequest(
            request, function, header, message, call_process, acknowledge))
        if not acknowledge:
            self._end((Procedure.CONTROL, request))
        return command

    def query(self, now: float) -> Command:
        """Ask for functions that are not known here; they come as an update of functions."""
        self._ready(now, None)
        known = tuple(FunctionRevision(one.id, one.revision) for one in self.functions.values())
        return Command(next(self._handles), encode(ServiceQuery(self._next_transaction(), known)))

    def update_connection(
        self, now: float, added: tuple[TnlAssociation, ...] = (),
        removed: tuple[TnlInformation, ...] = (), modified: tuple[TnlAssociation, ...] = (),
    ) -> Command:
        """Ask for other associations."""
        self._ready(now, None)
        transaction = self._next_transaction()
        return self._ask(Procedure.CONNECTION_UPDATE, transaction,
                         ConnectionUpdate(transaction, added, removed, modified))

    # Setup and what the node says of itself.

    def _heard(self, ppid: int) -> None:
        self.ppid = ppid or self.ppid

    def _set_up(self, message: E2SetupRequest) -> bool:
        before, self.node = self.node, None
        self._forget("the node set up anew")
        self.functions, self.components = {}, {}
        refusal = self._judge(message)
        if refusal is not None:
            self.state = State.NEW
            self._send(E2SetupFailure(message.transaction, refusal.cause, refusal.time_to_wait))
            self._events.append(NodeRefused(message.node, refusal.cause))
            return False
        self.state = State.READY
        self.node = message.node
        self.functions = {one.id: one for one in message.functions}
        self.components = {(one.interface, one.id): one for one in message.components}
        self._send(E2SetupResponse(
            message.transaction, self.ric, _revisions(tuple(self.functions.values())), (),
            tuple(ComponentAck(one.interface, one.id) for one in message.components)))
        self._events.append(NodeUp(message.node, tuple(self.functions.values()),
                                   message.components, before))
        return True

    def _functions_updated(self, message: ServiceUpdate) -> None:
        accepted: list[RanFunction] = []
        rejected: list[FunctionRefused] = []
        for one in message.deleted:
            if self.functions.pop(one.id, None) is not None:
                self._lose_function(one.id)
        for function in message.added + message.modified:
            if len(self.functions) < MOST_FUNCTIONS or function.id in self.functions:
                self.functions[function.id] = function
                accepted.append(function)
            else:
                rejected.append(FunctionRefused(function.id, RicServiceCause.EXCESSIVE_FUNCTIONS))
        self._send(ServiceUpdateAcknowledge(
            message.transaction, _revisions(tuple(accepted)[:MOST_FUNCTIONS]),
            tuple(rejected)[:MOST_FUNCTIONS]))
        self._events.append(FunctionsChanged(message.added, message.modified, message.deleted))

    def _components_updated(self, message: ConfigurationUpdate) -> None:
        for removed in message.removed:
            self.components.pop((removed.interface, removed.id), None)
        for one in message.added + message.updated:
            if len(self.components) < MOST_COMPONENTS:
                self.components[one.interface, one.id] = one
        self._send(ConfigurationUpdateAcknowledge(
            message.transaction,
            tuple(ComponentAck(one.interface, one.id) for one in message.added),
            tuple(ComponentAck(one.interface, one.id) for one in message.updated),
            tuple(ComponentAck(one.interface, one.id) for one in message.removed)))
        self._events.append(ComponentsChanged(message.added, message.updated, message.removed))

    # Controls, and changes of associations.

    def _control_acknowledged(self, message: ControlAcknowledge) -> None:
        handle, late = self._control_of(message.request, message)
        if handle is not None:
            self._events.append(ControlAcknowledged(handle, message.outcome, late))

    def _control_failed(self, message: ControlFailure) -> None:
        handle, late = self._control_of(message.request, message)
        if handle is not None:
            self._events.append(ControlFailed(handle, message.cause, message.outcome, late))

    def _control_of(self, request: RequestId, message: Message) -> tuple[int | None, bool]:
        """Whose answer it is, and whether it comes too late; each is told once."""
        key = Procedure.CONTROL, request
        if key not in self._pending and key in self._over:
            return self._over.pop(key), True
        pending = self._answered(*key, message)
        return None if pending is None else pending.handle, False

    def _connection_updated(self, message: ConnectionUpdateAcknowledge) -> None:
        pending = self._answered(Procedure.CONNECTION_UPDATE, message.transaction, message)
        if pending is not None:
            cause = message.failed[0].cause if message.failed and not message.set_up else None
            self._events.append(ConnectionUpdated(pending.handle, cause))

    def _connection_refused(self, message: ConnectionUpdateFailure) -> None:
        pending = self._answered(Procedure.CONNECTION_UPDATE, message.transaction, message)
        if pending is not None:
            self._events.append(ConnectionUpdated(
                pending.handle, message.cause or RicRequestCause.UNSPECIFIED))

    def _failed(self, key: Key, pending: Pending, cause: Cause | None) -> None:
        if pending.procedure is Procedure.CONTROL:
            self._events.append(ControlFailed(pending.handle, cause, None, False))
        elif pending.procedure is Procedure.CONNECTION_UPDATE:
            self._events.append(ConnectionUpdated(pending.handle,
                                                  cause or RicRequestCause.UNSPECIFIED))
        else:
            super()._failed(key, pending, cause)


def _revisions(functions: tuple[RanFunction, ...]) -> tuple[FunctionRevision, ...]:
    return tuple(FunctionRevision(one.id, one.revision) for one in functions)
