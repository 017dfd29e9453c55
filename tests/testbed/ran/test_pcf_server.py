"""The policy function's port: the xApp's own client over HTTP/2, and peers that do harm."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress

import httpx
import pytest

from testbed.ran.pcf import MOST_BODY, Pcf
from testbed.ran.pcf_server import MOST_CONNECTIONS, MOST_FLOOD, serve_pcf
from tests.testbed.ran.test_pcf import FLOW, LLM, SIX, Plane
from xapp.errors import ConfigurationError, PromotionRefused
from xapp.promotion import PATH, Wish
from xapp.promotion_client import PromotionClient

WISH = Wish(reference=str(LLM))
PATIENCE = 30.0  # seconds: a bound on hanging, no expectation


def served(work: Callable[[int, Plane], None]) -> None:
    """Do something in a thread while it is served."""
    plane = Plane()

    async def run() -> None:
        async with serve_pcf(Pcf(plane, LLM), "127.0.0.1", 0) as port:
            await asyncio.wait_for(asyncio.to_thread(work, port, plane), PATIENCE)

    asyncio.run(run())


def client_of(port: int) -> PromotionClient:
    return PromotionClient(f"http://127.0.0.1:{port}", PATIENCE)


def test_flows_are_promoted_and_released_by_the_xapps_client() -> None:
    def work(port: int, plane: Plane) -> None:
        with client_of(port) as client:
            sessions = [client.promote(one, "internet", WISH) for one in (FLOW, SIX)]
            assert plane.flows == {FLOW, SIX}
            assert client.promote(FLOW, "internet", WISH) == sessions[0]
            for one in (*sessions, sessions[0]):
                client.release(one)
            assert not plane.flows

    served(work)


def test_a_refusal_comes_through_in_words() -> None:
    def work(port: int, plane: Plane) -> None:
        plane.fails = ConfigurationError("1024 flows are the most.")
        with client_of(port) as client, pytest.raises(PromotionRefused, match="1024 flows are"):
            client.promote(FLOW, "internet", WISH)

    served(work)


def test_a_long_body_is_cut_off_and_the_connection_goes_on() -> None:
    def work(port: int, plane: Plane) -> None:
        with httpx.Client(http1=False, http2=True, timeout=PATIENCE, trust_env=False) as client:
            url = f"http://127.0.0.1:{port}{PATH}"
            assert client.post(url, content=b"x" * (2 * MOST_BODY)).status_code == 413
            assert client.post(url, content=b"{}").status_code == 400
            with pytest.raises(httpx.HTTPError):
                client.post(url, content=b"x" * (2 * MOST_FLOOD))
            assert client.post(url, content=b"{}").status_code == 400

    served(work)


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"\0" * 2000, b"\xff"])
def test_what_is_no_http_2_is_closed(data: bytes) -> None:
    def work(port: int, plane: Plane) -> None:
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as peer:
            peer.sendall(data)
            peer.shutdown(socket.SHUT_WR)
            while peer.recv(65536):
                pass
        with client_of(port) as client:
            client.promote(FLOW, "internet", WISH)

    served(work)


def test_connections_have_a_most() -> None:
    def work(port: int, plane: Plane) -> None:
        opened = [socket.create_connection(("127.0.0.1", port), PATIENCE)
                  for _ in range(MOST_CONNECTIONS)]
        try:
            for one in opened:
                assert one.recv(9)  # its settings: it was admitted
            with (socket.create_connection(("127.0.0.1", port), PATIENCE) as more,
                  suppress(ConnectionResetError)):
                assert more.recv(9) == b""
        finally:
            for one in opened:
                one.close()

    served(work)


def test_a_port_that_is_taken_is_named() -> None:
    async def run(port: int) -> None:
        async with serve_pcf(Pcf(Plane(), LLM), "127.0.0.1", port):
            pass

    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(
            ConfigurationError, match="cannot be listened on"):
        asyncio.run(run(taken.getsockname()[1]))
