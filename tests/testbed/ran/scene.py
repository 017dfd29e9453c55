"""An emulated base station against the production RIC side, in virtual time and without sockets.

    scene = Scene("oai").connect()
    scene.run(2.0)
    scene.observations()                        # as the xApp has them
    assert scene.quota([SliceQuota(...)]).acknowledged
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from testbed.ran.cell_model import Share
from testbed.ran.e2_agent import E2Agent, Ends, Out, Said, ToRic
from testbed.ran.emulator_config import INTERNET, LLM, preset
from testbed.ran.fluid_cell import FluidCells, FluidConfig
from testbed.ran.node_config import NodeConfig
from xapp.base_stations import Answered, BaseStations, Heard, Reported
from xapp.base_stations_config import NodeConfig as StationConfig
from xapp.base_stations_config import RanConfig
from xapp.e2.common import CCC_OIDS, KPM_OIDS, RC_OIDS
from xapp.e2.control import Control
from xapp.e2.e2ap import encode
from xapp.e2.e2ap_identities import GlobalRicId
from xapp.e2.e2ap_messages import Message
from xapp.e2.e2ap_types import Action
from xapp.e2.node import NodeKey, Unit
from xapp.e2.nodes import NodeEvent, Nodes, ToPeer
from xapp.e2.profiles import Profile
from xapp.e2.quota import SliceQuota
from xapp.e2.rc_quota import slice_quota_control
from xapp.e2.ue_id import GnbDuUe, UeId
from xapp.events import Event
from xapp.observations import CellKey, Observations, Ue
from xapp.observing import Observer
from xapp.ue_map import UeMap

RIC = GlobalRicId(b"\x00\xf1\x10", 1)
EPOCH_NS = 1_760_000_000_000_000_000
ANSWER_SECONDS = 3.0  # virtual: longer than the RIC waits for a control's answer


class Scene:
    """Both ends."""

    def __init__(self, profile: str, load: str = "overload", ues: int = 4, cells: int = 1,
                 period: int = 500, seed: int = 1, known: str | None = None,
                 node: NodeConfig | None = None, carried: FluidConfig | None = None) -> None:
        config = preset(profile, cells, ues, load, seed)
        self.now = 100.0
        self.ran = FluidCells(carried or config.cells, self.now)
        self.agent = E2Agent(node or config.node, self.ran, random.Random(seed), self.now,
                             wall_ns=lambda now: EPOCH_NS + round(now * 1e9))
        self.events: list[Event] = []
        self.heard: list[Heard] = []
        self.told: list[NodeEvent] = []
        self.said: list[str] = []
        self.to_ric: list[ToRic] = []
        self.to_node: list[bytes] = []
        self.ends: Ends | None = None
        self.nodes = Nodes(RIC, 1)
        self.observer = Observer()
        names: dict[str, int | None] = {f"{one.nci:09x}": one.prbs for one in self.ran.cells}
        self.stations = BaseStations(
            self.nodes, self.observer, RanConfig(
                (StationConfig("*", known or profile, names),), (INTERNET, LLM), period),
            self.events.append)
        self.last_handle = 0  # of a subscription made by `subscribe`
        self._links: dict[str, int] = {}

    # Driving.

    def connect(self) -> Scene:
        for unit in self.agent.units:
            self._links[unit.name] = self.nodes.opened(self.now)
            self._out(self.agent.opened(unit.name, self.now))
        return self

    def run(self, seconds: float) -> Scene:
        """Let time pass."""
        end = self.now + seconds
        while self.ends is None:
            due = [one for one in (self.agent.next_deadline(), self.nodes.next_deadline())
                   if one is not None]
            self.now = max(self.now, min([end, *due]))
            if self.now >= end:
                break
            self._out(self.agent.tick(self.now))
            self._ric(self.nodes.tick(self.now))
        self.now = max(self.now, end) if self.ends is None else self.now
        if self.ends is None:
            self._out(self.agent.tick(self.now))
            self._ric(self.nodes.tick(self.now))
        return self

    def return_(self) -> Scene:
        """The base station comes back after it ended, or is restarted."""
        for unit, number in list(self._links.items()):
            del self._links[unit]
            self._ric(self.nodes.closed(number, self.now))
        self.now += self.agent.config.restart_seconds
        self.ends = None
        self.agent.restarted(self.now)
        return self.connect()

    def _out(self, outs: Sequence[Out]) -> None:
        for out in outs:
            if isinstance(out, Said):
                self.said.append(out.text)
            elif isinstance(out, Ends):
                self.ends = out
                return
            else:
                self.to_ric.append(out)
                self._ric(self.nodes.receive(self._links[out.unit], out.data, out.ppid, self.now))

    def _ric(self, events: Sequence[NodeEvent]) -> None:
        self.told += events
        for event in events:
            if isinstance(event, ToPeer):
                self._to_node(event)
        self.heard += self.stations.take(events, self.now)
        pending, self.stations.outbox[:] = list(self.stations.outbox), []
        if pending:
            self._ric(pending)

    def _to_node(self, event: ToPeer) -> None:
        unit = next((name for name, one in self._links.items() if one == event.association), None)
        if unit is not None and self.ends is None:
            self.to_node.append(event.data)
            self._out(self.agent.receive(unit, event.data, event.ppid, self.now))

    # What the RIC asks for.

    @property
    def key(self) -> NodeKey:
        return next(iter(self.nodes.nodes))

    @property
    def profile(self) -> Profile:
        return self.stations.stations[0].profile

    def ask(self, control: Control, oids: tuple[str, ...] = RC_OIDS,
            unit: Unit | None = None) -> Answered:
        """A control, and what became of it."""
        handle, events = self.nodes.control(self.key, oids, control.header, control.message,
                                            self.now, unit)
        self._ric(events)
        if self.ends is None:
            self.run(ANSWER_SECONDS)
        answers = [one for one in self.heard if isinstance(one, Answered) and one.handle == handle]
        return answers[0] if answers else Answered(handle, False, "none", answered=False)

    def ask_until_answered(self, control: Control) -> Answered:
        """The same, with the clock at the moment of the answer."""
        handle, events = self.nodes.control(self.key, RC_OIDS, control.header, control.message,
                                            self.now)
        self._ric(events)
        while not (found := [one for one in self.heard
                             if isinstance(one, Answered) and one.handle == handle]):
            due = self.agent.next_deadline()
            assert due is not None
            self.run(max(0.0, due - self.now))
        return found[0]

    def by_hand(self, unit: str, message: Message) -> None:
        """Something that our RIC would not send; it does not know of it."""
        self.raw(unit, encode(message))

    def raw(self, unit: str, data: bytes) -> None:
        """Bytes that may be no message at all."""
        self._out(self.agent.receive(unit, data, 0, self.now))

    def quota(self, quotas: Sequence[SliceQuota], ue: UeId | None = None) -> Answered:
        """RC 2/6 as the RIC writes it for this kind."""
        if ue is None and self.profile.control_ue is GnbDuUe:
            ue = GnbDuUe(self.ran.ues[0].f1_id)
        return self.ask(slice_quota_control(self.profile, quotas, ue))

    def ccc(self, control: Control) -> Answered:
        return self.ask(control, CCC_OIDS)

    def subscribe(self, trigger: bytes, definition: bytes) -> None:
        """A subscription that our xApp would not ask for."""
        self.last_handle, events = self.nodes.subscribe(self.key, KPM_OIDS, trigger,
                                         Action(1, definition=definition), self.now)
        self._ric(events)

    # What is seen.

    def observations(self) -> Observations:
        return self.observer.observe({}, UeMap(), None, self.now)

    def ue(self, place: int = 0) -> Ue:
        """One of the UEs that were observed, in the order of its numbers."""
        found = self.observations().ues
        return found[sorted(found, key=lambda key: int(key.ue.split(":")[1]))[place]]

    @property
    def reports(self) -> int:
        return sum(isinstance(one, Reported) for one in self.heard)

    def share(self, snssai: object = LLM) -> Share:
        return next(share for (_, one), share in self.ran.shares.items() if one == snssai)

    def cell(self) -> CellKey:
        return next(iter(self.observations().cells))


def test_mode(profile: str) -> NodeConfig:
    return replace(NodeConfig(profile), test_mode=True)


test_mode.__test__ = False  # type: ignore[attr-defined]  # its name begins as a test's does
