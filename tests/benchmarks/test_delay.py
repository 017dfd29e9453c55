"""The proxy that only delays: all bytes come, both ways, and not before their time."""

from __future__ import annotations

import socket
import threading
import time

from tests.benchmarks.delay import Delay

SECONDS = 0.02  # each way


def echo(listening: socket.socket) -> None:
    """One connection's bytes go back until it ends."""
    connection, _ = listening.accept()
    with connection:
        while data := connection.recv(1 << 16):
            connection.sendall(data)


def test_bytes_come_back_no_sooner_than_after_a_round_trip() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=echo, args=(listening,))
        thread.start()
        delay = Delay(listening.getsockname()[1], SECONDS)
        try:
            with socket.create_connection(("127.0.0.1", delay.port), timeout=20) as phone:
                for size in (1, 100_000):
                    sent = bytes(index % 251 for index in range(size))
                    began = time.monotonic()
                    phone.sendall(sent)
                    came = b""
                    while len(came) < size:
                        came += phone.recv(1 << 16)
                    assert came == sent
                    assert time.monotonic() - began >= 2 * SECONDS
        finally:
            thread.join(20)
            delay.close()
        assert not thread.is_alive()
