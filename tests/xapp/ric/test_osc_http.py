"""The port that an OSC RIC reaches an xApp at."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from xapp.errors import TransportError
from xapp.operations import Health
from xapp.ric.osc_http import RicPort, create_app
from xapp.ric.osc_messages import NOTIFIED_AT


class Scene:
    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.health = Health(True)
        self.port = RicPort(create_app(self.heard.append, lambda: self.health), "127.0.0.1", 0)
        self.port.start()
        self.url = f"http://127.0.0.1:{self.port.port}"

    def get(self, path: str) -> int:
        return httpx.get(self.url + path, trust_env=False).status_code

    def post(self, body: bytes) -> int:
        return httpx.post(self.url + NOTIFIED_AT, content=body, trust_env=False).status_code


@pytest.fixture
def scene() -> Iterator[Scene]:
    made = Scene()
    yield made
    made.port.stop()


def test_notifications_are_handed_on_as_they_are(scene: Scene) -> None:
    assert scene.post(b"\xff not even JSON") == 200
    assert scene.heard == [b"\xff not even JSON"]


def test_more_than_a_notification_has_is_refused(scene: Scene) -> None:
    assert scene.post(b"x" * 70_000) == 413
    assert scene.heard == []


def test_probes_tell_how_it_is(scene: Scene) -> None:
    for health, alive, ready in ((Health(True), 200, 200), (Health(True, ("why",)), 200, 503),
                                 (Health(False), 503, 503)):
        scene.health = health
        assert scene.get("/ric/v1/health/alive") == alive
        assert scene.get("/ric/v1/health/ready") == ready


def test_nothing_else_is_there(scene: Scene) -> None:
    assert [scene.get(one) for one in ("/", "/docs", "/openapi.json", "/metrics")] == [404] * 4


def test_a_port_that_is_taken_is_named(scene: Scene) -> None:
    with pytest.raises(TransportError, match=str(scene.port.port)):
        RicPort(create_app(scene.heard.append, lambda: scene.health), "127.0.0.1", scene.port.port)
