"""Alarms as the alarm manager wants them: each raised once, cleared once, and never lost."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from xapp.ric.osc_alarms import AGAIN_SECONDS, MOST_ALARMS, Alarms, Condition, Problem, definitions
from xapp.ric.osc_config import OscConfig
from xapp.ric.osc_messages import RmrMessage

CONFIG = OscConfig()
WALL = 1_700_000_000.25
FIELDS = {"managedObjectId", "applicationId", "specificProblem", "perceivedSeverity",
          "identifyingInfo", "additionalInfo", "AlarmAction", "AlarmTime"}


def begun() -> Alarms:
    made = Alarms(CONFIG)
    made.look(Condition(), 0.0, WALL)
    return made


def read(messages: list[RmrMessage]) -> list[dict[str, Any]]:
    return [json.loads(one.payload) for one in messages]


def told(messages: list[RmrMessage]) -> list[tuple[str, int, str]]:
    return [(one["AlarmAction"], one["specificProblem"], one["identifyingInfo"])
            for one in read(messages)]


def test_what_the_last_run_left_is_cleared_first() -> None:
    alarms = Alarms(CONFIG)
    first = alarms.look(Condition(store="the disk is full"), 0.0, WALL)
    assert told(first) == [("CLEARALL", 0, ""), ("RAISE", 84803, "store")]
    assert alarms.look(Condition(store="the disk is full"), 1.0, WALL) == []


def test_a_message_is_as_the_framework_writes_it() -> None:
    (message,) = begun().look(Condition({"gnb_1": False}), 1.0, WALL)
    assert (message.type, message.to) == (110, CONFIG.alarms)
    (body,) = read([message])
    assert set(body) == FIELDS
    assert body == {
        "managedObjectId": "RIC", "applicationId": "airsplit", "specificProblem": 8006,
        "perceivedSeverity": "MAJOR", "identifyingInfo": "gnb_1",
        "additionalInfo": "gnb_1 is gone.", "AlarmAction": "RAISE", "AlarmTime": 1_700_000_000_250}


def test_each_is_raised_when_it_begins_and_cleared_when_it_is_over() -> None:
    alarms = begun()
    wrong = Condition({"a": False, "b": True}, 12.0, "disk full")
    assert told(alarms.look(wrong, 1.0, WALL)) == [
        ("RAISE", 8006, "a"), ("RAISE", 84801, "tap"), ("RAISE", 84803, "store")]
    # The tap is silent for longer, another base station goes: only that is new.
    assert told(alarms.look(Condition({"a": False, "b": False}, 13.0, "disk full"), 2.0, WALL)) == [
        ("RAISE", 8006, "b")]
    assert told(alarms.look(Condition({"a": True, "b": False}), 3.0, WALL)) == [
        ("CLEAR", 8006, "a"), ("CLEAR", 84801, "tap"), ("CLEAR", 84803, "store")]
    assert told(alarms.stop(WALL)) == [("CLEAR", 8006, "b")]


def test_controls_that_fail_are_told_until_one_works() -> None:
    alarms = begun()
    looks = [({"rc": 1}, {}, [("RAISE", 84802, "rc")]), ({"rc": 1}, {}, []), ({"rc": 2}, {}, []),
             ({"rc": 3}, {"rc": 1}, []), ({"rc": 3}, {"rc": 2}, [("CLEAR", 84802, "rc")]),
             ({"rc": 3, "decisions": 1}, {"rc": 2}, [("RAISE", 84802, "decisions")])]
    for number, (failed, worked, expected) in enumerate(looks):
        condition = Condition(failed=failed, worked=worked)
        assert told(alarms.look(condition, 1.0 + number, WALL)) == expected


def test_what_rmr_did_not_take_is_sent_again() -> None:
    alarms = begun()
    (lost,) = alarms.look(Condition({"a": False}), 1.0, WALL)
    alarms.unsent(lost, 1.0)
    assert alarms.look(Condition({"a": False}), 1.0 + AGAIN_SECONDS / 2, WALL) == []
    assert alarms.look(Condition({"a": False}), 1.0 + AGAIN_SECONDS, WALL) == [lost]
    assert alarms.look(Condition({"a": False}), 2.0 + AGAIN_SECONDS, WALL) == []


def test_texts_of_others_and_numbers_of_alarms_have_caps() -> None:
    alarms = begun()
    many = Condition({f"gnb_{number}": False for number in range(2 * MOST_ALARMS)},
                     store="a\nb\x1b[0m" + "c" * 10_000)
    sent = alarms.look(many, 1.0, WALL)
    assert len(sent) == MOST_ALARMS
    (body,) = read(begun().look(Condition(store=many.store), 1.0, WALL))
    assert len(body["additionalInfo"]) <= 300
    assert body["additionalInfo"].isprintable()


@given(st.lists(st.builds(
    Condition, st.dictionaries(st.sampled_from("abc"), st.booleans()),
    st.none() | st.floats(1, 9), st.none() | st.just("full"),
    st.dictionaries(st.sampled_from(["rc", "ccc"]), st.integers(0, 9)),
    st.dictionaries(st.sampled_from(["rc", "ccc"]), st.integers(0, 9))), max_size=12),
    st.data())
def test_whoever_heard_all_knows_what_is_wrong(conditions: list[Condition], data: st.DataObject
                                               ) -> None:
    alarms, now = Alarms(CONFIG), 0.0
    known: set[tuple[int, str]] = set()
    for condition in conditions:
        now += 1.0
        for action, number, about in told(alarms.look(condition, now, WALL)):
            if action == "CLEARALL":
                known.clear()
            elif action == "RAISE":
                assert (number, about) not in known
                known.add((number, about))
            else:
                known.remove((number, about))  # never one that was not raised
        assert known == {(problem.number, about) for problem, about in alarms.raised}
        assert {about for number, about in known if number == 8006} == {
            name for name, there in condition.stations.items() if not there}


def test_our_numbers_are_defined_for_the_alarm_manager() -> None:
    listed = definitions()["alarmdefinitions"]
    assert isinstance(listed, list)
    assert {one["alarmId"] for one in listed} == {
        one.number for one in Problem if one is not Problem.E2_LOST}
    assert len({one.number for one in Problem}) == len(Problem)
