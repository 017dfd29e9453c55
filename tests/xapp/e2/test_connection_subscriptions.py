"""Subscriptions of the RIC: asked, answered before or after they begin, refused, lost, renewed."""

from __future__ import annotations

import pytest

from tests.xapp.e2.pairs import ACTION, DU_PPID, Pair, of, one, sent
from xapp.e2.connection_events import (
    DeleteRefused,
    Indicated,
    OutOfPlace,
    Send,
    StrayIndication,
    Subscribed,
    SubscriptionAsked,
    SubscriptionEnded,
    SubscriptionLost,
    SubscriptionRefused,
    SubscriptionStopped,
    Unanswered,
)
from xapp.e2.connection_subscriptions import MOST_SUBSCRIPTIONS
from xapp.e2.connection_table import E2Config, Stage
from xapp.e2.e2ap import encode
from xapp.e2.e2ap_causes import MiscCause, RicRequestCause
from xapp.e2.e2ap_messages import (
    ErrorIndication,
    SubscriptionDeleteFailure,
    SubscriptionDeleteRequest,
    SubscriptionDeleteResponse,
    SubscriptionFailure,
    SubscriptionResponse,
)
from xapp.e2.e2ap_types import Action, ActionRefused, RequestId
from xapp.errors import TransportError

PPID = DU_PPID
FIRST = RequestId(7, 0)
QUICK = E2Config(subscription_seconds=1, subscription_attempts=3)


def asked(pair: Pair, action: Action = ACTION) -> int:
    return pair.command(pair.ric.subscribe(2, b"trigger", action, pair.now))


def test_a_subscription_is_admitted_and_indicated() -> None:
    pair = Pair().set_up()
    handle = pair.subscribe()
    assert one(pair.ric_events, Subscribed) == Subscribed(handle)
    message = one(pair.node_events, SubscriptionAsked).message
    assert (message.details.trigger, message.details.actions) == (b"trigger", (ACTION,))
    pair.to_ric(pair.node.indicate(message.request, 0, b"header", b"message"))
    indicated = one(pair.ric_events, Indicated)
    assert (indicated.handle, indicated.early) == (handle, False)
    assert (indicated.indication.number, indicated.indication.message) == (None, b"message")


def test_indications_count_before_the_answer() -> None:
    pair = Pair().set_up()
    handle = asked(pair)
    pair.to_ric(pair.node.indicate(FIRST, 0, b"h", b"m"))
    assert one(pair.ric_events, Indicated).early
    pair.to_ric(pair.node.accept_subscription(FIRST))
    assert one(pair.ric_events, Subscribed) == Subscribed(handle)


def test_lost_late_and_repeated_indications_are_told_where_they_are_numbered() -> None:
    pair = Pair().set_up()
    pair.subscribe()
    told = []
    for number in (65533, 65534, 65534, 1, 65535, 2, 2, None, 3):
        data = pair.node.indicate(FIRST, 0, b"h", b"m", number)
        event = one(pair.ric.receive(data, PPID, pair.now), Indicated)
        told.append((event.missed, event.late))
    assert told == [(0, False), (0, False), (0, True), (2, False), (0, True), (0, False),
                    (0, True), (0, False), (0, False)]


def test_a_subscription_that_is_indicated_but_never_answered_is_one() -> None:
    pair = Pair(QUICK).set_up()
    handle = asked(pair)
    pair.to_ric(pair.node.indicate(FIRST, 0, b"h", b"m"))
    for _ in range(3):
        pair.wait(1)
    assert one(pair.ric_events, Subscribed) == Subscribed(handle, answered=False)
    assert pair.ric.subscriptions[handle].stage is Stage.ACTIVE
    # Its answer comes after all: nothing is deleted for it.
    late = pair.ric.receive(pair.node.accept_subscription(FIRST), PPID, pair.now)
    assert [type(event) for event in late] == [OutOfPlace]


@pytest.mark.parametrize("admitted", [(0,), (3,), (0, 0), (3, 0, 0)])
def test_whatever_number_the_node_gives_the_one_action_it_is_admitted(
    admitted: tuple[int, ...]
) -> None:
    """A gNB writes every action at the list's first place."""
    pair = Pair().set_up()
    handle = asked(pair, Action(3))
    pair.to_ric(encode(SubscriptionResponse(FIRST, 2, admitted)))
    assert one(pair.ric_events, Subscribed).handle == handle


def test_a_subscription_is_refused() -> None:
    pair = Pair().set_up()
    first = asked(pair)
    pair.to_ric(pair.node.refuse_subscription(FIRST, RicRequestCause.ACTION_NOT_SUPPORTED))
    second = asked(pair)
    pair.to_ric(encode(SubscriptionResponse(RequestId(7, 1), 2, (9,), (
        ActionRefused(0, RicRequestCause.EXCESSIVE_ACTIONS),))))
    assert of(pair.ric_events, SubscriptionRefused) == [
        SubscriptionRefused(first, RicRequestCause.ACTION_NOT_SUPPORTED),
        SubscriptionRefused(second, RicRequestCause.EXCESSIVE_ACTIONS)]
    assert not pair.ric.subscriptions


def test_a_subscription_is_asked_for_again_and_given_up() -> None:
    pair = Pair(QUICK).set_up()
    command = pair.ric.subscribe(2, b"t", ACTION, pair.now)  # lost on its way
    assert pair.ric.tick(pair.now + 1) == [Send(command.data)]
    assert pair.ric.tick(pair.now + 2) == [Send(command.data)]
    events = pair.ric.tick(pair.now + 3)
    assert one(events, Unanswered).handle == command.handle
    assert not pair.ric.subscriptions


@pytest.mark.parametrize("cause", [RicRequestCause.DUPLICATE_REQUEST_ID,
                                   RicRequestCause.DUPLICATE_EVENT_TRIGGER])
def test_a_repeated_request_that_was_taken_the_first_time_is_admitted(cause: RicRequestCause,
                                                                      ) -> None:
    pair = Pair(QUICK).set_up()
    pair.ric.subscribe(2, b"t", ACTION, pair.now)
    first = pair.ric.receive(encode(SubscriptionFailure(FIRST, 2, cause)), PPID, pair.now)
    assert one(first, SubscriptionRefused).cause is cause  # at the first time it is what it says
    second = pair.ric.subscribe(2, b"t", ACTION, pair.now)
    pair.ric.tick(pair.now + 1)
    events = pair.ric.receive(encode(SubscriptionFailure(RequestId(7, 1), 2, cause)), PPID,
                              pair.now + 1)
    assert one(events, Subscribed).handle == second.handle


def test_what_was_given_up_and_admitted_late_is_deleted_at_the_node() -> None:
    pair = Pair(QUICK).set_up()
    asked(pair)
    pair.mute = True
    for _ in range(3):
        pair.wait(1)
    assert one(pair.ric_events, Unanswered)
    pair.mute = False
    pair.to_ric(pair.node.accept_subscription(FIRST))
    assert one(pair.node_events, SubscriptionStopped).request == FIRST
    assert not pair.node.subscriptions
    assert not of(pair.ric_events, Subscribed)


def test_what_was_given_up_and_is_indicated_is_deleted_once() -> None:
    pair = Pair(QUICK).set_up()
    asked(pair)
    for _ in range(3):
        pair.wait(1)
    stray = pair.node.indicate(FIRST, 0, b"h", b"m")
    events = [event for _ in range(5) for event in pair.ric.receive(stray, PPID, pair.now)]
    assert len(of(events, StrayIndication)) == 5
    assert sent(events) == [SubscriptionDeleteRequest(FIRST, 2)]


def test_indications_that_nobody_asked_for_are_told_but_not_for_ever() -> None:
    pair = Pair(E2Config(errors_in_a_row=2)).set_up()
    asked(pair)
    stray = pair.node.indicate(FIRST, 0, b"h", b"m")
    pair.ric.subscriptions.clear()
    pair.ric._by_request.clear()
    events = [event for _ in range(9) for event in pair.ric.receive(stray, PPID, pair.now)]
    assert len(of(events, StrayIndication)) == 9
    assert sent(events) == [
        ErrorIndication(None, FIRST, 2, RicRequestCause.REQUEST_ID_UNKNOWN)] * 2


def test_a_duplicated_answer_changes_nothing() -> None:
    pair = Pair().set_up()
    handle = pair.subscribe()
    for message in (SubscriptionResponse(FIRST, 2, (0,)),
                    SubscriptionFailure(FIRST, 2, MiscCause.UNSPECIFIED),
                    SubscriptionDeleteResponse(FIRST, 2)):
        events = pair.ric.receive(encode(message), PPID, pair.now)
        assert [type(event) for event in events] == [OutOfPlace]
    assert pair.ric.subscriptions[handle].stage is Stage.ACTIVE


def test_a_subscription_is_deleted() -> None:
    pair = Pair().set_up()
    handle = pair.subscribe()
    crossing = pair.node.indicate(FIRST, 0, b"h", b"m")
    command = pair.ric.delete(handle, pair.now)
    assert pair.ric.receive(crossing, PPID, pair.now) == []
    with pytest.raises(TransportError, match="no subscription 1"):
        pair.ric.delete(handle, pair.now)
    pair.to_node(command.data)
    assert one(pair.node_events, SubscriptionStopped).request == FIRST
    assert one(pair.ric_events, SubscriptionEnded) == SubscriptionEnded(handle, True)
    assert not pair.ric.subscriptions


def test_a_subscription_may_be_deleted_before_it_is_answered() -> None:
    pair = Pair().set_up()
    handle = asked(pair)
    command = pair.ric.delete(handle, pair.now)
    late = pair.ric.receive(pair.node.accept_subscription(FIRST), PPID, pair.now)
    assert [type(event) for event in late] == [OutOfPlace]
    pair.to_node(command.data)
    assert one(pair.ric_events, SubscriptionEnded).confirmed


def test_a_deletion_that_nobody_answers_is_over_all_the_same() -> None:
    pair = Pair(QUICK).set_up()
    handle = pair.subscribe()
    command = pair.ric.delete(handle, pair.now)
    assert pair.ric.tick(pair.now + 1) == [Send(command.data)]
    pair.ric.tick(pair.now + 2)
    assert pair.ric.tick(pair.now + 3) == [SubscriptionEnded(handle, False)]
    assert not pair.ric.subscriptions


def test_a_deletion_may_be_refused() -> None:
    pair = Pair().set_up()
    kept, unknown = pair.subscribe(), pair.subscribe(3)
    pair.ric.delete(kept, pair.now)
    events = pair.ric.receive(encode(SubscriptionDeleteFailure(
        FIRST, 2, RicRequestCause.SYSTEM_NOT_READY)), PPID, pair.now)
    assert one(events, DeleteRefused).handle == kept
    assert pair.ric.subscriptions[kept].stage is Stage.ACTIVE
    pair.ric.delete(unknown, pair.now)
    events = pair.ric.receive(encode(SubscriptionDeleteFailure(
        RequestId(7, 1), 3, RicRequestCause.REQUEST_ID_UNKNOWN)), PPID, pair.now)
    assert one(events, SubscriptionEnded).handle == unknown


def test_the_node_may_want_the_end_of_a_subscription() -> None:
    pair = Pair().set_up()
    handle = pair.subscribe()
    pair.to_ric(pair.node.require_delete([(FIRST, RicRequestCause.FUNCTION_RESOURCE_LIMIT)]))
    lost = one(pair.ric_events, SubscriptionLost)
    assert lost.handle == handle
    assert lost.why == "the node ends it: ric-request: function-resource-limit"
    assert one(pair.node_events, SubscriptionStopped).request == FIRST
    assert not pair.ric.subscriptions
    assert not pair.node.subscriptions
    assert pair.ric.next_deadline() is None


def test_a_lost_subscription_is_renewed_under_its_handle() -> None:
    pair = Pair().set_up()
    handle = pair.subscribe()
    pair.ric.reset(MiscCause.UNSPECIFIED, pair.now)
    pair.wait(10)
    pair.command(pair.ric.subscribe(2, b"trigger", ACTION, pair.now, handle))
    again = pair.ric.subscriptions[handle].request
    assert again != FIRST
    pair.to_ric(pair.node.accept_subscription(again))
    assert [event.handle for event in of(pair.ric_events, Subscribed)] == [handle, handle]


def test_there_are_only_so_many_subscriptions() -> None:
    pair = Pair().set_up()
    for _ in range(MOST_SUBSCRIPTIONS):
        pair.subscribe()
    with pytest.raises(TransportError, match="1024 subscriptions"):
        pair.ric.subscribe(2, b"t", ACTION, pair.now)
