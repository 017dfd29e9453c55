"""Payloads of control frames: round trips, truncation, random bytes, and values out of range."""

from __future__ import annotations

import math
import struct
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_server.errors import FrameError, SessionError
from edge_server.frame import Dtype
from edge_server.messages import (
    MAX_TEXT_BYTES,
    MAX_TOKEN_BYTES,
    PROTOCOL,
    SECRET_BYTES,
    ErrorCode,
    ErrorNotice,
    Hello,
    Mode,
    Sampling,
    Start,
    Welcome,
)
from edge_server.split import LayerRange

IDENTITY = "0f" * 32
MESSAGES = (Hello, Welcome, Sampling, Start, ErrorNotice)

layers = st.tuples(st.integers(0, 65_535), st.integers(0, 65_535)).map(
    lambda pair: LayerRange(min(pair), max(pair)))
secrets = st.binary(min_size=SECRET_BYTES, max_size=SECRET_BYTES)
numbers = st.integers(0, 2**64 - 1)
hellos = st.builds(
    Hello, identity=st.binary(min_size=32, max_size=32).map(bytes.hex), layers=layers,
    dtype=st.sampled_from(Dtype), mode=st.sampled_from(Mode), session=numbers, secret=secrets,
    token=st.text(st.characters(codec="ascii"), max_size=MAX_TOKEN_BYTES),
    back=st.integers(0, 255), back_parameter=st.integers(0, 65_535))
welcomes = st.integers(1, 2**32 - 1).flatmap(lambda capacity: st.builds(
    Welcome, session=numbers, capacity=st.just(capacity), max_rows=st.integers(1, 65_535),
    secret=secrets, length=st.integers(0, capacity), seen=st.integers(0, 65_535),
    grace=st.integers(0, 2**32 - 1)))
samplings = st.builds(
    Sampling, temperature=st.floats(0.01, 100) | st.just(0.0), top_k=st.integers(0, 2**31 - 1),
    top_p=st.floats(0, 1, exclude_min=True), min_p=st.floats(0, 1),
    repetition_penalty=st.floats(0.01, 100), seed=st.integers(0, 2**63 - 1))
texts = st.text(st.characters(codec="utf-8"), max_size=200)
notices = st.builds(ErrorNotice, code=st.sampled_from(ErrorCode), problem=texts, remedy=texts,
                    retry_after=st.integers(0, 2**32 - 1))
starts = st.builds(Start, sampling=samplings, first=st.integers(0, 2**32 - 1),
                   chosen=st.lists(st.integers(0, 2**32 - 1), max_size=20).map(tuple))
Message = Hello | Welcome | Sampling | Start | ErrorNotice


@given(hellos | welcomes | samplings | starts | notices)
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


@given(starts)
def test_a_start_truncated_at_every_length(start: Start) -> None:
    """Its tokens have no count before them: cut between two, it holds fewer."""
    packed, fixed = start.pack(), len(Sampling().pack()) + 4
    for length in range(len(packed)):
        if length >= fixed and (length - fixed) % 4 == 0:
            kept = (length - fixed) // 4
            assert Start.unpack(packed[:length]) == replace(
                start, chosen=start.chosen[:kept])
            continue
        with pytest.raises(FrameError):
            Start.unpack(packed[:length])


@given(st.sampled_from(MESSAGES), st.binary(max_size=120))
def test_random_bytes(kind: type[Message], data: bytes) -> None:
    """Bytes are a message that packs to the same bytes, or the one error."""
    try:
        message = kind.unpack(data)
    except FrameError:
        return
    except SessionError:
        assert kind is Hello
        assert data[:2] != PROTOCOL.to_bytes(2, "big")
        return
    assert message.pack() == data


@given(st.sampled_from(MESSAGES), st.data())
def test_random_bytes_of_the_right_size(kind: type[Message], data: st.DataObject) -> None:
    # As large as one with nothing in its tail, and for START with room for two tokens.
    smallest: dict[type[Message], int] = {
        Hello: Hello._FIELDS.size, Welcome: Welcome._FIELDS.size,
        Sampling: Sampling._FIELDS.size, Start: Sampling._FIELDS.size + 12,
        ErrorNotice: ErrorNotice._FIELDS.size}
    size = smallest[kind]
    raw = data.draw(st.binary(min_size=size, max_size=size))
    if kind is Hello:
        raw = PROTOCOL.to_bytes(2, "big") + raw[2:]
    try:
        message = kind.unpack(raw)
    except FrameError:
        return
    assert message.pack() == raw


def test_vectors() -> None:
    hello = Hello(IDENTITY, LayerRange(1, 4), Dtype.BF16, Mode.PRIVATE)
    assert hello.pack().hex() == ("0003" + IDENTITY + "0001" + "0004" + "01" + "01" + "00" * 8
                                  + "00" * 16 + "00" + "0000" + "0000")
    back = replace(hello, session=0x123, secret=bytes(range(16)), token="air",
                   back=4, back_parameter=258)
    assert back.pack().hex() == (
        "0003" + IDENTITY + "0001" + "0004" + "01" + "01" + "0000000000000123"
        + "000102030405060708090a0b0c0d0e0f" + "04" + "0102" + "0003" + "616972")
    assert Welcome(1, 2048, 256).pack().hex() == (
        "0000000000000001" + "00000800" + "0100" + "00" * 16 + "00000000" + "0000" + "00000000")
    assert Welcome(1, 2048, 256, bytes(range(16)), 77, 258, 120_000).pack().hex() == (
        "0000000000000001" + "00000800" + "0100" + "000102030405060708090a0b0c0d0e0f"
        + "0000004d" + "0102" + "0001d4c0")
    assert Start(Sampling(seed=7), 9, (1, 258)).pack() == (
        Sampling(seed=7).pack() + b"\x00\x00\x00\x09" + b"\x01\x00\x00\x00"
        + b"\x02\x01\x00\x00")
    assert Start(Sampling(), 0).pack() == Sampling().pack() + bytes(4)
    assert Sampling(0.5, 40, 0.25, 0.125, 2.0, 7).pack().hex() == (
        "3fe0000000000000" "00000028" "3fd0000000000000" "3fc0000000000000" "4000000000000000"
        "0000000000000007")
    assert ErrorNotice(ErrorCode.IDLE, "a", "bc", 5).pack().hex() == (
        "000a" "00000005" "0001" "0002" "61" "6263")


def test_the_protocol_is_in_the_hello() -> None:
    hello = Hello(IDENTITY, LayerRange(0, 1), Dtype.F32, Mode.TOKENS)
    assert hello.protocol == PROTOCOL
    assert int.from_bytes(hello.pack()[:2], "big") == PROTOCOL


@pytest.mark.parametrize("protocol", [0, 1, PROTOCOL + 1, 65_535])
@pytest.mark.parametrize("rest", [b"", bytes(64), b"\xff" * 500])
def test_another_protocol_is_told_whatever_follows(protocol: int, rest: bytes) -> None:
    """The layout after the number is another version's."""
    with pytest.raises(SessionError, match=rf"protocol {protocol}.*same version") as caught:
        Hello.unpack(protocol.to_bytes(2, "big") + rest)
    assert caught.value.code == ErrorCode.WRONG_PROTOCOL


def test_a_token_of_any_length_is_none() -> None:
    hello = Hello(IDENTITY, LayerRange(0, 1), Dtype.F32, Mode.TOKENS)
    longest = replace(hello, token="x" * MAX_TOKEN_BYTES)
    assert Hello.unpack(longest.pack()) == longest
    with pytest.raises(FrameError, match="token"):
        replace(hello, token="x" * (MAX_TOKEN_BYTES + 1)).pack()
    packed = hello.pack()[:-2]
    for tail in ((MAX_TOKEN_BYTES + 1).to_bytes(2, "big") + b"x" * (MAX_TOKEN_BYTES + 1),
                 b"\x00\x02\xc3\xa4", b"\x00\x03ab", b"\x00\x01ab"):
        with pytest.raises(FrameError, match="token"):
            Hello.unpack(packed + tail)


def test_secrets_are_in_no_log() -> None:
    secret = bytes(range(16))
    hello = Hello(IDENTITY, LayerRange(0, 1), Dtype.F32, Mode.TOKENS, 2, 1, secret, "sesame")
    for message in (hello, Welcome(1, 8, 8, secret)):
        assert "sesame" not in repr(message)
        assert repr(secret) not in repr(message)


@pytest.mark.parametrize(("offset", "value", "what"), [
    (34, b"\x00\x05\x00\x04", "layers"), (38, b"\x09", "unknown value"),
    (39, b"\x02", "unknown value")])
def test_a_hello_of_impossible_values(offset: int, value: bytes, what: str) -> None:
    packed = bytearray(Hello(IDENTITY, LayerRange(1, 4), Dtype.F32, Mode.TOKENS).pack())
    packed[offset : offset + len(value)] = value
    with pytest.raises(FrameError, match=what):
        Hello.unpack(bytes(packed))


@pytest.mark.parametrize(("capacity", "max_rows", "length"), [
    (0, 256, 0), (2048, 0, 0), (2048, 256, 2049)])
def test_a_welcome_that_takes_nothing(capacity: int, max_rows: int, length: int) -> None:
    """A phone would send rows in chunks of none, or after what the edge cannot hold."""
    with pytest.raises(FrameError, match="takes no rows"):
        Welcome.unpack(struct.pack(">QIH16sIHI", 1, capacity, max_rows, bytes(16), length, 0, 0))


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
    assert (error.retry_after, error.position) == (0.0, 0)
    fast = ErrorNotice(ErrorCode.TOO_FAST, "Slow down.", retry_after=1500).to_error(7)
    assert (fast.retry_after, fast.position) == (1.5, 7)
