"""The API as a server in a thread: its life, its document, and callers who mean it no good."""

from __future__ import annotations

import json
import random
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.xapp.api_scene import AUTHORIZED, TOKEN, Scene, make_scene
from tests.xapp.fake_operations import FakeOperations
from xapp import api_guard
from xapp.api import ApiServer
from xapp.api_guard import MAX_BODY_BYTES
from xapp.errors import ConfigurationError, XappError
from xapp.metrics import Metrics

WAIT = 30.0


@contextmanager
def served(token: str | None = TOKEN, **options: Any) -> Iterator[ApiServer]:
    operations = FakeOperations(history=60.0)
    server = ApiServer(operations, Metrics(operations.picture), token, port=0, **options)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def test_it_serves_from_a_thread_and_leaves_nothing_behind() -> None:
    before = threading.active_count()
    with served() as server, httpx.Client(base_url=server.url) as client:
        assert client.get("/healthz").json() == {"status": "ok", "real_time_priority": 0}
        assert client.put("/api/v1/dry-run", json={"on": True},
                          headers=AUTHORIZED).json() == {"on": True}
    with pytest.raises(httpx.ConnectError):
        httpx.get(server.url + "/healthz")
    deadline = time.monotonic() + WAIT
    while threading.active_count() > before and time.monotonic() < deadline:
        threading.Event().wait(0.02)  # threads that waited for a disk end by themselves
    assert "xapp-api" not in [thread.name for thread in threading.enumerate()]


def test_a_port_that_is_taken_is_told_before_anything_starts() -> None:
    operations = FakeOperations(empty=True)
    with served() as server, pytest.raises(ConfigurationError, match="Give another port"):
        ApiServer(operations, Metrics(operations.picture), TOKEN, port=server.port)


def test_beyond_this_machine_only_with_a_token_and_then_reading_needs_it() -> None:
    with pytest.raises(ConfigurationError, match="--token-file"), served(None, host="0.0.0.0"):
        pass
    with served(host="0.0.0.0") as server:
        url = f"http://127.0.0.1:{server.port}/api/v1/status"
        assert httpx.get(url).status_code == 401
        assert httpx.get(url, headers=AUTHORIZED).status_code == 200


def test_a_name_that_another_site_made_up_leads_nowhere() -> None:
    with served() as server:
        answer = httpx.get(server.url + "/api/v1/status", headers={"Host": "evil.example"})
        assert answer.status_code == 400


def test_a_server_that_was_never_started_can_be_stopped() -> None:
    operations = FakeOperations(empty=True)
    ApiServer(operations, Metrics(operations.picture), None, port=0).stop()


# The document.

def test_every_route_is_described(document: dict[str, Any]) -> None:
    operations = [one for path in document["paths"].values() for one in path.values()]
    assert len(operations) > 25
    for one in operations:
        assert one["summary"]
        assert one["tags"]
    changing = [one for path in document["paths"].values() for method, one in path.items()
                if method != "get"]
    for one in changing:
        assert "401" in one["responses"]
        assert one["security"] == [{"HTTPBearer": []}]


@pytest.fixture(scope="module")
def scene() -> Scene:
    return make_scene()


@pytest.fixture(scope="module")
def document(scene: Scene) -> dict[str, Any]:
    found: dict[str, Any] = scene.reader.get("/openapi.json").json()
    return found


# Callers who send anything.

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner,
                                                                max_size=4), max_leaves=12)


WORDS = st.sampled_from(["20981", "20008", "chat", "slice", "down_prbs", "-1", "1e400", "3", "csv"])


@given(which=st.integers(0, 1000), words=st.lists(WORDS | st.text(min_size=1, max_size=8),
                                                  min_size=6, max_size=6),
       given_names=st.sets(st.integers(0, 5)), body=st.binary(max_size=60)
       | JSON.map(lambda value: json.dumps(value).encode()))
@settings(max_examples=250, deadline=None)
def test_nothing_that_is_sent_to_any_route_is_a_failure_of_ours(
    scene: Scene, document: dict[str, Any], which: int, words: list[str], given_names: set[int],
    body: bytes,
) -> None:
    """Every answer is one that the document names for that route, and errors explain themselves."""
    routes = sorted((path, method) for path, methods in document["paths"].items()
                    for method in methods)
    path, method = routes[which % len(routes)]
    described, query, filled = document["paths"][path][method], {}, path
    for place, (parameter, word) in enumerate(
            zip(described.get("parameters", ()), words, strict=False)):
        if parameter["in"] == "path":
            filled = filled.replace(f"{{{parameter['name']}}}",
                                    quote(word, safe="", errors="replace"))
        elif place in given_names:
            query[parameter["name"]] = word.encode("utf-8", "replace").decode()
    answer = scene.operator.request(method, filled, params=query,
                                    content=None if method == "get" else body)
    assert answer.status_code < 500, answer.text
    if answer.status_code in (404, 405):
        return  # the text drawn may make another path of it
    assert str(answer.status_code) in described["responses"], (answer.status_code, answer.text)
    if answer.status_code >= 400:
        assert set(answer.json()) == {"error", "remedy"}


@given(body=st.binary(max_size=400))
@settings(max_examples=100, deadline=None)
def test_bytes_as_bodies(scene: Scene, body: bytes) -> None:
    for path in ("/api/v1/dry-run", "/api/v1/kill-switch", "/A1-P/v2/policytypes/20981/policies/a"):
        answer = scene.operator.put(path, content=body,
                                    headers={"Content-Type": "application/json"})
        assert 400 <= answer.status_code < 500
        assert set(answer.json()) == {"error", "remedy"}


def test_a_bug_of_ours_is_told_without_its_insides(scene: Scene) -> None:
    own = make_scene()

    def broken() -> None:
        raise ZeroDivisionError("secret")

    own.operations.picture = broken  # type: ignore[method-assign,assignment]  # a bug
    answer = own.reader.get("/api/v1/status")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert set(answer.json()) == {"error", "remedy"}


def test_an_error_that_has_no_status_of_its_own_is_a_failure_of_ours() -> None:
    own = make_scene()
    own.operations.failure = XappError("Something new.", "Look.")
    assert own.operator.put("/api/v1/dry-run", json={"on": True}).status_code == 500


# Callers on the wire.

@pytest.fixture
def server() -> Iterator[ApiServer]:
    with served() as running:
        yield running


def talk(server: ApiServer, said: bytes) -> bytes:
    """All that comes back until the server closes."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=WAIT) as wire:
        wire.sendall(said)
        heard = b""
        try:
            while part := wire.recv(65536):
                heard += part
        except ConnectionResetError:
            pass  # cut off while more was on its way: as good
        return heard


def assert_serves(server: ApiServer) -> None:
    assert httpx.get(server.url + "/healthz", timeout=WAIT).status_code == 200


def test_a_body_that_is_too_long(server: ApiServer) -> None:
    answer = httpx.put(server.url + "/api/v1/dry-run", content=b" " * (MAX_BODY_BYTES + 1),
                       headers=AUTHORIZED)
    assert answer.status_code == 413
    assert set(answer.json()) == {"error", "remedy"}
    whole = httpx.put(server.url + "/api/v1/dry-run",
                      headers=AUTHORIZED | {"Content-Type": "application/json"},
                      content=b'{"on": true' + b" " * (MAX_BODY_BYTES - 12) + b"}")
    assert whole.status_code == 200


def test_heads_and_bodies_that_never_end(
    server: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_guard, "HEAD_SECONDS", 0.2)
    assert talk(server, b"") == b""  # says nothing, and is let go
    assert talk(server, b"GET /healthz HTT") == b""
    for said in (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nx",):
        assert b" 200 " in talk(server, said)
    assert_serves(server)


def test_a_body_that_drips(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_guard.BodyCap.__init__, "__defaults__", (1000, 0.2))
    with served() as server:
        heard = talk(server, b"PUT /api/v1/dry-run HTTP/1.1\r\nHost: localhost\r\n"
                             b"Content-Length: 100\r\n\r\n{")
        assert b" 408 " in heard
        assert_serves(server)


def test_garbage_on_the_wire(server: ApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_guard, "HEAD_SECONDS", 0.2)
    chance = random.Random(3)
    for said in (b"\0" * 100, b"\x16\x03\x01\x02\x00\x01", b"GET \xff HTTP/1.1\r\n\r\n",
                 b"GET / HTTP/9.9\r\n\r\n", b"PUT / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
                 b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n",
                 b"GET http://[ HTTP/1.1\r\nHost: localhost\r\n\r\n",
                 *(chance.randbytes(50) + b"\r\n\r\n" for _ in range(20))):
        heard = talk(server, said)
        assert b" 500 " not in heard
        assert b" 200 " not in heard
    assert_serves(server)
