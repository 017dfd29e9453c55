"""What a compiled type promises of whole messages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xapp.e2.aper import integer, null, octet_string, sequence_of
from xapp.e2.codec import MOST_OCTETS
from xapp.errors import ProtocolError

LIST = sequence_of(octet_string(), 0, 65535)


def test_all_bytes_belong_to_the_value() -> None:
    data = LIST.encode((b"ab", b""))
    assert LIST.decode(data) == (b"ab", b"")
    assert LIST.decode(memoryview(data)) == (b"ab", b"")
    with pytest.raises(ProtocolError, match="1 octets after its end"):
        LIST.decode(data + b"\0")


def test_an_empty_value_is_one_octet() -> None:
    nothing = null()
    assert nothing.encode(None) == b"\0"
    assert nothing.decode(b"\0") is None
    with pytest.raises(ProtocolError):
        nothing.decode(b"\0\0")


def test_an_error_says_where() -> None:
    with pytest.raises(ProtocolError, match=r"ends too early, after 2 octets"):
        LIST.decode(b"\0\1")
    with pytest.raises(ProtocolError, match=r"at octet \d+: .*a number above 10"):
        sequence_of(integer(0, 10), 1, 1).decode(b"\xf0")


def test_no_message_is_so_long() -> None:
    with pytest.raises(ProtocolError, match="more than"):
        LIST.decode(bytes(MOST_OCTETS + 1))


@given(st.binary(max_size=300))
def test_no_bytes_do_anything_else(data: bytes) -> None:
    try:
        value = LIST.decode(data)
    except ProtocolError:
        return
    assert LIST.decode(LIST.encode(value)) == value
