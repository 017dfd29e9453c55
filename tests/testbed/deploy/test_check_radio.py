"""Carriers, rates and kinds that do not fit are found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from testbed.deploy.check_radio import radio_findings
from testbed.deploy.site import GnbKind, Radio, RicConfig, RicKind, SiteConfig, UeKind
from tests.testbed.deploy.sites import example, site, with_slice, with_ue
from xapp.observations import Snssai


def gnb(found: SiteConfig, **values: object) -> SiteConfig:
    return replace(found, gnb=replace(found.gnb, **values))  # type: ignore[arg-type]  # a test's


@pytest.mark.parametrize(("name", "change", "key", "words"), [
    ("example", lambda s: gnb(s, sample_rate=23.04e6), "gnb.sample_rate", "srsUE has 11.52e6"),
    ("example", lambda s: gnb(s, sample_rate=5.76e6), "gnb.sample_rate", "too low"),
    ("example", lambda s: gnb(s, sample_rate=12e6), "gnb.sample_rate", "no rate"),
    ("example", lambda s: gnb(s, bandwidth_mhz=11), "gnb.bandwidth_mhz", "no carrier"),
    ("example", lambda s: gnb(s, spacing_khz=30), "gnb.bandwidth_mhz", "srsUE takes no carrier"),
    ("example", lambda s: gnb(s, radio=Radio.RFSIM), "gnb.radio", "has no radio rfsim"),
    ("example", lambda s: gnb(s, radio=Radio.DUMMY), "ues: phone: kind", "no part in"),
    ("example", lambda s: with_ue(s, kind=UeKind.OAI), "ues: phone: kind", "no part in"),
    ("example", lambda s: gnb(s, e2=False), "gnb.e2", "off"),
    ("example", lambda s: gnb(s, ccc=True), "gnb.ccc", "hang"),
    ("example", lambda s: gnb(s, remote=False), "gnb.remote", "off"),
    ("example", lambda s: replace(s, ric=RicConfig(RicKind.OSC)), "ric.port", "node port"),
    ("example", lambda s: replace(s, ric=RicConfig(RicKind.FLEXRIC, port=36422)), "ric.port",
     "36421"),
    ("example", lambda s: gnb(replace(s, ric=RicConfig(address="192.0.2.9")), address="0.0.0.0"),
     "gnb.address", "does not say where"),
    ("dummy", lambda s: gnb(replace(s, ric=RicConfig(address="192.0.2.9")), address="192.0.2.5"),
     "gnb.remote", "whoever reaches it may set quotas"),
    ("oai", lambda s: gnb(s, bandwidth_mhz=80), "gnb.bandwidth_mhz", "not for 80"),
    ("usrp", lambda s: with_ue(s, kind=UeKind.OAI), "ues: phone: kind", "where the SSB is"),
    ("oai", lambda s: replace(s, ric=RicConfig(port=32222)), "ric.port", "no other"),
    ("oai", lambda s: with_slice(s, slice=Snssai(1)), "slices", "ffffff"),
    ("oai", lambda s: with_slice(s, subnet=IPv4Network("10.200.0.0/15")), "slices: internet",
     "reach the RF simulator"),
    ("oai", lambda s: replace(s, ues=s.ues * 256), "ues", "more than 255"),
    ("oai", lambda s: gnb(s, kind=GnbKind.OCUDU), "gnb.radio", "has no radio"),
])
def test_a_mistake_is_found(tmp_path: Path, name: str,
                            change: Callable[[SiteConfig], SiteConfig], key: str,
                            words: str) -> None:
    sound = site(tmp_path, name)
    found = [one for one in radio_findings(change(sound))
             if one.key == key and words in one.problem]
    assert len(found) == 1
    assert not [one for one in radio_findings(sound) if one.key == key and words in one.problem]


def test_the_example_has_none() -> None:
    assert not list(radio_findings(example()))
