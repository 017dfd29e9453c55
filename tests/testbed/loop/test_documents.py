"""What the loop writes for others' programs is what they take, in every variation."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml

from testbed.loop.documents import (
    cell_document,
    crowd_document,
    wrong_map_document,
    xapp_document,
)
from testbed.loop.settings import (
    INTERNET,
    LLM,
    Arm,
    Load,
    LoopSettings,
    RadioChannel,
    Sessions,
    Steering,
)
from testbed.ran.mac.channel import Kind as ChannelKind
from testbed.ran.ran_config import RanConfig, load, plane_config
from tests.testbed.loop.recordings import recorded, traced
from xapp.config import load as load_xapp
from xapp.observations import Snssai
from xapp.ue_map_file import read


def written(document: object, folder: Path) -> Path:
    file = folder / "file.yaml"
    file.write_text(yaml.safe_dump(document))
    return file


def cell(settings: LoopSettings, folder: Path) -> RanConfig:
    return load(written(crowd_document(settings), folder))


@pytest.mark.parametrize(("channel", "sessions"), list(product(RadioChannel, Sessions)), ids=str)
def test_the_cell_takes_its_file(channel: RadioChannel, sessions: Sessions,
                                 tmp_path: Path) -> None:
    trace = str(traced(tmp_path / "walk.csv")) if channel is RadioChannel.TRACE else None
    settings = LoopSettings(crowd=5, channel=channel, channel_trace=trace, sessions=sessions,
                            name="other")
    config = cell(settings, tmp_path)
    assert len(config.phones) == 6
    assert config.e2 is not None
    assert config.way.name == "other"
    phone = plane_config(config).ues[0]
    assert phone.sessions[-1].address == settings.phone_address
    two = sessions is Sessions.TWO
    assert config.phones[0].sessions[-1].slice == Snssai.parse(LLM if two else INTERNET)
    assert (config.remap is None) == two
    assert not load(written(cell_document(settings), tmp_path)).traffic


@pytest.mark.parametrize("one", Load)
def test_the_crowds_traffic_is_the_load(one: Load, tmp_path: Path) -> None:
    needed: dict[Load, dict[str, Any]] = {
        Load.MIX: {"traffic": ({"kind": "poisson"},)},
        Load.RECORDING: {"recording": str(recorded(tmp_path / "phone.csv"))}}
    config = cell(LoopSettings(crowd=5, load=one, **needed.get(one, {})), tmp_path)
    assert bool(config.traffic) == (one is not Load.NONE)


def test_what_is_said_of_the_cell_goes_in_the_place_of_ours(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are beside the command that runs, and the cell's own file elsewhere."""
    monkeypatch.chdir(tmp_path)
    traced(tmp_path / "walk.csv")
    (tmp_path / "run").mkdir()
    settings = LoopSettings(
        page=True, channel=RadioChannel.TRACE, channel_trace="walk.csv", load=Load.MIX,
        cells=({"bandwidth_mhz": 10, "spacing_khz": 30}, {"nci": 77, "spacing_khz": 30}),
        mac={"pattern": "DDDSU", "queue": {"packets": 100}},
        slices=({"slice": INTERNET, "minimum": 20}, {"slice": LLM, "minimum": 5, "maximum": 60},
                {"slice": "1-000002"}),
        crowd_groups=({"name": "near", "count": 2},
                      {"name": "far", "cell": 1, "channel": {"kind": "outage"},
                       "sessions": [{"slice": "1-000002"}], "traffic": [{"kind": "on-off"}]}),
        traffic=({"kind": "poisson", "ues": ["near"], "down_kbps": 300},))
    config = cell(settings, tmp_path / "run")
    assert [(one.nci, one.bandwidth_mhz) for one in config.cells] == [(0x66C000, 10), (77, 20)]
    assert config.mac.pattern == "DDDSU"
    queue = config.mac.queue
    assert (config.mac.request_jitter, queue.kbytes, queue.packets) == (5, 150, 100)
    assert [(one.minimum, one.maximum) for one in config.slices] == [(20, 100), (5, 60), (0, 100)]
    assert [one.name for one in config.phones] == ["phone", "page", *settings.crowd_names]
    phone, _, near, _, far = config.phones
    assert (phone.channel.kind, phone.channel.file) == (ChannelKind.CSV, tmp_path / "walk.csv")
    assert near.channel.kind is ChannelKind.STATIC
    assert (far.channel.kind, far.cell) == (ChannelKind.OUTAGE, 1)
    assert [(one.kind.value, one.ues) for one in config.traffic] == [
        ("poisson", ("near",)), ("on-off", ("far",))]
    assert plane_config(config).ues[0].sessions[-1].address == settings.phone_address
    xapp = load_xapp(written(xapp_document(settings, "ipc:///tmp/labels", tmp_path), tmp_path))
    assert [str(one) for one in xapp.ran.slices] == [INTERNET, LLM, "1-000002"]
    assert {str(name): floor for name, floor in xapp.policies[0].floors.items()} == {
        INTERNET: 10, "1-000002": 10}
    assert {str(name): (one.minimum, one.maximum) for name, one in xapp.steering.found.items()
            } == {INTERNET: (20, 100), LLM: (5, 60), "1-000002": (0, 100)}


def test_a_static_slice_is_the_cells_own(tmp_path: Path) -> None:
    config = cell(LoopSettings(steering=Steering.STATIC, static_percent=25), tmp_path)
    assert {str(one.slice): one.minimum for one in config.slices} == {INTERNET: 10, LLM: 25}


@pytest.mark.parametrize("arm", Arm)
def test_the_xapp_takes_its_file(arm: Arm, tmp_path: Path) -> None:
    settings = LoopSettings(arm=arm, api_port=1234)
    config = load_xapp(written(xapp_document(settings, "ipc:///tmp/labels", tmp_path), tmp_path))
    assert config.policies[0].name == "llm"
    assert config.api.port == 1234
    assert (config.ue_map.file is not None) == (arm is Arm.WRONG_SLICE)


def test_the_xapp_is_told_what_is_wanted_and_how_long_a_grant_takes(tmp_path: Path) -> None:
    settings = LoopSettings(inter_token_ms=50.0, first_token_ms=120.0, grant_ms=15.0, headroom=1.5)
    config = load_xapp(written(xapp_document(settings, "ipc:///tmp/labels", tmp_path), tmp_path))
    policy, = config.policies
    assert (policy.inter_token_ms, policy.first_token_ms) == (50.0, 120.0)
    assert (config.limits.grant_ms, config.limits.headroom) == (15.0, 1.5)


def test_a_policy_and_limits_of_ones_own_go_before_ours(tmp_path: Path) -> None:
    settings = LoopSettings(
        slices=({"slice": INTERNET}, {"slice": LLM}, {"slice": "1-00000A"}), floor=15,
        policy={"strategy": "static", "quotas": {LLM: {"minimum": 30}}, "prompt_rows": 9,
                "floors": {"1-00000a": 25}}, limits={"hold": 8, "air_share": 0.6})
    config = load_xapp(written(xapp_document(settings, "ipc:///tmp/labels", tmp_path), tmp_path))
    policy, = config.policies
    assert (policy.strategy, policy.prompt_rows, policy.inter_token_ms) == ("static", 9, 40.0)
    assert policy.quotas[Snssai.parse(LLM)].minimum == 30
    floors = {str(name): floor for name, floor in policy.floors.items()}
    assert floors == settings.floors == {INTERNET: 15, "1-00000a": 25}  # by which it is judged
    limits = config.limits
    assert (limits.hold, limits.air_share, limits.floor, limits.headroom) == (8.0, 0.6, 0, 1.3)


def test_the_wrong_map_puts_the_phone_into_the_crowds_slice(tmp_path: Path) -> None:
    settings = LoopSettings()
    entry, = read(written(wrong_map_document(settings), tmp_path))
    assert (entry.address, entry.slice) == (settings.phone_address, Snssai.parse(INTERNET))


@pytest.mark.parametrize("arm", Arm)
def test_with_one_session_the_xapp_asks_for_its_flow_where_the_cell_listens(
        arm: Arm, tmp_path: Path) -> None:
    settings = LoopSettings(arm=arm, sessions=Sessions.ONE, pcf_port=1234)
    config = load_xapp(written(xapp_document(settings, "ipc:///tmp/labels", tmp_path), tmp_path))
    promotion, remap = config.actuators.promotion, cell(settings, tmp_path).remap
    assert remap is not None
    if arm is Arm.WRONG_SLICE:  # the slice that it is told to help is where the flow stays
        assert promotion is None
        return
    assert promotion is not None
    assert promotion.pcf == f"http://127.0.0.1:{remap.pcf_port}" == "http://127.0.0.1:1234"
    assert promotion.slice == remap.slice == Snssai.parse(LLM)
