"""A file's cell of slots, made and run: in simulated time, or with real packets.

    with opened(config, simulated=True, paced=False) as cell:
        run_cell(cell, RunOptions(seconds=10.0, paced=False))

It joins what others made: the scheduler, its two drivers, and the file's traffic.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np

from testbed.ran.cell_model import CellFacts, Ran, Session
from testbed.ran.mac.cell import SlotCell
from testbed.ran.mac.simulated import Simulated, run_many
from testbed.ran.mac.state import Mac, N, Reason, make
from testbed.ran.plane.memory import PLACES
from testbed.ran.plane.user_plane import UserPlane
from testbed.ran.ran_carrier import SimulatedWay, SlotCarrier, with_room
from testbed.ran.ran_config import (
    RanConfig,
    bearers_of,
    layout_of,
    plane_config,
    sources_of,
)
from testbed.ran.ran_run import Cell, PcfAt
from testbed.ran.ran_traffic import RunningTraffic, left_out_of_recordings, running_traffic
from testbed.ran.ran_view import Extras
from testbed.ran.relay_plane import RelayPlane
from testbed.ran.relay_traffic import relay_traffic
from testbed.ran.traffic.arrivals import Mix
from xapp.errors import ConfigurationError
from xapp.flow_ends import FlowEnds

PACKETS = 1 << 17  # inside at most in simulated time, where they have no bytes
DIRECTIONS = ("down", "up")
LATE = ("p50", "p99", "most")  # of what the user plane measures, in the view's head


def mac_of(config: RanConfig, packets: int) -> Mac:
    """The scheduler's memory for it."""
    return with_room(
        make(config.mac, layout_of(config), config.cells[0].slot_us, config.seed, packets))


def ran_of(config: RanConfig, mac: Mac, now: Callable[[], float]) -> SlotCell:
    """What E2 and views see of it."""
    sessions = [tuple(Session(one.slice, planned.address or "", one.dnn)
                      for one, planned in zip(ue.sessions, plane.sessions, strict=True))
                for ue, plane in zip(config.phones, plane_config(config).ues, strict=True)]
    return SlotCell(mac, [CellFacts(one.nci, one.blocks) for one in config.cells],
                    [one.slice for one in config.slices], sessions, config.plmn, now, config.mac)


def extras_of(config: RanConfig, ran: SlotCell, late_us: Mapping[str, float | None],
              notes: tuple[str, ...] = ()) -> Extras:
    """Names, queues and MCS of UEs, for views."""
    facts = ran.ues
    return Extras({one.f1_id: ue.name for one, ue in zip(facts, config.phones, strict=True)},
                  {one.f1_id: ran.queued_bytes(place) for place, one in enumerate(facts)},
                  {one.f1_id: ran.mcs(place) for place, one in enumerate(facts)}, late_us, notes)


def account_of(mac: Mac) -> dict[str, Any]:
    """Every packet that the scheduler took: delivered, dropped by its reason, or inside."""
    return {
        "taken": int(mac.numbers[N.PACKETS]), "inside": int(mac.numbers[N.INSIDE]),
        "delivered": dict(zip(DIRECTIONS, mac.delivered_packets.tolist(), strict=True)),
        "dropped": {name: {named(reason): count for reason in Reason
                           if (count := int(mac.dropped_packets[direction, reason]))}
                    for direction, name in enumerate(DIRECTIONS)},
        "orders_refused": int(mac.numbers[N.REFUSED])}


def named(reason: Reason) -> str:
    return reason.name.lower().replace("_", "-")


class SimulatedCell:
    """Arrivals in simulated time; `start` is what its clock says at first."""

    def __init__(self, config: RanConfig, start: float = 0.0) -> None:
        if config.way.backhaul_ms:
            raise ConfigurationError(
                "way.backhaul_ms: in simulated time the backhaul takes no time.",
                "Leave it out, or run the cell with packets.")
        self.config, self.mac = config, mac_of(config, PACKETS)
        self._start = start
        self._ran = ran_of(config, self.mac, lambda: start + self._simulated.now)
        places = {ue.name: place for place, ue in enumerate(config.phones)}
        self._way = SimulatedWay(Mix(sources_of(config)), self._ran, places, self.mac,
                                 config.way.backhaul_loss, config.seed)
        self._simulated = Simulated(self.mac, self._way, bearers_of(config),
                                    config.cells[0].slot_us)
        self.carrier = SlotCarrier(config, self.mac, self._ran, self._way)
        self._notes = tuple(left_out_of_recordings(config))

    @property
    def ran(self) -> Ran:
        return self._ran

    @property
    def pcf(self) -> PcfAt | None:
        """Its packets are of no flow."""
        return None

    def advance(self, now: float) -> None:
        self._simulated.advance(now - self._start)
        self._way.passed()

    def news(self) -> list[str]:
        """Simulated time has no pauses."""
        return []

    def extras(self) -> Extras:
        return extras_of(self.config, self._ran, {}, self._notes)

    def account(self) -> Mapping[str, Any]:
        lost = dict(zip(DIRECTIONS, self._way.lost, strict=True))
        offered = dict(zip(DIRECTIONS, self._simulated.offered.tolist(), strict=True))
        offered["down"] += lost["down"]  # it never came to the scheduler
        return {"offered": offered, "backhaul_lost": lost, **account_of(self.mac),
                "notes": list(self._notes)}


def compile_now(mac: Mac) -> None:
    """Have the loop of simulated time compiled, if it never was: no slot is run."""
    nothing = np.zeros(0, np.int64)
    run_many(mac, 0, 0, 1, nothing, nothing, nothing, nothing)


@contextmanager
def opened(config: RanConfig, simulated: bool, paced: bool) -> Iterator[Cell]:
    """A cell until the block ends."""
    if simulated:
        compile_now(mac_of(config, 1))  # before the clock starts
        yield SimulatedCell(config, time.monotonic() if paced else 0.0)
        return
    mac = mac_of(config, PLACES)
    with ExitStack() as stack:
        plane = stack.enter_context(plane_of(config, mac))
        if config.way.backhaul_loss or config.way.backhaul_ms:
            plane.set_backhaul(config.way.backhaul_loss, config.way.backhaul_ms)
        traffic = stack.enter_context(
            relay_traffic(config, plane, plane.devices.outer) if isinstance(plane, RelayPlane)
            else running_traffic(config, plane))
        yield PacketCell(config, mac, plane, traffic)


def plane_of(config: RanConfig, mac: Mac) -> UserPlane:
    """Between namespaces, or between sockets where the file says so."""
    reasons = {int(reason): named(reason) for reason in Reason}
    if config.way.devices is None:
        return UserPlane(plane_config(config), mac, reasons)
    return RelayPlane(plane_config(config), config.way.devices, mac, reasons)


def _remap_note(config: RanConfig) -> tuple[str, ...]:
    if config.remap is None:
        return ()
    return (f"single flows may be put into slice {config.remap.slice}, which no real network does",)


class PacketCell:
    """Real packets, moved by the user plane's own thread."""

    def __init__(self, config: RanConfig, mac: Mac, plane: UserPlane,
                 traffic: RunningTraffic) -> None:
        self.config, self.mac, self.plane = config, mac, plane
        self._traffic = traffic
        self._ran = ran_of(config, mac, time.monotonic)
        self._places = {ue.name: place for place, ue in enumerate(config.phones)}
        plane.attachment = self._attachment
        self._mapped: dict[FlowEnds, int] = {}  # flows in second bearers: places of their UEs
        self._ran.mapped = self._mapped_places
        self.carrier = SlotCarrier(config, mac, self._ran, plane, traffic.move)
        self._paused = 0  # times that were told of
        names = f"{plane.n6} and {plane.n6.removesuffix('n6')}<UE>"
        self._notes = (f"namespaces: {names}" if config.way.devices is None else
                       f"no namespaces: the devices of {names} are given at {config.way.devices}",
                       *left_out_of_recordings(config), *_remap_note(config))

    @property
    def ran(self) -> Ran:
        return self._ran

    @property
    def pcf(self) -> PcfAt | None:
        remap = self.config.remap
        return None if remap is None else PcfAt(self, remap.slice, remap.pcf_port)

    def map_flow(self, flow: FlowEnds) -> str:
        """Into its UE's second bearer, which is reported from then on; the UE's name."""
        ue = self.plane.map_flow(flow)
        self._mapped[flow] = self._places[ue]
        return ue

    def unmap_flow(self, flow: FlowEnds) -> bool:
        there = self.plane.unmap_flow(flow)
        self._mapped.pop(flow, None)
        return there

    def _mapped_places(self) -> frozenset[int]:
        """UEs with flows that are elsewhere; the plane knows of those that left."""
        return frozenset(place for flow in self.plane.mapped
                         if (place := self._mapped.get(flow)) is not None)

    def _attachment(self, ue: str, there: bool) -> None:
        """Who is gone has nothing in the scheduler either."""
        place = self._places[ue]
        _ = self._ran.come_back(place) if there else self._ran.leave(place)

    def advance(self, now: float) -> None:
        """A thread does it."""

    def news(self) -> list[str]:
        """Pauses since the last time that somebody asked."""
        found = self.plane.statistics()
        fresh, self._paused = found.all_pauses - self._paused, found.all_pauses
        return [f"this process did not run for {1000 * one.seconds:,.0f} ms; the slots that it "
                "missed are skipped, and not made up for"
                for one in (found.pauses[len(found.pauses) - fresh:] if fresh else ())]

    def extras(self) -> Extras:
        late = self.plane.statistics().lateness_us
        return extras_of(self.config, self._ran, {name: late[name] for name in LATE}, self._notes)

    def account(self) -> Mapping[str, Any]:
        found = self.plane.statistics()
        plane = {name: {"read": one.read, "delivered": one.delivered, "dropped": one.dropped,
                        "inside": one.inside, "delay_us": dict(one.delay_us)}
                 for name, one in (("down", found.down), ("up", found.up))}
        return {**account_of(self.mac), "plane": plane, "traffic": self._traffic.account(),
                "slots": found.slots, "slots_skipped": found.skipped,
                "slots_overrun": found.overruns, "busy": found.busy,
                "late_us": dict(found.lateness_us), "scheduling": found.scheduling,
                "pauses": found.all_pauses,
                "longest_pause_seconds": max((one.seconds for one in found.pauses), default=0.0),
                "kernel_dropped": dict(found.kernel_dropped),
                "mapped_flows": sorted(map(str, self.plane.mapped)),
                "notes": list(self._notes)}
