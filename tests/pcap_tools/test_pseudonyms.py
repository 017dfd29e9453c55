"""Other addresses for addresses: one for one, prefixes kept, nothing told."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pcap_tools.pseudonyms import KEPT_BITS, Pseudonyms

KEY = b"k" * 32
PLAIN_4 = st.integers(1 << 24, (127 << 24) - 1).map(lambda number: number.to_bytes(4))
PLAIN_6 = st.integers(0x2000 << 112, (0x4000 << 112) - 1).map(lambda number: number.to_bytes(16))


def shared_bits(one: bytes, other: bytes) -> int:
    different = int.from_bytes(one) ^ int.from_bytes(other)
    return 8 * len(one) - different.bit_length()


@pytest.mark.parametrize(("version", "addresses"), [(4, PLAIN_4), (6, PLAIN_6)])
def test_prefixes_are_kept_exactly(version: int, addresses: st.SearchStrategy[bytes]) -> None:
    names = Pseudonyms(KEY)

    @given(addresses, st.integers(0, 127), st.integers(0, 2**128 - 1))
    def check(one: bytes, shared: int, rest: int) -> None:
        bits = 8 * len(one)
        low = (1 << max(bits - shared, 0)) - 1
        other = (int.from_bytes(one) & ~low | rest & low).to_bytes(len(one))
        a, b = names.address(one), names.address(other)
        if not _kept(other):
            assert shared_bits(a, b) == shared_bits(one, other)
        assert shared_bits(one, a) >= KEPT_BITS[version]

    check()


def _kept(address: bytes) -> bool:
    return Pseudonyms(KEY).address(address) == address == Pseudonyms(b"other").address(address)


def test_the_same_key_gives_the_same_and_another_another() -> None:
    address = ipaddress.ip_address("192.0.2.77").packed
    first = Pseudonyms(KEY).address(address)
    assert first == Pseudonyms(KEY).address(address) != address
    assert Pseudonyms(b"another").address(address) != first
    station = bytes.fromhex("3c22fb010203")
    assert Pseudonyms(KEY).station(station) == Pseudonyms(KEY).station(station) != station


@pytest.mark.parametrize("address", [
    "0.0.0.0", "255.255.255.255", "127.0.0.1", "224.0.0.251", "239.255.255.250", "::", "::1",
    "ff02::1", "ff02::fb"])
def test_addresses_that_mean_the_same_everywhere_stay(address: str) -> None:
    packed = ipaddress.ip_address(address).packed
    assert Pseudonyms(KEY).address(packed) == packed


def test_what_kind_of_address_it_is_stays() -> None:
    names = Pseudonyms(KEY)
    for text in ("fe80::3e22:fbff:fe01:203", "ff02::1:ff01:203"):
        packed = ipaddress.ip_address(text).packed
        other = ipaddress.ip_address(names.address(packed))
        assert other.packed != packed
        assert (other.is_link_local, other.is_multicast) == (
            text.startswith("fe80"), text.startswith("ff02"))
    for number in range(256):
        assert not ipaddress.ip_address(names.address(bytes([10, 0, 0, number]))).is_multicast


def test_stations() -> None:
    names = Pseudonyms(KEY)
    assert names.station(b"\xff" * 6) == b"\xff" * 6
    group, single = bytes.fromhex("01005e0000fb"), bytes.fromhex("3c22fb0000fb")
    assert names.station(group)[0] & 3 == 3
    assert names.station(single)[0] & 3 == 2
