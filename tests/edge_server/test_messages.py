"""Payloads of control frames: round trips, truncation, random bytes, and values out of range."""

from __future__ import annotations

import math
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_server.errors import FrameError, SessionError
from edge_server.frame import Dtype
from edge_server.messages import (
    MAX_TEXT_BYTES,
    PROTOCOL,
    ErrorCode,
    ErrorNotice,
    Hello,
    Mode,
    Sampling,
    Welcome,
)
from edge_server.split import LayerRange

IDENTITY = "0f" * 32
MESSAGES = (Hello, Welcome, Sampling, ErrorNotice)

layers = st.tuples(st.integers(0, 65_535), st.integers(0, 65_535)).map(
    lambda pair: LayerRange(min(pair), max(pair)))
hellos = st.builds(
    Hello, identity=st.binary(min_size=32, max_size=32).map(bytes.hex), layers=layers,
    dtype=st.sampled_from(Dtype), mode=st.sampled_from(Mode), protocol=st.integers(0, 65_535))
welcomes = st.builds(Welcome, session=st.integers(0, 2**64 - 1), capacity=st.integers(1, 2**32 - 1),
                     max_rows=st.integers(1, 65_535))
samplings = st.builds(
    Sampling, temperature=st.floats(0.01, 100) | st.just(0.0), top_k=st.integers(0, 2**31 - 1),
    top_p=st.floats(0, 1, exclude_min=True), min_p=st.floats(0, 1),
    repetition_penalty=st.floats(0.01, 100), seed=st.integers(0, 2**63 - 1))
texts = st.text(st.characters(codec="utf-8"), max_size=200)
notices = st.builds(ErrorNotice, code=st.sampled_from(ErrorCode), problem=texts, remedy=texts,
                    retry_after=st.integers(0, 2**32 - 1))
Message = Hello | Welcome | Sampling | ErrorNotice


@given(hellos | welcomes | samplings | notices)
def test_round_trip(message: Message) -> None:
    packed = message.pack()
    assert type(message).unpack(packed) == message
    assert type(message).unpack(memoryview(packed)) == message


@given(hellos | welcomes | samplings | notices)
def test_truncation_at_every_length(message: Message) -> None:
    packed = message.pack()
    for length in range(len(packed)):
        with pytest.raises(FrameError):
            type(message).unpack(packed[:length])
    with pytest.raises(FrameError):
        type(message).unpack(packed + b"\x00")


@given(st.sampled_from(MESSAGES), st.binary(max_size=80))
def test_random_bytes(kind: type[Message], data: bytes) -> None:
    """Bytes are a message that packs to the same bytes, or the one error."""
    try:
        message = kind.unpack(data)
    except FrameError:
        return
    assert message.pack() == data


@given(st.sampled_from(MESSAGES), st.data())
def test_random_bytes_of_the_right_size(kind: type[Message], data: st.DataObject) -> None:
    size = kind._FIELDS.size
    raw = data.draw(st.binary(min_size=size, max_size=size))
    try:
        message = kind.unpack(raw)
    except FrameError:
        return
    assert message.pack() == raw


def test_vectors() -> None:
    hello = Hello(IDENTITY, LayerRange(1, 4), Dtype.BF16, Mode.PRIVATE)
    assert hello.pack().hex() == "0001" + IDENTITY + "0001" + "0004" + "01" + "01"
    assert Welcome(1, 2048, 256).pack().hex() == "0000000000000001" + "00000800" + "0100"
    assert Sampling(0.5, 40, 0.25, 0.125, 2.0, 7).pack().hex() == (
        "3fe0000000000000" "00000028" "3fd0000000000000" "3fc0000000000000" "4000000000000000"
        "0000000000000007")
    assert ErrorNotice(ErrorCode.IDLE, "a", "bc", 5).pack().hex() == (
        "000a" "00000005" "0001" "0002" "61" "6263")


def test_the_protocol_is_in_the_hello() -> None:
    hello = Hello(IDENTITY, LayerRange(0, 1), Dtype.F32, Mode.TOKENS)
    assert hello.protocol == PROTOCOL
    assert int.from_bytes(hello.pack()[:2], "big") == PROTOCOL


@pytest.mark.parametrize(("offset", "value", "what"), [
    (34, b"\x00\x05\x00\x04", "layers"), (38, b"\x09", "unknown value"),
    (39, b"\x02", "unknown value")])
def test_a_hello_of_impossible_values(offset: int, value: bytes, what: str) -> None:
    packed = bytearray(Hello(IDENTITY, LayerRange(1, 4), Dtype.F32, Mode.TOKENS).pack())
    packed[offset : offset + len(value)] = value
    with pytest.raises(FrameError, match=what):
        Hello.unpack(bytes(packed))


@pytest.mark.parametrize(("capacity", "max_rows"), [(0, 256), (2048, 0)])
def test_a_welcome_that_takes_nothing(capacity: int, max_rows: int) -> None:
    """A phone would send rows in chunks of none."""
    with pytest.raises(FrameError):
        Welcome.unpack(struct.pack(">QIH", 1, capacity, max_rows))


OUT_OF_RANGE = [
    ("temperature", -0.1), ("temperature", 100.1), ("temperature", math.nan),
    ("temperature", math.inf), ("temperature", -math.inf), ("temperature", 1e-40),
    ("top_k", -1), ("top_k", 2**31),
    ("top_p", 0.0), ("top_p", -0.1), ("top_p", 1.01), ("top_p", math.nan), ("top_p", math.inf),
    ("min_p", -0.01), ("min_p", 1.01), ("min_p", math.nan), ("min_p", math.inf),
    ("repetition_penalty", 0.0), ("repetition_penalty", -1.0), ("repetition_penalty", 101.0),
    ("repetition_penalty", math.nan), ("repetition_penalty", math.inf),
    ("seed", -1), ("seed", 2**63),
]


@pytest.mark.parametrize(("field", "value"), OUT_OF_RANGE)
def test_sampling_out_of_range(field: str, value: float) -> None:
    values: dict[str, Any] = {field: value}
    with pytest.raises(FrameError, match=field.replace("_", "-") + r".*out of range.*Give "):
        Sampling(**values)


@pytest.mark.parametrize(("field", "value"), OUT_OF_RANGE)
def test_sampling_out_of_range_on_the_wire(field: str, value: float) -> None:
    names = ("temperature", "top_k", "top_p", "min_p", "repetition_penalty", "seed")
    values: dict[str, Any] = {name: getattr(Sampling(), name) for name in names} | {field: value}
    if value == -1:
        return  # the wire has no negative whole numbers
    with pytest.raises(FrameError):
        Sampling.unpack(struct.pack(">dIdddQ", *values.values()))


def test_the_default_is_greedy() -> None:
    assert Sampling().temperature == 0.0
    assert Sampling.unpack(Sampling().pack()) == Sampling()


@pytest.mark.parametrize("character", ["a", "ä", "€", "🙂"])
@pytest.mark.parametrize("extra", range(5))
def test_a_long_text_is_cut_between_characters(character: str, extra: int) -> None:
    text = "x" * extra + character * MAX_TEXT_BYTES
    notice = ErrorNotice.unpack(ErrorNotice(ErrorCode.INTERNAL, text, text).pack())
    size = len(character.encode())
    kept = extra + (MAX_TEXT_BYTES - extra) // size
    assert notice.problem == notice.remedy == text[:kept]
    assert MAX_TEXT_BYTES - size < len(notice.problem.encode()) <= MAX_TEXT_BYTES


@given(st.text(st.characters(codec="utf-8"), max_size=3000))
def test_any_text_survives_as_its_beginning(text: str) -> None:
    problem = ErrorNotice.unpack(ErrorNotice(ErrorCode.IDLE, text).pack()).problem
    assert text.startswith(problem)
    assert len(problem) == len(text) or len(problem.encode()) > MAX_TEXT_BYTES - 4


def test_hostile_error_notices() -> None:
    long = b"x" * (MAX_TEXT_BYTES + 1)
    for payload in (
        struct.pack(">HIHH", 99, 0, 0, 0),  # an unknown code
        struct.pack(">HIHH", 1, 0, len(long), 0) + long,
        struct.pack(">HIHH", 1, 0, 2, 0) + b"\xff\xfe",  # no UTF-8
        struct.pack(">HIHH", 1, 0, 1, 1) + "ä".encode(),  # a character across the two texts
        struct.pack(">HIHH", 1, 0, 5, 5) + b"short",
    ):
        with pytest.raises(FrameError):
            ErrorNotice.unpack(payload)


def test_a_notice_becomes_the_phones_error() -> None:
    error = ErrorNotice(ErrorCode.TOO_LONG, "Too long.", "Start anew.").to_error()
    assert isinstance(error, SessionError)
    assert (error.code, str(error)) == (ErrorCode.TOO_LONG, "Too long. Start anew.")
