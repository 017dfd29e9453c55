"""Bytes by sequence numbers: what TCP sent again counts once."""

from __future__ import annotations

import socket
import threading
import time

import numpy as np
import pytest
from numpy.typing import NDArray

from pcap_tools.packets import PACKET
from testbed.modes.capture import begin, payload_of


def packets(*rows: tuple[int, int, int]) -> NDArray[np.void]:
    found = np.zeros(len(rows), PACKET)
    for place, (port, sequence, payload) in enumerate(rows):
        found[place]["source_port"], found[place]["sequence"] = port, sequence % 2**32
        found[place]["payload"] = payload
    return found


@pytest.mark.parametrize(("rows", "total"), [
    ([], 0), ([(1, 10, 0)], 0), ([(1, 10, 5), (1, 15, 5)], 10),
    ([(1, 10, 5), (1, 10, 5)], 5), ([(1, 10, 5), (1, 12, 6)], 8),
    ([(1, 15, 5), (1, 10, 5)], 10), ([(1, 10, 5), (2, 10, 5)], 10),
    ([(1, 2**32 - 3, 5), (1, 2, 4)], 9)])
def test_each_byte_counts_once(rows: list[tuple[int, int, int]], total: int) -> None:
    assert payload_of(packets(*rows)) == total


def test_a_packet_that_was_cut_is_not_guessed() -> None:
    assert payload_of(packets((1, 10, 5), (1, 15, -1))) is None


def test_it_begins_when_what_was_before_is_over() -> None:
    """A thread goes on sending as the capture is opened: none of that counts."""
    with socket.create_server(("127.0.0.1", 0)) as server, \
            socket.create_connection(server.getsockname()) as client, server.accept()[0] as end:
        late = [threading.Timer(0.1 * number, lambda: client.sendall(b"late"))
                for number in range(4)]
        for one in late:
            one.start()
        capture = begin("lo", server.getsockname()[1])
        for one in late:
            one.join(10)
        if capture is None:
            pytest.skip("no packet may be captured here")
        client.sendall(b"counted")
        end.settimeout(10)
        assert end.recv(100).endswith(b"counted")
        found = capture.end()
    assert (found.up, found.down) == (7, 0)
    assert 0 < capture.cpu_seconds < time.process_time()


def test_what_a_socket_sent_was_seen_on_loopback() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        capture = begin("lo", port)
        if capture is None:
            pytest.skip("no packet may be captured here")

        def serve() -> None:
            with server.accept()[0] as end:
                while data := end.recv(65536):
                    end.sendall(data[:7])

        thread = threading.Thread(target=serve)
        thread.start()
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(bytes(300_000))
            client.shutdown(socket.SHUT_WR)
            back = 0
            while data := client.recv(65536):
                back += len(data)
        thread.join(10)
        found = capture.end()
    assert (found.up, found.down) == (300_000, back)
