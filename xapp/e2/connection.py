"""One E2 association: procedures under way, time-outs and numbers, and what is not understood.

Sans-IO: bytes and the time come in, events come out, and `Send` among them is what goes to the
peer. Time is in seconds on a clock that does not jump (`time.monotonic`). What each end does with
each message is the table of `connection_table`; the RIC's end is `connection_ric`, the node's
`connection_node`. Garbage is counted and answered (not too often), and never ends an association.
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from xapp.e2.connection_errors import UNKNOWN_BYTES, answer_to, out_of_place
from xapp.e2.connection_events import (
    Closed,
    Command,
    Event,
    Garbage,
    NotUnderstood,
    OutOfPlace,
    PeerError,
    ResetByPeer,
    ResetDone,
    Send,
    Unanswered,
)
from xapp.e2.connection_table import E2Config, State, Table
from xapp.e2.e2ap import encode, read, read_indication
from xapp.e2.e2ap_causes import Cause
from xapp.e2.e2ap_messages import (
    ErrorIndication,
    Message,
    ResetRequest,
    ResetResponse,
)
from xapp.e2.e2ap_types import Kind, Procedure
from xapp.errors import ProtocolError, TransportError

MOST_PENDING = 128  # procedures of one association that wait for an answer: half the transactions
MOST_OVER = 64  # procedures given up whose late answers are told as such
TRANSACTIONS = 256


@dataclass
class Pending:
    """A procedure that waits for its answer."""

    handle: int
    procedure: Procedure
    data: bytes
    seconds: float  # to wait each time
    attempts: int  # that are left
    deadline: float


Key = tuple[Procedure, Hashable]  # and a transaction's number or a request's identity


class Connection:
    """What both ends have in common."""

    table: ClassVar[Table]

    def __init__(self, config: E2Config | None = None, ppid: int = 0,
                 handles: Iterator[int] | None = None) -> None:
        self.config = config or E2Config()
        self.ppid = ppid  # what to send with
        self.state = State.NEW
        self.garbage = 0  # pieces of it that came
        self.errors_sent = 0
        self.errors_kept_back = 0  # that came too fast to be sent
        self._handles = handles or itertools.count(1)
        self._pending: dict[Key, Pending] = {}
        self._over: dict[Key, int] = {}
        self._events: list[Event] = []
        self._now = 0.0
        self._transaction = -1
        self._allowance = float(self.config.errors_in_a_row)
        self._allowance_at = 0.0

    def receive(self, data: bytes, ppid: int, now: float) -> list[Event]:
        """A message from the peer."""
        self._now = max(self._now, now)
        if self.state is not State.CLOSED:
            self._heard(ppid)
            indication = read_indication(data)
            if indication is not None:
                self._step(indication, data)
            else:
                self._read(data)
        return self._taken()

    def tick(self, now: float) -> list[Event]:
        """Time has passed: ask again, or give up."""
        self._now = max(self._now, now)
        due = [key for key, pending in self._pending.items() if pending.deadline <= self._now]
        for key in due:
            pending = self._pending.get(key)
            if pending is not None:  # one that was given up may take others with it
                self._overdue(key, pending)
        return self._taken()

    def next_deadline(self) -> float | None:
        """When `tick` has something to do, if nothing happens before."""
        return min((pending.deadline for pending in self._pending.values()), default=None)

    def lost(self, now: float, why: str = "the association was lost") -> list[Event]:
        """The transport is gone."""
        self._now = max(self._now, now)
        if self.state is not State.CLOSED:
            self.state = State.CLOSED
            self._forget(why)
            self._events.append(Closed())
        return self._taken()

    def reset(self, cause: Cause, now: float) -> tuple[Command, list[Event]]:
        """Ask for a reset; what was under way is over now, whatever the peer says."""
        self._now = max(self._now, now)
        if self.state not in (State.READY, State.RESETTING):
            raise TransportError(f"An association that is {self.state.value} cannot be reset.",
                                 "Wait for the E2 setup.")
        self._forget("a reset of ours")
        self.state = State.RESETTING
        transaction = self._next_transaction()
        command = self._ask(Procedure.RESET, transaction, ResetRequest(transaction, cause))
        return command, self._taken()

    # What commands and answers share.

    def _ask(self, procedure: Procedure, name: Hashable, message: Message,
             handle: int | None = None) -> Command:
        """Begin a procedure."""
        if len(self._pending) >= MOST_PENDING:
            raise TransportError(f"{MOST_PENDING} procedures wait for the node's answers already.",
                                 "Wait for some to end, or look whether the node still answers.")
        data = encode(message)
        handle = next(self._handles) if handle is None else handle
        seconds, attempts = self.config.patience(procedure)
        self._pending[procedure, name] = Pending(
            handle, procedure, data, seconds, attempts - 1, self._now + seconds)
        return Command(handle, data)

    def _answered(self, procedure: Procedure, name: Hashable, message: Message) -> Pending | None:
        """The procedure that `message` ends; where there is none, that is told."""
        pending = self._pending.pop((procedure, name), None)
        if pending is None:
            self._late(message, self._over.get((procedure, name)))
        return pending

    def _overdue(self, key: Key, pending: Pending) -> None:
        if pending.attempts > 0:
            pending.attempts -= 1
            pending.deadline = self._now + pending.seconds
            self._events.append(Send(pending.data))
        else:
            self._end(key)
            self._unanswered(key, pending)

    def _end(self, key: Key) -> Pending | None:
        """Stop waiting; a late answer is known as one for a while."""
        pending = self._pending.pop(key, None)
        if pending is not None:
            self._over.pop(key, None)
            self._over[key] = pending.handle
            if len(self._over) > MOST_OVER:
                del self._over[next(iter(self._over))]
        return pending

    def _forget(self, why: str) -> None:
        """Everything under way is over."""
        for key in list(self._pending):
            pending = self._end(key)
            if pending is not None:
                self._abandoned(key, pending, why)

    def _next_transaction(self) -> int:
        used = {name for _, name in self._pending}
        for step in range(1, TRANSACTIONS + 1):
            number = (self._transaction + step) % TRANSACTIONS
            if number not in used:
                self._transaction = number
                return number
        raise AssertionError("fewer procedures may wait than there are transactions")

    def _send(self, message: Message) -> None:
        self._events.append(Send(encode(message)))

    def _send_error(self, message: Message) -> None:
        """An answer to what was not understood, unless there were too many lately."""
        passed = (self._now - self._allowance_at) * self.config.errors_per_second
        self._allowance = min(self._allowance + passed, float(self.config.errors_in_a_row))
        self._allowance_at = self._now
        if self._allowance < 1:
            self.errors_kept_back += 1
            return
        self._allowance -= 1
        self.errors_sent += 1
        self._send(message)

    def _taken(self) -> list[Event]:
        events, self._events = self._events, []
        return events

    # Incoming messages.

    def _read(self, data: bytes) -> None:
        try:
            found = read(data)
        except ProtocolError as error:
            self.garbage += 1
            self._events.append(Garbage(error.problem, self.garbage))
            self._send_error(UNKNOWN_BYTES)
            return
        answer = answer_to(found)
        if found.message is None or answer is not None:
            self._events.append(NotUnderstood(found.name, found.cause, found.where))
        if answer is not None:
            self._send_error(answer)
        if found.message is not None:
            self._step(found.message, data)
        elif found.type is not None and found.pdu.kind is not Kind.INITIATING:
            self._broken_answer(found.type.procedure, found.values, found.cause)

    def _step(self, message: Message, data: bytes) -> None:
        """Do what the table says."""
        step = self.table[self.state].get(type(message))
        if step is None:
            name = type(message).__name__
            self._events.append(OutOfPlace(name, self.state.value))
            answer = out_of_place(message, name, read(data))
            if answer is not None:
                self._send_error(answer)
            return
        before = self.state
        done = getattr(self, step.action)(message)
        if done is not False and step.then is not None and self.state is before:
            self.state = step.then

    def _broken_answer(self, procedure: Procedure, values: dict[str, Any],
                       cause: Cause | None) -> None:
        """An answer of which too little was understood ends its procedure all the same."""
        for name in (values.get("transaction"), values.get("request")):
            key = procedure, name
            if name is not None and key in self._pending:
                pending = self._end(key)
                assert pending is not None
                self._failed(key, pending, cause)

    # What the tables name, for both ends.

    def _late(self, message: Message, handle: int | None = None) -> None:
        """An answer to nothing that waits."""
        self._events.append(OutOfPlace(type(message).__name__, self.state.value, handle))

    def _crossed(self, message: Message) -> None:
        """On its way when the reset was."""

    def _peer_error(self, message: ErrorIndication) -> None:
        ended = None
        for key in list(self._pending):
            if key[1] is not None and key[1] in (message.transaction, message.request):
                pending = self._end(key)
                assert pending is not None
                ended = pending.handle
                self._failed(key, pending, message.cause)
        self._events.append(PeerError(message, ended))

    def _reset_by_peer(self, message: ResetRequest) -> None:
        if self.state is not State.RESETTING:  # ours is still to be answered
            self._forget("a reset of the peer's")
        self._events.append(ResetByPeer(message.cause))
        self._send(ResetResponse(message.transaction))

    def _reset_done(self, message: ResetResponse) -> bool:
        pending = self._answered(Procedure.RESET, message.transaction, message)
        if pending is not None:
            self._events.append(ResetDone(pending.handle, True))
        return pending is not None

    # What each end does in its own way.

    def _heard(self, ppid: int) -> None:
        """Something came with this payload protocol identifier."""

    def _unanswered(self, key: Key, pending: Pending) -> None:
        """Nobody answered, as often as it was asked."""
        if pending.procedure is Procedure.RESET:
            # The peer is silent, and what was to be forgotten is forgotten here.
            self.state = State.READY
            self._events.append(ResetDone(pending.handle, False))
        else:
            self._events.append(Unanswered(pending.handle, pending.procedure,
                                           "no answer came in time"))

    def _failed(self, key: Key, pending: Pending, cause: Cause | None) -> None:
        """The peer answered with an error indication, or with something broken."""
        self._unanswered(key, pending)

    def _abandoned(self, key: Key, pending: Pending, why: str) -> None:
        """Something greater ended it."""
        self._events.append(Unanswered(pending.handle, pending.procedure, why))

