"""A site says what cannot be meant, by name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from testbed.deploy.errors import DeployError
from testbed.deploy.render import TEMPLATES
from testbed.deploy.site import Place, TapConfig, load
from tests.testbed.deploy.sites import EXAMPLE, TEXTS, example, site


def test_the_example_is_what_init_writes() -> None:
    assert EXAMPLE.read_text() == (TEMPLATES / "site.yaml").read_text()


def test_the_example_has_what_it_says() -> None:
    found = example()
    assert (found.mcc, found.mnc, found.tac) == ("001", "01", 7)
    assert [str(one.slice) for one in found.slices] == ["1", "1-000001"]
    assert found.slices[1].sd == "000001"
    assert found.slices[1].gateway == "10.46.0.1"


@pytest.mark.parametrize("name", TEXTS)
def test_all_sites_of_the_tests_are_read(tmp_path: Path, name: str) -> None:
    assert site(tmp_path, name).slices


def test_a_tap_at_n6_listens_at_each_device_and_at_n3_to_gtp() -> None:
    found = example()
    assert found.taps == (("ogstun", "net 10.45.0.0/16", 5556),
                          ("ogstun-llm", "net 10.46.0.0/16", 5557))
    at_n3 = replace(found, tap=TapConfig(Place.N3, "eth1"))
    assert at_n3.taps == (("eth1", "udp port 2152", 5556),)


@pytest.mark.parametrize(("old", "new", "named"), [
    ('plmn: "00101"', 'plmn: "1.01"', "plmn"),
    ("tac: 7", "tac: 70000000", "tac"),
    ("dnn: llm,", "dnn: 'l m',", "dnn"),
    ("device: ogstun-llm", "device: a-very-long-device-name", "device"),
    ("imsi: \"001010000000001\"", "imsi: '1'", "imsi"),
    ("key: 465b5ce8b199b49faa5f0a2ee238a6bc", "key: 465b", "key"),
    ("dnns: [llm]", "dnns: []", "session"),
    ("metrics_ms: 100", "metrics_ms: 1", "metrics_ms"),
    ("address: 127.0.0.1}", "address: ric.example}", "ric.address"),
    ("name: lab", "name: 'lab; reboot'", "name"),
    ("radio: zmq", "radio: vhf", "gnb.radio"),
    ("arfcn: 368500", "arfcn: 368500\n  device_args: 'type=b200; x'", "device_args"),
    ("slice: 1-000001", "slice: 1-1", "slice"),
    ("tac: 7", "tac: 7\ntack: 7", "tack"),
])
def test_what_cannot_be_meant_is_named(tmp_path: Path, old: str, new: str, named: str) -> None:
    text = EXAMPLE.read_text()
    assert old in text
    file = tmp_path / "site.yaml"
    file.write_text(text.replace(old, new, 1))
    with pytest.raises(DeployError, match=named):
        load(file)


def test_without_slices_there_is_no_site(tmp_path: Path) -> None:
    file = tmp_path / "site.yaml"
    file.write_text("slices: []")
    with pytest.raises(DeployError, match="slice or more"):
        load(file)
