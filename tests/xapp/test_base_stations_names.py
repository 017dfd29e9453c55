"""Names of base stations, and their UEs in full."""

from __future__ import annotations

from tests.xapp.core_scene import NODE, Gnb, Scene
from tests.xapp.e2.e2ap_examples import DU
from xapp.base_stations_names import name_of, name_plmn
from xapp.e2.node import key_of


def test_ues_are_known_in_full() -> None:
    scene = Scene("oai")
    gnb = Gnb("oai")
    scene.open(gnb)
    scene.wait(1.0)
    facts = scene.core.stations.facts(NODE)
    assert facts is not None
    assert {str(key): value for key, value in facts.ues.items()} == {
        f"{NODE}/oai:{number}": gnb.name(number) for number in (1, 2)}
    assert len(facts.ues) == 2
    assert facts.plmn == "00101"


def test_names_have_no_blanks() -> None:
    assert name_of(key_of(DU)) == NODE == "gnb_00101_00019b"
    assert name_plmn(key_of(DU)) == "00101"
