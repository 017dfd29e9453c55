"""What the E2 manager says of base stations: read, and refused where it cannot be so."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.xapp.e2.e2ap_examples import DU, GNB, KPM_OID
from xapp.e2.e2ap_identities import GnbNodeId
from xapp.e2.e2ap_types import RanFunction
from xapp.errors import ProtocolError
from xapp.ric.osc_inventory import read_node, read_states

NAME = "gnbd_001_001_00019b_0"
FUNCTION = {"ranFunctionId": 2, "ranFunctionDefinition": "0aFF", "ranFunctionRevision": 1,
            "ranFunctionOid": KPM_OID}


def node(name: str = NAME, **more: Any) -> bytes:
    return json.dumps({
        "ranName": name, "connectionStatus": "CONNECTED",
        "globalNbId": {"plmnId": "00F110", "nbId": f"{411:022b}"},
        "gnb": {"ranFunctions": [FUNCTION]}, **more}).encode()


def function(**more: Any) -> bytes:
    return node(gnb={"ranFunctions": [FUNCTION | more]})


def test_a_base_station_is_read_as_it_set_itself_up() -> None:
    found = read_node(node(statusUpdateTimeStamp="1739205123456"), NAME)
    assert found.node == DU
    assert found.connected
    assert found.functions == (RanFunction(2, b"\x0a\xff", 1, KPM_OID),)
    assert found.since == 1739205123456


def test_the_name_tells_the_unit() -> None:
    for name, unit in (("gnb_001_001_00019b", GnbNodeId(GNB)),
                       ("gnbc_001_001_00019b_1", GnbNodeId(GNB, cu_up_id=1)),
                       ("gnbd_001_001_00019b_99999999999", GnbNodeId(GNB))):
        assert read_node(node(name), name).node == unit


def test_zeros_are_left_out_by_the_manager() -> None:
    bare = {"ranFunctionOid": KPM_OID}
    assert read_node(node(gnb={"ranFunctions": [bare]}), NAME).functions == (
        RanFunction(0, b"", 0, KPM_OID),)


def test_states_are_read_and_names_that_are_none_left_out() -> None:
    listed = [{"inventoryName": NAME, "connectionStatus": "CONNECTED"},
              {"inventoryName": "gnb_2", "connectionStatus": "UNDER_RESET"},
              {"inventoryName": "gnb_3"}, {"inventoryName": "a/../b"}, {"inventoryName": 4}, 5,
              {"inventoryName": "x" * 40, "connectionStatus": "CONNECTED"}]
    assert read_states(json.dumps(listed).encode()) == {NAME: True, "gnb_2": False, "gnb_3": False}


@pytest.mark.parametrize("data", [
    b"", b"[]", b"{", b"null", node("another"), node(gnb=None), node(gnb={}), node(globalNbId=1),
    node(gnb={"ranFunctions": [FUNCTION] * 300}), node(gnb={"ranFunctions": [7]}),
    node(globalNbId={"plmnId": "00F1", "nbId": "1" * 22}),
    node(globalNbId={"plmnId": "00F110", "nbId": "1" * 21}),
    node(globalNbId={"plmnId": "00F110", "nbId": "2" * 22}),
    function(ranFunctionId=-1), function(ranFunctionId="2"), function(ranFunctionId=True),
    function(ranFunctionOid=""), function(ranFunctionOid=7), function(ranFunctionOid="ä"),
    function(ranFunctionDefinition="0g"), function(ranFunctionDefinition=7),
    function(ranFunctionDefinition="00" * 70_000)])
def test_what_cannot_be_so_is_one_error(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        read_node(data, NAME)


def test_lists_that_are_none_are_one_error() -> None:
    for data in (b"{}", b"7", b"[", json.dumps([{}] * 5000).encode()):
        with pytest.raises(ProtocolError):
            read_states(data)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["ranName", "gnb", "ranFunctions", "globalNbId", "plmnId", "nbId", "inventoryName"]),
        inner, max_size=4), max_leaves=12)


@given(_JSON)
def test_no_json_does_more_than_that(value: Any) -> None:
    data = json.dumps(value).encode()
    for read in (lambda: read_states(data), lambda: read_node(data, NAME)):
        with contextlib.suppress(ProtocolError):
            read()
