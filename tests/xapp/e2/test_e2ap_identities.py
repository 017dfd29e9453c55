"""Identities: widths that tell their kind, and what is none."""

from __future__ import annotations

import pytest

from tests.xapp.e2.e2ap_examples import CU_UP, DU, OTHER_NODES, PLMN, RIC
from xapp.e2.aper import BitString
from xapp.e2.e2ap_identities import (
    GLOBAL_E2_NODE_ID,
    GLOBAL_ENB_ID,
    GLOBAL_GNB_ID,
    GLOBAL_NG_ENB_ID,
    GLOBAL_RIC_ID,
    TNL_INFORMATION,
    GlobalEnbId,
    GlobalGnbId,
    GlobalNgEnbId,
    TnlInformation,
)
from xapp.errors import ProtocolError


def test_every_kind_of_node_there_and_back() -> None:
    for node in (DU, CU_UP, *OTHER_NODES):
        assert GLOBAL_E2_NODE_ID.decode(GLOBAL_E2_NODE_ID.encode(node)) == node
    assert GLOBAL_RIC_ID.decode(GLOBAL_RIC_ID.encode(RIC)) == RIC


@pytest.mark.parametrize("width", [18, 20, 21, 28])
def test_the_width_of_an_enbs_number_tells_its_kind(width: int) -> None:
    enb = GlobalEnbId(PLMN, BitString(2**width - 1, width))
    assert GLOBAL_ENB_ID.decode(GLOBAL_ENB_ID.encode(enb)) == enb
    other = GlobalNgEnbId(PLMN, BitString(1, width))
    if width == 28:  # there are no such home stations
        with pytest.raises(ProtocolError, match="28 bits"):
            GLOBAL_NG_ENB_ID.encode(other)
    else:
        assert GLOBAL_NG_ENB_ID.decode(GLOBAL_NG_ENB_ID.encode(other)) == other


def test_numbers_that_are_none() -> None:
    with pytest.raises(ProtocolError, match="19 bits"):
        GLOBAL_ENB_ID.encode(GlobalEnbId(PLMN, BitString(0, 19)))
    with pytest.raises(ProtocolError):
        GLOBAL_GNB_ID.encode(GlobalGnbId(PLMN, BitString(0, 33)))
    with pytest.raises(ProtocolError):
        GLOBAL_GNB_ID.encode(GlobalGnbId(b"\0\0", BitString(0, 22)))


def test_transport_addresses() -> None:
    for address, width in (("192.0.2.7", 32), ("2001:db8::7", 128)):
        tnl = TnlInformation.of(address, 36421)
        assert tnl.address.width == width
        assert TNL_INFORMATION.decode(TNL_INFORMATION.encode(tnl)) == tnl
    with pytest.raises(ProtocolError, match="'gnb' is no IP address"):
        TnlInformation.of("gnb")
