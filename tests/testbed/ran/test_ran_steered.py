"""A RIC steers the scheduler of slots over E2: it obeys, KPM shows it, each kind errs as its own.

The RIC's side is the production one, in virtual time, as over the cell that is reckoned.
"""

from __future__ import annotations

import random
from typing import Any

import pytest

from testbed.ran.cell_model import Share
from testbed.ran.e2_agent import E2Agent
from testbed.ran.emulator_config import INTERNET, LLM
from testbed.ran.fluid_cell import SliceConfig
from testbed.ran.mac.channel import ChannelConfig
from testbed.ran.mac.config import MacConfig
from testbed.ran.node_config import NodeConfig
from testbed.ran.ran_cell import SimulatedCell
from testbed.ran.ran_config import CarrierConfig, RanConfig, SessionConfig, UeConfig
from testbed.ran.traffic.config import Kind, TrafficConfig
from tests.testbed.ran.scene import EPOCH_NS, Scene
from tests.testbed.ran.steered_slots import Driven
from xapp.e2.ccc import CccCell
from xapp.e2.ccc_quota import ccc_quota_control
from xapp.e2.common import Snssai
from xapp.e2.profiles import PROFILES
from xapp.e2.quota import SliceQuota
from xapp.e2.ue_id import GnbDuUe

WIRE_LLM, WIRE_INTERNET = Snssai(1, 1), Snssai(1)


def over_slots(profile: str) -> Scene:
    """Two UEs, one in each slice, that both want more downlink than there is."""
    scene = Scene(profile)
    good = ChannelConfig(snr_db=40.0)
    config = RanConfig(
        (CarrierConfig(scene.ran.cells[0].nci),),
        (UeConfig("a", sessions=(SessionConfig("llm", LLM),), channel=good),
         UeConfig("b", sessions=(SessionConfig(slice=INTERNET),), channel=good)),
        (SliceConfig(INTERNET), SliceConfig(LLM)),
        traffic=(TrafficConfig(Kind.SATURATION, down_kbps=150_000, up_kbps=1000),),
        mac=MacConfig(bler=0.0, again_bler=0.0))
    ran: Any = Driven(SimulatedCell(config, scene.now))
    scene.ran = ran
    scene.agent = E2Agent(NodeConfig(profile), ran, random.Random(1), scene.now,
                          wall_ns=lambda now: EPOCH_NS + round(now * 1e9))
    return scene.connect().run(3.0)


def rates(scene: Scene) -> list[float]:
    """Downlink of both UEs by KPM, kbit/s."""
    scene.run(4.0)
    found = [scene.ue(place).load.down_kbps for place in (0, 1)]
    return [one for one in found if one is not None]


@pytest.mark.parametrize("profile", ["spec", "srsran", "ocudu", "oai", "oai-old", "flexric"])
def test_every_kind_reports_what_the_scheduler_delivers(profile: str) -> None:
    scene = over_slots(profile)
    first, second = rates(scene)
    assert first == pytest.approx(second, rel=0.15)
    assert 60_000 < first + second < 130_000
    assert scene.ends is None


def test_by_the_specification_a_slice_s_quota_is_obeyed_and_kpm_shows_it() -> None:
    scene = over_slots("spec")
    assert scene.quota([SliceQuota(WIRE_INTERNET, 0, 20, 0)]).acknowledged
    first, second = rates(scene)
    assert scene.share(INTERNET) == Share(0, 20, 0)
    assert second / (first + second) == pytest.approx(0.2, abs=0.03)


def test_srsran_caps_the_ue_and_leaves_the_slice_alone() -> None:
    scene = over_slots("srsran")
    named = scene.ran.ues[1].f1_id
    assert scene.quota([SliceQuota(WIRE_LLM, 0, 10, 0)], GnbDuUe(named)).acknowledged
    first, second = rates(scene)
    assert scene.ran.limits[named] == Share(0, 10)
    assert set(scene.ran.shares.values()) == {Share()}
    assert second / (first + second) == pytest.approx(0.1, abs=0.03)


@pytest.mark.parametrize("profile", ["oai", "oai-old"])
def test_oai_reserves_what_is_dedicated_and_obeys_no_maximum(profile: str) -> None:
    scene = over_slots(profile)
    assert scene.quota([SliceQuota(WIRE_LLM, 70, 100, 70),
                        SliceQuota(WIRE_INTERNET, 0, 5, 0)]).acknowledged
    first, second = rates(scene)
    assert scene.share(LLM) == Share(70, 100, 70)
    assert scene.share(INTERNET) == Share()
    assert second / (first + second) == pytest.approx(0.3, abs=0.05)


def test_flexric_s_agent_acknowledges_and_the_scheduler_hears_nothing() -> None:
    scene = over_slots("flexric")
    assert scene.quota([SliceQuota(WIRE_LLM, 50, 100, 50)]).acknowledged
    assert set(scene.ran.shares.values()) == {Share()}


def test_ocudu_takes_a_quota_over_ccc() -> None:
    scene = over_slots("ocudu")
    cell = CccCell("00101", scene.ran.cells[0].nci)
    assert scene.ccc(ccc_quota_control(
        PROFILES["spec"], cell, [SliceQuota(WIRE_INTERNET, 1, 25, 1)])).acknowledged
    first, second = rates(scene)
    assert scene.share(INTERNET) == Share(1, 25, 1)
    assert second / (first + second) == pytest.approx(0.25, abs=0.03)
