"""Numbers that components expect of each other."""

from __future__ import annotations

from pathlib import Path

from testbed.deploy import facts
from testbed.radio.settings import usual
from tests.testbed.deploy.sites import example, site


def test_a_radios_places_are_those_of_the_broker() -> None:
    radio = usual(3)
    assert (radio.cells[0].transmits, radio.cells[0].receives) == facts.GNB_PLACES
    for number, ue in enumerate(radio.ues):
        assert (ue.transmits, ue.receives) == facts.ue_places(number)


def test_srsues_rates_are_wide_enough_for_their_carriers() -> None:
    assert all(facts.RATES[rate] >= mhz for mhz, rate in facts.SRSUE_RATES.items())
    assert set(facts.SRSUE_RATES) == set(facts.SRSUE_CORESET0)


def test_a_phones_session_is_told_by_namespace_and_device(tmp_path: Path) -> None:
    assert facts.phones(example()) == ("lab-phone tun_srsue",)
    assert facts.phones(site(tmp_path, "oai")) == ("lab-phone oaitun_ue1p2",)
    assert facts.phones(site(tmp_path, "usrp")) == ()
