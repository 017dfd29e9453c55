"""One simulated base station: a cell of slots, its users, and its end of E2.

    station = Station(settings, place, seed)
    station.advance(0.05)             # may run in a thread, beside other stations
    outs = station.agent.tick(now)    # bytes for the RIC

It knows no xApp.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np

from testbed.experiments.simulated.settings import SimulatedSettings, SimulatedSteering
from testbed.experiments.simulated.users import PACKET, UP, K, make_users, run_window
from testbed.ran.cell_model import CellFacts, Session, Snapshot, UeFacts
from testbed.ran.e2_agent import E2Agent
from testbed.ran.mac.cell import SlotCell
from testbed.ran.mac.channel import ChannelConfig, Kind, make_channel
from testbed.ran.mac.config import Bearer, Layout, MacConfig, QueueConfig
from testbed.ran.mac.state import Mac, make
from testbed.ran.mac.tables import carrier_prbs
from testbed.ran.node_config import NodeConfig
from xapp.observations import Snssai

INTERNET, LLM = Snssai(1), Snssai(1, 1)
SLOT_US = 1000
SLOT_NS = SLOT_US * 1000
PACKETS = 1 << 15  # inside a cell at most
FIRST_GNB = 1000
CELL_BITS = 14  # of an NR cell identity's 36, where a gNB's number has 22
EPOCH_NS = 1_760_000_000_000_000_000
CHANNEL_SECONDS = 10.0  # then a fading channel begins anew
UP_SHARE = 0.5  # of what others load the uplink with, to the downlink's


class KeptCell(SlotCell):
    """Counts and UEs are asked for several times at one moment: they are made out once."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]  # as they are `SlotCell`'s
        self._kept: Snapshot | None = None
        self._known: tuple[object, Sequence[UeFacts]] | None = None

    @property
    def ues(self) -> Sequence[UeFacts]:
        key = self._generation, self._mac.ues[:, 0].tobytes()
        if self._known is None or self._known[0] != key:
            self._known = key, super().ues
        return self._known[1]

    def snapshot(self) -> Snapshot:
        if self._kept is None or self._kept.at != self._now():
            self._kept = super().snapshot()
        return self._kept


class Station:
    """One gNB of one cell."""

    def __init__(self, settings: SimulatedSettings, place: int, seed: int) -> None:
        self.settings, self.place, self.slot = settings, place, 0
        blocks = carrier_prbs(settings.bandwidth_mhz, 15)
        self.mac = _mac(settings, blocks, seed)
        self._may_skip = settings.skip_idle and bool((self.mac.channel >= 0).all())
        self.users = make_users(settings, gaps_ns(settings, self.mac, blocks), seed)
        gnb = FIRST_GNB + place
        self.ran = KeptCell(
            self.mac, [CellFacts(gnb << CELL_BITS, blocks)], [INTERNET, LLM],
            [(self._session(ue),) for ue in range(settings.ues)], "00101", lambda: self.now)
        self.agent = E2Agent(NodeConfig(settings.profile, gnb), self.ran, random.Random(seed), 0.0,
                             wall_ns=lambda now: EPOCH_NS + round(now * 1e9))

    def _session(self, ue: int) -> Session:
        address = f"10.{64 + self.place // 256}.{self.place % 256}.{1 + ue}"
        return (Session(LLM, address, "llm") if ue < self.settings.llm_users
                else Session(INTERNET, address, "internet"))

    @property
    def now(self) -> float:
        return self.slot * SLOT_US / 1e6

    def advance(self, slots: int) -> None:
        run_window(self.mac, self.users, self.slot, slots, SLOT_NS, self._may_skip)
        self.slot += slots

    @property
    def guarantee(self) -> int:
        """Percent that the model's slice has now."""
        return int(self.mac.shares[0, 1, 0])

    @property
    def skipped(self) -> float:
        """Of all slots so far."""
        ran, skipped = (int(self.users.numbers[one]) for one in (K.SLOTS, K.SKIPPED))
        return skipped / max(1, ran + skipped)


def _mac(settings: SimulatedSettings, blocks: int, seed: int) -> Mac:
    chance = np.random.default_rng((seed, 1))
    kind = Kind.PEDESTRIAN if settings.fading else Kind.STATIC
    channels = tuple(make_channel(ChannelConfig(
        kind, settings.snr_db + chance.uniform(-1, 1) * settings.snr_spread_db,
        seconds=CHANNEL_SECONDS), seed * 1000 + ue) for ue in range(settings.ues))
    shares = ((0, 100, 0), (0, 100, 0))
    if settings.steering is SimulatedSteering.STATIC:
        shares = ((settings.floor, 100, 0), (settings.static_percent, 100, 0))
    layout = Layout(
        (blocks,), (0,) * settings.ues,
        tuple(Bearer(ue, int(ue < settings.llm_users)) for ue in range(settings.ues)), shares,
        channels)
    # A queue of a tenth of a second of the cell: more is one that no user would stay for.
    config = MacConfig(request_jitter=5, queue=QueueConfig(packets=256, kbytes=150))
    return make(config, layout, SLOT_US, seed, PACKETS)


def gaps_ns(settings: SimulatedSettings, mac: Mac, blocks: int) -> tuple[int, int]:
    """Between packets of a phone's burst, so that all together offer the load in the mean."""
    others = settings.ues - settings.llm_users
    if settings.load <= 0 or others == 0:
        return 1 << 40, 1 << 40
    on = settings.on_seconds / (settings.on_seconds + settings.off_seconds)
    found = []
    for direction, share in ((0, 1.0), (UP, UP_SHARE)):
        mcs = np.maximum(0, mac.channel[settings.llm_users:, direction, :]).astype(int)
        carried = float(mac.sizes[mac.pattern[0, direction], :, blocks][mcs].mean()) / SLOT_NS
        found.append(round(PACKET / (carried * settings.load * share / others / on)))
    return found[0], found[1]
