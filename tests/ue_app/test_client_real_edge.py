"""The link to a real edge: every byte is counted, and a torn frame is never followed by another."""

from __future__ import annotations

import socket
from typing import Any

import pytest
import torch

from edge_server.errors import SessionError
from edge_server.frame import Dtype, Flags
from edge_server.messages import ErrorCode, Hello, Mode, Sampling
from edge_server.split import LayerRange
from tests.conftest import MakeCheckpoint, MakeRelay, RunEdge, RunningEdge
from tests.models import LAYERS
from tests.ue_app.client_scene import HIDDEN, ROWS
from ue_app.client import EdgeLink
from ue_app.wire import LinkConfig


@pytest.fixture
def edge(running_edge: RunEdge, checkpoint_folder: MakeCheckpoint) -> RunningEdge:
    return running_edge(checkpoint_folder("gemma3"), "--sessions", 1, "--context", 64)


def hello_of(edge: RunningEdge) -> Hello:
    return Hello(edge.edge.serving.identity, LayerRange(1, LAYERS), Dtype.F32, Mode.TOKENS)


def test_every_byte_is_counted(edge: RunningEdge, relay: MakeRelay) -> None:
    between = relay(edge.port)
    link = EdgeLink(LinkConfig(between.url), hello_of(edge))
    link.send(0, ROWS, Flags.RESULT_WANTED)
    link.receive()
    link.cancel(3)
    link.close()
    between.wait()
    assert link.traffic is not None
    assert link.traffic.sent == len(between.up)
    # What the edge still said to the goodbye, the phone did not wait for.
    assert 0 <= len(between.down) - link.traffic.received <= 4


def test_one_tokens_bytes_on_the_socket(edge: RunningEdge) -> None:
    link = EdgeLink(LinkConfig(edge.url, probe_interval=1e6), hello_of(edge))
    assert link.traffic is not None
    sent, received = link.traffic.sent, link.traffic.received
    link.send(0, ROWS[:1], Flags.RESULT_WANTED)
    link.receive()
    assert link.traffic.sent - sent == 32 + 4 * HIDDEN + 8  # a masked WebSocket header
    assert link.traffic.received - received == 32 + 4 + 2
    link.close()


class TornSocket:
    """A socket whose next large message is interrupted half way, as by Ctrl-C."""

    def __init__(self, real: socket.socket) -> None:
        self._real = real
        self.armed = True

    def send(self, data: memoryview) -> int:
        if self.armed and len(data) > 200:
            self.armed = False
            self._real.sendall(data[: len(data) // 2])
            raise KeyboardInterrupt
        return self._real.send(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def test_a_torn_frame_is_never_followed_by_another(edge: RunningEdge) -> None:
    """The next answer is on another connection, counters go on, and the session stays."""
    link = EdgeLink(LinkConfig(edge.url), hello_of(edge))
    link.start(Sampling(), 0, 3)
    link.send(0, ROWS, Flags.RESULT_WANTED)
    expected = link.receive()
    first, counted = link.welcome.session, link.traffic.sent if link.traffic else 0
    torn: Any = TornSocket(link._wire._socket)
    link._wire._socket = torn
    with pytest.raises(KeyboardInterrupt):
        link.send(3, ROWS, Flags.RESULT_WANTED)
    assert link.cancel(3) == 3
    link.start(Sampling(), 0, 3)
    assert link.welcome.session == first
    assert (link.status.resumed, link.status.rebuilt) == (1, 0)
    assert link.traffic is not None
    assert link.traffic.sent > counted
    link.send(0, ROWS, Flags.RESULT_WANTED)
    assert link.receive() == expected
    link.close()


@pytest.mark.parametrize("name", ["receive_data", "events_received"])
def test_an_interrupt_while_taking_in_is_survived(
    name: str, edge: RunningEdge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bytes that were read and not understood are lost: the stream cannot go on."""
    link = EdgeLink(LinkConfig(edge.url), hello_of(edge))
    link.send(0, ROWS, Flags.RESULT_WANTED)
    expected = link.receive()
    link.send(3, ROWS, Flags.RESULT_WANTED)
    with monkeypatch.context() as patch:
        def interrupted(*_: Any) -> None:
            raise KeyboardInterrupt

        patch.setattr(link._wire._protocol, name, interrupted)
        with pytest.raises(KeyboardInterrupt):
            link.receive()
    assert link.cancel(3) == 3
    link.start(Sampling(), 0, 3)
    link.send(0, ROWS, Flags.RESULT_WANTED)
    assert link.receive() == expected
    link.close()


def test_coming_back_while_the_edge_computes(
    running_edge: RunEdge, checkpoint_folder: MakeCheckpoint
) -> None:
    """What the torn connection sent is still in line: the same session waits its turn."""
    edge = running_edge(checkpoint_folder("gemma3"), "--sessions", 1, "--context", 4096)
    link = EdgeLink(LinkConfig(edge.url), hello_of(edge))
    for position in range(0, 2560, 256):
        link.send(position, torch.zeros(256, HIDDEN), Flags.NONE)
    torn: Any = TornSocket(link._wire._socket)
    link._wire._socket = torn
    with pytest.raises(KeyboardInterrupt):
        link.send(2560, torch.zeros(256, HIDDEN), Flags.NONE)
    assert link.cancel(0) == 0
    link.start(Sampling(), 0, 3)
    link.send(0, ROWS, Flags.RESULT_WANTED)
    assert isinstance(link.receive(), int)
    assert len(edge.edge.sessions) == 1
    link.close()


def test_a_link_that_was_refused_closes_silently(edge: RunningEdge) -> None:
    link = EdgeLink(LinkConfig(edge.url), hello_of(edge))
    link.send(0, torch.full((1, HIDDEN), torch.nan), Flags.RESULT_WANTED)
    with pytest.raises(SessionError) as got:
        link.receive()
    assert got.value.code == ErrorCode.UNUSABLE_ROWS
    link.close()
    link.close()
