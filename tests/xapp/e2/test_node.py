"""Who is who among associations: base stations and their units."""

from __future__ import annotations

from tests.xapp.e2.e2ap_examples import CU_CP, CU_UP, DU, OTHER_NODES
from xapp.e2.node import NodeKey, Unit, UnitKey, key_of, unit_of

KEY = key_of(DU)


def test_identities_say_which_unit_of_which_base_station() -> None:
    assert {key_of(DU), key_of(CU_CP), key_of(CU_UP)} == {KEY}
    assert str(KEY) == "gNB 00101-00019b"
    assert str(NodeKey("eNB", b"\xff\xff\xff", 1, 20)) == "eNB ffffff-00001"
    assert len({key_of(node) for node in OTHER_NODES} | {KEY}) == 4
    assert unit_of(DU, 70) == UnitKey(Unit.DU, 0)  # the number counts before the PPID
    assert unit_of(CU_UP, 0) == UnitKey(Unit.CU_UP, 1)
    assert unit_of(CU_CP, 70) == UnitKey(Unit.CU_CP)
    assert unit_of(CU_CP, 71) == UnitKey(Unit.CU_UP)
    assert unit_of(CU_CP, 0) == UnitKey(Unit.WHOLE)
    assert unit_of(OTHER_NODES[0], 72) == UnitKey(Unit.WHOLE)  # both numbers
    assert [str(unit_of(node, 0)) for node in OTHER_NODES[1:]] == ["whole", "DU 7", "whole"]
    assert str(UnitKey(Unit.CU_CP)) == "CU-CP"
