"""What both ends of an association share: garbage, resets, numbers, time-outs, the tables."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.xapp.e2.e2ap_examples import EXAMPLES
from tests.xapp.e2.pairs import ACTION, DU_PPID, Pair, broken, of, one, sent
from xapp.e2.connection import MOST_OVER, MOST_PENDING, Connection
from xapp.e2.connection_events import (
    Closed,
    ControlAcknowledged,
    Garbage,
    NotUnderstood,
    OutOfPlace,
    PeerError,
    ResetByPeer,
    ResetDone,
    Send,
    SubscriptionLost,
    SubscriptionStopped,
    Unanswered,
)
from xapp.e2.connection_table import (
    E2Config,
    State,
)
from xapp.e2.e2ap import decode, encode
from xapp.e2.e2ap_causes import MiscCause, ProtocolCause, RicRequestCause
from xapp.e2.e2ap_messages import (
    ControlAcknowledge,
    ControlFailure,
    E2SetupRequest,
    ErrorIndication,
    Message,
    ResetRequest,
    ResetResponse,
    ServiceQuery,
    SubscriptionResponse,
)
from xapp.e2.e2ap_types import Procedure, RequestId
from xapp.errors import TransportError

PPID = DU_PPID


def state_of(end: Connection) -> State:
    return end.state


def test_garbage_is_counted_and_answered_but_not_for_ever() -> None:
    pair = Pair(E2Config(errors_in_a_row=3, errors_per_second=2)).set_up()
    events = [event for number in range(50)
              for event in pair.ric.receive(b"GET / HTTP/1.1" + bytes([number]), PPID, pair.now)]
    assert [event.count for event in of(events, Garbage)] == list(range(1, 51))
    assert sent(events) == [ErrorIndication(cause=ProtocolCause.TRANSFER_SYNTAX_ERROR)] * 3
    assert (pair.ric.errors_sent, pair.ric.errors_kept_back) == (3, 47)
    assert len(sent(pair.ric.receive(b"", PPID, pair.now + 1))) == 1  # a second allows two more
    assert pair.ric.state is State.READY
    pair.subscribe()  # and works as ever


def test_a_reset_of_the_ric_clears_both_ends() -> None:
    pair = Pair().set_up()
    handle = pair.subscribe()
    waiting = pair.ric.control(3, b"h", b"m", pair.now).handle
    command, events = pair.ric.reset(MiscCause.OM_INTERVENTION, pair.now)
    assert one(events, SubscriptionLost).handle == handle
    assert one(events, Unanswered).handle == waiting
    assert state_of(pair.ric) is State.RESETTING
    pair.to_node(command.data)
    assert one(pair.node_events, SubscriptionStopped)
    assert one(pair.node_events, ResetByPeer).cause is MiscCause.OM_INTERVENTION
    assert one(pair.ric_events, ResetDone) == ResetDone(command.handle, True)
    assert pair.ric.state is State.READY
    assert not pair.ric.subscriptions
    assert not pair.node.subscriptions
    pair.subscribe()


def test_a_reset_of_the_node_clears_both_ends() -> None:
    pair = Pair().set_up()
    handle = pair.subscribe()
    command, events = pair.node.reset(MiscCause.HARDWARE_FAILURE, pair.now)
    assert of(events, SubscriptionStopped)
    pair.to_ric(command.data)
    assert one(pair.ric_events, SubscriptionLost).handle == handle
    assert one(pair.ric_events, ResetByPeer).cause is MiscCause.HARDWARE_FAILURE
    assert one(pair.node_events, ResetDone).answered
    pair.subscribe()


@pytest.mark.parametrize("state", [State.NEW, State.READY, State.RESETTING])
def test_a_reset_is_answered_in_any_state(state: State) -> None:
    pair = Pair()
    if state is not State.NEW:
        pair.set_up()
    if state is State.RESETTING:
        pair.ric.reset(MiscCause.UNSPECIFIED, pair.now)
    events = pair.ric.receive(encode(ResetRequest(9, MiscCause.UNSPECIFIED)), PPID, pair.now)
    assert sent(events) == [ResetResponse(9)]
    assert pair.ric.state is state


def test_what_crosses_a_reset_is_dropped_quietly() -> None:
    pair = Pair().set_up()
    handle = pair.subscribe()
    request = pair.ric.subscriptions[handle].request
    crossing = pair.node.indicate(request, 0, b"h", b"m")
    pair.ric.reset(MiscCause.UNSPECIFIED, pair.now)
    assert pair.ric.receive(crossing, PPID, pair.now) == []
    answer = encode(SubscriptionResponse(RequestId(7, 500), 2, (0,)))
    assert [type(event) for event in pair.ric.receive(answer, PPID, pair.now)] == [OutOfPlace]


def test_a_reset_that_nobody_answers_is_repeated_and_then_over() -> None:
    pair = Pair(E2Config(reset_seconds=2, reset_attempts=2)).set_up()
    command, _ = pair.ric.reset(MiscCause.UNSPECIFIED, pair.now)
    assert pair.ric.next_deadline() == pair.now + 2
    assert pair.ric.tick(pair.now + 1.9) == []
    assert pair.ric.tick(pair.now + 2) == [Send(command.data)]
    assert pair.ric.tick(pair.now + 4) == [ResetDone(command.handle, False)]
    assert pair.ric.state is State.READY
    assert pair.ric.next_deadline() is None


def test_losing_the_transport_ends_everything_once() -> None:
    pair = Pair().set_up()
    subscribed = pair.subscribe()
    asked = pair.ric.subscribe(2, b"t", ACTION, pair.now).handle
    control = pair.ric.control(3, b"h", b"m", pair.now).handle
    events = pair.ric.lost(pair.now)
    assert {event.handle for event in of(events, SubscriptionLost)} == {subscribed, asked}
    assert one(events, Unanswered).handle == control
    assert isinstance(events[-1], Closed)
    assert pair.ric.lost(pair.now) == []
    assert pair.ric.receive(encode(EXAMPLES[0]), PPID, pair.now) == []
    assert pair.ric.tick(pair.now + 1e6) == []
    with pytest.raises(TransportError, match="closed"):
        pair.ric.control(3, b"h", b"m", pair.now)


def test_an_error_indication_ends_the_procedure_that_it_names() -> None:
    pair = Pair().set_up()
    control = pair.ric.control(3, b"h", b"m", pair.now)
    events = pair.ric.receive(encode(ErrorIndication(
        request=RequestId(7, 0), function=3, cause=MiscCause.UNSPECIFIED)), PPID, pair.now)
    assert one(events, PeerError).handle == control.handle
    other = pair.ric.receive(encode(ErrorIndication(cause=MiscCause.UNSPECIFIED)), PPID, pair.now)
    assert one(other, PeerError).handle is None


def test_an_answer_that_is_not_understood_ends_its_procedure() -> None:
    pair = Pair().set_up()
    control = pair.ric.control(3, b"h", b"m", pair.now)
    events = pair.ric.receive(broken(ControlAcknowledge(RequestId(7, 0), 3)), PPID, pair.now)
    assert one(events, NotUnderstood)
    assert [getattr(event, "handle", None) for event in events] == [None, control.handle]
    assert not sent(events)
    assert pair.ric.next_deadline() is None


def test_transactions_are_used_again_but_never_twice_at_a_time() -> None:
    pair = Pair().set_up()
    for _ in range(3):
        pair.ric.update_connection(pair.now)
    waiting = {name for _, name in pair.ric._pending}
    assert len(waiting) == 3
    queries = [decode(pair.ric.query(pair.now).data) for _ in range(600)]
    used = [query.transaction for query in queries if isinstance(query, ServiceQuery)]
    assert set(used) == set(range(256)) - waiting
    assert all(one != other for one, other in pairwise(used))


def test_no_more_procedures_wait_than_may() -> None:
    pair = Pair().set_up()
    for _ in range(MOST_PENDING):
        pair.ric.control(3, b"h", b"m", pair.now)
    with pytest.raises(TransportError, match="128 procedures"):
        pair.ric.control(3, b"h", b"m", pair.now)
    assert len(of(pair.ric.tick(pair.now + 60), Unanswered)) == MOST_PENDING
    assert len(pair.ric._over) == MOST_OVER
    pair.ric.control(3, b"h", b"m", pair.now)


def test_a_clock_that_jumps_costs_at_most_what_was_waiting() -> None:
    pair = Pair().set_up()
    handle = pair.command(pair.ric.control(3, b"h", b"m", pair.now))
    assert pair.ric.tick(pair.now - 1e6) == []
    late = pair.ric.tick(pair.now + 1e6)
    assert one(late, Unanswered).handle == handle
    # Back again: the latest time seen counts, and new procedures have their full time.
    again = pair.ric.control(3, b"h", b"m", pair.now)
    assert pair.ric.tick(pair.now + 1) == []
    events = pair.ric.receive(encode(ControlAcknowledge(RequestId(7, 1), 3)), PPID, pair.now)
    assert one(events, ControlAcknowledged).handle == again.handle


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(EXAMPLES) | st.binary(max_size=40), max_size=30),
       st.booleans())
def test_any_messages_in_any_order_leave_an_association_that_works(
    messages: list[Message | bytes], ready: bool
) -> None:
    pair = Pair()
    if ready:
        pair.set_up()
    ends: tuple[Connection, ...] = (pair.ric, pair.node)
    for message in messages:
        data = message if isinstance(message, bytes) else encode(message)
        for end in ends:
            end.receive(data, PPID, pair.now)
            end.tick(pair.now)
        pair.now += 0.1
    for end in ends:
        end.receive(encode(ResetRequest(0, MiscCause.UNSPECIFIED)), PPID, pair.now)
    pair.ric.receive(encode(E2SetupRequest(0, pair.node.node, tuple(
        pair.node.functions.values()), pair.node.components)), PPID, pair.now)
    assert pair.ric.state is State.READY
    command = pair.ric.control(3, b"h", b"m", pair.now)
    request = next(name for _, name in pair.ric._pending if isinstance(name, RequestId))
    events = pair.ric.receive(encode(ControlFailure(
        request, 3, RicRequestCause.CONTROL_FAILED_TO_EXECUTE)), PPID, pair.now)
    assert [getattr(event, "handle", None) for event in events] == [command.handle]
    assert Procedure.CONTROL not in {procedure for procedure, _ in pair.ric._pending}
