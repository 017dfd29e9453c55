"""What a cell of slots does when something happens to it: see `ran_events`.

    carrier = SlotCarrier(config, mac, ran, moved=traffic.move)
    carrier.leave("phone"), carrier.come_back("phone", new_address=True)

One carrier serves simulated time and real packets; what only the latter has, namespaces with
addresses and a way to the core, is behind `Way`. It reads no clock and decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Protocol

import numpy as np

from testbed.ran.mac.cell import SlotCell
from testbed.ran.mac.channel import (
    ChannelConfig,
    Direction,
    make_channel,
    mcs_slots,
    period_slots,
)
from testbed.ran.mac.state import Mac, N, Ue
from testbed.ran.mac.tables import mcs_by_cqi, transport_block_table
from testbed.ran.plane.config import nth_addresses
from testbed.ran.ran_config import RanConfig
from testbed.ran.traffic.arrivals import Arrivals, User
from xapp.errors import ConfigurationError

ROOM_SLOTS = 10_000  # of a channel that a UE may be given later; after them it begins anew
Addresses = tuple[str | None, str | None]  # IPv4 and IPv6


class Way(Protocol):
    """What is around the scheduler."""

    def detach(self, ue: str) -> None: ...

    def attach(self, ue: str, addresses: Mapping[int, Addresses]) -> None:
        """By place of the session; those that are not named keep theirs."""

    def set_backhaul(self, loss: float, delay_ms: float) -> None: ...


def with_room(mac: Mac) -> Mac:
    """The same with channels that may become longer."""
    ues, ways, slots = mac.channel.shape
    if slots >= ROOM_SLOTS:
        return mac
    channel = np.zeros((ues, ways, ROOM_SLOTS), np.int8)  # memory is taken when it is touched
    channel[:, :, :slots] = mac.channel
    return mac._replace(channel=channel)


class SlotCarrier:
    """Of one cell's run."""

    def __init__(self, config: RanConfig, mac: Mac, ran: SlotCell, way: Way,
                 moved: Callable[[User, str], None] = lambda user, address: None) -> None:
        """`moved` is told of a session's new IPv4 address."""
        self._config, self._mac, self._ran, self._way, self._moved = config, mac, ran, way, moved
        self._places = {ue.name: place for place, ue in enumerate(config.phones)}
        self._away: set[str] = set()
        self._given = {one.name: sum(session.dnn == one.name for ue in config.phones
                                     for session in ue.sessions) for one in config.dnns}

    def outage(self, cell: int | None, up: bool) -> str:
        for place in range(len(self._config.cells)) if cell is None else (cell,):
            _obeyed(self._ran.set_cell_up(place, up))
        which = "every cell" if cell is None else f"cell {cell}"
        return f"{which} is {'there again' if up else 'out'}"

    def leave(self, ue: str) -> str:
        if ue in self._away:
            raise ConfigurationError(f"{ue} is gone already.", "Let it return first.")
        self._way.detach(ue)
        self._away.add(ue)
        return f"{ue} is gone"

    def come_back(self, ue: str, new_address: bool) -> str:
        if ue not in self._away:
            raise ConfigurationError(f"{ue} is there already.", "Let it leave first.")
        fresh = self._fresh(ue) if new_address else {}
        self._way.attach(ue, fresh)
        self._away.discard(ue)
        place = self._places[ue]
        for session, (four, _) in fresh.items():
            if four is not None:
                self._ran.set_address(place, session, four)
                self._moved((place, session), four)
        told = ", ".join(four for four, _ in fresh.values() if four is not None)
        return f"{ue} is back" + (f" with {told}" if told else "")

    def hand_over(self, ue: str, cell: int) -> str:
        facts = self._ran.ues[self._places[ue]]
        if facts.cell == self._config.cells[cell].nci:
            raise ConfigurationError(f"{ue} is in cell {cell} already.", "Name another.")
        _obeyed(self._ran.hand_over(facts.f1_id, self._config.cells[cell].nci))
        return f"{ue} is handed over to cell {cell}"

    def change_channel(self, ue: str, channel: ChannelConfig) -> str:
        config, mac, place = self._config.mac, self._mac, self._places[ue]
        seconds = self._config.cells[0].slot_us * 1e-6
        made = make_channel(replace(channel, cqi_table=config.cqi_table),
                            self._config.seed * 100_003 + place)
        room = mac.channel.shape[2]
        length = 1 if len(made.seconds) == 1 else min(room, period_slots(made, seconds))
        highest = len(transport_block_table(config.mcs_table, 1, 12, 0)) - 1
        now = int(mac.numbers[N.SLOT])
        for direction in Direction:
            slots = mcs_slots(made, direction, mcs_by_cqi(config.cqi_table, config.mcs_table),
                              seconds, length, 0.0, highest)
            mac.channel[place, direction, :length] = np.roll(slots, now % length)  # from now on
        mac.ues[place, Ue.CHANNEL] = length
        return f"{ue} has a channel of kind {channel.kind.value}, {channel.snr_db:g} dB"

    def backhaul(self, loss: float | None, delay_ms: float) -> str:
        if loss is None:
            loss, delay_ms = self._config.way.backhaul_loss, self._config.way.backhaul_ms
        self._way.set_backhaul(loss, delay_ms)
        return f"the backhaul loses {100 * loss:g} % and takes {delay_ms:g} ms"

    def _fresh(self, ue: str) -> dict[int, Addresses]:
        """Addresses that no session had yet, for each of its sessions."""
        dnns = {one.name: one for one in self._config.dnns}
        found: dict[int, Addresses] = {}
        for place, session in enumerate(self._config.phones[self._places[ue]].sessions):
            self._given[session.dnn] += 1
            found[place] = nth_addresses(dnns[session.dnn], self._given[session.dnn])
        return found


def _obeyed(taken: bool) -> None:
    if not taken:
        raise ConfigurationError("The scheduler has no room for one more order.", "Try again.")


class _Comes(Protocol):
    def until(self, end: int) -> Arrivals: ...


class SimulatedWay:
    """The way to the core in simulated time: it loses packets, and takes no time.

    Downlink packets are lost before they come to the scheduler, uplink ones after it. Each has a
    chance of its own, so that the same are lost however time is cut into pieces.
    """

    def __init__(self, source: _Comes, ran: SlotCell, places: Mapping[str, int], mac: Mac,
                 loss: float, seed: int) -> None:
        self._source, self._ran, self._places, self._mac = source, ran, places, mac
        self._loss = loss
        self._chances = [np.random.default_rng((seed, way)) for way in range(2)]
        self._uplink = 0  # delivered by the radio when it was last looked at
        self.lost = [0, 0]  # packets, down and up

    def until(self, end: int) -> Arrivals:
        """What of the traffic comes to the scheduler."""
        rows = self._source.until(end)
        if not self._loss:
            return rows
        down = np.flatnonzero(rows["direction"] == Direction.DOWN)
        lost = down[self._chances[Direction.DOWN].random(len(down)) < self._loss]
        self.lost[Direction.DOWN] += len(lost)
        return np.delete(rows, lost)

    def passed(self) -> None:
        """Time has passed: of what the radio delivered up, the loss takes its part."""
        delivered = int(self._mac.delivered_packets[Direction.UP])
        fresh, self._uplink = delivered - self._uplink, delivered
        if self._loss:
            self.lost[Direction.UP] += int(
                (self._chances[Direction.UP].random(fresh) < self._loss).sum())

    def detach(self, ue: str) -> None:
        _obeyed(self._ran.leave(self._places[ue]))

    def attach(self, ue: str, addresses: Mapping[int, Addresses]) -> None:
        _obeyed(self._ran.come_back(self._places[ue]))

    def set_backhaul(self, loss: float, delay_ms: float) -> None:
        if delay_ms:
            raise ConfigurationError("In simulated time the backhaul takes no time.",
                                     "Give a loss alone, or run the cell with packets.")
        self._loss = loss
