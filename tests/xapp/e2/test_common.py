"""Networks, slices, cells and names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.xapp.e2 import e2sm_values as values
from xapp.e2.common import (
    CCC_OIDS,
    CGI,
    FUNCTION_NAME,
    KPM_OIDS,
    NR_CGI,
    RC_OIDS,
    SNSSAI,
    EutraCgi,
    FunctionName,
    NrCgi,
    Snssai,
    plmn_octets,
    plmn_text,
)
from xapp.errors import ProtocolError


def test_oids_as_base_stations_announce_them() -> None:
    assert KPM_OIDS[0] == "1.3.6.1.4.1.53148.1.2.2.2"
    assert RC_OIDS[0] == "1.3.6.1.4.1.53148.1.1.2.3"
    assert CCC_OIDS[0] == "1.3.6.1.4.1.53148.1.6.2.4"
    assert not set(KPM_OIDS) & set(RC_OIDS) & set(CCC_OIDS)


@pytest.mark.parametrize(("text", "octets"), [("00101", "00f110"), ("310410", "130014"),
                                              ("26207", "62f270"), ("999999", "999999")])
def test_networks(text: str, octets: str) -> None:
    assert plmn_octets(text).hex() == octets
    assert plmn_text(bytes.fromhex(octets)) == text


@given(st.from_regex(r"\A[0-9]{5,6}\Z"))
def test_any_network(text: str) -> None:
    assert plmn_text(plmn_octets(text)) == text


@pytest.mark.parametrize("text", ["", "0010", "0010111", "00a01", "\u0660\u0660\u0661\u0660\u0661"])
def test_what_is_no_network(text: str) -> None:
    with pytest.raises(ProtocolError, match="no network"):
        plmn_octets(text)


@pytest.mark.parametrize("octets", ["", "00f1", "a0f110", "00e110", "00f1a0", "0000000000"])
def test_octets_that_are_no_network(octets: str) -> None:
    with pytest.raises(ProtocolError, match="no network"):
        plmn_text(bytes.fromhex(octets))


@pytest.mark.parametrize(("value", "encoded"), [
    (Snssai(1), "0040"), (Snssai(1, 5), "4040000005"), (Snssai(255, 0xFFFFFF), "7fc0ffffff")])
def test_slices(value: Snssai, encoded: str) -> None:
    assert SNSSAI.encode(value).hex() == encoded
    assert SNSSAI.decode(bytes.fromhex(encoded)) == value


def test_a_cell_takes_nine_octets_as_handover_needs_it() -> None:
    cell = NrCgi(plmn_octets("00101"), 0x00066C000)
    assert NR_CGI.encode(cell).hex() == "0000f11000066c0000"
    assert CGI.decode(CGI.encode(cell)) == cell
    older = EutraCgi(plmn_octets("00101"), 2**28 - 1)
    assert CGI.decode(CGI.encode(older)) == older


@given(values.FUNCTION_NAME)
def test_any_name(value: FunctionName) -> None:
    assert FUNCTION_NAME.decode(FUNCTION_NAME.encode(value)) == value
