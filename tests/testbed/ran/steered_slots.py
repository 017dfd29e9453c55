"""`SteeredScene` over the scheduler of slots: one UE with a split LLM, and others who want it all.

    scene = SlotScene("oai", ues=4, up_kbps=60_000).begin()
    scene.label()
    scene.wait(10.0)
"""

from __future__ import annotations

import random
from typing import Any

from testbed.ran.e2_agent import E2Agent
from testbed.ran.emulator_config import INTERNET, LLM
from testbed.ran.fluid_cell import SliceConfig
from testbed.ran.mac.channel import ChannelConfig
from testbed.ran.node_config import NodeConfig
from testbed.ran.ran_cell import SimulatedCell
from testbed.ran.ran_config import CarrierConfig, RanConfig, SessionConfig, UeConfig
from testbed.ran.traffic.config import Kind, TrafficConfig
from tests.testbed.ran.scene import EPOCH_NS
from tests.testbed.ran.steered import SteeredScene
from xapp.slice_policy import SlicePolicy

CHANNEL = ChannelConfig(snr_db=25.0)


class Driven:
    """A simulated cell whose slots pass as E2's time does."""

    def __init__(self, cell: SimulatedCell) -> None:
        self.cell = cell

    def advance(self, now: float) -> None:
        self.cell.advance(now)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.cell.ran, name)


class SlotScene(SteeredScene):
    """The crowd wants more downlink than there is, and so much uplink each."""

    def __init__(self, profile: str, ues: int = 4, up_kbps: float = 25_000,
                 policy: SlicePolicy | None = None, seed: int = 1) -> None:
        super().__init__(profile, ues=ues, policy=policy)
        crowd = [f"crowd{place}" for place in range(ues - 1)]
        config = RanConfig(
            (CarrierConfig(self.ran.cells[0].nci),),
            (UeConfig("llm", sessions=(SessionConfig("llm", LLM),), channel=CHANNEL),
             *(UeConfig(name, sessions=(SessionConfig(slice=INTERNET),), channel=CHANNEL)
               for name in crowd)),
            (SliceConfig(INTERNET), SliceConfig(LLM)),
            traffic=(TrafficConfig(Kind.SPLIT_LLM, ues=("llm",), think_seconds=0.5),
                     *(TrafficConfig(Kind.SATURATION, ues=(name,), down_kbps=150_000,
                                     up_kbps=up_kbps) for name in crowd)))
        ran: Any = Driven(SimulatedCell(config, self.now))
        self.ran = ran
        self.agent = E2Agent(NodeConfig(profile), ran, random.Random(seed), self.now,
                             wall_ns=lambda now: EPOCH_NS + round(now * 1e9))
