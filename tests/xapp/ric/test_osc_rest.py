"""Calls to a RIC's services over real HTTP: in order, capped, and never for ever."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Iterator

import pytest

from tests.xapp.ric.osc_ric import RAN, MadeRic
from tests.xapp.ric.osc_server import RicServer
from xapp.errors import TransportError
from xapp.ric import osc_rest
from xapp.ric.osc_messages import Answer, Ask, Call
from xapp.ric.osc_rest import Rest

Answers = queue.Queue[tuple[Call, Answer]]


@pytest.fixture
def server() -> Iterator[RicServer]:
    with RicServer(MadeRic()) as made:
        yield made


def rest(seconds: float = 5.0) -> tuple[Rest, Answers]:
    answers: Answers = queue.Queue()
    return Rest(seconds, lambda call, answer: answers.put((call, answer)), "test"), answers


def test_calls_are_answered_in_order(server: RicServer) -> None:
    one, answers = rest()
    calls = [Call(Ask.NODE, "GET", f"{server.url}/v1/nodeb/{name}", name)
             for name in (RAN, "gnb_x", "states")]
    for call in calls:
        one.ask(call)
    assert one.close(5.0)
    found = [answers.get(timeout=5) for _ in calls]
    assert [call for call, _ in found] == calls
    assert [answer.status for _, answer in found] == [200, 404, 200]


def test_those_that_were_asked_can_be_waited_for(server: RicServer) -> None:
    one, answers = rest()
    call = Call(Ask.STATES, "GET", f"{server.url}/v1/nodeb/states")
    for _ in range(3):
        one.ask(call)
    assert one.made(5.0)
    assert answers.qsize() == 3
    server.hold = 5.0
    one.ask(call)
    assert not one.made(0.05)
    one.ask(call)  # it goes on
    server.hold = 0.0
    assert not one.close(0.05)


def answer_of(url: str, seconds: float = 5.0) -> Answer:
    one, answers = rest(seconds)
    one.ask(Call(Ask.STATES, "GET", url))
    _, answer = answers.get(timeout=10)
    assert one.close(5.0)
    return answer


def test_a_service_that_is_not_there_or_silent_is_an_answer_of_its_own() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        found = answer_of(f"http://127.0.0.1:{port}/", 0.2)
        assert (found.status, found.why) == (0, "no answer in 0.2 s")
    found = answer_of(f"http://127.0.0.1:{port}/")
    assert found.status == 0
    assert found.why


def _serve(listener: socket.socket, pieces: list[bytes], over: threading.Event) -> None:
    peer, _ = listener.accept()
    with peer:
        try:
            for piece in pieces:
                if over.wait(0.02):
                    return
                peer.sendall(piece)
        except OSError:
            return  # it hung up, as it should


@pytest.mark.parametrize("pieces", [
    [b"nonsense\r\n\r\n"],
    [b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n", *[b"x"] * 90],  # drips
    [b"HTTP/1.1 200 OK\r\ncontent-length: 4000\r\n\r\n", b"x" * 4000]])  # more than may come
def test_answers_that_are_none_drip_or_do_not_end(
    pieces: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(osc_rest, "MOST_ANSWER", 1000)
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_serve, args=(listener, pieces, over))
        thread.start()
        found = answer_of(f"http://127.0.0.1:{listener.getsockname()[1]}/", 0.3)
        over.set()
        thread.join()
    assert found.status == 0
    assert found.why


def _ask_all(one: Rest, calls: list[Call]) -> None:
    for call in calls:
        one.ask(call)


def test_more_calls_than_may_wait_are_refused(
    server: RicServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(osc_rest, "MOST_WAITING", 1)
    server.hold = 0.3
    one, answers = rest()
    call = Call(Ask.STATES, "GET", f"{server.url}/v1/nodeb/states")
    with pytest.raises(TransportError, match="wait for the RIC"):
        _ask_all(one, [call] * 4)
    assert answers.get(timeout=5)[1].good
    assert one.close(5.0)
