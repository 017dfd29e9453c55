"""Messages of the A1 mediator: what it wants, what it hears, and bytes that are none of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.xapp.policy_networks import LIMITS
from xapp.a1 import A1, MOST_BYTES
from xapp.a1_rmr import Operation, Outcome, Request, gone, query, read_request, reply, take
from xapp.a1_types import SLICE_POLICY, TRAFFIC_STEERING
from xapp.errors import ProtocolError
from xapp.policy import STRATEGIES


def sent(**changes: Any) -> bytes:
    return json.dumps({"operation": "CREATE", "policy_type_id": TRAFFIC_STEERING,
                       "policy_instance_id": "ts", "payload": {"threshold": 5}} | changes).encode()


def test_a_request_is_read() -> None:
    wanted = Request(Operation.CREATE, TRAFFIC_STEERING, "ts", {"threshold": 5})
    assert read_request(sent()) == wanted
    assert read_request(sent(policy_type_id=str(TRAFFIC_STEERING))) == wanted
    assert read_request(sent(payload='{"threshold": 5}') + b"\0\0\0") == wanted
    assert read_request(sent(operation="DELETE", payload="")).operation is Operation.DELETE


@pytest.mark.parametrize("data", [
    b"", b"{", b"[]", b"7", b"\xff", b"[" * 5000, sent(operation="PATCH"), sent(operation=None),
    sent(operation=[]), sent(policy_type_id=None), sent(policy_type_id=True),
    sent(policy_type_id="x"), sent(policy_instance_id=5), sent(policy_instance_id=""),
    sent(payload=None), sent(payload=[]), sent(payload="{"), b'{"a": 1, "a": 2}',
    sent(payload='{"threshold": 5, "threshold": 9}'), b" " * (2 * MOST_BYTES + 1)])
def test_what_is_no_request(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        read_request(data)


@given(st.binary(max_size=300))
def test_no_bytes_do_anything_else(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        read_request(data)


def test_what_is_asked_is_done_and_answered() -> None:
    a1 = A1(LIMITS, STRATEGIES)
    assert take(a1, read_request(sent()), 1.0) == (Outcome.OK, "")
    assert take(a1, read_request(sent(operation="UPDATE", payload={"threshold": 9})), 2.0) == (
        Outcome.OK, "")
    assert a1.policies()[0].handover_gain == 9
    outcome, why = take(a1, read_request(sent(payload={"threshold": "much"})), 3.0)
    assert (outcome, "schema" in why) == (Outcome.ERROR, True)
    assert a1.policies()[0].handover_gain == 9
    assert take(a1, read_request(sent(policy_type_id=5)), 3.0)[0] is Outcome.ERROR
    instance = a1.instance(TRAFFIC_STEERING, "ts")
    assert take(a1, read_request(sent(operation="DELETE")), 4.0) == (Outcome.DELETED, "")
    assert take(a1, read_request(sent(operation="DELETE")), 4.0)[0] is Outcome.ERROR
    assert json.loads(gone(instance, "airsplit"))["status"] == "DELETED"


def test_answers_have_the_mediators_fields() -> None:
    assert json.loads(reply(read_request(sent()), "airsplit", Outcome.OK)) == {
        "policy_type_id": TRAFFIC_STEERING, "policy_instance_id": "ts",
        "handler_id": "airsplit", "status": "OK"}
    assert json.loads(query(SLICE_POLICY)) == {"policy_type_id": SLICE_POLICY}
