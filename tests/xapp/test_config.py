"""The xApp's configuration: one file says all of it, and nothing said is a one-box lab."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from xapp.base_stations_config import NodeConfig
from xapp.config import TapSource, UeMapSources, XappConfig, load
from xapp.core_config import CoreConfig
from xapp.errors import ConfigurationError, XappError
from xapp.observations import Quota, Snssai
from xapp.ric.address import Address
from xapp.slice_policy import SlicePolicy
from xapp.steering_types import AtExit, AtStart

WHOLE = """
listen: ["tcp://127.0.0.1:36421", "usrsctp://127.0.0.1:36421?udp=9899"]
plmn: 00101
ric_id: 7
store: /var/lib/airsplit/xapp.db
taps:
  - {address: "tcp://10.0.0.5:5556", server_key: tap.key}
ue_map: {smf: "http://127.0.0.4:9090", amf: "http://127.0.0.5:9090", every: 2, keep: {core: 30}}
kpi_labels: false
ran:
  slices: [1, 1-000005]
  period_ms: 1000
  nodes:
    - {name: "gnb_00101_*", profile: oai, cells: {"00066c000": 106}, remote: "ws://127.0.0.1:8001"}
limits: {most_guaranteed: 80, hold: 10}
flows: {ue_subnets: ["10.45.0.0/16"]}
policies:
  - {name: chat, inter_token_ms: 80, floors: {1: 20}}
steering:
  dry_run: true
  at_start: restore
  at_exit: leave
  found: {1-000005: {minimum: 5, maximum: 60}}
actuators: {off: [ccc_slice_quota]}
keeping: {most_events: 100}
api: {port: 0, on: false}
exit_seconds: 5
"""


def written(folder: Path, text: str) -> Path:
    file = folder / "xapp.yaml"
    file.write_text(text)
    return file


def test_nothing_said_is_a_one_box_lab(tmp_path: Path) -> None:
    assert load(None) == load(written(tmp_path, "")) == XappConfig()
    assert [str(one) for one in XappConfig().listen] == ["auto://0.0.0.0:36421"]
    assert XappConfig().taps == (TapSource("tcp://127.0.0.1:5556"),)


def test_a_file_says_all_of_it(tmp_path: Path) -> None:
    config = load(written(tmp_path, WHOLE))
    assert config.listen == (Address("tcp", "127.0.0.1", 36421),
                             Address("usrsctp", "127.0.0.1", 36421, 9899))
    assert config.taps == (TapSource("tcp://10.0.0.5:5556", Path("tap.key")),)
    assert config.plmn == "00101"
    assert config.actuators.off == ("ccc_slice_quota",)
    assert (config.api.port, config.api.on) == (0, False)
    assert config.ran.slices == (Snssai(1), Snssai(1, 5))
    assert config.ran.nodes == (NodeConfig("gnb_00101_*", "oai", {"00066c000": 106},
                                           "ws://127.0.0.1:8001"),)
    assert config.policies == (SlicePolicy("chat", inter_token_ms=80.0, floors={Snssai(1): 20}),)
    assert (config.steering.at_start, config.steering.at_exit) == (AtStart.RESTORE, AtExit.LEAVE)
    assert config.steering.found == {Snssai(1, 5): Quota(5, 60)}
    assert config.ue_map.keep.core == 30.0


def test_the_core_gets_its_parts(tmp_path: Path) -> None:
    config = load(written(tmp_path, WHOLE))
    assert config.core == CoreConfig(
        config.ran, config.observing, config.flows, config.limits, config.policies,
        config.steering, config.actuators, config.ue_map.keep, True, config.correlate)
    assert not replace(config, taps=()).core.tapped


@pytest.mark.parametrize(("text", "says"), [
    ("plmn: '1'", "plmn"), ("ric_id: 1048576", "20 bits"), ("listen: []", "no address"),
    ("listen: ['http://x']", "listen[0]"), ("ran: {period_ms: 1}", "1 ms between reports"),
    ("ran: {nodes: [{profile: nokia}]}", "'nokia'"), ("limits: {hold: 0}", "limits"),
    ("ue_map: {amf: 'http://x'}", "ue_map.amf"), ("ue_map: {every: 0}", "ue_map.every"),
    ("steering: {floors: {1: 60, 2: 60}}", "120 %"), ("actuators: {off: [magic]}", "magic"),
    ("keeping: {most_bytes: 1}", "256 KiB"), ("flows: {ue_subnets: ['x']}", "flows.ue_subnets[0]"),
    ("api: {prot: 1}", "api.prot")])
def test_what_cannot_work_is_named(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(written(tmp_path, text))
    assert says in caught.value.problem
    assert caught.value.remedy


@pytest.mark.parametrize("wrong", [
    lambda: UeMapSources(amf="http://x"), lambda: UeMapSources(every=-1.0),
    lambda: XappConfig(plmn="x"), lambda: XappConfig(ric_id=-1), lambda: XappConfig(listen=())])
def test_so_it_is_where_no_file_says_it(wrong: Callable[[], object]) -> None:
    with pytest.raises(XappError) as caught:
        wrong()
    assert caught.value.remedy
