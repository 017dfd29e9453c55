"""Bytes that can be an SCTP packet, and those that cannot."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xapp.ric.sctp_packet import HEADER, LISTS, OTHERS, acknowledges_alone, is_sound

START = bytes(HEADER)
# What libusrsctp sends first, as it came over the loopback.
INIT = bytes.fromhex(
    "ebf9dcc100000000f18de8ab0100005abd3dc2c00002000000100010dbb9969980000004c000000480080009c00fc180"
    "820000008002002480c2b67c2f6a2da79ce469208b1f57521a7d70fc40a878759e2a25776382aec58004000600010000"
    "8003000680c10000")


def chunk(kind: int, body: bytes, length: int | None = None) -> bytes:
    size = 4 + len(body) if length is None else length
    return bytes([kind, 0]) + size.to_bytes(2) + body + bytes(-len(body) % 4)


def sound(packet: bytes) -> bool:
    return is_sound(packet, 0, len(packet))


@pytest.mark.parametrize("packet", [
    INIT,
    START + chunk(0, bytes(17)),
    START + chunk(3, bytes(12)) + chunk(0, bytes(412)),
    START + chunk(10, bytes(300)) + chunk(0, b"setup" * 5),
    START + chunk(4, chunk(1, bytes(36))) + chunk(132, bytes(500)),
    START + chunk(6, chunk(12, b"user initiated")),
    START + chunk(6, b""), START + chunk(14, b""),
    START + chunk(0, bytes(13))[:-3],  # padding at the end may be missing
])
def test_what_a_peer_sends_is_sound(packet: bytes) -> None:
    assert sound(packet)
    assert is_sound(b"IP head" + packet, 7, 7 + len(packet))


@pytest.mark.parametrize("packet", [
    b"", START, START + bytes(3),
    START + chunk(0, bytes(20), length=0), START + chunk(0, bytes(20), length=3),
    START + chunk(0, bytes(20), length=25),
    START + chunk(3, bytes(12)) + chunk(0, bytes(8), length=2),
    START + chunk(1, bytes(16) + b"\x80\x00\x00\x00"),  # never read to its end
    START + chunk(1, bytes(16) + b"\x80\x00\x00\x03"),
    START + chunk(1, bytes(16) + b"\x80\x00\x00\x05"),
    START + chunk(2, bytes(16) + chunk(1, bytes(8)) + b"\x80\x00\x00\x00"),
    START + chunk(9, b"\x00\x01\x00\x00"), START + chunk(4, b"\x00\x01\x00\x00"),
    START + chunk(0xc1, bytes(20)), START + chunk(130, bytes(20)), START + chunk(15, bytes(20)),
    START + chunk(64, bytes(20)), START + chunk(192, bytes(20)), START + chunk(255, bytes(20)),
])
def test_what_does_not_add_up_is_not(packet: bytes) -> None:
    assert not sound(packet)


@given(st.binary(max_size=200))
def test_any_bytes_are_judged(data: bytes) -> None:
    assert sound(START + data) in (True, False)


@given(st.lists(st.tuples(st.sampled_from(sorted(OTHERS)), st.binary(max_size=40)), min_size=1))
def test_any_row_of_whole_chunks_is_sound(chunks: list[tuple[int, bytes]]) -> None:
    assert sound(START + b"".join(chunk(kind, body) for kind, body in chunks))


@given(st.data())
def test_no_cut_first_packet_is_sound(data: st.DataObject) -> None:
    assert not sound(INIT[:data.draw(st.integers(0, len(INIT) - 3))])
    assert set(LISTS).isdisjoint(OTHERS)


def test_an_acknowledgement_alone_is_told_from_one_with_more() -> None:
    alone = START + chunk(3, bytes(12))
    assert acknowledges_alone(alone)
    for other in (alone + chunk(0, bytes(17)), START + chunk(0, bytes(17)), INIT,
                  START + chunk(14, b"")):
        assert not acknowledges_alone(other)
