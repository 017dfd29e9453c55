"""The guard: callers that drip, stay silent or come in crowds, on real sockets.

Limits are short, and what is waited for is always that the guard acts.
"""

from __future__ import annotations

import contextlib
import os
import random
import select
import socket
import ssl
from pathlib import Path

import pytest
import trustme

from edge_server import guard
from edge_server.guard import MAX_HEAD_BYTES, Limits, Listener, source_of
from edge_server.tls import server_context
from tests.edge_server.guard_scene import UPGRADE, WAIT, everything, serving, until


def drip(wire: socket.socket, data: bytes) -> int:
    """Send `data` byte by byte, slowly, until the other side answers or ends; how much went."""
    for sent in range(len(data)):
        if select.select([wire], [], [], 0.02)[0]:
            return sent
        wire.sendall(data[sent : sent + 1])
    return len(data)


# Requests.


@pytest.mark.parametrize("begun", [b"", b"G", b"GET / HTTP/1.1\r\nHost: x\r\n"])
def test_a_caller_who_stops_half_way(begun: bytes) -> None:
    with serving() as served, served.dial() as wire:
        wire.sendall(begun)
        assert everything(wire).startswith(b"HTTP/1.1 408 ")
        assert served.denied == ["late_request"]


def test_a_head_that_drips_in() -> None:
    with serving() as served, served.dial() as wire:
        endless = b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 2_000
        assert drip(wire, endless) < 200
        assert everything(wire).startswith(b"HTTP/1.1 408 ")


def test_a_second_request_that_drips_in() -> None:
    with serving() as served, served.dial() as wire:
        wire.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        while not wire.recv(1 << 16).endswith(b"ok"):
            pass
        assert drip(wire, b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 2_000) < 200
        assert everything(wire).startswith(b"HTTP/1.1 408 ")


def test_a_body_that_drips_in_after_the_answer() -> None:
    with serving() as served, served.dial() as wire:
        wire.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")
        while not wire.recv(1 << 16).endswith(b"ok"):
            pass
        with contextlib.suppress(ConnectionError):
            assert drip(wire, bytes(10_000)) < 200
        assert everything(wire) == b""
        assert served.denied == ["late_request"]


def test_many_requests_on_one_connection_are_welcome() -> None:
    with serving() as served, served.dial() as wire:
        wire.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 20)
        received = b""
        while received.count(b"\r\n\r\nok") < 20:
            received += wire.recv(1 << 16)
        assert served.denied == []


@pytest.mark.parametrize("head", [
    b"GET / HTTP/1.1\r\nX: " + b"y" * (MAX_HEAD_BYTES + 1), b"G" * (2 * MAX_HEAD_BYTES)])
def test_a_head_that_is_too_long(head: bytes) -> None:
    with serving() as served, served.dial() as wire:
        with contextlib.suppress(ConnectionError):
            wire.sendall(head)
        assert everything(wire).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("more", [
    b"".join(b"X-%d: y\r\n" % index for index in range(200)), b"X: " + b"y" * 9_000 + b"\r\n"])
def test_a_websocket_handshake_that_is_too_long(
    more: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Longer than the WebSocket library takes, and not than HTTP does."""
    with serving() as served:
        with served.dial() as wire:
            wire.sendall(UPGRADE + more + b"\r\n")
            assert everything(wire).startswith(b"HTTP/1.1 431 ")
        assert served.denied == ["handshake"]
        until(lambda: served.connections() == 0)
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


def test_random_bytes(caplog: pytest.LogCaptureFixture) -> None:
    """They are counted, and leave no line each in a log."""
    randomness = random.Random(20260301)
    with serving() as served:
        for _ in range(300):
            with served.dial() as wire:
                with contextlib.suppress(ConnectionError):
                    wire.sendall(b"\0" + randomness.randbytes(randomness.randrange(1, 400)))
                    wire.shutdown(socket.SHUT_WR)
                everything(wire)
        until(lambda: served.connections() == 0)
        assert served.denied == ["bad_request"] * 300
    assert caplog.records == []


def test_a_tls_handshake_that_does_not_come(tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate = tmp_path / "edge.pem"
    certificate.write_bytes(
        authority.issue_cert("localhost").private_key_and_cert_chain_pem.bytes())
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    with serving(context=server_context(certificate, certificate)) as served:
        with served.dial() as silent:
            assert everything(silent) == b""
        with served.dial() as wire, trusting.wrap_socket(
                wire, server_hostname="localhost") as secure:
            assert drip(secure, b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 2_000) < 200
            assert everything(secure).startswith(b"HTTP/1.1 408 ")
        with served.dial() as wire, trusting.wrap_socket(
                wire, server_hostname="localhost") as secure:
            secure.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert everything(secure).endswith(b"ok")


# Crowds.


def test_more_callers_than_there_is_room_for() -> None:
    patient = Limits(connections=6, per_address=3)
    with serving(patient) as served, contextlib.ExitStack() as stack:
        # Callers of this machine itself have no limit by address.
        callers = [stack.enter_context(served.dial()) for _ in range(6)]
        for caller in callers:  # an answer shows that it was let in
            caller.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert caller.recv(1 << 16).startswith(b"HTTP/1.1 200 ")
        for _ in range(200):
            with served.dial() as refused:
                assert everything(refused).startswith(b"HTTP/1.1 503 ")
        assert served.denied == ["connections"] * 200
        assert served.connections() == 6
        callers[0].close()
        until(lambda: served.connections() < 6)
        served.assert_serves()
        callers[1].sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert everything(callers[1]).endswith(b"ok")


def test_one_address_takes_not_all_the_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "source_of", lambda host: host)  # as if this machine were another
    patient = Limits(connections=6, per_address=3)
    with serving(patient) as served, contextlib.ExitStack() as stack:
        for _ in range(3):
            caller = stack.enter_context(served.dial())
            caller.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert caller.recv(1 << 16).startswith(b"HTTP/1.1 200 ")
        with served.dial() as refused:
            assert everything(refused).startswith(b"HTTP/1.1 503 ")
        assert served.denied == ["connections_of_address"]
        other = socket.create_connection(("127.0.0.1", served.port), WAIT, ("127.0.0.2", 0))
        with other:
            other.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert everything(other).endswith(b"ok")
        stack.close()
        until(lambda: served.connections() == 0)


def test_a_crowd_that_says_nothing_makes_room_by_and_by() -> None:
    with serving() as served, contextlib.ExitStack() as stack:
        silent = [stack.enter_context(served.dial()) for _ in range(40)]
        answers = [everything(caller)[:12] for caller in silent]
        assert set(answers) == {b"HTTP/1.1 408", b"HTTP/1.1 503"}
        assert answers.count(b"HTTP/1.1 408") == 6


def test_a_connection_that_is_dropped_unclosed_is_not_counted_on() -> None:
    plain = socket.create_server(("127.0.0.1", 0))
    with Listener(plain, Limits(1, 1), pytest.fail, False) as listener:
        for _ in range(3):
            with socket.create_connection(listener.getsockname(), WAIT):
                accepted, _ = listener.accept()
                os.close(accepted.detach())
                del accepted


@pytest.mark.parametrize(("host", "source"), [
    ("127.0.0.1", None), ("127.8.0.1", None), ("::1", None), ("::ffff:127.0.0.1", None),
    ("192.0.2.7", "192.0.2.7"), ("::ffff:192.0.2.7", "192.0.2.7"),
    ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"), ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
    ("fe80::1%eth0", "fe80::/64")])
def test_who_counts_as_one_caller(host: str, source: str | None) -> None:
    assert source_of(host) == source
