"""Requests to a PCF and its answers, as bytes."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xapp.errors import ConfigurationError, PromotionRefused
from xapp.flow_ends import FlowEnds
from xapp.observations import Snssai
from xapp.promotion import (
    PATH,
    Wish,
    described,
    descriptions,
    promote,
    promoted,
    release,
    released,
)

FLOW = FlowEnds("10.46.0.2", 40000, "192.0.2.7", 8470)
LOCATION = {"Location": f"http://127.0.0.13:7777{PATH}/17"}


def test_a_request_names_the_flow_both_ways() -> None:
    request = promote(FLOW, "llm", Wish(reference="llm", down="20 Mbps", up="5 Mbps"),
                      snssai=Snssai(1, 1), supi="001010000000001")
    assert (request.method, request.path) == ("POST", PATH)
    assert request.headers["User-Agent"] == "AF"
    assert request.body is not None
    asked = json.loads(request.body)["ascReqData"]
    assert asked["ueIpv4"] == "10.46.0.2"
    assert asked["sliceInfo"] == {"sst": 1, "sd": "000001"}
    assert asked["supi"] == "imsi-001010000000001"
    component = asked["medComponents"]["1"]
    assert component["qosReference"] == "llm"
    assert (component["marBwDl"], component["mirBwUl"]) == ("20 Mbps", "5 Mbps")
    assert component["medSubComps"]["1"]["fDescs"] == [
        "permit out 6 from 192.0.2.7 8470 to 10.46.0.2 40000",
        "permit in 6 from 10.46.0.2 40000 to 192.0.2.7 8470"]


def test_an_older_pcf_is_told_a_media_type_and_no_reference() -> None:
    body = promote(FlowEnds("2001:db8::2", 1, "2001:db8::3", 2, "udp"), "llm").body
    assert body is not None
    asked = json.loads(body)["ascReqData"]
    assert asked["medComponents"]["1"]["medType"] == "VIDEO"
    assert "qosReference" not in asked["medComponents"]["1"]
    assert asked["ueIpv6"] == "2001:db8::2"


def test_a_session_is_made_and_ended() -> None:
    session = promoted(201, LOCATION, b"{}")
    assert session == "17"
    assert release(session).path == f"{PATH}/17/delete"
    for status in (200, 204, 404):
        released(status, b"")
    with pytest.raises(PromotionRefused, match="503"):
        released(503, b"")


@pytest.mark.parametrize(("status", "body", "words"), [
    (403, b'{"title": "[imsi-1:5] CHECK WEBUI : No PCC Rule in DB [QoS Index:2]", "status": 403}',
     "No PCC Rule.*subscribers.json"),
    (400, b'{"title": "bad"}', "media type"),
    (404, b"", "the UE has a session"),
    (500, b"[[[[", "PCF's log"),
    (201, b"{}", "no Location"),
])
def test_a_refusal_says_what_to_do(status: int, body: bytes, words: str) -> None:
    with pytest.raises(PromotionRefused, match=words):
        promoted(status, {}, body)


@given(st.integers(100, 599), st.dictionaries(st.sampled_from(["Location", "location", "x"]),
                                              st.text()), st.binary(max_size=200))
def test_no_answer_whatever_is_more_than_a_refusal(status: int, headers: dict[str, str],
                                                   body: bytes) -> None:
    try:
        session = promoted(status, headers, body)
    except PromotionRefused:
        return
    assert release(session).path.startswith(PATH)


@pytest.mark.parametrize("flow", [FLOW, FlowEnds("2001:db8::2", 1, "2001:db8::3", 2, "udp")])
def test_a_flow_is_read_from_either_of_its_descriptions(flow: FlowEnds) -> None:
    assert [described(one) for one in descriptions(flow)] == [flow, flow]


@pytest.mark.parametrize("rule", [
    "", "permit out ip from any to assigned", "permit out 1 from 10.0.0.1 1 to 10.0.0.2 2",
    "permit out 6 from 10.0.0.1 to 10.0.0.2 2", "deny out 6 from 10.0.0.1 1 to 10.0.0.2 2",
    "permit out 6 from 10.0.0.1 1 to ::1 2", "permit out 6 from 10.0.0.1 0 to 10.0.0.2 2",
    "permit out 6 from 10.0.0.1 1-9 to 10.0.0.2 2"])
def test_what_describes_no_single_flow_is_refused(rule: str) -> None:
    with pytest.raises(ConfigurationError):
        described(rule)


def test_a_session_that_is_there_already_is_named() -> None:
    assert promoted(303, LOCATION, b"") == "17"


@pytest.mark.parametrize("wish", [{"media": "TEXT"}, {"down": "fast"}, {"up": "20Mbps"}])
def test_what_cannot_be_wished_for_is_refused(wish: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError):
        Wish(**wish)


@pytest.mark.parametrize("session", ["", "../nrf", "a/b", "a b", "x" * 200])
def test_what_is_no_session_is_not_released(session: str) -> None:
    with pytest.raises(ConfigurationError):
        release(session)
