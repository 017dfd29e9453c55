"""The API's client: what it asks and gets, and which error each failure becomes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.xapp.api_scene import AUTHORIZED, TOKEN, Scene, make_scene
from xapp.a1_types import SLICE_POLICY
from xapp.console_client import Client
from xapp.errors import (
    ApiAway,
    Behind,
    Conflict,
    NotAllowed,
    NotFound,
    OperatorError,
    PolicyError,
    StoreError,
)


@pytest.fixture
def scene() -> Scene:
    return make_scene(history=300.0)


@pytest.fixture
def client(scene: Scene) -> Iterator[Client]:
    made = Client("http://testserver/", TOKEN, into(scene))
    yield made
    made.close()


def into(scene: Scene) -> httpx.BaseTransport:
    """A way to the scene's application without a socket."""

    def handle(request: httpx.Request) -> httpx.Response:
        answer = scene.reader.request(
            request.method, str(request.url), content=request.read(),
            headers={name: value for name, value in request.headers.items()
                     if name in ("authorization", "content-type")})
        return httpx.Response(answer.status_code, headers={
            "content-type": answer.headers.get("content-type", "")}, content=answer.content)

    return httpx.MockTransport(handle)


def answering(handle: Callable[[httpx.Request], httpx.Response]) -> Client:
    return Client("http://testserver", TOKEN, httpx.MockTransport(handle))


def test_everything_that_pages_show_is_read(client: Client, scene: Scene) -> None:
    assert client.status().ues == 8
    assert client.nodes().items[0].profile == "srsran"
    assert [len(cell.slices) for cell in client.cells().items] == [3, 3]
    assert client.ues().total == 8
    assert client.flows().total >= 10
    decisions = client.decisions(2)
    assert len(decisions.items) == 2
    assert client.decisions(50, decisions.items[-1].number).items[0].number < (
        decisions.items[-1].number)
    assert client.events(1).items[0].level in ("info", "warning", "error")
    history = client.history("slice", "down_prbs", 60, 20)
    assert len(history.series) == 6
    assert len(client.history("slice", "up_prbs", 60, 20, history.series[0].subject).series) == 1
    assert client.limits() == scene.operations.limits()
    assert [one["policy_type_id"] for one in client.policy_types()] == [20008, SLICE_POLICY]
    assert [one.instance for one in client.policies().items] == ["llm", "chat"]


def test_everything_that_pages_change_is_changed(client: Client, scene: Scene) -> None:
    client.set_dry_run(True)
    assert scene.operations.modes.dry_run
    client.set_kill_switch(True, "tests")
    assert scene.operations.modes.killed
    client.set_kill_switch(False)
    assert not scene.operations.modes.killed
    client.put_policy(SLICE_POLICY, "a@b", {"priority": 1})
    assert [one.name for one in scene.operations.a1.instances(SLICE_POLICY)] == ["chat", "a@b"]
    client.delete_policy(SLICE_POLICY, "a@b")
    assert client.audit("jsonl").count(b"\n") == 5
    assert client.audit("csv").startswith(b"number,time,who")


def test_refusals_keep_their_meaning(client: Client, scene: Scene) -> None:
    with pytest.raises(PolicyError, match="schema"):
        client.put_policy(SLICE_POLICY, "x", {"priority": "high"})
    with pytest.raises(Conflict, match="95 %"):
        client.put_policy(SLICE_POLICY, "x", {"floors": {"2-000007": 75}})
    with pytest.raises(NotFound):
        client.delete_policy(SLICE_POLICY, "../kill-switch")
    scene.operations.failure = StoreError("The disk is full.", "Free some space.")
    with pytest.raises(Behind, match=r"disk is full.*Free some"):
        client.set_dry_run(True)


def test_without_a_token_nothing_can_be_changed(scene: Scene) -> None:
    client = Client("http://testserver", None, into(scene))
    assert not client.may_change
    assert client.status().ready
    with pytest.raises(NotAllowed):
        client.set_dry_run(True)
    client.close()


def test_the_token_is_sent_as_the_api_wants_it() -> None:
    seen: list[str] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["Authorization"])
        return httpx.Response(200, json=[])

    client = answering(handle)
    assert client.policy_types() == []
    assert seen == [AUTHORIZED["Authorization"]]
    client.close()


@pytest.mark.parametrize("failure", [
    httpx.ConnectError("refused"), httpx.ReadError("reset"), httpx.RemoteProtocolError("garbage"),
    httpx.ReadTimeout("slow"), httpx.ConnectTimeout("slow")])
def test_an_xapp_that_is_away(failure: Exception) -> None:
    def handle(_: httpx.Request) -> httpx.Response:
        raise failure

    client = answering(handle)
    with pytest.raises(ApiAway, match="http://testserver"):
        client.status()
    client.close()


@pytest.mark.parametrize(("status", "content"), [
    (200, b""), (200, b"<html>"), (200, b"{}"), (200, b'{"version": 3}'), (502, b"<html>"),
    (404, b"Not Found"), (500, b"{}")])
def test_something_else_that_answers_there(status: int, content: bytes) -> None:
    client = answering(lambda _: httpx.Response(status, content=content))
    for ask in (client.status, client.cells, client.policy_types, client.limits):
        if (content, ask.__name__) in ((b"{}", "limits"), (b'{"version": 3}', "limits")) and (
                status == 200):
            continue  # any object will do there
        with pytest.raises(ApiAway, match="no xApp of this version"):
            ask()
    client.close()


def test_an_error_of_another_kind() -> None:
    client = answering(lambda _: httpx.Response(
        500, json={"error": "It broke.", "remedy": "Look."}))
    with pytest.raises(OperatorError, match="It broke"):
        client.status()
    client.close()


def test_an_answer_without_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xapp.console_client.MAX_ANSWER_BYTES", 1000)
    client = answering(lambda _: httpx.Response(200, content=b"x" * 1001))
    with pytest.raises(ApiAway):
        client.audit("csv")
    client.close()
