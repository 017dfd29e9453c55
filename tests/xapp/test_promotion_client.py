"""The client against a PCF that is made up and speaks HTTP/2 with prior knowledge, as Open5GS."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import h2.config
import h2.connection
import h2.events
import httpx
import pytest

from xapp.errors import ConfigurationError, PromotionRefused
from xapp.flow_ends import FlowEnds
from xapp.promotion import MOST_ANSWER, PATH, Wish, descriptions
from xapp.promotion_client import PromotionClient

FLOW = FlowEnds("10.46.0.2", 40000, "192.0.2.7", 8470)


@dataclass
class Pcf:
    """What the made-up PCF was asked, and what it answers: sessions, or a refusal."""

    listener: socket.socket
    refuses: tuple[int, bytes] | None = None
    asked: list[tuple[str, str, dict[str, str], Any]] = field(default_factory=list)
    sessions: dict[str, Any] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def answer(self, method: str, path: str, headers: dict[str, str],
               body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        document = json.loads(body) if body else None
        self.asked.append((method, path, headers, document))
        if self.refuses is not None:
            return self.refuses[0], [("content-type", "application/problem+json")], self.refuses[1]
        if path == PATH:
            number = str(len(self.sessions) + 1)
            self.sessions[number] = document
            return 201, [("location", f"{self.url}{PATH}/{number}")], body
        number = path.removeprefix(f"{PATH}/").removesuffix("/delete")
        return (204 if self.sessions.pop(number, None) else 404), [], b""

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                self._converse(connection)

    def _converse(self, connection: socket.socket) -> None:
        state = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        state.initiate_connection()
        connection.sendall(state.data_to_send())
        requests: dict[int, tuple[dict[str, str], bytearray]] = {}
        while data := connection.recv(65536):
            for event in state.receive_data(data):
                if isinstance(event, h2.events.RequestReceived):
                    headers = {_text(name): _text(value) for name, value in event.headers or ()}
                    requests[_number(event.stream_id)] = (headers, bytearray())
                elif isinstance(event, h2.events.DataReceived):
                    requests[_number(event.stream_id)][1].extend(event.data or b"")
                elif isinstance(event, h2.events.StreamEnded):
                    stream = _number(event.stream_id)
                    headers, body = requests.pop(stream)
                    status, more, answer = self.answer(headers[":method"], headers[":path"],
                                                       headers, bytes(body))
                    state.send_headers(stream, [(":status", str(status)), *more])
                    # Of a long answer the window's first part is enough to be too much of it.
                    state.send_data(stream, answer[:16000], end_stream=True)
            connection.sendall(state.data_to_send())


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _number(value: int | None) -> int:
    assert value is not None
    return value


@contextmanager
def running() -> Iterator[Pcf]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        pcf = Pcf(listener)
        thread = threading.Thread(target=pcf.serve)
        thread.start()
        try:
            yield pcf
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(20)
            assert not thread.is_alive()


def test_a_flow_is_promoted_and_released_over_http_2() -> None:
    with running() as pcf, PromotionClient(pcf.url) as client:
        session = client.promote(FLOW, "llm", Wish(down="20 Mbps"), supi="001010000000001")
        assert session in pcf.sessions
        client.release(session)
        assert not pcf.sessions
        client.release(session)  # what is over is over
    method, path, headers, document = pcf.asked[0]
    assert (method, path) == ("POST", PATH)
    assert headers["user-agent"] == "AF"
    assert headers["content-type"] == "application/json"
    component = document["ascReqData"]["medComponents"]["1"]
    assert component["medSubComps"]["1"]["fDescs"] == descriptions(FLOW)
    assert pcf.asked[1][1] == f"{PATH}/{session}/delete"


def test_a_refusal_is_the_pcfs_own_words() -> None:
    with running() as pcf, PromotionClient(pcf.url) as client:
        pcf.refuses = (403, b'{"title": "No PCC Rule in DB [QoS Index:2]"}')
        with pytest.raises(PromotionRefused, match="No PCC Rule in DB"):
            client.promote(FLOW, "llm")


def test_who_is_not_there_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with (PromotionClient(f"http://127.0.0.1:{port}", timeout=5) as client,
          pytest.raises(PromotionRefused, match="does not answer")):
        client.promote(FLOW, "llm")


def test_who_speaks_http_1_is_no_pcf() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        thread = threading.Thread(target=answer)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with (PromotionClient(url, timeout=5) as client,
              pytest.raises(PromotionRefused, match="HTTP/2")):
            client.promote(FLOW, "llm")
        thread.join(20)


def test_an_endless_answer_is_cut() -> None:
    transport = httpx.MockTransport(lambda request: httpx.Response(
        201, content=b"x" * (MOST_ANSWER + 1)))
    with (PromotionClient("http://127.0.0.1:7777", transport=transport) as client,
          pytest.raises(PromotionRefused, match="no PCF")):
        client.promote(FLOW, "llm")


@pytest.mark.parametrize("url", ["", "127.0.0.13:7777", "ftp://127.0.0.13", "http://", "http://a:b",
                                 "http://127.0.0.13:7777/npcf"])
def test_what_is_no_pcfs_address_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="address of a PCF"):
        PromotionClient(url)
