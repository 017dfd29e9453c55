"""Each mistake within a site is found, and a sound one has none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from testbed.deploy.check_site import site_findings
from testbed.deploy.findings import Severity
from testbed.deploy.site import RicConfig, RicKind, SiteConfig, TapConfig
from tests.testbed.deploy.sites import TEXTS, example, site, with_slice, with_ue
from xapp.observations import Snssai

Change = Callable[[SiteConfig], SiteConfig]


@pytest.mark.parametrize("name", ["example", *TEXTS])
def test_a_sound_site_has_no_errors(tmp_path: Path, name: str) -> None:
    found = site_findings(site(tmp_path, name))
    assert not [one for one in found if one.severity is Severity.ERROR]


@pytest.mark.parametrize(("change", "key", "words"), [
    (lambda s: with_ue(s, 1, imsi=s.ues[0].imsi), "ues", "2 UEs have the IMSI"),
    (lambda s: with_ue(s, 1, name="phone"), "ues", "2 UEs have the name"),
    (lambda s: with_ue(s, imsi="999700000000001"), "ues: phone: imsi", "PLMN"),
    (lambda s: with_ue(s, dnns=("ims",)), "ues: phone: dnns", "no slice has DNN ims"),
    (lambda s: with_ue(s, dnns=("llm", "internet")), "ues: phone: dnns", "one PDU session"),
    (lambda s: with_slice(s, 1, dnn="internet"), "slices", "DNN internet is that of 2"),
    (lambda s: with_slice(s, 1, slice=Snssai(1)), "slices", "share slice 1"),
    (lambda s: with_slice(s, slice=Snssai(1, 0xFFFFFF)), "slices: 1-ffffff", "there is none"),
    (lambda s: with_slice(s, subnet=IPv4Network("10.46.1.0/24")), "slices: internet, llm",
     "overlap"),
    (lambda s: replace(s, phone_dnn="ims"), "phone_dnn", "No slice"),
    (lambda s: with_slice(s, dedicated=5), "slices: 1", "dedicated is within"),
    (lambda s: with_slice(s, minimum=95), "slices", "add up to 105"),
    (lambda s: replace(s, gnb=replace(s.gnb, ccc=True)), "slices: 1: dedicated", "is 0"),
    (lambda s: with_slice(with_slice(s, maximum=30), 1, minimum=0, dedicated=0),
     "slices: 1-000001: minimum", "guarantees"),
    (lambda s: replace(s, metrics_ms=1000), "metrics_ms", "stale"),
    (lambda s: replace(s, loop_ms=2000), "loop_ms", "near-RT"),
    (lambda s: replace(s, core=replace(s.core, smf=s.core.amf)), "core.smf", "address of"),
    (lambda s: replace(s, core=replace(s.core, amf="192.0.2.5")), "gnb.address", "loopback"),
    (lambda s: replace(s, gnb=replace(s.gnb, address=s.core.upf)), "gnb.address", "2152"),
    (lambda s: replace(s, ric=RicConfig(RicKind.OSC, "192.0.2.9")), "tap.address", "loopback"),
    (lambda s: replace(s, ric=RicConfig(address="192.0.2.9")), "core.smf", "xApp is at 192.0.2.9"),
    (lambda s: replace(s, ric=RicConfig(address="192.0.2.9")), "tap.address", "loopback"),
    (lambda s: replace(s, tap=TapConfig(port=8000)), "ports", "8001"),
    (lambda s: replace(s, ues=()), "ues", "nobody can register"),
])
def test_a_mistake_is_found(change: Change, key: str, words: str) -> None:
    changed = change(example())
    found = [one for one in site_findings(changed) if one.key == key and words in one.problem]
    assert len(found) == 1, [str(one) for one in site_findings(changed)]
    assert found[0].remedy
    assert not [one for one in site_findings(example()) if one.key == key]


def test_test_ues_have_neither_tap_nor_core_that_an_xapp_elsewhere_could_miss(
        tmp_path: Path) -> None:
    found = site_findings(replace(site(tmp_path, "dummy"), ric=RicConfig(RicKind.OSC, "192.0.2.9")))
    assert not [one for one in found if one.key.startswith(("tap", "core"))]
