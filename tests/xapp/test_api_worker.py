"""The API's process without a process: what it says and hears over its link, and its end."""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.xapp.api_scene import AUTHORIZED, TOKEN
from tests.xapp.fake_operations import FakeOperations
from xapp.api import open_socket
from xapp.api_link import MOST_TO_API, MOST_TO_XAPP, Unpacker, pack, picture_document
from xapp.api_worker import Link, serve
from xapp.errors import Behind, TransportError

WAIT = 30.0


def say(link: socket.socket, **message: Any) -> None:
    link.sendall(pack(message, MOST_TO_API))


def heard(link: socket.socket) -> dict[str, Any]:
    unpacker = Unpacker(MOST_TO_XAPP)
    while data := link.recv(65536):
        for message in unpacker.feed(data):
            return message
    raise AssertionError("the link is closed")


def test_it_answers_until_its_link_ends(tmp_path: Path) -> None:
    ours, its = socket.socketpair()
    listening = open_socket("127.0.0.1", 0, TOKEN)
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    thread = threading.Thread(target=serve, args=(Link(its), listening))
    thread.start()
    with ours, its:
        ours.settimeout(WAIT)
        network = FakeOperations(history=5.0)
        say(ours, kind="start", log_level="WARNING", store=str(tmp_path / "xapp.db"), limits={},
            token=TOKEN, host="127.0.0.1")
        say(ours, kind="policies", types=list(network.policy_types().values()), policies=[])
        say(ours, kind="picture", picture=picture_document(network.picture()))
        assert heard(ours)["kind"] == "ready"
        assert httpx.get(url + "/api/v1/status").json()["version"] == "test"
        done: list[int] = []
        asking = threading.Thread(target=lambda: done.append(httpx.put(
            url + "/api/v1/dry-run", json={"on": True}, headers=AUTHORIZED,
            timeout=WAIT).status_code))
        asking.start()
        command = heard(ours)
        assert (command["name"], command["arguments"][0]) == ("set_dry_run", True)
        say(ours, kind="answer", number=command["number"], error=None)
        asking.join(WAIT)
        assert done == [200]
        ours.close()
        thread.join(WAIT)
        assert not thread.is_alive()
    with pytest.raises(httpx.ConnectError):
        httpx.get(url)


def test_a_link_that_ends_before_anything_was_said_is_no_error() -> None:
    ours, its = socket.socketpair()
    with its, open_socket("127.0.0.1", 0, TOKEN) as listening:
        ours.close()
        serve(Link(its), listening)


def test_another_beginning_is_one() -> None:
    ours, its = socket.socketpair()
    with ours, its, open_socket("127.0.0.1", 0, TOKEN) as listening:
        say(ours, kind="other")
        with pytest.raises(TransportError, match="begins with other"):
            serve(Link(its), listening)


def test_an_xapp_that_does_not_read_is_told_and_the_link_is_over(
    monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xapp.api_worker.SEND_SECONDS", 1.0)
    ours, its = socket.socketpair()
    with ours, its:
        link = Link(its)
        with pytest.raises(Behind, match="does not listen"):
            link.send(b"x" * (100 << 20))
        assert link.receive() is None
