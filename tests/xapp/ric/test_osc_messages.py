"""Texts and bodies for an OSC RIC's services."""

from __future__ import annotations

import json

from xapp.ric.osc_config import OscConfig
from xapp.ric.osc_messages import Answer, Instance, clean, deregistration, instances, registration


def test_what_a_service_says_is_one_line_without_controls() -> None:
    assert clean(" a\n\x1b[31mb\x00 ") == "a [31mb"
    assert Answer(503, b"down\r\n\xff").said() == "status 503, down �"
    assert Answer(0, b"", "no answer in 5 s").said() == "no answer in 5 s"
    assert len(Answer(400, b"x" * 9999).said()) < 400


def test_only_answers_of_success_are_good() -> None:
    assert [Answer(one).good for one in (0, 199, 200, 201, 204, 299, 302, 404)] == [
        False, False, True, True, True, True, False, False]


def test_a_failure_is_final_only_where_asking_again_is_of_no_use() -> None:
    assert Instance(1, 0, "no", "E2Node").final
    assert not Instance(1, 0, "no", "E2Node", "E2-Timeout").final
    assert not Instance(1, 0, "no", "DBAAS").final
    assert Instance(1, 5, "no").failed
    assert not Instance(1, 5).failed


def test_fields_that_are_left_out_or_null_are_nothing() -> None:
    assert instances({"SubscriptionInstances": None}) == []
    assert instances({"SubscriptionInstances": [{"XappEventInstanceId": 3, "ErrorCause": None}]}
                     ) == [Instance(3, 0)]


def test_the_xapp_says_who_and_where_it_is() -> None:
    config = OscConfig(name="steer", host="h", rmr_host="r", http_port=81, rmr_port=4570)
    assert json.loads(registration(config, "pod-1", "0.1.0", '{"a": 1}')) == {
        "appName": "pod-1", "appInstanceName": "steer", "appVersion": "0.1.0", "configPath": "",
        "httpEndpoint": "h:81", "rmrEndpoint": "r:4570", "config": '{"a": 1}'}
    assert json.loads(deregistration(config, "pod-1")) == {
        "appName": "pod-1", "appInstanceName": "steer"}
