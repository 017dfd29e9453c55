"""The edge's HTTP routes over a real socket: what they answer, to whom, and what OpenAPI says."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
import torch
from prometheus_client.parser import text_string_to_metric_families
from websockets.sync.client import ClientConnection, connect

from edge_server.engine.tensors import to_bytes
from edge_server.frame import Dtype, Flags, Frame, FrameType, decode, encode
from edge_server.logs import alias
from edge_server.messages import SPLIT_PATH, ErrorCode, ErrorNotice, Hello, Mode, Welcome
from edge_server.metrics import release
from edge_server.split import LayerRange
from edge_server.tokens import TokenStore
from tests.conftest import MakeCheckpoint, RunEdge, RunningEdge
from tests.models import LAYERS

WAIT, HIDDEN = 60.0, 64
NOW = datetime(2026, 3, 1, tzinfo=UTC)
OPEN_TO_ALL = ("/healthz", "/readyz", "/openapi.json")


@pytest.fixture
def edge(running_edge: RunEdge, checkpoint_folder: MakeCheckpoint) -> RunningEdge:
    return running_edge(checkpoint_folder("gemma3"), "--sessions", 2, "--context", 64,
                        "--step-times", 8)


class Guarded:
    """An edge that has tokens: a phone's and an operator's."""

    def __init__(self, path: Path) -> None:
        self.store = TokenStore(path)
        self.phone = self.store.add("alice", NOW)
        self.operator = self.store.add("ops", NOW, operator=True)


@pytest.fixture
def guarded(tmp_path: Path) -> Guarded:
    return Guarded(tmp_path / "tokens.json")


def get(edge: RunningEdge, path: str, token: str | None = None) -> httpx.Response:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return httpx.get(edge.url + path, headers=headers, timeout=WAIT)


def frame_from(wire: ClientConnection) -> Frame:
    message = wire.recv(timeout=WAIT)
    assert isinstance(message, bytes)
    return decode(message)


@contextlib.contextmanager
def session(edge: RunningEdge, token: str = "") -> Iterator[tuple[ClientConnection, Frame]]:
    """A WebSocket after its HELLO, and what the edge answered."""
    with connect(f"ws://127.0.0.1:{edge.port}{SPLIT_PATH}", compression=None) as wire:
        hello = Hello(edge.edge.serving.identity, LayerRange(1, LAYERS), Dtype.F32, Mode.TOKENS,
                      token=token)
        wire.send(encode(Frame(FrameType.HELLO, payload=hello.pack())))
        yield wire, frame_from(wire)


def ask(wire: ClientConnection, number: int, rows: int) -> Frame:
    """Send rows and wait for the token after them."""
    wire.send(encode(Frame(FrameType.ROWS, number, 0, 0, Dtype.F32, rows, HIDDEN,
                           Flags.RESULT_WANTED, to_bytes(torch.full((rows, HIDDEN), 0.5)))))
    return frame_from(wire)


def scrape(text: str) -> dict[str, float]:
    """Samples by name and label values."""
    return {" ".join([sample.name, *sample.labels.values()]): sample.value
            for family in text_string_to_metric_families(text) for sample in family.samples}


def test_alive_and_ready(edge: RunningEdge) -> None:
    assert get(edge, "/healthz").json() == {"status": "ok"}
    answer = get(edge, "/readyz")
    assert (answer.status_code, answer.json()) == (200, {"ready": True, "reason": ""})


def test_not_ready_while_draining(edge: RunningEdge) -> None:
    edge.edge.sessions.draining = True
    answer = get(edge, "/readyz")
    assert (answer.status_code, answer.json()) == (503, {"ready": False, "reason": "draining"})
    assert get(edge, "/healthz").status_code == 200
    assert scrape(get(edge, "/metrics").text)["airsplit_ready"] == 0


def test_not_ready_once_the_worker_has_ended(edge: RunningEdge) -> None:
    edge.edge.worker.stop()
    answer = get(edge, "/readyz")
    assert answer.status_code == 503
    assert "worker" in answer.json()["reason"]


def test_what_is_served(edge: RunningEdge) -> None:
    served = get(edge, "/v1/models").json()
    assert served["identity"] == edge.edge.serving.identity
    assert (served["family"], served["layers"], served["total_layers"]) == (
        "gemma3_text", [0, LAYERS], LAYERS)
    limits = served["limits"]
    assert (limits["sessions"], limits["tokens"]) == (2, 64)
    assert limits["cache_bytes"] == 2 * 64 * edge.edge.serving.token_bytes
    assert limits["frame_bytes"] == edge.edge.config.max_message


def test_sessions_as_an_operator_sees_them(edge: RunningEdge) -> None:
    assert get(edge, "/v1/sessions").json() == {"sessions": []}
    with session(edge) as (wire, frame):
        number = Welcome.unpack(frame.payload).session
        sent = len(encode(ask(wire, number, 5)))
        text = get(edge, "/v1/sessions").text
        (seen,) = get(edge, "/v1/sessions").json()["sessions"]
        assert seen["alias"] == alias(number)
        assert str(number) not in text
        assert (seen["state"], seen["mode"], seen["layers"], seen["tokens"]) == (
            "attached", "tokens", [1, LAYERS], 5)
        assert seen["received_bytes"] == 32 + 4 * 5 * HIDDEN
        assert seen["sent_bytes"] == len(encode(frame)) + sent
        assert seen["age_seconds"] >= seen["idle_seconds"] >= 0
        assert get(edge, "/v1/models").json()["sessions"] == 1


def test_when_a_sessions_steps_were(edge: RunningEdge) -> None:
    with session(edge) as (wire, frame):
        number = Welcome.unpack(frame.payload).session
        ask(wire, number, 5)
        told = get(edge, f"/v1/steps?session={alias(number)}").json()
        (step,) = told["steps"]
        assert step["end"] == 5
        assert step["came"] <= step["began"] <= step["ended"] <= told["now"]
        assert get(edge, "/v1/steps").json()["steps"] == []  # the clock alone


def test_metrics_of_a_conversation(edge: RunningEdge) -> None:
    answer = get(edge, "/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    with session(edge) as (wire, frame):
        ask(wire, Welcome.unpack(frame.payload).session, 5)
        seen = scrape(get(edge, "/metrics").text)
        assert seen["airsplit_sessions attached"] == 1
        assert seen["airsplit_sessions parked"] == 0
        assert seen["airsplit_sessions_opened_total tokens"] == 1
        assert seen["airsplit_rows_computed_total"] == 5
        assert seen["airsplit_tokens_produced_total"] == 1
        assert seen["airsplit_step_rows_sum"] == 5
        assert seen["airsplit_received_bytes_total"] > 4 * 5 * HIDDEN
        assert seen["airsplit_sent_bytes_total"] > 0
        for way in ("received", "sent"):  # by `airsplit edge` itself: frames, and their heads
            assert seen[f"airsplit_socket_{way}_bytes_total"] > seen[f"airsplit_{way}_bytes_total"]
        assert 0 < seen["airsplit_cache_used_bytes"] <= seen["airsplit_cache_limit_bytes"]
        assert seen["airsplit_uptime_seconds"] > 0
    with session(edge, "") as (wire, frame):
        wire.send(b"garbage")
        assert frame_from(wire).type is FrameType.ERROR
    assert scrape(get(edge, "/metrics").text)["airsplit_refusals_total bad_frame"] == 1


# Who may ask.


@pytest.mark.parametrize(("path", "operator_alone"), [
    ("/v1/models", False), ("/v1/sessions", True), ("/v1/steps", True), ("/metrics", True)])
def test_tokens_open_the_routes(
    path: str, operator_alone: bool, guarded: Guarded, running_edge: RunEdge,
    checkpoint_folder: MakeCheckpoint,
) -> None:
    edge = running_edge(checkpoint_folder("gemma3"), "--tokens", guarded.store.path,
                        "--step-times", 8)
    for wrong in (b"", b"Bearer", b"wrong", b"Bearer wrong", b"Bearer \xe9",
                  b"Bearer " + b"x" * 9_000, f"Basic {guarded.operator}".encode(),
                  f"Bearer {guarded.phone[:-1]}".encode()):
        answer = httpx.get(edge.url + path, headers={b"Authorization": wrong}, timeout=WAIT)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert "airsplit edge token add" in answer.json()["remedy"]
    assert get(edge, path).status_code == 401
    assert get(edge, path, guarded.phone).status_code == (403 if operator_alone else 200)
    assert get(edge, path, guarded.operator).status_code == 200
    guarded.store.revoke("ops")
    assert get(edge, path, guarded.operator).status_code == 401
    for free in OPEN_TO_ALL:
        assert get(edge, free).status_code == 200


def test_tokens_open_sessions(
    guarded: Guarded, running_edge: RunEdge, checkpoint_folder: MakeCheckpoint
) -> None:
    edge = running_edge(checkpoint_folder("gemma3"), "--tokens", guarded.store.path)
    for wrong in ("", "wrong"):
        with session(edge, wrong) as (_, frame):
            assert frame.type is FrameType.ERROR
            assert ErrorNotice.unpack(frame.payload).code == ErrorCode.UNAUTHORISED
    with session(edge, guarded.phone) as (wire, frame):
        assert frame.type is FrameType.WELCOME
        (seen,) = get(edge, "/v1/sessions", guarded.operator).json()["sessions"]
        assert seen["token"] == "alice"
        guarded.store.revoke("alice")  # while it is in use: its session ends, and says why
        ended = frame_from(wire)
        assert ErrorNotice.unpack(ended.payload).code == ErrorCode.UNAUTHORISED


def test_anyone_may_where_the_operator_says_so(
    guarded: Guarded, running_edge: RunEdge, checkpoint_folder: MakeCheckpoint
) -> None:
    edge = running_edge(checkpoint_folder("gemma3"), "--tokens", guarded.store.path,
                        "--allow-anyone")
    assert get(edge, "/metrics").status_code == 200
    with session(edge) as (_, frame):
        assert frame.type is FrameType.WELCOME


# The document.


def test_openapi_describes_every_route(edge: RunningEdge) -> None:
    document = get(edge, "/openapi.json").json()
    assert document["info"]["version"] == release()
    for said in (SPLIT_PATH, "docs/protocol.md"):
        assert said in document["info"]["description"]
    described = {(path, method) for path, methods in document["paths"].items()
                 for method in methods}
    assert described == {(path, "get") for path in (
        "/healthz", "/readyz", "/metrics", "/v1/models", "/v1/sessions", "/v1/steps")}
    schemas = document["components"]["schemas"]
    for path, method in described:
        operation = document["paths"][path][method]
        assert operation["summary"]
        (content,) = operation["responses"]["200"]["content"].values()
        assert content["schema"]
        for code, response in operation["responses"].items():
            if code != "200":
                (content,) = response["content"].values()
                assert content["schema"]["$ref"].rsplit("/")[-1] in schemas
    assert document["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"


def test_the_document_names_what_each_route_may_answer(edge: RunningEdge) -> None:
    paths = get(edge, "/openapi.json").json()["paths"]

    def codes(path: str) -> set[str]:
        return set(paths[path]["get"]["responses"])

    assert codes("/healthz") == {"200"}
    assert codes("/readyz") == {"200", "503"}
    assert codes("/v1/models") == {"200", "401"}
    assert codes("/metrics") == codes("/v1/sessions") == {"200", "401", "403"}
    assert codes("/v1/steps") >= {"200", "401", "403", "404"}
    secured = {path for path in paths if paths[path]["get"].get("security")}
    assert secured == {"/v1/models", "/v1/sessions", "/v1/steps", "/metrics"}


@pytest.mark.parametrize(("method", "path", "code"), [
    ("GET", "/nowhere", 404), ("POST", "/healthz", 405), ("GET", "/docs", 404)])
def test_other_requests_get_a_problem_too(
    method: str, path: str, code: int, edge: RunningEdge
) -> None:
    answer = httpx.request(method, edge.url + path, timeout=WAIT)
    assert answer.status_code == code
    assert set(answer.json()) == {"problem", "remedy"}
