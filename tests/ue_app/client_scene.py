"""Links for tests, to edges that do as a test says: opened, and in the middle of an answer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from websockets.sync.server import ServerConnection

from edge_server.frame import Dtype, Flags, Frame, FrameType, encode, token_frame
from edge_server.messages import Hello, Mode, Sampling
from edge_server.split import LayerRange
from tests.models import LAYERS
from tests.ue_app.scripted import SESSION, Behave, EdgeThat, get, welcome
from ue_app.client import EdgeLink

HIDDEN = 64
HELLO = Hello("0a" * 32, LayerRange(1, LAYERS), Dtype.F32, Mode.TOKENS)
PRIVATE = Hello("0a" * 32, LayerRange(1, 3), Dtype.F32, Mode.PRIVATE)
ROWS = torch.linspace(-1, 1, 3 * HIDDEN).view(3, HIDDEN)


def opened(edge_that: EdgeThat, behave: Behave, hello: Hello = HELLO, **limits: Any) -> EdgeLink:
    """A link whose edge shakes hands, then behaves so."""
    def after_welcome(wire: ServerConnection) -> None:
        welcome(wire)
        behave(wire)

    return EdgeLink(replace(edge_that(after_welcome), **limits), hello)


def token(position: int, value: int, epoch: int = 0, session: int = SESSION) -> bytes:
    return encode(token_frame(session, epoch, position, value))


TOKEN_FRAME = token(3, 5)
CHOICE = Sampling(0.5, 3, seed=8)
ROW = ROWS[:1]
LONG = 1e6  # seconds


def answering(link: EdgeLink) -> int:
    """The first token of an answer to three rows; one row more is then under way."""
    link.start(CHOICE, 0, 3)
    link.send(0, ROWS, Flags.RESULT_WANTED)
    first = link.receive()
    assert isinstance(first, int)
    link.send(3, ROW, Flags.RESULT_WANTED)
    return first


def first_token(wire: ServerConnection) -> None:
    """The edge's part of that."""
    welcome(wire)
    assert [get(wire).type for _ in range(2)] == [FrameType.START, FrameType.ROWS]
    wire.send(token(3, 5, epoch=1))
    assert get(wire).position == 3


def places(frames: list[Frame]) -> list[tuple[FrameType, int, int, int, Flags]]:
    return [(frame.type, frame.epoch, frame.position, frame.rows, frame.flags)
            for frame in frames]
