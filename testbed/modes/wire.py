"""Messages between the client of an execution mode and its server, as bytes. Sans-IO.

A message is a head of 20 bytes (big-endian), a JSON object, and the elements of tensors one after
the other, as the object's `tensors` lists them:

    offset  size  field
    0       2     magic     "aM"
    2       1     version   1
    3       1     kind      Kind
    4       4     meta      bytes of JSON
    8       8     data      bytes of tensors
    16      4     check     CRC-32 of the head before it and of the JSON

Elements are little-endian. They are not summed: TCP has, and a mode that sends its weights at every
step would measure the sum. Nothing is allocated for a length above the cap that the reader names.
It does not know what a kind means.
"""

from __future__ import annotations

import json
import math
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import torch

from testbed.modes.errors import BadMessage

MAGIC, VERSION = b"aM", 1
HEAD_BYTES = 20
MOST_META = 1 << 20  # the names and shapes of a large model's weights fit
MOST_DATA = 64 << 30  # of any message; a reader's own cap is far below
MOST_TENSORS = 20_000
MOST_DIMENSIONS = 8
_HEAD = struct.Struct(">2sBBIQ")
_CHECK = struct.Struct(">I")
TYPES = {"bf16": torch.bfloat16, "f16": torch.float16, "f32": torch.float32,
         "i64": torch.int64, "i32": torch.int32, "u8": torch.uint8}
NAMES = {kind: name for name, kind in TYPES.items()}


class Kind(IntEnum):
    """What a message is."""

    HELLO = 1  # client: a mode, for a model
    READY = 2  # server: it is ready, and knows what it loaded
    START = 3  # client: an answer begins
    STEP = 4  # client: compute
    RESULT = 5  # server: what came of it
    CLOCK = 6  # either way: what time is it?
    ACCOUNT = 7  # either way: what was counted
    ERROR = 8  # server: why not
    BYE = 9  # client: it is over


@dataclass(frozen=True)
class Head:
    """What comes before the rest of a message."""

    kind: Kind
    meta: int  # bytes
    data: int
    check: int
    raw: bytes


@dataclass(frozen=True)
class Message:
    """One message."""

    kind: Kind
    meta: Mapping[str, Any] = field(default_factory=dict)
    tensors: Sequence[torch.Tensor] = ()


def pack(message: Message) -> list[bytes | memoryview]:
    """Its bytes, in pieces: tensors are not copied."""
    tensors = [one.detach().contiguous().cpu() for one in message.tensors]
    meta = dict(message.meta)
    if tensors:
        meta["tensors"] = [[NAMES[one.dtype], list(one.shape)] for one in tensors]
    text = json.dumps(meta, separators=(",", ":")).encode()
    if len(text) > MOST_META:
        raise BadMessage(f"{len(text):,} B of names and shapes are too many.")
    data = sum(one.nbytes for one in tensors)
    head = _HEAD.pack(MAGIC, VERSION, message.kind, len(text), data)
    check = _CHECK.pack(zlib.crc32(text, zlib.crc32(head)))
    return [head + check + text, *(_bytes_of(one) for one in tensors if one.nbytes)]


def _bytes_of(tensor: torch.Tensor) -> memoryview:
    return tensor.reshape(-1).view(torch.uint8).numpy().data.cast("B")


def read_head(raw: bytes, most: int) -> Head:
    """What a head announces; `most` bytes of tensors are taken."""
    if len(raw) != HEAD_BYTES:
        raise BadMessage(f"A head has {HEAD_BYTES} B, not {len(raw)}.")
    magic, version, kind, meta, data = _HEAD.unpack_from(raw)
    if magic != MAGIC or version != VERSION:
        raise BadMessage("The other side does not speak this protocol.",
                         "Connect `airsplit modes` to `airsplit modes serve` of the same version.")
    if meta > MOST_META or data > min(most, MOST_DATA):
        raise BadMessage(f"A message of {meta:,} and {data:,} B is more than is taken.",
                         "Raise --most-mib on the server, or use a smaller model or batch.")
    try:
        named = Kind(kind)
    except ValueError as error:
        raise BadMessage(f"There is no kind {kind} of message.") from error
    return Head(named, meta, data, _CHECK.unpack_from(raw, _HEAD.size)[0], bytes(raw))


def read_message(head: Head, text: bytes, data: bytearray) -> Message:
    """The message; tensors are views of `data`, which is theirs from here on."""
    if zlib.crc32(text, zlib.crc32(head.raw[: _HEAD.size])) != head.check:
        raise BadMessage("A message was damaged on its way.")
    try:
        meta = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadMessage("A message holds no JSON.") from error
    if not isinstance(meta, dict):
        raise BadMessage("A message's JSON is no object.")
    return Message(head.kind, meta, _tensors(meta.pop("tensors", []), data))


def _tensors(listed: object, data: bytearray) -> list[torch.Tensor]:
    if not isinstance(listed, list) or len(listed) > MOST_TENSORS:
        raise BadMessage("A message lists no tensors, or too many.")
    found, at = [], 0
    for one in listed:
        kind, shape = _shape(one)
        count = math.prod(shape)
        size = count * kind.itemsize
        if size > len(data) - at:
            raise BadMessage("A message is shorter than its tensors.")
        found.append(torch.frombuffer(data, dtype=kind, count=count, offset=at).view(shape)
                     if count else torch.empty(shape, dtype=kind))
        at += size
    if at != len(data):
        raise BadMessage("A message is longer than its tensors.")
    return found


def _shape(listed: object) -> tuple[torch.dtype, list[int]]:
    if not isinstance(listed, list) or len(listed) != 2:
        raise BadMessage("A tensor is listed as type and shape.")
    kind, shape = listed
    if not isinstance(kind, str) or kind not in TYPES:
        raise BadMessage(f"There is no type {kind!r} of tensors.")
    if not isinstance(shape, list) or len(shape) > MOST_DIMENSIONS or not all(
            type(one) is int and 0 <= one < 2**40 for one in shape):
        raise BadMessage("A tensor has no such shape.")
    return TYPES[kind], shape


def number(meta: Mapping[str, Any], name: str, least: int, most: int) -> int:
    """A whole number that a message must hold."""
    value = meta.get(name)
    if type(value) is not int or not least <= value <= most:
        raise BadMessage(
            f"{name} is {str(value)[:40]!r}, not a whole number from {least} to {most}.")
    return value


def real(meta: Mapping[str, Any], name: str) -> float:
    """A finite number that a message must hold."""
    value = meta.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not (
            abs(value) < 2**60):  # no NaN, either
        raise BadMessage(f"{name} is {str(value)[:40]!r}, not a number.")
    return float(value)


def word(meta: Mapping[str, Any], name: str) -> str:
    """A short text that a message must hold."""
    value = meta.get(name)
    if not isinstance(value, str) or len(value) > 256:
        raise BadMessage(f"{name} is no short text.")
    return value
