"""The node's end: setting up against all odds, and what it answers by itself."""

from __future__ import annotations

import pytest

from tests.xapp.e2.e2ap_examples import CCC, DU, F1, F1_ACK, KPM, NG, RC, RIC
from tests.xapp.e2.pairs import ACTION, DU_PPID, Pair, of, one, sent
from xapp.e2.connection_events import (
    Accepted,
    ComponentsChanged,
    FunctionsChanged,
    GivenUp,
    HeldOff,
    OutOfPlace,
    Send,
    SubscriptionAsked,
    SubscriptionLost,
    SubscriptionStopped,
    Unanswered,
    UpdateAcknowledged,
    UpdateRefused,
)
from xapp.e2.connection_node import MOST_SUBSCRIPTIONS, NodeConnection
from xapp.e2.connection_ric import Refusal
from xapp.e2.connection_table import E2Config, State
from xapp.e2.e2ap import encode
from xapp.e2.e2ap_causes import MiscCause, ProtocolCause, RicRequestCause, RicServiceCause
from xapp.e2.e2ap_components import ComponentRemoved, Interface
from xapp.e2.e2ap_messages import (
    ControlFailure,
    ControlRequest,
    E2SetupFailure,
    E2SetupRequest,
    E2SetupResponse,
    ErrorIndication,
    ServiceQuery,
    ServiceUpdate,
    ServiceUpdateFailure,
    SubscriptionDeleteFailure,
    SubscriptionDeleteRequest,
    SubscriptionDetails,
    SubscriptionFailure,
    SubscriptionRequest,
    SubscriptionResponse,
)
from xapp.e2.e2ap_types import FunctionRevision, RanFunction, RequestId, TimeToWait
from xapp.errors import TransportError

PPID = DU_PPID
RESPONSE = E2SetupResponse(0, RIC, (FunctionRevision(2, 1),), (), (F1_ACK,))
FIRST = RequestId(7, 0)


def node(config: E2Config | None = None) -> NodeConnection:
    return NodeConnection(DU, (KPM, RC), (F1,), DU_PPID, config)


def asked(function: int = 2, instance: int = 0, trigger: bytes = b"t") -> bytes:
    return encode(SubscriptionRequest(RequestId(7, instance), function,
                                      SubscriptionDetails(trigger, (ACTION,))))


def test_a_node_sets_up() -> None:
    pair = Pair().set_up()
    accepted = one(pair.node_events, Accepted)
    assert accepted.ric == RIC
    assert [function.id for function in accepted.functions] == [2, 3, 4]
    assert (pair.node.state, pair.node.setups, pair.node.next_deadline()) == (State.READY, 0, None)
    with pytest.raises(TransportError, match="ready"):
        pair.node.set_up(pair.now)


def test_a_refused_node_waits_as_long_as_it_is_told_and_asks_again() -> None:
    verdicts = [Refusal(RicServiceCause.RIC_RESOURCE_LIMIT, TimeToWait.S_20),
                Refusal(MiscCause.OM_INTERVENTION), None]
    pair = Pair(E2Config(hold_off_seconds=7), judge=lambda message: verdicts.pop(0)).set_up()
    assert of(pair.node_events, HeldOff) == [HeldOff(RicServiceCause.RIC_RESOURCE_LIMIT, 20.0)]
    assert pair.node.next_deadline() == pair.now + 20
    pair.wait(19.9)
    assert pair.node.state is State.HELD_OFF
    pair.wait(0.1)
    assert of(pair.node_events, HeldOff)[1:] == [HeldOff(MiscCause.OM_INTERVENTION, 7.0)]
    pair.wait(7)
    assert one(pair.node_events, Accepted)
    assert pair.node.setups == 0


def test_a_setup_that_nobody_answers_is_sent_again_until_given_up() -> None:
    end = node(E2Config(setup_seconds=5, setup_attempts=2))
    first = end.set_up(0.0)
    assert end.tick(4.9) == []
    events = end.tick(5.0)
    assert [type(event) for event in events] == [HeldOff, Send]
    request = sent(events)[0]
    assert isinstance(request, E2SetupRequest)
    assert request.transaction == 1
    late = end.receive(encode(RESPONSE), PPID, 6.0)  # to the first one
    assert one(late, OutOfPlace).handle == first.handle
    assert end.state is State.SETTING_UP
    assert end.tick(10.0) == [GivenUp(2)]
    assert end.next_deadline() is None
    assert end.set_up(60.0).data  # whoever wants may begin again


def test_a_refusal_without_cause_or_time_is_one() -> None:
    end = node(E2Config(hold_off_seconds=3))
    end.set_up(0.0)
    events = end.receive(encode(E2SetupFailure(0, ProtocolCause.UNSPECIFIED)), PPID, 0.0)
    assert events == [HeldOff(ProtocolCause.UNSPECIFIED, 3.0)]
    error = node(E2Config(hold_off_seconds=3))
    error.set_up(0.0)
    events = error.receive(encode(ErrorIndication(transaction=0)), PPID, 0.0)
    assert one(events, HeldOff).seconds == 3.0


def test_a_node_whose_transport_is_lost_stays_quiet() -> None:
    for held_off in (False, True):
        end = node()
        end.set_up(0.0)
        if held_off:
            end.receive(encode(E2SetupFailure(0, MiscCause.UNSPECIFIED)), PPID, 0.0)
        end.lost(0.0)
        assert (end.tick(1e6), end.next_deadline()) == ([], None)


def test_subscriptions_are_asked_of_whoever_knows() -> None:
    pair = Pair().set_up()
    pair.to_node(asked())
    assert one(pair.node_events, SubscriptionAsked).message.request == FIRST
    assert not pair.node.subscriptions
    assert sent([Send(pair.node.accept_subscription(FIRST))]) == [
        SubscriptionResponse(FIRST, 2, (0,))]
    assert len(pair.node.subscriptions) == 1
    pair.to_node(asked(instance=1))
    pair.node.refuse_subscription(RequestId(7, 1), RicRequestCause.UNSPECIFIED)
    with pytest.raises(TransportError, match="no subscription"):
        pair.node.indicate(RequestId(7, 1), 0, b"", b"")


def test_a_repeated_request_is_answered_as_before() -> None:
    pair = Pair().set_up()
    assert pair.node.receive(asked(), PPID, pair.now)
    assert pair.node.receive(asked(), PPID, pair.now) == []  # it is being thought about
    answer = pair.node.accept_subscription(FIRST)
    assert pair.node.receive(asked(), PPID, pair.now) == [Send(answer)]
    other = sent(pair.node.receive(asked(trigger=b"other"), PPID, pair.now))
    assert other == [SubscriptionFailure(FIRST, 2, RicRequestCause.DUPLICATE_REQUEST_ID)]


def test_what_a_node_cannot_do_it_refuses_by_itself() -> None:
    pair = Pair().set_up()
    assert sent(pair.node.receive(asked(99), PPID, pair.now)) == [
        SubscriptionFailure(FIRST, 99, RicRequestCause.RAN_FUNCTION_ID_INVALID)]
    control = encode(ControlRequest(FIRST, 99, b"h", b"m", b"call"))
    assert sent(pair.node.receive(control, PPID, pair.now)) == [
        ControlFailure(FIRST, 99, RicRequestCause.RAN_FUNCTION_ID_INVALID, b"call")]
    delete = encode(SubscriptionDeleteRequest(FIRST, 2))
    assert sent(pair.node.receive(delete, PPID, pair.now)) == [
        SubscriptionDeleteFailure(FIRST, 2, RicRequestCause.REQUEST_ID_UNKNOWN)]
    for instance in range(MOST_SUBSCRIPTIONS):
        pair.node.receive(asked(instance=instance), PPID, pair.now)
    assert sent(pair.node.receive(asked(instance=5000), PPID, pair.now)) == [
        SubscriptionFailure(RequestId(7, 5000), 2, RicRequestCause.FUNCTION_RESOURCE_LIMIT)]


def test_functions_and_components_change() -> None:
    pair = Pair().set_up()
    lost = pair.subscribe(2)
    other = RanFunction(9, b"new", 1, "1.2.3")
    update = pair.node.update_functions(pair.now, (other,), (), (FunctionRevision(2, 1),))
    pair.to_ric(update.data)
    assert one(pair.ric_events, FunctionsChanged).added == (other,)
    assert one(pair.ric_events, SubscriptionLost).handle == lost
    components = pair.node.update_components(pair.now, (NG,), (), (
        ComponentRemoved(Interface.F1, F1.id),))
    pair.to_ric(components.data)
    assert one(pair.ric_events, ComponentsChanged).added == (NG,)
    assert [event.handle for event in of(pair.node_events, UpdateAcknowledged)] == [
        update.handle, components.handle]
    assert pair.node.components == (NG,)
    assert set(pair.node.functions) == {3, 4, 9}
    assert not pair.node.subscriptions


def test_an_update_may_be_refused_or_not_answered() -> None:
    pair = Pair(E2Config(update_seconds=1, update_attempts=2)).set_up()
    refused = pair.node.update_functions(pair.now, (CCC,))
    events = pair.node.receive(encode(ServiceUpdateFailure(1, MiscCause.UNSPECIFIED)), PPID,
                               pair.now)
    assert one(events, UpdateRefused) == UpdateRefused(refused.handle, MiscCause.UNSPECIFIED)
    silent = pair.node.update_components(pair.now, (NG,))
    assert pair.node.tick(pair.now + 1) == [Send(silent.data)]
    assert one(pair.node.tick(pair.now + 2), Unanswered).handle == silent.handle


def test_a_query_is_answered_once_until_the_answer_is_taken() -> None:
    pair = Pair().set_up()
    known = (FunctionRevision(2, 1), FunctionRevision(3, 9), FunctionRevision(50, 1))
    events = pair.node.receive(encode(ServiceQuery(5, known)), PPID, pair.now)
    assert sent(events) == [ServiceUpdate(1, (RC, CCC), (), (FunctionRevision(50, 1),))]
    for _ in range(300):
        assert pair.node.receive(encode(ServiceQuery(6)), PPID, pair.now) == []


def test_a_stopped_subscription_is_told_once() -> None:
    pair = Pair().set_up()
    pair.subscribe()
    events = pair.node.lost(pair.now)
    assert one(events, SubscriptionStopped).request == FIRST
    assert not pair.node.subscriptions
