"""What is answered to messages that are not understood, or not in their place."""

from __future__ import annotations

from tests.xapp.e2.e2ap_examples import EXAMPLES, REQUEST
from tests.xapp.e2.pairs import DU_PPID, Pair, broken, of, one, sent
from xapp.e2.connection_events import NotUnderstood, OutOfPlace
from xapp.e2.connection_table import State
from xapp.e2.e2ap import encode, parse
from xapp.e2.e2ap_causes import MiscCause, ProtocolCause
from xapp.e2.e2ap_container import Pdu, RawIe, build
from xapp.e2.e2ap_messages import (
    ControlAcknowledge,
    E2SetupFailure,
    ErrorIndication,
    ServiceQuery,
    SubscriptionFailure,
    SubscriptionRequest,
)
from xapp.e2.e2ap_types import Criticality, Kind

PPID = DU_PPID


def test_an_error_indication_is_never_answered_with_one() -> None:
    pair = Pair().set_up()
    broken = bytearray(encode(ErrorIndication(cause=MiscCause.UNSPECIFIED)))
    pdu = parse(bytes(broken))
    worse = build(Pdu(pdu.kind, pdu.procedure, pdu.criticality, (
        *pdu.ies, RawIe(999, Criticality.REJECT, b"x"))))
    events = pair.ric.receive(worse, PPID, pair.now)
    assert one(events, NotUnderstood).name == "ErrorIndication"
    assert not sent(events)


def test_requests_that_are_not_understood_are_refused_with_what_is_wrong() -> None:
    pair = Pair()
    events = pair.ric.receive(broken(EXAMPLES[0]), PPID, pair.now)
    failure = sent(events)[0]
    assert isinstance(failure, E2SetupFailure)
    assert failure.cause is ProtocolCause.ABSTRACT_SYNTAX_ERROR_REJECT
    assert failure.diagnostics is not None
    assert failure.diagnostics.problems is not None
    assert [problem.id for problem in failure.diagnostics.problems] == [999]
    assert pair.ric.state is State.NEW
    pair.set_up()
    asked = next(message for message in EXAMPLES if isinstance(message, SubscriptionRequest))
    events = pair.node.receive(broken(asked), PPID, pair.now)
    refused = sent(events)[0]
    assert isinstance(refused, SubscriptionFailure)
    assert (refused.request, refused.function) == (asked.request, asked.function)
    assert one(events, NotUnderstood).problem == "SubscriptionRequest has an unknown element 999"
    events = pair.node.receive(broken(ServiceQuery(3)), PPID, pair.now)
    assert isinstance(sent(events)[0], ErrorIndication)  # it has no failure


def test_elements_to_tell_of_are_told_and_the_message_is_taken() -> None:
    pair = Pair()
    pdu = parse(encode(EXAMPLES[0]))
    told = build(Pdu(pdu.kind, pdu.procedure, pdu.criticality, (
        *pdu.ies, RawIe(999, Criticality.NOTIFY, b"x"))))
    events = pair.ric.receive(told, PPID, pair.now)
    error, response = sent(events)
    assert isinstance(error, ErrorIndication)
    assert error.cause is ProtocolCause.ABSTRACT_SYNTAX_ERROR_IGNORE_AND_NOTIFY
    assert pair.ric.state is State.READY
    assert type(response).__name__ == "E2SetupResponse"


def test_unknown_procedures_are_told_by_their_criticality() -> None:
    pair = Pair().set_up()
    for criticality, told in ((Criticality.REJECT, 1), (Criticality.IGNORE, 0)):
        data = build(Pdu(Kind.INITIATING, 14, criticality, ()))
        events = pair.ric.receive(data, PPID, pair.now)
        assert one(events, NotUnderstood).name == "procedure 14 (initiating)"
        assert len(sent(events)) == told


def test_what_is_not_for_this_state_or_end_is_told() -> None:
    pair = Pair()
    early = pair.ric.receive(encode(EXAMPLES[10]), PPID, pair.now)  # an indication before a setup
    assert one(early, OutOfPlace).state == "new"
    error = sent(early)[0]
    assert isinstance(error, ErrorIndication)
    assert error.cause is ProtocolCause.MESSAGE_NOT_COMPATIBLE_WITH_RECEIVER_STATE
    asked = next(message for message in EXAMPLES if isinstance(message, SubscriptionRequest))
    wrong_end = pair.ric.receive(encode(asked), PPID, pair.now)
    assert isinstance(sent(wrong_end)[0], SubscriptionFailure)
    # An answer that nobody waits for is nobody's fault.
    stray = pair.ric.receive(encode(ControlAcknowledge(REQUEST, 3)), PPID, pair.now)
    assert of(stray, OutOfPlace)
    assert not sent(stray)
