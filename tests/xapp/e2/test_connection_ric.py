"""The RIC's end: setups, controls, functions and components that change, and their faults."""

from __future__ import annotations

import pytest

from tests.xapp.e2.e2ap_examples import (
    CCC,
    CU_CP,
    DU,
    EXAMPLES,
    F1,
    F1_ACK,
    KPM,
    NG,
    RC,
    REQUEST,
    RIC,
    TNL,
    X2_NACK,
)
from tests.xapp.e2.pairs import ACTION, DU_PPID, Pair, of, one, sent
from xapp.e2.connection_events import (
    ComponentsChanged,
    ConnectionUpdated,
    ControlAcknowledged,
    ControlAsked,
    ControlFailed,
    FunctionsChanged,
    NodeRefused,
    NodeUp,
    OutOfPlace,
    SubscriptionLost,
    Unanswered,
)
from xapp.e2.connection_ric import MOST_FUNCTIONS, Refusal, RicConnection
from xapp.e2.connection_table import E2Config, State
from xapp.e2.e2ap import encode
from xapp.e2.e2ap_causes import MiscCause, RicRequestCause, RicServiceCause, TransportCause
from xapp.e2.e2ap_components import ComponentAck, ComponentRemoved, Interface
from xapp.e2.e2ap_messages import (
    ConfigurationUpdate,
    ConfigurationUpdateAcknowledge,
    ConnectionUpdateFailure,
    ControlAcknowledge,
    ControlFailure,
    ControlRequest,
    E2SetupFailure,
    E2SetupRequest,
    E2SetupResponse,
    ServiceQuery,
    ServiceUpdate,
    ServiceUpdateAcknowledge,
)
from xapp.e2.e2ap_types import (
    FunctionRevision,
    RanFunction,
    RequestId,
    TimeToWait,
    TnlAssociation,
    TnlUsage,
)
from xapp.errors import ConfigurationError, TransportError

REVISIONS = tuple(FunctionRevision(one.id, one.revision) for one in (KPM, RC, CCC))
SETUP = E2SetupRequest(1, DU, (KPM, RC, CCC), (F1,))
PPID = DU_PPID


def test_a_node_is_accepted_with_all_it_announces() -> None:
    ric = RicConnection(RIC, 7)
    events = ric.receive(encode(SETUP), PPID, 0.0)
    assert sent(events) == [E2SetupResponse(1, RIC, REVISIONS, (), (F1_ACK,))]
    assert one(events, NodeUp) == NodeUp(DU, (KPM, RC, CCC), (F1,))
    assert (ric.state, ric.node, ric.ppid) == (State.READY, DU, PPID)


def test_a_node_may_be_refused_and_comes_again() -> None:
    verdicts = [Refusal(RicServiceCause.RIC_RESOURCE_LIMIT, TimeToWait.S_10), None]
    ric = RicConnection(RIC, 7, judge=lambda message: verdicts.pop(0))
    events = ric.receive(encode(SETUP), PPID, 0.0)
    assert sent(events) == [E2SetupFailure(1, RicServiceCause.RIC_RESOURCE_LIMIT, TimeToWait.S_10)]
    assert one(events, NodeRefused).node == DU
    assert (ric.state, ric.node) == (State.NEW, None)
    assert of(ric.receive(encode(SETUP), PPID, 11.0), NodeUp)


def test_a_node_that_sets_up_anew_with_other_ids_mid_procedure_starts_from_nothing() -> None:
    pair = Pair().set_up()
    handle = pair.subscribe()
    control = pair.ric.control(3, b"h", b"m", pair.now)
    again = E2SetupRequest(1, CU_CP, (RanFunction(12, b"kpm", 1, KPM.oid),), (NG,))
    events = pair.ric.receive(encode(again), PPID, pair.now)
    assert one(events, SubscriptionLost).handle == handle
    assert one(events, Unanswered).handle == control.handle
    assert one(events, NodeUp).before == DU
    assert (pair.ric.node, set(pair.ric.functions)) == (CU_CP, {12})
    assert set(pair.ric.components) == {(Interface.NG, NG.id)}
    # What the node had taken before is nobody's now.
    late = pair.ric.receive(encode(ControlAcknowledge(RequestId(7, 1), 3)), PPID, pair.now)
    assert one(late, ControlAcknowledged).late
    with pytest.raises(ConfigurationError, match=r"no RAN function 2\. It announced \[12\]"):
        pair.ric.subscribe(2, b"t", ACTION, pair.now)


def test_a_setup_that_is_refused_the_second_time_leaves_nothing_behind() -> None:
    verdicts = [None, Refusal(MiscCause.OM_INTERVENTION)]
    pair = Pair(judge=lambda message: verdicts.pop(0)).set_up()
    pair.subscribe()
    pair.ric.receive(encode(SETUP), PPID, pair.now)
    assert pair.ric.state is State.NEW
    assert not pair.ric.functions
    assert not pair.ric.subscriptions
    with pytest.raises(TransportError, match="new"):
        pair.ric.query(pair.now)


def test_a_control_is_acknowledged() -> None:
    pair = Pair().set_up()
    handle = pair.command(pair.ric.control(3, b"header", b"message", pair.now, b"call"))
    asked = one(pair.node_events, ControlAsked).message
    assert asked == ControlRequest(RequestId(7, 0), 3, b"header", b"message", b"call", True)
    pair.to_ric(pair.node.acknowledge_control(asked, b"outcome"))
    assert one(pair.ric_events, ControlAcknowledged) == ControlAcknowledged(
        handle, b"outcome", late=False)
    # Said twice, it counts once.
    twice = pair.ric.receive(pair.node.acknowledge_control(asked), PPID, pair.now)
    assert [type(event) for event in twice] == [OutOfPlace]


def test_a_control_fails() -> None:
    pair = Pair().set_up()
    handle = pair.command(pair.ric.control(3, b"h", b"m", pair.now))
    asked = one(pair.node_events, ControlAsked).message
    pair.to_ric(pair.node.fail_control(asked, RicRequestCause.CONTROL_MESSAGE_INVALID, b"why"))
    assert one(pair.ric_events, ControlFailed) == ControlFailed(
        handle, RicRequestCause.CONTROL_MESSAGE_INVALID, b"why", late=False)


def test_a_control_is_never_sent_twice_and_its_late_answer_is_known() -> None:
    pair = Pair(E2Config(control_seconds=2)).set_up()
    handle = pair.command(pair.ric.control(3, b"h", b"m", pair.now))
    assert pair.ric.next_deadline() == pair.now + 2
    events = pair.wait(2)
    assert [type(event) for event in events] == [Unanswered]
    late = pair.to_ric(pair.node.acknowledge_control(one(pair.node_events, ControlAsked).message))
    assert one(late, ControlAcknowledged) == ControlAcknowledged(handle, None, late=True)


def test_a_control_without_acknowledgement_waits_for_nothing_but_hears_of_failure() -> None:
    pair = Pair().set_up()
    command = pair.ric.control(3, b"h", b"m", pair.now, acknowledge=False)
    assert pair.ric.next_deadline() is None
    failed = pair.ric.receive(encode(ControlFailure(
        RequestId(7, 0), 3, MiscCause.UNSPECIFIED)), PPID, pair.now)
    assert one(failed, ControlFailed).handle == command.handle


def test_controls_have_numbers_of_their_own() -> None:
    pair = Pair().set_up()
    handles = [pair.command(pair.ric.control(3, b"h", b"m", pair.now)) for _ in range(3)]
    asked = [event.message for event in of(pair.node_events, ControlAsked)]
    assert [message.request for message in asked] == [RequestId(7, number) for number in range(3)]
    for message in reversed(asked):
        pair.to_ric(pair.node.acknowledge_control(message))
    answered = [event.handle for event in of(pair.ric_events, ControlAcknowledged)]
    assert answered == handles[::-1]


def test_functions_come_change_and_go_with_their_subscriptions() -> None:
    pair = Pair().set_up()
    kept, gone = pair.subscribe(3), pair.subscribe(2)
    pair.ric.subscribe(2, b"t", ACTION, pair.now)
    newer = RanFunction(3, b"rc, newer", 2, RC.oid)
    update = ServiceUpdate(9, (RanFunction(20, b"x", 1, "1.2"),), (newer,),
                           (FunctionRevision(2, 1), FunctionRevision(99, 1)))
    events = pair.ric.receive(encode(update), PPID, pair.now)
    assert sent(events) == [ServiceUpdateAcknowledge(9, (
        FunctionRevision(20, 1), FunctionRevision(3, 2)))]
    assert gone in {event.handle for event in of(events, SubscriptionLost)}
    assert len(of(events, SubscriptionLost)) == 2
    assert one(events, FunctionsChanged).modified == (newer,)
    assert set(pair.ric.functions) == {3, 4, 20}
    assert set(pair.ric.subscriptions) == {kept}
    assert pair.ric.functions[3] == newer


def test_a_node_cannot_announce_without_end() -> None:
    ric = RicConnection(RIC, 7)
    ric.receive(encode(SETUP), PPID, 0.0)
    for start in range(0, 400, 100):
        many = tuple(RanFunction(number, b"", 0, "1") for number in range(start, start + 100))
        events = ric.receive(encode(ServiceUpdate(1, many)), PPID, 0.0)
    assert len(ric.functions) == MOST_FUNCTIONS
    acknowledge = sent(events)[0]
    assert isinstance(acknowledge, ServiceUpdateAcknowledge)
    assert {refused.cause for refused in acknowledge.rejected} == {
        RicServiceCause.EXCESSIVE_FUNCTIONS}


def test_components_come_change_and_go() -> None:
    ric = RicConnection(RIC, 7)
    ric.receive(encode(SETUP), PPID, 0.0)
    update = ConfigurationUpdate(3, None, (NG,), (F1,), (ComponentRemoved(
        X2_NACK.interface, X2_NACK.id),))
    events = ric.receive(encode(update), PPID, 0.0)
    assert sent(events) == [ConfigurationUpdateAcknowledge(
        3, (ComponentAck(NG.interface, NG.id),), (F1_ACK,),
        (ComponentAck(X2_NACK.interface, X2_NACK.id),))]
    assert one(events, ComponentsChanged).added == (NG,)
    assert set(ric.components) == {(Interface.F1, F1.id), (Interface.NG, NG.id)}
    ric.receive(encode(ConfigurationUpdate(4, removed=(
        ComponentRemoved(NG.interface, NG.id),))), PPID, 0.0)
    assert set(ric.components) == {(Interface.F1, F1.id)}


def test_a_query_names_what_is_known_and_brings_the_rest() -> None:
    pair = Pair().set_up()
    del pair.ric.functions[4]
    pair.command(pair.ric.query(pair.now))
    assert one(pair.ric_events, FunctionsChanged).added == (CCC,)
    assert 4 in pair.ric.functions


def test_other_associations_are_refused_by_a_node_that_has_one() -> None:
    pair = Pair().set_up()
    wanted = (TnlAssociation(TNL, TnlUsage.BOTH),)
    handle = pair.command(pair.ric.update_connection(pair.now, wanted))
    assert one(pair.ric_events, ConnectionUpdated) == ConnectionUpdated(
        handle, TransportCause.RESOURCE_UNAVAILABLE)
    second = pair.ric.update_connection(pair.now, wanted)
    events = pair.ric.receive(encode(ConnectionUpdateFailure(1)), PPID, pair.now)
    assert one(events, ConnectionUpdated) == ConnectionUpdated(
        second.handle, RicRequestCause.UNSPECIFIED)
    third = pair.ric.update_connection(pair.now, wanted)
    assert sent(pair.ric.tick(pair.now + 3))  # asked again
    assert one(pair.ric.tick(pair.now + 6), Unanswered).handle == third.handle


def test_a_stray_answer_is_told_and_changes_nothing() -> None:
    pair = Pair().set_up()
    for message in EXAMPLES:
        if "request" in type(message).__annotations__ and not isinstance(message, ServiceQuery):
            pair.ric.receive(encode(message), PPID, pair.now)
    assert pair.ric.state is State.READY
    assert not pair.ric.subscriptions
    assert REQUEST not in {name for _, name in pair.ric._pending}
