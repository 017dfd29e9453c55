"""The emulator's policy function: what it makes of requests, as bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.errors import LinkFailure
from testbed.ran.pcf import Answer, Pcf
from xapp.errors import ConfigurationError, XappError
from xapp.flow_ends import FlowEnds
from xapp.observations import Snssai
from xapp.promotion import PATH, Wish, promote, promoted, release, released

LLM = Snssai(1, 1)
FLOW = FlowEnds("10.45.0.2", 40000, "10.45.0.1", 8470)
SIX = FlowEnds("fd45:0:0:1::1", 40000, "fd45::1", 8470)


class Plane:
    """Flows as a set; it can refuse, or not answer."""

    def __init__(self) -> None:
        self.flows: set[FlowEnds] = set()
        self.fails: XappError | LinkFailure | None = None

    def map_flow(self, flow: FlowEnds) -> str:
        if self.fails is not None:
            raise self.fails
        self.flows.add(flow)
        return "phone"

    def unmap_flow(self, flow: FlowEnds) -> bool:
        if self.fails is not None:
            raise self.fails
        there = flow in self.flows
        self.flows.discard(flow)
        return there


def ask(pcf: Pcf, flow: FlowEnds = FLOW, reference: str | None = str(LLM)) -> Answer:
    request = promote(flow, "internet", Wish(reference=reference))
    return pcf.answer(request.method, request.path, request.body or b"")


def session_of(answer: Answer) -> str:
    return promoted(answer.status, dict(answer.headers), answer.body)


@pytest.mark.parametrize("flow", [FLOW, SIX], ids=["IPv4", "IPv6"])
def test_a_flow_is_mapped_shown_and_put_back(flow: FlowEnds) -> None:
    plane = Plane()
    pcf = Pcf(plane, LLM)
    session = session_of(ask(pcf, flow))
    assert plane.flows == {flow}
    shown = pcf.answer("GET", f"{PATH}/{session}", b"")
    assert shown.status == 200
    assert flow.ue in shown.body.decode()
    end = release(session)
    for status in (204, 404):  # what is over is over
        answer = pcf.answer(end.method, end.path, end.body or b"")
        assert answer.status == status
        released(answer.status, answer.body)
    assert not plane.flows


def test_who_asks_again_is_told_the_session_that_is_there() -> None:
    plane = Plane()
    pcf = Pcf(plane, LLM)
    first, other = session_of(ask(pcf)), session_of(ask(pcf, SIX))
    plane.flows.clear()  # the UE came back meanwhile
    again = ask(pcf)
    assert again.status == 303
    assert session_of(again) == first != other
    assert plane.flows == {FLOW}


def test_an_older_client_names_no_reference() -> None:
    assert ask(Pcf(Plane(), LLM), reference=None).status == 201


def test_another_slice_cannot_be_had() -> None:
    answer = ask(Pcf(Plane(), LLM), reference="1")
    assert (answer.status, b"1-000001" in answer.body) == (400, True)


@pytest.mark.parametrize(("fails", "status"), [
    (ConfigurationError("No UE has the address 10.45.0.2 now."), 403),
    (LinkFailure("The user plane does not obey."), 503)])
def test_what_the_plane_does_not_do_is_refused_in_its_words(
        fails: XappError | LinkFailure, status: int) -> None:
    plane = Plane()
    plane.fails = fails
    pcf = Pcf(plane, LLM)
    answer = ask(pcf)
    assert (answer.status, str(fails) in json.loads(answer.body)["detail"]) == (status, True)
    plane.fails = None
    assert ask(pcf).status == 201  # nothing of it was left


def changed(**parts: Any) -> bytes:
    document: dict[str, Any] = json.loads(promote(FLOW, "internet").body or b"")
    document["ascReqData"] |= parts
    return json.dumps(document).encode()


@pytest.mark.parametrize("body", [
    b"", b"[]", b"{}", b"\xff", b'{"ascReqData": 7}', b"[" * 100_000,
    changed(ueIpv4="10.45.0.3"), changed(ueIpv4=None), changed(medComponents=[]),
    changed(medComponents={"1": 7}), changed(medComponents={"1": {"medSubComps": {"1": {}}}}),
    changed(medComponents={"1": {"medSubComps": {"1": {"fDescs": [
        "permit out 6 from 10.45.0.1 8470 to 10.45.0.2 40000",
        "permit out 6 from 10.45.0.1 8470 to 10.45.0.2 40001"]}}}})])
def test_what_asks_for_no_single_flow_of_the_ue_is_refused(body: bytes) -> None:
    plane = Plane()
    answer = Pcf(plane, LLM).answer("POST", PATH, body)
    assert (answer.status, plane.flows) == (400, set())


@pytest.mark.parametrize(("method", "path", "status"), [
    ("GET", PATH, 405), ("DELETE", f"{PATH}/1", 405), ("GET", f"{PATH}/1/delete", 405),
    ("GET", f"{PATH}/1", 404), ("POST", f"{PATH}/1/delete", 404), ("POST", "/", 404),
    ("POST", f"{PATH}/../1/delete", 404)])
def test_other_requests_are_told_what_there_is(method: str, path: str, status: int) -> None:
    assert Pcf(Plane(), LLM).answer(method, path, b"").status == status


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from(["medSubComps", "fDescs", "1", "qosReference", "ueIpv4"]), inner,
        max_size=4), max_leaves=12)


@given(st.fixed_dictionaries({"ascReqData": st.dictionaries(
    st.sampled_from(["medComponents", "ueIpv4", "ueIpv6"]), JSON)}))
def test_hostile_documents_are_refused(document: Mapping[str, Any]) -> None:
    plane = Plane()
    answer = Pcf(plane, LLM).answer("POST", PATH, json.dumps(document).encode())
    assert (answer.status, plane.flows) == (400, set())
