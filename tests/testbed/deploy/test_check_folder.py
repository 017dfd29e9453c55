"""Each classic mistake, planted by hand into a rendered folder, is found where it was planted."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.deploy.check_folder import folder_findings
from testbed.deploy.errors import DeployError
from testbed.deploy.findings import Severity
from testbed.deploy.render import Form
from tests.testbed.deploy.sites import TEXTS, edited, lab

GNB, AMF, SMF, UPF = ("gnb/gnb.yaml", "open5gs/amf.yaml", "open5gs/smf.yaml", "open5gs/upf.yaml")
NSSF, XAPP, RADIO, UE = "open5gs/nssf.yaml", "xapp/xapp.yaml", "radio/radio.yaml", "ue/phone.conf"


@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize("name", ["example", *TEXTS])
def test_what_was_rendered_has_no_errors(tmp_path: Path, name: str, form: Form) -> None:
    found = folder_findings(lab(tmp_path, name, form))
    assert not [str(one) for one in found if one.severity is Severity.ERROR]


@pytest.mark.parametrize(("file", "old", "new", "words"), [
    (GNB, '  plmn: "00101"\n  tac', '  plmn: "00102"\n  tac', "plmn: 00102 here, 00101"),
    (GNB, "- tac: 7", "- tac: 8", "tac: 8"),
    (GNB, "                sd: 1\n", "                sd: 2\n", "slices: 1, 1-000002"),
    (GNB, "    - sst: 1\n      sd: 1", "    - sst: 2\n      sd: 1", "slices: 1, 2-000001"),
    (GNB, "addr: 127.0.0.5", "addr: 127.0.0.6", "address of the AMF for gNBs: 127.0.0.6"),
    (GNB, "  addr: 127.0.0.1\n  port", "  addr: 127.0.0.9\n  port", "E2 address: 127.0.0.9"),
    (GNB, "port: 36421", "port: 36422", "E2 port: 36422"),
    (GNB, "srate: 11.52 ", "srate: 23.04 ", "sample rate: 23.04e6"),
    (GNB, "base_srate=11.52e6", "base_srate=23.04e6", "sample rate: 23.04e6"),
    (GNB, "tx_port=tcp://127.0.0.1:2000", "tx_port=tcp://127.0.0.1:2010", "gNB transmits"),
    (GNB, "du_report_period: 100", "du_report_period: 1000", "stale"),
    (GNB, "enable_du_e2: true", "enable_du_e2: false", "is not on"),
    (GNB, "e2sm_kpm_enabled: true", "e2sm_kpm_enabled: false", "is not on"),
    (GNB, "  port: 8001", "  port: 8002", "remote control: 127.0.0.1:8002"),
    (GNB, "bind_addr: 127.0.0.1\n  port: 8001", "bind_addr: 0.0.0.0\n  port: 8001",
     "remote control: 0.0.0.0:8001 here, 127.0.0.1:8001"),
    (XAPP, "ws://127.0.0.1:8001", "ws://192.0.2.9:8001", "remote control: 192.0.2.9:8001"),
    (GNB, "ded_prb_policy_ratio: 5", "ded_prb_policy_ratio: 0", "takes 1 to 100"),
    (GNB, "ded_prb_policy_ratio: 5", "ded_prb_policy_ratio: 50", "within the next"),
    (GNB, "addr: 127.0.0.5", "addrs: 127.0.0.5", "is no key of srsran"),
    (GNB, "port: 36421", "prot: 36421", "Additional properties"),
    (GNB, "e2sm_ccc_enabled: false", "e2sm_ccc_enabled: true", "CCC refuses 0"),
    (AMF, 'sd: "000001"', 'sd: "000002"', "slices: 1, 1-000002"),
    (AMF, "tac: 7", "tac: 1", "tac: 1 here"),
    (AMF, 'mnc: "01"', 'mnc: "02"', "plmn: 00102"),
    (AMF, "port: 9090", "port: 9091", "information API of the AMF"),
    (AMF, "http://127.0.0.200:7777", "http://127.0.0.201:7777", "address of the SCP"),
    (SMF, 'sd: "000001"', 'sd: "000003"', "slices"),
    (SMF, "dnn: [llm]", "dnn: [ims]", "DNNs of slices"),
    (SMF, "subnet: 10.46.0.0/16", "subnet: 10.47.0.0/16", "UPF's UEs"),
    (SMF, "address: 127.0.0.7", "address: 127.0.0.8", "address of the UPF for the SMF"),
    (UPF, "      dev: ogstun-llm\n", "", "no TUN device of its own"),
    (UPF, "dev: ogstun-llm", "dev: ogstun9", "nobody makes the device"),
    (UPF, "dnn: llm", "dnn: ims", "has no session at the UPF"),
    (NSSF, 'sd: "000001"', 'sd: "000002"', "slices"),
    (NSSF, "http://127.0.0.10:7777\n          s", "http://127.0.0.11:7777\n          s",
     "address of the NRF"),
    (XAPP, "period_ms: 500", "period_ms: 50", "longer than the xApp's"),
    (XAPP, 'slices: ["1", ', "slices: [", "slices: 1-000001"),
    (XAPP, "smf: http://127.0.0.4:9090", "smf: http://127.0.0.3:9090", "information API"),
    (XAPP, "127.0.0.1:36421", "127.0.0.1:36422", "nobody listens"),
    (XAPP, "5557", "5559", "publishes at port 5557"),
    (XAPP, "plmn:", "plnm:", "no setting"),
    (RADIO, "rate: 11.52e6", "rate: 23.04e6", "sample rate"),
    (RADIO, "tcp://127.0.0.1:2101", "tcp://127.0.0.1:2109", "phone transmits"),
    (UE, "imsi = 001010000000001", "imsi = 001010000000009", "IMSI of phone"),
    (UE, "nssai-sd = 1", "nssai-sd = 2", "sessions of 001010000000001: 1-000002 llm"),
    (UE, "apn = llm", "apn = internet", "sessions of"),
    (UE, "\nnof_prb = 52", "\nnof_prb = 106", "resource blocks: 106"),
    (UE, "k = 465b", "k = 465c", "key of 001010000000001"),
    ("subscribers.json", '"sd": "000001"', '"sd": "000002"', "sessions of 001010000000001"),
    ("subscribers.json", '"imsi": "001010000000002"', '"imsi": "001010000000001"',
     "subscribers:"),
    ("subscribers.sh", '"sd": "000001"', '"sd": "000002"', "sessions of 001010000000001"),
    ("systemd/airsplit-lab-gnb.service", "gnb.yaml", "gnb2.yaml", "not in this folder"),
])
def test_a_planted_mistake_is_found(tmp_path: Path, file: str, old: str, new: str,
                                    words: str) -> None:
    found = edited(lab(tmp_path), file, old, new)
    fits = [one for one in found if words in one.problem]
    assert fits, [str(one) for one in found]
    assert any(one.file == file for one in fits) or file in (XAPP, UPF)
    assert all(one.remedy and one.key for one in found)


@pytest.mark.parametrize(("name", "file", "old", "new", "words"), [
    ("ocudu", AMF, 'sd: "000010"', 'sd: "000016"', "decimal where hexadecimal"),
    ("ocudu", GNB, "sd: 16", "sd: 10", "hexadecimal digits where a decimal"),
    ("ocudu", "ue/one.conf", "nssai-sd = 16", "nssai-sd = 10",
     "hexadecimal digits where a decimal"),
    ("oai", "gnb/gnb.conf", "sd = 0x000010", "sd = 10", "hexadecimal digits where a decimal"),
    ("ocudu", GNB, "addrs: 127.0.0.5", "addr: 127.0.0.5", "is no key of ocudu"),
    ("oai", "gnb/gnb.conf", "mnc = 01;", "mnc = 02;", "plmn: 00102"),
    ("oai", "gnb/gnb.conf", "tracking_area_code = 7", "tracking_area_code = 9", "tac: 9"),
    ("oai", "gnb/gnb.conf", "e2_agent", "e2_agnt", "is missing"),
    ("oai", "flexric/flexric.conf", "NEAR_RIC_IP = 127.0.0.1", "NEAR_RIC_IP = 127.0.0.9",
     "E2 address: 127.0.0.9"),
    ("oai", "flexric/flexric.conf", "[NEAR-RIC]", "NEAR-RIC", "It has no sections"),
    ("oai", "ue/phone.conf", 'dnn = "llm"', 'dnn = "ims"', "sessions of"),
    ("oai", "ue/phone.conf", "serveraddr 10.201.1.1", "serveraddr 127.0.0.1",
     "phone's way to the gNB: 127.0.0.1"),
    ("oai", "systemd/airsplit-lab-ue-phone.service", "-C 3619200000", "-C 3619300000",
     "carrier frequency: 3619300000"),
    ("oai", "systemd/airsplit-lab-ue-phone.service", "serveraddr 10.201.1.1", "serveraddr 10.2.1.1",
     "phone's way to the gNB: 10.2.1.1"),
    ("oai", "net/core-net.sh", "10.201.1.2/30", "10.201.2.2/30", "does not reach the RF simulator"),
    ("usrp", "osc/config-file.json", '"1-000010"', '"1-000011"', "slices"),
    ("usrp", "osc/config-file.json", "ws://192.0.2.2:8001", "ws://127.0.0.1:8001",
     "remote control: 127.0.0.1:8001"),
    ("usrp", "osc/config-file.json", '"renewal_ms": 100', '"renewal_ms": 1000',
     "metrics period: 1000"),
    ("usrp", GNB, "srate: 23.04 ", "srate: 5.76 ", "no rate for 20 MHz"),
])
def test_other_sites_mistakes_are_found(tmp_path: Path, name: str, file: str, old: str, new: str,
                                        words: str) -> None:
    found = edited(lab(tmp_path, name), file, old, new)
    assert [one for one in found if f"{one.problem}".count(words) and one.file == file], \
        [str(one) for one in found]


def test_a_file_that_is_gone_is_missed_once(tmp_path: Path) -> None:
    folder = lab(tmp_path)
    (folder / AMF).unlink()
    found = folder_findings(folder)
    assert [one.problem for one in found if one.file == AMF] == [
        "is not there, and the site needs it."]


def test_a_site_that_changed_is_seen_in_every_file(tmp_path: Path) -> None:
    found = edited(lab(tmp_path), "site.yaml", "tac: 7", "tac: 9")
    assert {one.file for one in found} >= {GNB, AMF}


def test_without_a_site_it_is_no_folder(tmp_path: Path) -> None:
    with pytest.raises(DeployError, match="holds no site"):
        folder_findings(tmp_path)
