"""What crosses the link: in private mode neither text nor token ids, in split mode no prompt."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from itertools import pairwise

import pytest
import torch

from edge_server.engine.parts import open_folders
from edge_server.engine.tensors import from_bytes
from edge_server.errors import ConfigurationError
from edge_server.frame import Dtype, Frame, FrameType, decode
from edge_server.messages import Hello, Sampling, Start
from tests.conftest import MakeCheckpoint, MakeRelay, Relay, RunEdge
from tests.ue_app.phone_scene import GREEDY, SAMPLED, TEXT, MakePhone, ask, ask_turns
from ue_app.phone import PhoneConfig, placement_of
from ue_app.prompt import Turn
from ue_app.wire import LinkConfig


def messages_of(stream: bytes | bytearray) -> list[bytes]:
    """The WebSocket messages in a recorded direction, unmasked; its HTTP header comes first."""
    head, _, rest = bytes(stream).partition(b"\r\n\r\n")
    messages = [head]
    while rest:
        opcode, size = rest[0] & 15, rest[1] & 127
        assert rest[0] & 128  # whole messages: ours are never fragmented
        at = 2
        if size >= 126:
            width = 2 if size == 126 else 8
            size, at = int.from_bytes(rest[at : at + width], "big"), at + width
        mask = bytes(4)
        if rest[1] & 128:
            mask, at = rest[at : at + 4], at + 4
        payload = bytes(byte ^ mask[index % 4]
                        for index, byte in enumerate(rest[at : at + size]))
        if opcode in (9, 10):  # a ping where an answer was slow, and its echo: they bear a number
            assert payload.decode("ascii").isdigit()
        else:
            assert opcode in (2, 8)
        if opcode == 2:
            messages.append(payload)
        rest = rest[at + size:]
    return messages


def recorded(relay: Relay) -> tuple[list[Frame], list[Frame], bytes]:
    """Frames up, frames down, and what crossed beside their headers: HTTP and payloads."""
    relay.wait()
    up, down = messages_of(relay.up), messages_of(relay.down)
    frames_up, frames_down = (
        [decode(message) for message in messages[1:]] for messages in (up, down))
    payloads = [bytes(frame.payload) for frame in frames_up + frames_down]
    return frames_up, frames_down, b"\xff".join([up[0], down[0], *payloads])


def patterns_of_ids(ids: Sequence[int]) -> set[bytes]:
    """Any two ids in a row, as any program would write them."""
    return {struct.pack(order + 2 * kind, *pair) for pair in pairwise(ids)
            for order in "<>" for kind in "HIQ"}


def patterns_of_text(text: str) -> set[bytes]:
    """Any word of some length, and the text as a whole."""
    words = {word for word in text.split() if len(word) > 3} | {text}
    return {word.encode(code) for word in words for code in ("utf-8", "utf-16-le", "utf-16-be")}


def found(patterns: set[bytes], where: bytes) -> list[bytes]:
    return [pattern for pattern in patterns if pattern in where]


def test_the_search_finds_what_there_is() -> None:
    """Or its silence would prove nothing."""
    ids = [300, 7, 65_000, 12]
    for kind in "HIQ":
        for order in "<>":
            where = b"..." + struct.pack(f"{order}4{kind}", *ids) + b"..."
            assert len(found(patterns_of_ids(ids), where)) >= 3
    for code in ("utf-8", "utf-16-le", "utf-16-be"):
        assert found(patterns_of_text("the old kings"), b"x" + "the old kings".encode(code))
    assert found(patterns_of_text("the kings"), json.dumps(["some kings"]).encode())
    assert messages_of(b"GET /\r\n\r\n\x8a\x0217\x82\x83\x01\x02\x03\x04"
                       + bytes([98, 99, 96])) == [b"GET /", b"cac"]
    with pytest.raises(AssertionError):
        messages_of(b"GET /\r\n\r\n\x89\x03the")


@pytest.mark.parametrize(("split", "tail"), [(1, 1), (2, 1), (1, 0), (1, 3)])
@pytest.mark.parametrize("sampling", [GREEDY, SAMPLED], ids=["greedy", "sampled"])
def test_private_mode_sends_neither_text_nor_ids(
    split: int, tail: int, sampling: Sampling, running_edge: RunEdge,
    checkpoint_folder: MakeCheckpoint, relay: MakeRelay, phone: MakePhone,
) -> None:
    folder = checkpoint_folder("gemma3")
    between = relay(running_edge(folder).port)
    mine = phone(folder, between.url, split=split, tail=tail, max_new_tokens=20)
    answer = ask(mine, sampling=sampling)
    assert answer.ids == ask(phone(folder, max_new_tokens=20), sampling=sampling).ids
    follow_up = [Turn("user", TEXT), Turn("assistant", answer.text), Turn("user", "and the king?")]
    second = ask_turns(mine, follow_up, sampling)
    mine.link.close()
    up, down, clear = recorded(between)

    assert {frame.type for frame in up} == {
        FrameType.HELLO, FrameType.START, FrameType.ROWS, FrameType.GOODBYE}
    assert {frame.type for frame in down} == {FrameType.WELCOME, FrameType.HIDDEN}
    hello = Hello.unpack(up[0].payload)
    assert (hello.session, any(hello.secret), hello.token) == (0, False, "")
    for frame in up + down:
        rows = frame.type in (FrameType.ROWS, FrameType.HIDDEN)
        assert frame.dtype is (Dtype.F32 if rows else Dtype.BYTES)
        assert rows or len(frame.payload) <= 69  # no room for a message beside HELLO's fields
        assert (frame.session, frame.epoch) in (
            (0, 0), *((up[1].session, epoch) for epoch in range(3)))
        if frame.type is FrameType.START:  # how this side chooses is not told either
            start = Start.unpack(frame.payload)
            assert (start.sampling, start.chosen) == (GREEDY, ())
        assert frame.position < 256
    # Header fields carry no message either: rows stand one after another, but for the second turn.
    places = [(frame.position, frame.rows) for frame in up if frame.type is FrameType.ROWS]
    breaks = [position for (before, count), (position, _) in pairwise(places)
              if position != before + count]
    assert len(breaks) <= 1
    prompt = mine.prompter.encode_turns(follow_up)
    for ids in (prompt, answer.ids, second.ids):
        assert found(patterns_of_ids(ids), clear) == []
    for text in (TEXT, answer.text, second.text, "and the king?"):
        assert found(patterns_of_text(text), clear) == []
    # Nor rows of the embedding matrix, which are ids in another spelling.
    embedding = mine.engine.embedding().rows(range(160))
    for frame in up:
        if frame.type is FrameType.ROWS:
            rows_sent = from_bytes(memoryview(frame.payload), frame.dtype, frame.rows,
                                   frame.columns)
            assert float(torch.cdist(rows_sent, embedding).min()) > 1e-3


def test_private_mode_sends_no_rows_of_the_embedding_matrix(
    checkpoint_folder: MakeCheckpoint
) -> None:
    """With no layer of its own a phone would send its token ids in another spelling."""
    config = PhoneConfig((checkpoint_folder("gemma3"),), LinkConfig("http://edge.example"),
                         split=0, tail=1)
    with pytest.raises(ConfigurationError, match=r"--private.*--split"):
        placement_of(open_folders(config.models), config)


def test_split_mode_sends_no_prompt(
    running_edge: RunEdge, checkpoint_folder: MakeCheckpoint, relay: MakeRelay, phone: MakePhone
) -> None:
    """The edge chooses the tokens, and so sees the answer; the prompt it never gets as such."""
    folder = checkpoint_folder("gemma3")
    between = relay(running_edge(folder).port)
    mine = phone(folder, between.url, split=1)
    answer = ask(mine, sampling=SAMPLED)
    mine.link.close()
    up, down, _ = recorded(between)
    assert {frame.type for frame in up} == {FrameType.HELLO, FrameType.START, FrameType.ROWS,
                                            FrameType.GOODBYE}
    assert [int.from_bytes(frame.payload, "little") for frame in down
            if frame.type is FrameType.TOKEN] == answer.ids
    clear = b"\xff".join([messages_of(between.up)[0], *(bytes(frame.payload) for frame in up)])
    assert found(patterns_of_ids(mine.prompter.encode_turns([Turn("user", TEXT)])), clear) == []
    assert found(patterns_of_text(TEXT), clear) == []


def test_only_the_last_row_comes_back(
    running_edge: RunEdge, checkpoint_folder: MakeCheckpoint, relay: MakeRelay, phone: MakePhone
) -> None:
    """One token for a whole prompt; in private mode with no last layers, one row."""
    folder = checkpoint_folder("gemma3")
    for tail in (None, 0):
        between = relay(running_edge(folder).port)
        mine = phone(folder, between.url, split=1, tail=tail, max_new_tokens=1)
        assert ask(mine).prompt_tokens > 16  # several chunks
        mine.link.close()
        _, down, _ = recorded(between)
        kinds = [(frame.type, frame.rows) for frame in down[1:]]
        assert kinds == [(FrameType.TOKEN, 0) if tail is None else (FrameType.HIDDEN, 1)]
