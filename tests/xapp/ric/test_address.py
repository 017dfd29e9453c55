"""Addresses as people write them."""

from __future__ import annotations

import asyncio
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xapp.errors import ConfigurationError
from xapp.ric.address import AUTO, SCTP, TCP, USRSCTP, Address

HOSTS = st.sampled_from(["127.0.0.1", "0.0.0.0", "192.0.2.7", "::1", "2001:db8::7", "gnb.example"])
PORTS = st.integers(0, 65535)


@pytest.mark.parametrize(("text", "address"), [
    ("sctp://0.0.0.0:36421", Address(SCTP, "0.0.0.0", 36421, 0)),
    ("sctp://192.0.2.7", Address(SCTP, "192.0.2.7", 36421, 0)),
    ("sctp://192.0.2.7:36421?udp=9899", Address(SCTP, "192.0.2.7", 36421, 9899)),
    ("sctp://[::1]:5", Address(SCTP, "::1", 5, 0)),
    ("usrsctp://0.0.0.0:36421", Address(USRSCTP, "0.0.0.0", 36421, 9899)),
    ("usrsctp://0.0.0.0:36421?udp=any", Address(USRSCTP, "0.0.0.0", 36421, None)),
    ("usrsctp://0.0.0.0:36421?udp=0", Address(USRSCTP, "0.0.0.0", 36421, 0)),
    ("tcp://127.0.0.1:0", Address(TCP, "127.0.0.1", 0, 0)),
    ("10.0.0.1:36421", Address(AUTO, "10.0.0.1", 36421, 9899)),
    ("auto://ric.example", Address(AUTO, "ric.example", 36421, 9899)),
])
def test_an_address_says_how_where_and_in_what(text: str, address: Address) -> None:
    assert Address.parse(text) == address


@pytest.mark.parametrize("text", [
    "", "://", "sctp://", "sctp://:36421", "ftp://127.0.0.1:1", "sctp://127.0.0.1:65536",
    "sctp://127.0.0.1:x", "sctp://127.0.0.1:-1", "sctp://127.0.0.1:1/path", "sctp://127.0.0.1:1#f",
    "sctp://me@127.0.0.1:1", "sctp://127.0.0.1:1?ppid=70", "sctp://127.0.0.1:1?udp",
    "usrsctp://127.0.0.1:1?udp=", "usrsctp://127.0.0.1:1?udp=65536",
    "usrsctp://127.0.0.1:1?udp=-1", "usrsctp://127.0.0.1:1?udp=\N{SUPERSCRIPT TWO}",
    "tcp://127.0.0.1:1?udp=9899", "sctp://[::1:5", "2001:db8::7:x",
])
def test_what_is_no_address_is_named_with_an_example(text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Address.parse(text)
    assert repr(text)[1:-1] in caught.value.problem
    assert caught.value.remedy


@given(st.builds(Address, st.sampled_from([SCTP, USRSCTP, AUTO]), HOSTS, PORTS, st.none() | PORTS)
       | st.builds(Address, st.just(TCP), HOSTS, PORTS))
def test_an_address_is_read_as_it_is_shown(address: Address) -> None:
    assert Address.parse(str(address)) == address


@given(st.text())
def test_any_text_is_an_address_or_the_one_error(text: str) -> None:
    try:
        Address.parse(text)
    except ConfigurationError:
        return


def test_an_ip_address_is_not_looked_up() -> None:
    for text, family in (("sctp://127.0.0.1:1", socket.AF_INET),
                         ("sctp://[::1]:1", socket.AF_INET6)):
        address = Address.parse(text)
        assert asyncio.run(address.resolved()) is address
        assert address.family == family


def test_a_name_is_looked_up() -> None:
    found = asyncio.run(Address.parse("usrsctp://localhost:7?udp=8").resolved())
    assert found.host in ("127.0.0.1", "::1")
    assert (found.scheme, found.port, found.udp) == (USRSCTP, 7, 8)
