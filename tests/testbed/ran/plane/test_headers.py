"""Headers: what is put on comes off, other implementations agree, and no bytes surprise."""

from __future__ import annotations

import ipaddress
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcap_tools.parse import parse
from pcap_tools.records import Records
from testbed.ran.plane.headers import (
    DOWN,
    ECHO_REQUEST,
    ECHO_RESPONSE,
    G_PDU,
    GTP_BYTES,
    MALFORMED,
    UP,
    address_of,
    answer_echo,
    decapsulate,
    encapsulate,
)
from testbed.ran.plane.table import address_key
from tests.testbed.ran.plane.scene import packet

AT = 64


def laid(data: bytes) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    """`data` at AT, and nothing readable of others behind it."""
    memory = np.full(AT + len(data) + 64, 0xEE, np.uint8)
    memory[AT:AT + len(data)] = np.frombuffer(data, np.uint8)
    return memory


@given(st.ip_addresses(v=4), st.ip_addresses(v=4), st.integers(32, 1400))
def test_addresses_of_a_packet(source: ipaddress.IPv4Address, destination: ipaddress.IPv4Address,
                               size: int) -> None:
    memory = laid(packet(str(source), str(destination), size))
    assert address_of(memory, AT, size, False) == address_key(str(source))
    assert address_of(memory, AT, size, True) == address_key(str(destination))
    assert address_of(memory, AT, size - 1, True) == MALFORMED


@given(st.ip_addresses(v=6), st.ip_addresses(v=6))
def test_prefixes_of_a_packet(source: ipaddress.IPv6Address,
                              destination: ipaddress.IPv6Address) -> None:
    memory = laid(packet(str(source), str(destination), 80))
    assert address_of(memory, AT, 80, False) == address_key(str(source))
    assert address_of(memory, AT, 80, True) == address_key(str(destination))
    assert address_of(memory, AT, 79, True) == MALFORMED


@pytest.mark.parametrize("data", [
    b"", b"\x45", b"\x45" + bytes(18), b"\x44" + bytes(40), b"\x50" + bytes(40),
    b"\x60" + bytes(38), b"\x60\0\0\0\xff\xff" + bytes(40), b"\x4f\0\0\x14" + bytes(16)])
def test_what_is_no_whole_packet(data: bytes) -> None:
    assert address_of(laid(data), AT, len(data), True) == MALFORMED


@given(st.integers(0, 0xFFFF_FFFF), st.integers(0, 63), st.sampled_from([DOWN, UP]),
       st.integers(32, 1400))
def test_a_tunnel_gives_back_what_it_got(tunnel: int, qfi: int, direction: int, size: int) -> None:
    memory = laid(packet("10.0.0.1", "10.0.0.2", size))
    begin = encapsulate(memory, AT, size, tunnel, qfi, direction)
    assert begin == AT - GTP_BYTES
    assert decapsulate(memory, begin, size + GTP_BYTES) == (G_PDU, tunnel, AT, size)
    assert memory[begin + 13] >> 4 == direction


@given(st.integers(1, 0xFFFF_FFFF), st.integers(0, 63))
def test_the_packet_parser_sees_tunnel_and_flow(tunnel: int, qfi: int) -> None:
    memory = laid(packet("10.0.0.1", "10.0.0.2", 100))
    begin = encapsulate(memory, AT, 100, tunnel, qfi, DOWN)
    inner = memory[begin:AT + 100].tobytes()
    datagram = struct.pack(">HHHH", 2152, 2152, 8 + len(inner), 0) + inner
    outer = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(datagram), 0, 0, 64, 17, 0) + bytes(
        (192, 168, 3, 2, 192, 168, 3, 1)) + datagram
    length = np.full(1, len(outer), np.int32)
    seen = parse(Records(np.frombuffer(outer, np.uint8).copy(), np.zeros(1, np.int64), length,
                         length, np.zeros(1, np.int64), np.full(1, 101, np.uint16),
                         np.zeros(1, np.int32)))[0]
    assert (seen["teid"], seen["qfi"]) == (tunnel, qfi)
    assert (seen["source_port"], seen["destination_port"]) == (1, 2)


@given(st.binary(max_size=120), st.booleans())
def test_garbage_is_told_and_stays_within_its_bytes(data: bytes, begins_well: bool) -> None:
    if begins_well and len(data) > 8:
        data = bytes([0x30 | data[0] & 7, data[1]]) + struct.pack(">H", len(data) - 8) + data[4:]
    memory = laid(data)
    kind, _, at, size = decapsulate(memory, AT, len(data))
    if kind != MALFORMED:
        assert AT + 8 <= at <= at + size <= AT + len(data)
    address_of(memory, AT, len(data), True)


def test_extension_headers_without_end_are_refused() -> None:
    chain = bytes([1, 0, 0, 0x85]) * 20
    data = bytes([0x34, G_PDU]) + struct.pack(">HI", 4 + len(chain), 7) + bytes([0, 0, 0, 0x85])
    assert decapsulate(laid(data + chain), AT, len(data + chain))[0] == MALFORMED


def test_a_longer_chain_of_extension_headers_comes_off() -> None:
    inner = packet("10.0.0.1", "10.0.0.2")
    chain = bytes([2, 1, 2, 3, 4, 5, 6, 0x85]) + bytes([1, 0, 9, 0])
    body = bytes([0, 0, 0, 0x40]) + chain + inner
    data = bytes([0x36, G_PDU]) + struct.pack(">HI", len(body), 7) + body
    assert decapsulate(laid(data), AT, len(data)) == (
        G_PDU, 7, AT + len(data) - len(inner), len(inner))


def test_an_echo_is_answered_with_its_number() -> None:
    memory = laid(bytes([0x32, ECHO_REQUEST]) + struct.pack(">HIHBB", 4, 0, 0xABCD, 0, 0))
    assert decapsulate(memory, AT, 12)[0] == ECHO_REQUEST
    size = answer_echo(memory, AT)
    answer = memory[AT:AT + size].tobytes()
    assert answer == bytes([0x32, ECHO_RESPONSE]) + struct.pack(">HIHBBBB", 6, 0, 0xABCD, 0, 0,
                                                                14, 0)
