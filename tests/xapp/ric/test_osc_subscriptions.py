"""Subscriptions over REST: answers in any order, twice, late, never, and what is left behind."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from xapp.e2.e2ap_messages import (
    Indication,
    SubscriptionDeleteRequest,
    SubscriptionDeleteRequired,
    SubscriptionDeleteResponse,
    SubscriptionDetails,
    SubscriptionFailure,
    SubscriptionRequest,
    SubscriptionResponse,
)
from xapp.e2.e2ap_types import Action, IndicationType, RequestId
from xapp.errors import ProtocolError
from xapp.events import Code, Level
from xapp.ric.osc_config import OscConfig
from xapp.ric.osc_messages import Answer, Ask, Call, Tell
from xapp.ric.osc_subscriptions import EARLY_SECONDS, LEFT_SECONDS, Reply, Said, Subscriptions

RAN, HERE = "gnb_001_001_00019b", 3  # and its association
REQUEST = RequestId(1021, 4)
ASKED = SubscriptionRequest(REQUEST, 2, SubscriptionDetails(b"\x01\x02", (
    Action(1, definition=b"\x03"),)))
ADMITTED = Reply(HERE, SubscriptionResponse(REQUEST, 2, (1,)))
DELETE = SubscriptionDeleteRequest(REQUEST, 2)
DELETED = Reply(HERE, SubscriptionDeleteResponse(REQUEST, 2))
INDICATION = Indication(RequestId(123, 17), 2, 1, 5, IndicationType.REPORT, b"h", b"m")
URL = "http://service-ricplt-submgr-http.ricplt:8088/ric/v1/subscriptions"


def call_of(said: list[Said]) -> Call:
    found, = [one for one in said if isinstance(one, Call)]
    return found


def replies(said: list[Said]) -> list[Reply]:
    return [one for one in said if isinstance(one, Reply)]


def told(said: list[Said]) -> list[tuple[Code, Level]]:
    return [(one.event.code, one.event.level) for one in said if isinstance(one, Tell)]


def asked(subscriptions: Subscriptions, request: SubscriptionRequest = ASKED) -> Call:
    return call_of(subscriptions.ask(HERE, RAN, request))


def body(call: Call) -> Any:
    return json.loads(call.body or b"")


def ours(call: Call) -> int:
    return int(body(call)["SubscriptionDetails"][0]["XappEventInstanceId"])


def response(name: str = "abc", **more: Any) -> Answer:
    return Answer(201, json.dumps({"SubscriptionId": name, **more}).encode())


def notification(event: int, e2: int = 17, name: str = "abc", **more: str) -> bytes:
    return json.dumps({"SubscriptionId": name, "SubscriptionInstances": [
        {"XappEventInstanceId": event, "E2EventInstanceId": e2, **more}]}).encode()


def in_force() -> tuple[Subscriptions, Call]:
    subscriptions = Subscriptions(OscConfig())
    call = asked(subscriptions)
    assert subscriptions.answered(call, response(), 0.0) == []
    assert replies(subscriptions.notified(notification(ours(call)), 0.0)) == [ADMITTED]
    return subscriptions, call


def test_the_question_has_the_keys_that_the_manager_reads() -> None:
    call = asked(Subscriptions(OscConfig()))
    assert (call.ask, call.method, call.url) == (Ask.SUBSCRIBE, "POST", URL)
    assert body(call) == {
        "ClientEndpoint": {"Host": "service-ricxapp-airsplit-http.ricxapp", "HTTPPort": 8080,
                           "RMRPort": 4560},
        "Meid": RAN, "RANFunctionID": 2,
        "E2SubscriptionDirectives": {"E2TimeoutTimerValue": 2, "E2RetryCount": 2,
                                     "RMRRoutingNeeded": True},
        "SubscriptionDetails": [{
            "XappEventInstanceId": ours(call), "EventTriggers": [1, 2], "ActionToBeSetupList": [{
                "ActionID": 1, "ActionType": "report", "ActionDefinition": [3],
                "SubsequentAction": {"SubsequentActionType": "continue",
                                     "TimeToWait": "zero"}}]}]}


def test_another_run_asks_in_the_same_words() -> None:
    later = replace(ASKED, request=RequestId(1021, 77))  # numbers of ours do not matter
    assert asked(Subscriptions(OscConfig())).body == asked(Subscriptions(OscConfig()), later).body


def test_a_notification_after_the_response_admits_it() -> None:
    subscriptions, _ = in_force()
    said = subscriptions.indicated(INDICATION, RAN, 1.0)
    assert said == [Reply(HERE, replace(INDICATION, request=REQUEST))]


def test_a_notification_before_the_response_admits_it_once() -> None:
    subscriptions = Subscriptions(OscConfig())
    call = asked(subscriptions)
    assert subscriptions.notified(notification(ours(call)), 0.0) == [ADMITTED]
    assert subscriptions.answered(call, response(), 0.0) == []
    assert call_of(subscriptions.delete(HERE, DELETE)).url == f"{URL}/abc"


def test_a_response_that_says_it_all_needs_no_notification() -> None:
    subscriptions = Subscriptions(OscConfig())
    call = asked(subscriptions)
    said = subscriptions.answered(call, response(SubscriptionInstances=[
        {"XappEventInstanceId": ours(call), "E2EventInstanceId": 17}]), 0.0)
    assert said == [ADMITTED]


def test_a_notification_that_comes_twice_says_nothing_new() -> None:
    subscriptions, call = in_force()
    assert subscriptions.notified(notification(ours(call)), 1.0) == []
    assert subscriptions.repeated == 1


def test_a_notification_of_another_question_or_of_nothing_is_counted() -> None:
    subscriptions, call = in_force()
    assert subscriptions.notified(notification(ours(call), 99, "old"), 1.0) == []
    assert subscriptions.notified(notification(ours(call) ^ 1), 1.0) == []
    assert subscriptions.strays == 2
    assert replies(subscriptions.indicated(INDICATION, RAN, 1.0))


def test_another_id_of_the_same_subscription_is_followed() -> None:
    subscriptions, call = in_force()
    assert subscriptions.notified(notification(ours(call), 18), 1.0) == []
    moved = replace(INDICATION, request=RequestId(123, 18))
    assert replies(subscriptions.indicated(moved, RAN, 1.0))
    assert not replies(subscriptions.indicated(INDICATION, RAN, 1.0))


def test_indications_before_the_notification_are_kept_for_a_moment() -> None:
    subscriptions = Subscriptions(OscConfig())
    call = asked(subscriptions)
    assert subscriptions.indicated(INDICATION, RAN, 0.0) == []
    late = replace(INDICATION, number=6)
    assert subscriptions.indicated(late, RAN, EARLY_SECONDS) == []
    assert subscriptions.indicated(replace(INDICATION, number=7), "another", 5.0) == []
    said = subscriptions.notified(notification(ours(call)), EARLY_SECONDS + 1)
    assert said == [ADMITTED, Reply(HERE, replace(late, request=REQUEST))]


def test_two_that_the_manager_merged_both_hear_it() -> None:
    subscriptions, _ = in_force()
    other = replace(ASKED, request=RequestId(1021, 5), function=3)
    call = asked(subscriptions, other)
    subscriptions.answered(call, response("def"), 0.0)
    subscriptions.notified(notification(ours(call), 17, "def"), 0.0)
    heard = replies(subscriptions.indicated(INDICATION, RAN, 1.0))
    assert [one.message.request for one in heard  # type: ignore[union-attr]  # indications have one
            ] == [REQUEST, other.request]


# What goes wrong.


@pytest.mark.parametrize("answer", [
    Answer(500), Answer(503, b"no E2 node"), Answer(0, b"", "no answer in 5 s"), Answer(429),
    Answer(201, b"["), Answer(201, b"{}"), response("../../etc")])
def test_a_manager_that_is_not_well_is_asked_again_and_told_of_once(answer: Answer) -> None:
    subscriptions = Subscriptions(OscConfig())
    call = asked(subscriptions)
    assert told(subscriptions.answered(call, answer, 0.0)) == [(Code.NO_REPORTS, Level.WARNING)]
    again = asked(subscriptions)
    assert again.body == call.body
    assert subscriptions.answered(again, answer, 1.0) == []
    subscriptions.answered(asked(subscriptions), response(), 2.0)
    assert replies(subscriptions.notified(notification(ours(call)), 2.0)) == [ADMITTED]


def test_a_question_that_is_under_way_is_not_asked_twice() -> None:
    subscriptions = Subscriptions(OscConfig())
    asked(subscriptions)
    assert subscriptions.ask(HERE, RAN, ASKED) == []


def test_where_no_notification_came_the_same_question_is_asked_by_its_id() -> None:
    subscriptions = Subscriptions(OscConfig())
    call = asked(subscriptions)
    subscriptions.answered(call, response(), 0.0)
    again = asked(subscriptions)
    assert body(again) == {"SubscriptionId": "abc", **body(call)}
    subscriptions.answered(again, Answer(404), 0.0)
    assert asked(subscriptions).body == call.body  # it does not know that any more


def test_what_was_given_up_and_is_in_force_after_all_is_taken_up() -> None:
    subscriptions, _ = in_force()
    anew = replace(ASKED, request=RequestId(1021, 9))
    assert subscriptions.ask(HERE, RAN, anew) == [
        Reply(HERE, SubscriptionResponse(anew.request, 2, (1,)))]
    assert replies(subscriptions.indicated(INDICATION, RAN, 1.0)) == [
        Reply(HERE, replace(INDICATION, request=anew.request))]


@pytest.mark.parametrize("source", ["E2Node", "ASN1"])
def test_a_refusal_of_the_base_station_is_final(source: str) -> None:
    subscriptions = Subscriptions(OscConfig())
    call = asked(subscriptions)
    subscriptions.answered(call, response(), 0.0)
    said = subscriptions.notified(notification(ours(call), 0, ErrorCause="action not supported",
                                               ErrorSource=source), 0.0)
    assert told(said) == [(Code.NO_REPORTS, Level.ERROR)]
    assert isinstance(replies(said)[0].message, SubscriptionFailure)
    assert call_of(said).method == "DELETE"  # the manager keeps its record else
    assert len(subscriptions) == 0


def test_a_question_that_is_none_is_refused_at_once() -> None:
    subscriptions = Subscriptions(OscConfig())
    said = subscriptions.answered(asked(subscriptions), Answer(400, b"bad \x1b[31m meid"), 0.0)
    assert isinstance(replies(said)[0].message, SubscriptionFailure)
    assert "\x1b" not in str(said)


@pytest.mark.parametrize("more", [
    {"ErrorCause": "timeout", "ErrorSource": "E2Node", "TimeoutType": "E2-Timeout"},
    {"ErrorCause": "routes", "ErrorSource": "RTMGR"}, {}])
def test_a_failure_on_the_way_is_no_refusal(more: dict[str, str]) -> None:
    subscriptions = Subscriptions(OscConfig())
    call = asked(subscriptions)
    subscriptions.answered(call, response(), 0.0)
    said = subscriptions.notified(notification(ours(call), 0, **more), 0.0)
    assert (told(said), replies(said)) == ([(Code.NO_REPORTS, Level.WARNING)], [])
    assert len(subscriptions) == 1


def test_one_in_force_that_fails_is_lost() -> None:
    subscriptions, call = in_force()
    said = subscriptions.notified(notification(ours(call), 0, ErrorCause="gone"), 0.0)
    assert isinstance(replies(said)[0].message, SubscriptionDeleteRequired)
    assert not replies(subscriptions.indicated(INDICATION, RAN, 1.0))


@pytest.mark.parametrize("data", [
    b"", b"[]", b"{", b"{}", b'{"SubscriptionId": 4}', b'{"SubscriptionId": "a/b"}', b"[" * 5000,
    b'{"SubscriptionId": "a", "SubscriptionInstances": 4}',
    b'{"SubscriptionId": "a", "SubscriptionInstances": [4]}',
    b'{"SubscriptionId": "a", "SubscriptionInstances": [{"E2EventInstanceId": 70000}]}',
    b'{"SubscriptionId": "a", "SubscriptionInstances": [{"E2EventInstanceId": true}]}',
    b'{"SubscriptionId": "a", "SubscriptionInstances": [{"ErrorCause": 4}]}',
    b'{"SubscriptionId": "a", "SubscriptionInstances": [' + b"{}," * 300 + b"{}]}",
    b" " * 70_000])
def test_what_is_no_notification_is_one_error(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        Subscriptions(OscConfig()).notified(data, 0.0)


# Ends.


@pytest.mark.parametrize("status", [204, 404])
def test_a_deletion_ends_it(status: int) -> None:
    subscriptions, _ = in_force()
    call = call_of(subscriptions.delete(HERE, DELETE))
    assert subscriptions.answered(call, Answer(status), 0.0) == [DELETED]
    assert len(subscriptions) == 0


def test_a_deletion_that_fails_is_asked_again() -> None:
    subscriptions, _ = in_force()
    call = call_of(subscriptions.delete(HERE, DELETE))
    assert subscriptions.answered(call, Answer(500), 0.0) == []
    assert subscriptions.answered(call_of(subscriptions.delete(HERE, DELETE)), Answer(204),
                                  0.0) == [DELETED]


def test_what_is_deleted_before_it_is_answered_is_deleted_then() -> None:
    subscriptions = Subscriptions(OscConfig())
    call = asked(subscriptions)
    assert subscriptions.delete(HERE, DELETE) == []
    assert subscriptions.notified(notification(ours(call)), 0.0) == []
    deletion = call_of(subscriptions.answered(call, response(), 0.0))
    assert deletion.about == "abc"
    assert subscriptions.answered(deletion, Answer(204), 0.0) == [DELETED]


def test_what_was_never_taken_is_deleted_without_a_word() -> None:
    subscriptions = Subscriptions(OscConfig())
    call = asked(subscriptions)
    subscriptions.delete(HERE, DELETE)
    assert subscriptions.answered(call, Answer(0, b"", "away"), 0.0) == [DELETED]
    assert subscriptions.delete(HERE, DELETE) == [DELETED]  # it is not there


def test_what_a_lost_base_station_had_is_deleted_until_that_is_done() -> None:
    subscriptions, _ = in_force()
    call = call_of(subscriptions.lost(HERE, 0.0))
    assert subscriptions.answered(call, Answer(503), 0.0) == []
    assert subscriptions.next_deadline() == LEFT_SECONDS
    assert subscriptions.tick(LEFT_SECONDS - 1) == []
    again = call_of(subscriptions.tick(LEFT_SECONDS))
    assert again.about == call.about
    assert subscriptions.answered(again, Answer(204), LEFT_SECONDS) == []
    assert subscriptions.next_deadline() is None


def test_an_answer_after_the_base_station_was_lost_is_deleted_too() -> None:
    subscriptions = Subscriptions(OscConfig())
    call = asked(subscriptions)
    assert subscriptions.lost(HERE, 0.0) == []
    assert call_of(subscriptions.answered(call, response(), 0.0)).about == "abc"


def test_but_not_where_it_is_back_and_asks_the_same() -> None:
    subscriptions = Subscriptions(OscConfig())
    first = asked(subscriptions)
    subscriptions.lost(HERE, 0.0)
    second = asked(subscriptions)
    assert second.body == first.body
    assert subscriptions.answered(first, response(), 0.0) == []
    subscriptions.answered(second, response(), 0.0)
    assert subscriptions.notified(notification(ours(second)), 0.0) == [ADMITTED]


def test_silence_of_all_subscriptions_of_a_base_station_has_it_asked_anew() -> None:
    subscriptions, _ = in_force()
    quiet = OscConfig().quiet_seconds
    subscriptions.indicated(INDICATION, RAN, 10.0)
    assert subscriptions.next_deadline() == quiet + 10
    assert subscriptions.tick(quiet + 9) == []
    said = subscriptions.tick(quiet + 10)
    assert told(said) == [(Code.NO_REPORTS, Level.WARNING)]
    assert isinstance(replies(said)[0].message, SubscriptionDeleteRequired)
    assert call_of(subscriptions.delete(HERE, DELETE)).method == "DELETE"


def test_silence_is_borne_where_the_operator_says_so() -> None:
    subscriptions = Subscriptions(OscConfig(quiet_seconds=0))
    call = asked(subscriptions)
    subscriptions.answered(call, response(), 0.0)
    subscriptions.notified(notification(ours(call)), 0.0)
    assert subscriptions.next_deadline() is None
    assert subscriptions.tick(1e6) == []
