"""Questions over HTTP: objects, lists, and no answer."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from testbed.errors import TestbedFailure
from testbed.loop.asking import ask, put


class Handler(BaseHTTPRequestHandler):
    bodies: ClassVar = {"/object": b'{"a": 1}', "/list": b"[1]", "/none": b"<html>"}
    got: tuple[str, bytes] | None = None

    def do_GET(self) -> None:
        self._answer(200 if self.path in self.bodies else 404, self.bodies.get(self.path, b"{}"))

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        type(self).got = (self.headers["Authorization"], body)
        self._answer(200 if self.path == "/object" else 403, b"{}")

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing is to be printed."""


@pytest.fixture
def address() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_answers(address: str) -> None:
    assert ask(address + "/object") == {"a": 1}
    assert ask(address + "/list") == {"items": [1]}
    assert ask(address + "/none") is None
    assert ask(address + "/missing") is None
    assert ask("http://127.0.0.1:9/") is None


def test_orders_bear_the_token(address: str, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret\n")
    put(address + "/object", {"on": False}, tmp_path / "token")
    assert Handler.got == ("Bearer secret", b'{"on": false}')
    with pytest.raises(TestbedFailure, match="takes no order"):
        put(address + "/forbidden", {}, tmp_path / "token")
