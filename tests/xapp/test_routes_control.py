"""The dry run and the kill switch over the API."""

from __future__ import annotations

import pytest

from tests.xapp.api_scene import Scene, make_scene
from tests.xapp.fake_network import FOUND
from xapp import api_commands
from xapp.errors import StoreError


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


@pytest.mark.parametrize("path", ["/api/v1/dry-run", "/api/v1/kill-switch"])
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"on": "perhaps"}',
                                  b'{"on": true, "pulled": true}', b'{"on": 1e999}'])
def test_bodies_that_say_nothing_change_nothing(scene: Scene, path: str, body: bytes) -> None:
    answer = scene.operator.put(path, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert set(answer.json()) == {"error", "remedy"}
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
