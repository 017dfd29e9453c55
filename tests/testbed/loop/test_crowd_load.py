"""The load's word as traffic: a recording fills the cell as models do, a mix is as it was said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from testbed.errors import TestbedFailure
from testbed.loop.crowd_load import crowd_traffic, load_words, pace_of, replay_words
from testbed.loop.settings import MOST_RECORDINGS, Load, LoopSettings
from testbed.ran.traffic.arrivals import DOWN, SECOND
from testbed.ran.traffic.config import TrafficConfig
from testbed.ran.traffic.sources import make_source
from tests.testbed.loop.recordings import recorded
from xapp.config_reading import build

GROUPS: tuple[dict[str, Any], ...] = (
    {"name": "near", "count": 3, "traffic": [{"kind": "poisson"}, {"kind": "on-off"}]},
    {"name": "far", "count": 2})


@pytest.fixture
def recording(tmp_path: Path) -> str:
    return str(recorded(tmp_path / "phone.csv"))  # 161 kbit/s down


def replayed(recording: str, **others: Any) -> LoopSettings:
    return LoopSettings(load=Load.RECORDING, recording=recording, **others)


def kbps(settings: LoopSettings, seconds: int = 20) -> float:
    """Of one of the crowd, down, as it would be sent."""
    total = 0
    for place, one in enumerate(crowd_traffic(settings)):
        rows = make_source(build(TrafficConfig, one), [(0, 0)], place).until(seconds * SECOND)
        assert (rows["time"] >= 0).all()
        total += int(rows["size"][rows["direction"] == DOWN].sum())
    return total * 8 / 1000 / seconds


@pytest.mark.parametrize("wanted", [60.0, 400.0, 1500.0, 30_000.0])
def test_each_of_the_crowd_has_what_is_wanted_in_the_mean(recording: str, wanted: float) -> None:
    settings = replayed(recording, down_kbps=wanted)
    assert kbps(settings) == pytest.approx(wanted, rel=0.1)
    pace = pace_of(settings)
    assert 1 <= pace.phones <= MOST_RECORDINGS
    if 200 < wanted < 2000:  # many phones, rather than one in a hurry
        assert pace.speed == pytest.approx(1, abs=0.35)


def test_phones_and_pace_are_as_they_are_said(recording: str) -> None:
    one = pace_of(replayed(recording, recording_phones=1, recording_speed=1.0))
    assert (one.phones, one.speed) == (1, 1.0)
    assert pace_of(replayed(recording, recording_phones=2)).speed == pytest.approx(4.65, abs=0.1)
    assert pace_of(replayed(recording, recording_speed=3.0)).phones == 3


def test_nobody_begins_where_another_does(recording: str) -> None:
    one, *_ = crowd_traffic(replayed(recording))
    users = [(ue, 0) for ue in range(6)]
    rows = make_source(build(TrafficConfig, one), users, 1).until(SECOND)
    assert len({int(rows["row"][rows["ue"] == ue][0]) for ue in range(6)}) == 6


def test_a_recording_of_no_use_is_named(tmp_path: Path) -> None:
    up = tmp_path / "up.csv"
    up.write_text("Time,Source,Destination,Length\n" + "".join(
        f"{place},10.0.0.1,1.1.1.{place},100\n" for place in range(1, 50)))
    with pytest.raises(TestbedFailure, match=r"no packet to 10\.0\.0\.1"):
        crowd_traffic(replayed(str(up)))
    for folder in (tmp_path, Path()):
        with pytest.raises(TestbedFailure, match="is a folder"):
            crowd_traffic(replayed(str(folder)))
    short = recorded(tmp_path / "short.csv", 0.5)
    with pytest.raises(TestbedFailure, match=r"short\.csv is of 0\.45 s"):
        crowd_traffic(replayed(str(short)))


def test_a_mix_is_as_it_is_said_for_whom_it_is_said() -> None:
    settings = LoopSettings(load=Load.MIX, crowd_groups=GROUPS, traffic=(
        {"kind": "phones", "phones": 2}, {"kind": "saturation", "ues": ["far"]}))
    assert crowd_traffic(settings) == [
        {"kind": "phones", "phones": 2, "ues": ["near", "far"]},
        {"kind": "saturation", "ues": ["far"]},
        {"kind": "poisson", "ues": ["near"]}, {"kind": "on-off", "ues": ["near"]}]
    assert load_words(settings) == "a mix of phones, saturation, poisson, on-off"


def test_one_load_is_of_all_groups() -> None:
    silent = tuple({key: one[key] for key in one if key != "traffic"} for one in GROUPS)
    traffic, = crowd_traffic(LoopSettings(crowd_groups=silent))
    assert traffic["ues"] == ["near", "far"]


def test_traffic_is_the_crowds_and_a_groups_own() -> None:
    for one in ({"ues": ["phone"]}, {"ues": ["crowd", "page"]}):
        with pytest.raises(TestbedFailure, match="is the crowd's"):
            crowd_traffic(LoopSettings(load=Load.MIX, traffic=(one,)))
    with pytest.raises(TestbedFailure, match="group near has `ues`"):
        crowd_traffic(LoopSettings(load=Load.MIX, crowd_groups=(
            {"name": "near", "traffic": [{"ues": ["far"]}]},)))


def test_people_are_told_what_it_is(recording: str) -> None:
    settings = replayed(recording)
    assert load_words(settings) == "traffic recorded in phone.csv"
    assert load_words(LoopSettings(load=Load.PHONES)) == "traffic modelled on recordings"
    assert load_words(LoopSettings(load=Load.MIX, traffic=({},))) == "traffic of kind saturation"
    said = replay_words(settings)
    assert said.startswith("phone.csv: 300 packets of 10.0.0.1 in 10 s, 161 kbit/s down.")
    assert "replays it 9 x at once" in said
    assert "Left out" not in said
    other = recorded(Path(recording).with_name("other.csv"))
    with other.open("a", encoding="utf-8") as file:
        file.write("1,9.9.9.9,8.8.8.8,100\n")
    assert replay_words(replayed(str(other))).endswith("no IPv4: 1.")
