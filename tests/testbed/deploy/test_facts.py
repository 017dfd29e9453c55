"""Numbers that components expect of each other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from testbed.deploy import facts
from testbed.deploy.render import Form, rendered
from testbed.deploy.site import RicConfig, RicKind
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


@pytest.mark.parametrize(("ric", "place"), [
    (RicConfig(address="127.0.0.3"), "127.0.0.1:8001"),
    (RicConfig(address="192.0.2.5"), "127.0.0.1:8001"),
    (RicConfig(address="192.0.2.9"), "192.0.2.5:8001"),
    (RicConfig(RicKind.OSC, "192.0.2.5"), "192.0.2.5:8001"),
    (RicConfig(RicKind.FLEXRIC, "192.0.2.9"), "127.0.0.1:8001")])
def test_the_remote_control_is_where_the_xapp_reaches_it_and_no_farther(
        tmp_path: Path, ric: RicConfig, place: str) -> None:
    found = site(tmp_path, "dummy")
    found = replace(found, ric=ric, gnb=replace(found.gnb, address="192.0.2.5"))
    assert facts.remote_place(found) == place
    assert facts.remote_place(replace(found, gnb=replace(found.gnb, remote=False))) is None
    gnb = yaml.safe_load(rendered(found, Form.BARE)["gnb/gnb.yaml"])["remote_control"]
    assert f"{gnb['bind_addr']}:{gnb['port']}" == place
    files = rendered(found, Form.BARE)
    said = files.get("xapp/xapp.yaml", "") + files.get("osc/config-file.json", "")
    assert (f"ws://{place}" in said) == (ric.kind is not RicKind.FLEXRIC)


def test_a_phones_session_is_told_by_namespace_and_device(tmp_path: Path) -> None:
    assert facts.phones(example()) == ("lab-phone tun_srsue",)
    assert facts.phones(site(tmp_path, "oai")) == ("lab-phone oaitun_ue1p2",)
    assert facts.phones(site(tmp_path, "usrp")) == ()
