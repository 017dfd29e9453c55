"""Packets to segments and back; what others make of them; hostile bytes are no segments."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP

from testbed.loop.stack.segments import End, Flag, Segment, checksum, decode, encode

words = st.integers(0, 0xFFFFFFFF)
ends = st.builds(End, st.ip_addresses(v=4).map(str), st.integers(0, 0xFFFF))
segments = st.builds(Segment, ends, ends, words, words, st.integers(0, 31).map(Flag),
                     st.integers(0, 0xFFFF), words, words,
                     st.none() | st.integers(0, 0xFFFF), st.binary(max_size=1300))
ONE = Segment(End("10.46.0.2", 40_000), End("10.46.0.1", 8470), 7, 9, Flag.PSH | Flag.ACK, 512,
              1, 2, None, b"a row of a model")


@given(segments, st.integers(0, 0xFFFF))
def test_decode_inverts_encode(segment: Segment, number: int) -> None:
    assert decode(encode(segment, number)) == segment


@given(segments)
def test_another_library_reads_the_same(segment: Segment) -> None:
    packet = encode(segment, 1)
    found = IP(packet)
    assert (found.src, found.dst, found.len) == (
        segment.source.address, segment.target.address, len(packet))
    assert (found[TCP].sport, found[TCP].dport, found[TCP].seq, found[TCP].window) == (
        segment.source.port, segment.target.port, segment.sequence, segment.window)
    assert bytes(found[TCP].payload) == segment.data
    fresh = found.copy()
    del fresh.chksum, fresh[TCP].chksum
    again = IP(bytes(fresh))
    # 0 and 0xFFFF are one number there.
    assert found.chksum % 0xFFFF == again.chksum % 0xFFFF
    assert found[TCP].chksum % 0xFFFF == again[TCP].chksum % 0xFFFF


@given(st.binary(max_size=200))
def test_hostile_bytes_are_none(packet: bytes) -> None:
    decode(packet)
    decode(b"\x45" + packet)


@given(st.integers(0, len(encode(ONE, 1)) - 1), st.integers(0, 7))
def test_a_flipped_bit_is_seen(at: int, bit: int) -> None:
    packet = bytearray(encode(ONE, 1))
    packet[at] ^= 1 << bit
    assert decode(bytes(packet)) is None


@given(st.integers(0, len(encode(ONE, 1)) - 1))
def test_a_cut_packet_is_none(size: int) -> None:
    assert decode(encode(ONE, 1)[:size]) is None


def test_sums_are_those_of_the_standard() -> None:
    assert checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0xFFFF - 0xDDF2  # RFC 1071's example
    assert checksum(b"\0\0") == 0xFFFF
    assert checksum(b"\xff\xff") == 0
