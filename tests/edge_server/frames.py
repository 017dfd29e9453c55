"""Frames that a phone sends, as bytes, for tests that talk to an edge by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from edge_server.engine.tensors import to_bytes
from edge_server.frame import Dtype, Flags, Frame, FrameType, encode
from edge_server.messages import Hello, Mode
from edge_server.serving import Edge
from edge_server.split import LayerRange
from tests.models import LAYERS

HIDDEN = 64


def hello_of(edge: Edge, **changes: Any) -> Hello:
    hello = Hello(edge.serving.identity, LayerRange(1, LAYERS), Dtype.F32, Mode.TOKENS)
    return replace(hello, **changes)


def hello_frame(hello: Hello) -> bytes:
    return encode(Frame(FrameType.HELLO, payload=hello.pack()))


def rows_frame(session: int, position: int = 0, count: int = 1, value: float = 0.5,
               epoch: int = 0) -> bytes:
    return encode(Frame(FrameType.ROWS, session, epoch, position, Dtype.F32, count, HIDDEN,
                        Flags.RESULT_WANTED, to_bytes(torch.full((count, HIDDEN), value))))
