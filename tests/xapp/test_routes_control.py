"""The dry run and the kill switch over the API."""

from __future__ import annotations

import pytest

from tests.xapp.api_scene import Scene, make_scene
from tests.xapp.fake_network import FOUND
from xapp import api_commands
from xapp.errors import StoreError

JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
def scene() -> Scene:
    return make_scene()


def test_the_dry_run_is_switched_and_told(scene: Scene) -> None:
    assert scene.reader.get("/api/v1/dry-run").json() == {"on": False}
    assert scene.operator.put("/api/v1/dry-run", json={"on": True}).json() == {"on": True}
    assert scene.operations.modes.dry_run
    assert scene.operations.entries[-1].who.startswith("operator at ")
    assert scene.operator.put("/api/v1/dry-run", json={"on": False}).json() == {"on": False}


def test_the_kill_switch_puts_back_what_was_found(scene: Scene) -> None:
    pulled = scene.operator.put("/api/v1/kill-switch", json={"pulled": True, "reason": "fire"})
    assert pulled.status_code == 200
    assert pulled.json()["pulled"]
    assert pulled.json()["by"].startswith("operator at ")
    for cell in scene.operations.picture().observations.cells.values():
        assert {name: one.quota for name, one in cell.slices.items()} == FOUND
    assert "fire" in scene.operations.entries[-1].what
    assert scene.reader.get("/api/v1/status").json()["killed"]
    released = scene.operator.put("/api/v1/kill-switch", json={"pulled": False}).json()
    assert released == {"pulled": False, "at": None, "by": ""}


def test_a_body_is_json_whatever_it_is_called(scene: Scene) -> None:
    """`curl -d` alone calls every body a form."""
    for headers in FORM, {}:
        for path, body, told in (("dry-run", b'{"on": true}', "on"),
                                 ("kill-switch", b'{"pulled": true, "reason": "fire"}', "pulled")):
            answer = scene.operator.put(f"/api/v1/{path}", content=body, headers=headers)
            assert (answer.status_code, answer.json().get(told)) == (200, True)


def test_the_document_says_what_the_bodies_are(scene: Scene) -> None:
    paths = scene.reader.get("/openapi.json").json()["paths"]
    for path, required in (("dry-run", "on"), ("kill-switch", "pulled")):
        body = paths[f"/api/v1/{path}"]["put"]["requestBody"]
        schema = body["content"]["application/json"]["schema"]
        assert (body["required"], schema["required"]) == (True, [required])
        assert schema["additionalProperties"] is False


def test_a_key_that_is_there_twice_changes_nothing(scene: Scene) -> None:
    answer = scene.operator.put("/api/v1/dry-run", content=b'{"on": false, "on": true}')
    assert (answer.status_code, answer.json()["remedy"]) == (400, "Give each key once.")
    assert not scene.operations.entries


@pytest.mark.parametrize("path", ["/api/v1/dry-run", "/api/v1/kill-switch"])
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"on": "perhaps"}',
                                  b'{"on": true, "pulled": true}', b'{"on": 1e999}',
                                  b"on=true", b'{"pulled": NaN}',
                                  b'{"pulled": true, "reason": "\\ud800"}'])
def test_bodies_that_say_nothing_change_nothing(scene: Scene, path: str, body: bytes) -> None:
    for called in JSON, FORM:
        answer = scene.operator.put(path, content=body, headers=called)
        assert answer.status_code == 422
        assert set(answer.json()) == {"error", "remedy"}
        assert answer.json()["error"].startswith("body")
    assert not scene.operations.entries


def test_nobody_else_may(scene: Scene) -> None:
    for path, body in (("dry-run", {"on": True}), ("kill-switch", {"pulled": True})):
        assert scene.reader.put(f"/api/v1/{path}", json=body).status_code == 401
        wrong = scene.reader.put(f"/api/v1/{path}", json=body,
                                 headers={"Authorization": "Bearer wrong"})
        assert wrong.status_code == 401
    assert not scene.operations.entries


def test_an_xapp_without_a_token_cannot_be_changed() -> None:
    answer = make_scene(token=None).operator.put("/api/v1/dry-run", json={"on": True})
    assert answer.status_code == 401
    assert "--token-file" in answer.json()["remedy"]


def test_an_xapp_that_is_behind_is_told_and_nothing_is_done(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.operations.silent = True
    monkeypatch.setattr(api_commands.answer, "__defaults__", (0.05, 0.05))
    answer = scene.operator.put("/api/v1/dry-run", json={"on": True})
    assert answer.status_code == 503
    assert "nothing was done" in answer.json()["error"]
    assert answer.headers["Retry-After"] == "5"


def test_a_store_that_cannot_keep_it(scene: Scene) -> None:
    scene.operations.failure = StoreError("The disk is full.", "Free some space.")
    answer = scene.operator.put("/api/v1/kill-switch", json={"pulled": True})
    assert (answer.status_code, answer.json()["remedy"]) == (503, "Free some space.")
