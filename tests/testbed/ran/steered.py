"""An emulated base station, steered by the xApp's own core, in virtual time and without sockets.

    scene = SteeredScene("oai").begin()
    scene.agent.faults.add(Fault.NO_EFFECT)
    scene.label()                               # the tap recognises the split LLM's flow
    scene.wait(10.0)
    scene.ends(), scene.codes()

The disk is a list that takes everything at once.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from classifier.labels import LLM_SPLIT
from classifier.messages import Labelled, TapStatus
from testbed.ran.cell_model import Share
from testbed.ran.emulator_config import LLM, EmulatorConfig, preset, ue_map
from testbed.ran.offered_load import Kind as Traffic
from testbed.ran.offered_load import source_of
from tests.testbed.ran.scene import Scene
from xapp.actuators.base import RemoteRequest
from xapp.actuators.registry import ActuatorConfig
from xapp.actuators.targets import SliceTarget, UeTarget
from xapp.base_stations_config import NodeConfig as StationConfig
from xapp.base_stations_config import RanConfig
from xapp.core import Core
from xapp.core_config import CoreConfig
from xapp.e2.nodes import NodeEvent, ToPeer
from xapp.events import Code
from xapp.events import Event as ToldEvent
from xapp.observations import Observations, Quota, Snssai, UeKey
from xapp.slice_policy import SlicePolicy
from xapp.steering_guard import bad_quotas, below_floor
from xapp.steering_types import SteeringConfig
from xapp.store import Committed
from xapp.store_records import Held, Kind, Left, Record, Sample, read_held
from xapp.ue_map import Origin, UeEntry

STEP = 0.1  # seconds between looks at the clock


def never_pausing(profile: str, load: str = "overload", cells: int = 1,
                  ues: int = 4) -> EmulatorConfig:
    """A preset whose split LLMs always want the next token, so that they can always be held."""
    made = preset(profile, cells, ues, load)
    users = tuple(replace(ue, sessions=tuple(
        replace(one, load=replace(one.load, tokens=1_000_000, think_seconds=0.0))
        for one in ue.sessions)) for ue in made.cells.ues)
    return replace(made, cells=replace(made.cells, ues=users))


class SteeredScene(Scene):
    """`Scene` with a core in the place of `BaseStations` alone; it is the core's `Outward`."""

    def __init__(self, profile: str, known: str | None = None, off: tuple[str, ...] = (),
                 load: str = "overload", cells: int = 1, ues: int = 4,
                 policy: SlicePolicy | None = None, carried: EmulatorConfig | None = None) -> None:
        super().__init__(profile, load, ues, cells, 200, known=known,
                         carried=(carried or never_pausing(profile, load, cells, ues)).cells)
        names: dict[str, int | None] = {f"{one.nci:09x}": one.prbs for one in self.ran.cells}
        slices = tuple({one: None for _, one in self.ran.shares})
        config = CoreConfig(
            ran=RanConfig((StationConfig("*", known or profile, names),), slices, 200),
            policies=(policy or SlicePolicy("llm", inter_token_ms=100),),
            actuators=ActuatorConfig(off=off), steering=SteeringConfig())
        self.records: list[Record] = []
        self.said_to_operator: list[ToldEvent] = []
        self._tickets: list[str] = []
        self._sequence = 0
        self.core = Core(config, self.nodes, self, 1)
        self.stations, self.observer = self.core.stations, self.core.observer
        self.core.start(Left(), (), self.now)

    # `Outward`.

    def transmit(self, events: Sequence[NodeEvent]) -> None:
        for event in events:
            if isinstance(event, ToPeer):
                self._to_node(event)

    def put(self, what: Record | Sample, ticket: str | None = None) -> bool:
        if isinstance(what, Record):
            self.records.append(what)
        if ticket is not None:
            self._tickets.append(ticket)
        return True

    def ask_remote(self, call: int, step: RemoteRequest) -> None:
        raise AssertionError("no remote control is connected")

    def say(self, event: ToldEvent) -> None:
        self.said_to_operator.append(event)

    # Driving.

    def _ric(self, events: Sequence[NodeEvent]) -> None:
        for event in events:
            if isinstance(event, ToPeer):
                self._to_node(event)
        told = [event for event in events if not isinstance(event, ToPeer)]
        if told:
            self.core.node_events(told, self.now)
        self._commit()

    def _commit(self) -> None:
        while self._tickets:
            tickets, self._tickets = self._tickets, []
            for ticket in tickets:
                self.core.stored(Committed(ticket), self.now)

    def begin(self) -> SteeredScene:
        """The base station is there, its UEs are mapped, and it has reported."""
        self.connect()
        self._map()
        self.wait(4.0)
        return self

    def _map(self) -> None:
        self.core.mapped(Origin.EMULATOR, [
            UeEntry(one["address"], UeKey(self.agent.name, one["ue"]), Snssai.parse(one["slice"]))
            for one in ue_map(self.ran, self.agent.name, self.agent.behaviour.ue_ran_ids)["ues"]],
            self.now)

    def label(self, place: int = 0) -> None:
        """The tap knows the split LLM's flow of one of the UEs that have one."""
        users = [session.address for one in self.ran.ues for session in one.sessions
                 if session.slice == LLM]
        self._sequence += 1
        self.core.label(Labelled(
            7 + place, LLM_SPLIT, 0.97, "first", 1, users[place], "192.0.2.9", 40000, 443, 6,
            False, tap="tap", sequence=self._sequence), "tcp://tap", self.now)
        self._commit()

    def crowd(self, load: str) -> None:
        """From now on all but the split LLMs want what a preset of that name has them want."""
        wanted = preset(self.profile.name, 1, len(self.ran.ues), load).cells.ues
        for ue, config in zip(self.ran._ues, wanted, strict=True):
            for session, one in zip(ue.sessions, config.sessions, strict=True):
                if one.load.kind is Traffic.CONSTANT:
                    session.source = source_of(one.load, random.Random(1))

    def wait(self, seconds: float) -> None:
        """Time passes; the tap goes on to say that it lives."""
        end = self.now + seconds
        while self.now < end - 1e-9 and self.ends is None:
            self.run(min(STEP, end - self.now))
            if self._sequence:
                self.core.label(TapStatus(1, 1.0, 1, 1, 0, 1, 1, 0, self._sequence, 0.0, tap="tap",
                                          sequence=self._sequence), "tcp://tap", self.now)
            self.core.tick(self.now)
            self._commit()

    # What is seen.

    def observations(self) -> Observations:
        return self.core.observations

    def codes(self) -> list[Code]:
        return [event.code for event in self.said_to_operator]

    def of(self, kind: Kind) -> list[Record]:
        return [record for record in self.records if record.kind is kind]

    def states(self) -> list[str]:
        """How decisions ended, in order."""
        return [str(record.body["state"]) for record in self.of(Kind.DECISION_ENDED)]

    def agree(self) -> None:
        """What is in force is what the audit log says, no floor is broken, and it was told."""
        for held in self._logged():
            if isinstance(held.target, SliceTarget):
                nci = int(held.target.cell.cell, 16)
                real = self.ran.shares[nci, held.target.snssai]
            elif isinstance(held.target, UeTarget):
                real = self.ran.limits[int(held.target.ue.ue.removeprefix("du:"))]
            else:
                continue
            said = held.confirmed
            assert isinstance(said, Quota)
            assert held.certain, held
            assert Share(said.minimum, said.maximum, said.dedicated) == real, held
        self.floors_hold()

    def floors_hold(self) -> None:
        """In what the base station has in force, whatever the log says."""
        for cell in self.ran.cells:
            quotas = {snssai: Quota(one.minimum, one.maximum, one.dedicated)
                      for (nci, snssai), one in self.ran.shares.items() if nci == cell.nci}
            assert bad_quotas(quotas) is None
            for policy in self.core.policies:
                assert below_floor(quotas, policy.floors) is None

    def _logged(self) -> list[Held]:
        """What the log's lines leave in force, the last of each target."""
        held: dict[str, Held] = {}
        for record in self.records:
            if record.kind is Kind.TARGET:
                held[record.subject] = read_held(record.body)
            elif record.kind is Kind.FORGOTTEN:
                held.pop(record.subject, None)
        return list(held.values())

    def used(self) -> list[str]:
        """The actuators of actions that were not to put something back, in order."""
        return [str(record.body["actuator"]) for record in self.of(Kind.ACTION)
                if not record.body["puts_back"]]
