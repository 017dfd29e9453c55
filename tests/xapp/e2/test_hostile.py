"""What is asserted of decoders can fail: a slow one, and one that raises something else."""

from __future__ import annotations

import time

import pytest

from tests.xapp.e2.hostile import PROMISED_SECONDS, TRIES, assault, flips, truncations
from xapp.errors import ProtocolError


def busy(seconds: float) -> None:
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def test_a_decoder_that_takes_longer_than_is_promised_fails() -> None:
    asked: list[bytes] = []

    def slow(data: bytes) -> None:
        asked.append(data)
        busy(PROMISED_SECONDS)

    with pytest.raises(AssertionError, match="1 bytes 78"):
        assault(slow, iter([b"x"]))
    assert asked == [b"x"] * TRIES


def test_one_that_was_held_up_once_is_tried_again() -> None:
    waits = [PROMISED_SECONDS, 0.0]
    assert assault(lambda data: busy(waits.pop(0)), iter([b"x"])) < PROMISED_SECONDS
    assert waits == []


def test_only_one_kind_of_error_passes() -> None:
    def decode(data: bytes) -> None:
        raise ProtocolError("damaged") if data else KeyError("else")

    assault(decode, iter([b"x"]))
    with pytest.raises(KeyError):
        assault(decode, iter([b""]))


def test_damage() -> None:
    assert list(truncations(b"abc")) == [b"", b"a", b"ab"]
    assert list(flips(b"\0")) == [bytes([1 << bit]) for bit in range(8)]
    assert len(list(flips(bytes(300), 100))) == 100
