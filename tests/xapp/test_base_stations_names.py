"""Names of base stations, and their UEs in full."""

from __future__ import annotations

from tests.xapp.core_scene import NODE, Gnb, Scene
from tests.xapp.e2.e2ap_examples import DU
from tests.xapp.steering_scene import LLM
from xapp.base_stations_names import name_of, name_plmn
from xapp.e2.node import key_of
from xapp.observations import UeKey


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


def test_a_ue_that_is_not_reported_is_none_although_its_number_would_address_it() -> None:
    scene = Scene()
    gnb = Gnb()
    scene.open(gnb)
    scene.wait(1.0)
    facts = scene.core.stations.facts(NODE)
    assert facts is not None
    gone, never, stays = (UeKey(NODE, f"du:{number}") for number in (1, 9, 2))
    assert (gone in facts.ues, never in facts.ues) == (True, False)
    del gnb.ues[1]
    scene.wait(12.0)
    assert set(facts.ues) == {stays}
    gnb.reports = False  # of nobody at all, which does not say that they left
    scene.wait(30.0, step=1.0)
    assert set(facts.ues) == {stays}
    gnb.reports, gnb.ues = True, {1: LLM}
    scene.wait(12.0)
    assert set(facts.ues) == {gone}


def test_names_have_no_blanks() -> None:
    assert name_of(key_of(DU)) == NODE == "gnb_00101_00019b"
    assert name_plmn(key_of(DU)) == "00101"
