"""A1-P as a client of the OSC near-RT RIC's mediator meets it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from tests.xapp.api_scene import Scene, make_scene
from xapp.a1_types import SLICE_POLICY

TYPES = "/A1-P/v2/policytypes"
OURS = f"{TYPES}/{SLICE_POLICY}/policies"
NEW: dict[str, Any] = {"name": "n", "description": "d", "policy_type_id": 20600,
                       "create_schema": {"type": "object"}}


@pytest.fixture
def scene() -> Scene:
    return make_scene()


def test_health(scene: Scene) -> None:
    answer = scene.reader.get("/A1-P/v2/healthcheck")
    assert (answer.status_code, answer.content) == (200, b"")


def test_types_are_listed_and_shown(scene: Scene) -> None:
    assert scene.reader.get(TYPES).json() == [20008, SLICE_POLICY]
    listed = scene.reader.get(f"{TYPES}/{SLICE_POLICY}/policies").json()
    assert listed == ["chat"]  # and none of the configuration's, which A1 cannot change
    shown = scene.reader.get(f"{TYPES}/20008").json()
    assert set(shown) == {"name", "description", "policy_type_id", "create_schema"}
    assert scene.reader.get(f"{TYPES}/20009").status_code == 404
    for wrong in ("x", "-1", "1" * 400, "%00", "20008.0"):
        assert scene.reader.get(f"{TYPES}/{wrong}").status_code == 404


def test_the_life_of_a_type(scene: Scene) -> None:
    created = scene.operator.put(f"{TYPES}/20600", json=NEW)
    assert (created.status_code, created.content) == (201, b"")
    assert scene.operator.put(f"{TYPES}/20600", json=NEW).status_code == 400  # there already
    assert scene.operator.put(f"{TYPES}/20600/policies/a", json={}).status_code == 202
    status = scene.reader.get(f"{TYPES}/20600/policies/a/status").json()
    assert status["instance_status"] == "NOT IN EFFECT"  # nobody takes this type
    assert scene.operator.delete(f"{TYPES}/20600").status_code == 400  # an instance is left
    assert scene.operator.delete(f"{TYPES}/20600/policies/a").status_code == 202
    deleted = scene.operator.delete(f"{TYPES}/20600")
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert scene.operator.delete(f"{TYPES}/20600").status_code == 404


@pytest.mark.parametrize(("path", "change"), [
    ("x", {}), ("0", {"policy_type_id": 0}), ("2147483648", {"policy_type_id": 2**31}),
    ("20601", {}), ("20600", {"name": 1}), ("20600", {"create_schema": "x"}),
    ("20600", {"policy_type_id": "20600"}), ("20600", {"policy_type_id": True})])
def test_types_that_are_none(scene: Scene, path: str, change: dict[str, Any]) -> None:
    answer = scene.operator.put(f"{TYPES}/{path}", json=NEW | change)
    assert answer.status_code == 400
    assert set(answer.json()) == {"error", "remedy"}


def test_the_life_of_an_instance(scene: Scene) -> None:
    body = {"targets": {"inter_token_ms": 60}, "priority": 3}
    accepted = scene.operator.put(f"{OURS}/mine", json=body)
    assert (accepted.status_code, accepted.content) == (202, b"")
    assert scene.reader.get(OURS).json() == ["chat", "mine"]
    assert scene.reader.get(f"{OURS}/mine").json() == body
    status = scene.reader.get(f"{OURS}/mine/status").json()
    assert (status["instance_status"], status["has_been_deleted"]) == ("IN EFFECT", False)
    assert datetime.fromisoformat(status["created_at"]).tzinfo is not None
    assert scene.operator.put(f"{OURS}/mine", json={"priority": 4}).status_code == 202
    assert scene.reader.get(f"{OURS}/mine").json() == {"priority": 4}
    assert scene.operator.delete(f"{OURS}/mine").status_code == 202
    for path in (f"{OURS}/mine", f"{OURS}/mine/status"):
        assert scene.reader.get(path).status_code == 404
    assert scene.operator.delete(f"{OURS}/mine").status_code == 404


def test_an_instance_of_no_type(scene: Scene) -> None:
    for path in (f"{TYPES}/20009/policies", f"{TYPES}/20009/policies/a",
                 f"{TYPES}/20009/policies/a/status"):
        assert scene.reader.get(path).status_code == 404
    assert scene.operator.put(f"{TYPES}/20009/policies/a", json={}).status_code == 404


@pytest.mark.parametrize("body", [
    b"", b"{", b"[]", b"3", b'"x"', b"null", b"{}", b'{"targets": {"inter_token_ms": 0}}',
    b'{"priority": NaN}', b'{"priority": 5, "unheard": 1}', b"\xff\xfe", b"[" * 60_000,
    b'{"strategy": "\\ud800"}', b'{"priority": ' + b"9" * 5000 + b"}"])
def test_bodies_that_are_no_policy(scene: Scene, body: bytes) -> None:
    answer = scene.operator.put(f"{OURS}/mine", content=body)
    assert answer.status_code == 400
    assert set(answer.json()) == {"error", "remedy"}
    assert scene.reader.get(OURS).json() == ["chat"]


@pytest.mark.parametrize("body", [
    b'{"priority": 5, "priority": 9}', b'{"floors": {"1": 10, "1": 40}}'])
def test_a_key_that_is_there_twice_is_refused(scene: Scene, body: bytes) -> None:
    answer = scene.operator.put(f"{OURS}/mine", content=body)
    assert answer.status_code == 400
    assert "is there twice" in answer.json()["error"]
    assert scene.reader.get(OURS).json() == ["chat"]


def test_what_contradicts_the_limits(scene: Scene) -> None:
    answer = scene.operator.put(f"{OURS}/mine", json={
        "floors": {"2-000007": 75}})
    assert answer.status_code == 409
    assert "add up to 95 %" in answer.json()["error"]


@pytest.mark.parametrize("name", ["%20", "a%0Ab", "x" * 129, "%E2%82%AC", "a%00", "<b>"])
def test_ids_that_are_none(scene: Scene, name: str) -> None:
    assert scene.operator.put(f"{OURS}/{name}", json={"priority": 5}).status_code == 400


def test_changing_needs_the_token(scene: Scene) -> None:
    for method, path in (("PUT", f"{TYPES}/20600"), ("DELETE", f"{TYPES}/20008"),
                         ("PUT", f"{OURS}/a"), ("DELETE", f"{OURS}/chat")):
        assert scene.reader.request(method, path, content=b"{}").status_code == 401
    assert scene.reader.get(OURS).json() == ["chat"]
