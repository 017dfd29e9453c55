"""Messages come back as they were; whatever else comes is one error."""

from __future__ import annotations

import json
import math
import struct
import zlib
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as some

from testbed.modes.errors import BadMessage
from testbed.modes.wire import (
    HEAD_BYTES,
    TYPES,
    Kind,
    Message,
    number,
    pack,
    read_head,
    read_message,
    real,
    word,
)

MOST = 1 << 20
tensors = some.builds(
    lambda kind, shape: torch.arange(math.prod(shape)).to(TYPES[kind]).view(shape),
    some.sampled_from(sorted(TYPES)), some.lists(some.integers(0, 4), max_size=3))


def whole(message: Message) -> bytes:
    return b"".join(bytes(one) for one in pack(message))


def read(data: bytes, most: int = MOST) -> Message:
    head = read_head(data[:HEAD_BYTES], most)
    rest = data[HEAD_BYTES:]
    if len(rest) < head.meta + head.data:
        raise BadMessage("cut")
    return read_message(head, rest[: head.meta], bytearray(rest[head.meta : head.meta + head.data]))


@settings(max_examples=60, deadline=None)
@given(some.sampled_from(list(Kind)), some.lists(tensors, max_size=4),
       some.dictionaries(some.text(max_size=5), some.integers(-9, 9), max_size=3))
def test_reading_inverts_packing(kind: Kind, sent: list[torch.Tensor], meta: dict[str, int]
                                 ) -> None:
    meta.pop("tensors", None)
    found = read(whole(Message(kind, meta, sent)))
    assert found.kind is kind
    assert dict(found.meta) == meta
    assert [one.dtype for one in found.tensors] == [one.dtype for one in sent]
    assert all(torch.equal(one, other) for one, other in zip(found.tensors, sent, strict=True))


@settings(max_examples=200, deadline=None)
@given(some.data())
def test_damaged_bytes_are_one_error(data: some.DataObject) -> None:
    good = bytearray(whole(Message(Kind.STEP, {"position": 3}, [torch.ones(2, 3)])))
    for _ in range(data.draw(some.integers(1, 4))):
        place = data.draw(some.integers(0, len(good) - 25))  # of the head and its JSON
        good[place] ^= data.draw(some.integers(1, 255))
    damaged = bytes(good[: data.draw(some.integers(0, len(good)))])
    if data.draw(some.booleans()):
        damaged = bytes(good)
    assume(damaged != whole(Message(Kind.STEP, {"position": 3}, [torch.ones(2, 3)])))
    with pytest.raises(BadMessage):
        read(damaged)


def test_nothing_above_the_cap_is_taken() -> None:
    data = whole(Message(Kind.STEP, {}, [torch.zeros(1000)]))
    with pytest.raises(BadMessage, match="more than is taken"):
        read_head(data[:HEAD_BYTES], 3999)
    assert read_head(data[:HEAD_BYTES], 4000).data == 4000


@pytest.mark.parametrize("listed", [
    3, [3], [["f32"]], [["f99", [1]]], [["f32", [-1]]], [["f32", [True]]], [["f32", "1"]],
    [["f32", [2]]], [["f32", [2**50]]], [["f32", [1] * 9]], [[["f32"], [1]]]])
def test_a_list_of_tensors_that_is_none(listed: Any) -> None:
    text = json.dumps({"tensors": listed}).encode()
    head = struct.pack(">2sBBIQ", b"aM", 1, Kind.STEP, len(text), 4)
    check = struct.pack(">I", zlib.crc32(text, zlib.crc32(head)))
    with pytest.raises(BadMessage):
        read(head + check + text + bytes(4))


@pytest.mark.parametrize("value", [None, "3", 3.0, True, -1, 11])
def test_a_number_that_is_none(value: object) -> None:
    with pytest.raises(BadMessage, match="position"):
        number({"position": value}, "position", 0, 10)
    assert number({"position": 10}, "position", 0, 10) == 10


@pytest.mark.parametrize("value", [None, 3, "x" * 257])
def test_a_word_that_is_none(value: object) -> None:
    with pytest.raises(BadMessage):
        word({"mode": value}, "mode")


@pytest.mark.parametrize("value", [None, True, "1", [], float("nan"), float("inf"), 2**60])
def test_what_is_no_real_number(value: object) -> None:
    with pytest.raises(BadMessage, match="not a number"):
        real({"at": value}, "at")
    assert real({"at": 1.5}, "at") == 1.5
