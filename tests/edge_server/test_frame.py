"""Frames: vectors, random round trips, and hostile bytes of every kind."""

from __future__ import annotations

import struct
import tracemalloc
import zlib
from itertools import pairwise

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edge_server.engine.tensors import to_bytes
from edge_server.errors import FrameError
from edge_server.frame import (
    ACTIVATIONS,
    HEADER_BYTES,
    MAX_DRAFTS,
    MAX_PAYLOAD_BYTES,
    Dtype,
    Flags,
    Frame,
    FrameDecoder,
    FrameType,
    decode,
    drafted,
    drafts_of,
    encode,
    payload_length,
    token_frame,
    token_of,
    tokens_of,
)

U16, U32, U64 = (st.integers(0, 2**bits - 1) for bits in (16, 32, 64))
FLAGS = st.integers(0, 3).map(Flags)
KINDS = sorted(FrameType)

# Written out, so that a change of the format cannot pass unseen.
VECTORS = {
    "hello": (
        Frame(FrameType.HELLO, payload=b"abc"),
        "6153 01 01 0000000000000000 0000 00 00 00000000 0000 0000 00000003 f9949c96 616263"),
    "token": (
        token_frame(0x0102030405060708, 9, 10, 0x01020304),
        "6153 01 05 0102030405060708 0009 04 00 0000000a 0000 0000 00000004 1fe4c1a2 04030201"),
    "rows": (
        Frame(FrameType.ROWS, 2**64 - 1, 2**16 - 1, 2**32 - 1, Dtype.F16, 2, 1,
              Flags.RESULT_WANTED | Flags.ALL_ROWS, b"\x00\x3c\x00\xc0"),
        "6153 01 04 ffffffffffffffff ffff 02 03 ffffffff 0002 0001 00000004 2d9253f6 003c00c0"),
    "encoded rows": (
        Frame(FrameType.ROWS, 1, 2, 3, Dtype.CODED, 1, 2, payload=b"\x01\x80\x3c\x7f\x81"),
        "6153 01 04 0000000000000001 0002 05 00 00000003 0001 0002 00000005 3420f22e 01803c7f81"),
    "drafted": (
        Frame(FrameType.ROWS, 1, 2, 3, Dtype.BF16, 2, 1, Flags.RESULT_WANTED | Flags.DRAFTED,
              b"\x04\x03\x02\x01\x00\x3c\x00\xc0"),
        "6153 01 04 0000000000000001 0002 01 05 00000003 0002 0001 00000008 36702d9c"
        " 04030201 003c00c0"),
    "goodbye": (
        Frame(FrameType.GOODBYE, 1),
        "6153 01 09 0000000000000001 0000 00 00 00000000 0000 0000 00000000 7c7d2dfa"),
}


@st.composite
def frames(draw: st.DrawFn, max_bytes: int = 300) -> Frame:
    """Any frame that may be sent."""
    kind = draw(st.sampled_from(KINDS))
    rows = columns = 0
    dtype = Dtype.BYTES
    if kind in ACTIVATIONS:
        dtype = draw(st.sampled_from((Dtype.BF16, Dtype.F16, Dtype.F32, Dtype.CODED)))
        elements = max(1, max_bytes // dtype.element_bytes)
        rows = draw(st.integers(1, elements))
        columns = draw(st.integers(1, elements // rows))
        size = rows * columns * dtype.element_bytes
        least = 2 if dtype is Dtype.CODED else size
        payload = draw(st.binary(min_size=least, max_size=max(least, size)))
    elif kind is FrameType.TOKEN:
        size = 4 * draw(st.integers(1, MAX_DRAFTS + 1))
        dtype, payload = Dtype.U32, draw(st.binary(min_size=size, max_size=size))
    else:
        payload = draw(st.binary(max_size=max_bytes))
    flags = draw(FLAGS)
    if kind is FrameType.ROWS and 2 <= rows <= MAX_DRAFTS + 1 and draw(st.booleans()):
        flags = Flags.RESULT_WANTED | Flags.DRAFTED
        payload = bytes(drafted(draw(st.lists(U32, min_size=rows - 1, max_size=rows - 1)), payload))
    return Frame(kind, draw(U64), draw(U16), draw(U32), dtype, rows, columns, flags, payload)


@pytest.mark.parametrize("name", VECTORS)
def test_vectors(name: str) -> None:
    frame, text = VECTORS[name]
    assert encode(frame).hex() == text.replace(" ", "")
    assert decode(bytes.fromhex(text)) == frame


@given(frames())
def test_round_trip(frame: Frame) -> None:
    message = encode(frame)
    assert len(message) == HEADER_BYTES + len(frame.payload)
    assert decode(message) == frame
    assert decode(memoryview(message)) == frame
    assert FrameDecoder().feed(message) == [frame]


@pytest.mark.parametrize("dtype", [Dtype.BF16, Dtype.F16, Dtype.F32])
@pytest.mark.parametrize("kind", sorted(ACTIVATIONS))
@pytest.mark.parametrize("shape", [(1, 1), (1, 65_535), (65_535, 1), (256, 640), (3, 7)])
def test_every_shape_and_type_of_activation(
    kind: FrameType, dtype: Dtype, shape: tuple[int, int]
) -> None:
    rows, columns = shape
    payload = bytes(index % 251 for index in range(rows * columns * dtype.element_bytes))
    frame = Frame(kind, 1, 0, 7, dtype, rows, columns, payload=payload)
    assert decode(encode(frame)) == frame


def test_overhead_is_32_bytes() -> None:
    assert HEADER_BYTES == 32
    assert len(encode(Frame(FrameType.GOODBYE))) == 32
    assert len(encode(token_frame(1, 0, 0, 5))) == 32 + 4


def test_one_token_of_a_2048_wide_model_in_bf16() -> None:
    row = torch.randn(1, 2048).to(torch.bfloat16)
    message = encode(Frame(FrameType.ROWS, 1, 0, 99, Dtype.BF16, 1, 2048, Flags.RESULT_WANTED,
                           to_bytes(row)))
    assert len(message) == 4128
    assert bytes(decode(message).payload) == bytes(to_bytes(row))


@given(frames(max_bytes=60))
def test_truncation_at_every_length(frame: Frame) -> None:
    message = encode(frame)
    for length in range(len(message)):
        with pytest.raises(FrameError):
            decode(message[:length])
        assert FrameDecoder().feed(message[:length]) == []
    with pytest.raises(FrameError):
        decode(message + b"\x00")


@settings(max_examples=25)
@given(frames(max_bytes=40))
def test_every_single_bit_flip_is_noticed(frame: Frame) -> None:
    message = encode(frame)
    for bit in range(8 * len(message)):
        flipped = bytearray(message)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(FrameError):
            decode(bytes(flipped))


@given(st.binary(max_size=200))
@example(b"")
@example(b"GET / HTTP/1.1\r\nHost: example\r\n\r\n")
def test_random_bytes(data: bytes) -> None:
    with pytest.raises(FrameError):
        decode(data)


@settings(max_examples=500)
@given(
    st.builds(
        struct.Struct(">2sBBQHBBIHHI").pack, st.just(b"aS"), st.sampled_from((0, 1, 2)),
        st.integers(0, 12), U64, U16, st.integers(0, 7), st.integers(0, 8), U32,
        st.sampled_from((0, 1, 2, 65_535)), st.sampled_from((0, 1, 2, 65_535)),
        st.sampled_from((0, 1, 4, 8, 2**32 - 1))),
    st.binary(max_size=8))
def test_a_hostile_header_with_a_good_checksum(header: bytes, payload: bytes) -> None:
    """Whatever passes the checksum is a frame that encodes to the same bytes, or an error."""
    message = header + struct.pack(">I", zlib.crc32(payload, zlib.crc32(header))) + payload
    try:
        frame = decode(message)
    except FrameError:
        return
    assert encode(frame) == message


@given(st.lists(frames(max_bytes=80), max_size=6), st.data())
def test_a_stream_in_any_pieces(sent: list[Frame], data: st.DataObject) -> None:
    stream = b"".join(encode(frame) for frame in sent)
    places = data.draw(st.lists(st.integers(0, len(stream)), max_size=12).map(sorted))
    decoder = FrameDecoder()
    got = [frame for start, end in pairwise([0, *places, len(stream)])
           for frame in decoder.feed(stream[start:end])]
    assert got == sent


@given(frames(max_bytes=60))
def test_a_stream_byte_by_byte(frame: Frame) -> None:
    decoder, message = FrameDecoder(), encode(frame) * 2
    got = [decoder.feed(message[at : at + 1]) for at in range(len(message))]
    half = len(message) // 2
    assert [index for index, found in enumerate(got) if found] == [half - 1, len(message) - 1]
    assert got[half - 1] == got[-1] == [frame]


def header_announcing(length: int) -> bytes:
    """A header that is right in all but its length."""
    header = struct.pack(">2sBBQHBBIHHI", b"aS", 1, FrameType.ROWS, 1, 0, Dtype.F32, 0, 0,
                         65_535, 16_384, length)
    return header + struct.pack(">I", zlib.crc32(header))


@pytest.mark.parametrize("length", [MAX_PAYLOAD_BYTES + 1, 2**31, 2**32 - 4])
def test_the_cap_comes_before_any_memory(length: int) -> None:
    header = header_announcing(length)
    tracemalloc.start()
    try:
        with pytest.raises(FrameError, match="over the limit"):
            decode(header)
        with pytest.raises(FrameError, match="over the limit"):
            FrameDecoder().feed(header)  # at once: it does not wait for the payload
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


def test_the_cap_is_the_callers() -> None:
    frame = Frame(FrameType.HELLO, payload=b"x" * 10)
    assert decode(encode(frame), 10) == frame
    with pytest.raises(FrameError, match="over the limit"):
        decode(encode(frame), 9)
    with pytest.raises(FrameError, match="over the limit"):
        FrameDecoder(9).feed(encode(frame)[:HEADER_BYTES])
    assert payload_length(encode(frame)[:HEADER_BYTES], 10) == 10


def test_a_frame_over_the_cap_is_not_made() -> None:
    """`encode` refuses what no decoder would take."""
    rows = MAX_PAYLOAD_BYTES // (4 * 8192) + 1
    with pytest.raises(FrameError):
        encode(Frame(FrameType.ROWS, 1, 0, 0, Dtype.F32, rows, 8192,
                     payload=bytes(rows * 4 * 8192)))


@pytest.mark.parametrize("frame", [
    Frame(FrameType.ROWS, session=2**64, dtype=Dtype.F32, rows=1, columns=1, payload=b"1234"),
    Frame(FrameType.ROWS, session=-1, dtype=Dtype.F32, rows=1, columns=1, payload=b"1234"),
    Frame(FrameType.CANCEL, position=2**32),
    Frame(FrameType.CANCEL, position=-1),
    Frame(FrameType.CANCEL, epoch=2**16),
    Frame(FrameType.ROWS, dtype=Dtype.F32, rows=65_536, columns=1, payload=bytes(262_144)),
    Frame(FrameType.ROWS, dtype=Dtype.F32, rows=0, columns=1),
    Frame(FrameType.ROWS, dtype=Dtype.F32, rows=1, columns=0),
    Frame(FrameType.ROWS, dtype=Dtype.F32, rows=1, columns=2, payload=b"1234"),
    Frame(FrameType.ROWS, dtype=Dtype.U32, rows=1, columns=1, payload=b"1234"),
    Frame(FrameType.ROWS, dtype=Dtype.BYTES, rows=2, columns=2, payload=b"1234"),
    Frame(FrameType.ROWS, dtype=Dtype.CODED, rows=1, columns=8, payload=b"1"),
    Frame(FrameType.ROWS, dtype=Dtype.CODED, rows=1, columns=1, payload=bytes(5 + 2 * 64)),
    Frame(FrameType.ROWS, dtype=Dtype.CODED, rows=0, columns=8, payload=b"1234"),
    Frame(FrameType.ROWS, dtype=Dtype.CODED, rows=513, columns=8192, payload=b"1234"),
    Frame(FrameType.HIDDEN, dtype=Dtype.CODED, rows=65_535, columns=65_535, payload=b"1234"),
    Frame(FrameType.TOKEN, dtype=Dtype.CODED, payload=b"1234"),
    Frame(FrameType.HELLO, dtype=Dtype.CODED, payload=b"1234"),
    Frame(FrameType.HIDDEN, dtype=Dtype.U32, rows=1, columns=1, payload=b"1234"),
    Frame(FrameType.TOKEN, dtype=Dtype.U32, payload=b"12345"),
    Frame(FrameType.TOKEN, dtype=Dtype.F32, payload=b"1234"),
    Frame(FrameType.TOKEN, dtype=Dtype.U32, payload=b""),
    Frame(FrameType.HELLO, dtype=Dtype.U32, payload=b"1234"),
    Frame(FrameType.HELLO, rows=1),
    Frame(FrameType.CANCEL, columns=1),
    Frame(FrameType.TOKEN, dtype=Dtype.U32, payload=bytes(4 * (MAX_DRAFTS + 2))),
    Frame(FrameType.CANCEL, flags=Flags(8)),
    Frame(FrameType.CANCEL, flags=Flags.DRAFTED),
    *(Frame(FrameType.ROWS, dtype=Dtype.F32, rows=rows, columns=1, flags=flags,
            payload=bytes(8 * rows - 4))
      for rows, flags in (
          (2, Flags.DRAFTED), (2, Flags.DRAFTED | Flags.ALL_ROWS | Flags.RESULT_WANTED),
          (1, Flags.DRAFTED | Flags.RESULT_WANTED),
          (MAX_DRAFTS + 2, Flags.DRAFTED | Flags.RESULT_WANTED))),
    Frame(FrameType.ROWS, dtype=Dtype.F32, rows=2, columns=1,
          flags=Flags.DRAFTED | Flags.RESULT_WANTED, payload=b"12345678"),
    Frame(FrameType.HIDDEN, dtype=Dtype.F32, rows=2, columns=1,
          flags=Flags.DRAFTED | Flags.RESULT_WANTED, payload=bytes(12)),
    Frame(FrameType.CANCEL, flags=Flags(128)),
])
def test_what_no_decoder_takes_is_not_made(frame: Frame) -> None:
    with pytest.raises(FrameError):
        encode(frame)


def test_errors_say_what_to_do() -> None:
    message = bytearray(encode(Frame(FrameType.GOODBYE)))
    message[2] = 2
    with pytest.raises(FrameError, match=r"version 2.*Install the same version"):
        decode(bytes(message))
    with pytest.raises(FrameError, match=r"not an airsplit frame.*URL"):
        decode(b"x" * 40)
    with pytest.raises(FrameError, match="checksum"):
        decode(encode(Frame(FrameType.GOODBYE))[:-1] + b"?")


@given(U64, U32, U32)
def test_tokens(session: int, position: int, token: int) -> None:
    frame = decode(encode(token_frame(session, 0, position, token)))
    assert token_of(frame) == token
    assert (frame.session, frame.position) == (session, position)


@given(st.lists(U32, min_size=1, max_size=MAX_DRAFTS + 1))
def test_as_many_tokens_as_stand(tokens: list[int]) -> None:
    frame = decode(encode(token_frame(1, 0, 5, *tokens)))
    assert tokens_of(frame) == tuple(tokens)
    if len(tokens) > 1:
        with pytest.raises(FrameError, match=f"{len(tokens)} came"):
            token_of(frame)


@given(st.lists(U32, min_size=1, max_size=MAX_DRAFTS), st.integers(1, 4), st.data())
def test_guesses_stand_before_the_rows(
    guesses: list[int], columns: int, data: st.DataObject
) -> None:
    count = len(guesses) + 1
    rows = data.draw(st.binary(min_size=4 * count * columns, max_size=4 * count * columns))
    frame = decode(encode(Frame(
        FrameType.ROWS, dtype=Dtype.F32, rows=count, columns=columns,
        flags=Flags.RESULT_WANTED | Flags.DRAFTED, payload=drafted(guesses, rows))))
    found, left = drafts_of(frame)
    assert found == tuple(guesses)
    assert bytes(left) == rows


def test_rows_without_guesses() -> None:
    frame = Frame(FrameType.ROWS, dtype=Dtype.F32, rows=2, columns=1, payload=drafted((), b"x" * 8))
    assert drafts_of(decode(encode(frame))) == ((), memoryview(b"x" * 8))


def test_a_token_out_of_another_frame() -> None:
    with pytest.raises(FrameError, match="token was expected"):
        token_of(Frame(FrameType.GOODBYE))
