"""What happens to a cell, in simulated time: felt at once, and every packet accounted for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from testbed.ran.fluid_cell import SliceConfig
from testbed.ran.mac.channel import ChannelConfig
from testbed.ran.mac.channel import Kind as ChannelKind
from testbed.ran.ran_cell import SimulatedCell
from testbed.ran.ran_config import CarrierConfig, RanConfig, SessionConfig, UeConfig
from testbed.ran.ran_events import EventConfig, Kind
from testbed.ran.ran_run import RunOptions, run_cell
from testbed.ran.traffic.config import Kind as TrafficKind
from testbed.ran.traffic.config import TrafficConfig
from xapp.errors import ConfigurationError
from xapp.observations import Snssai

TWO_CELLS = RanConfig(
    (CarrierConfig(1), CarrierConfig(2)),
    (UeConfig("a", sessions=(SessionConfig(), SessionConfig("llm", Snssai(1, 1)))),
     UeConfig("b", cell=1)), (SliceConfig(), SliceConfig(Snssai(1, 1))),
    traffic=(TrafficConfig(TrafficKind.POISSON, down_kbps=3000, up_kbps=1000),))


def _run(seconds: float, *events: EventConfig) -> dict[str, Any]:
    config = replace(TWO_CELLS, events=events)
    found = run_cell(SimulatedCell(config), RunOptions(seconds=seconds, paced=False, events=events))
    account = found["account"]
    dropped = sum(sum(one.values()) for one in account["dropped"].values())
    assert account["taken"] == sum(account["delivered"].values()) + dropped + account["inside"]
    assert sum(account["offered"].values()) == account["taken"] + account["backhaul_lost"]["down"]
    return found


def test_everything_at_once_and_nothing_is_lost_uncounted() -> None:
    found = _run(
        12.0, EventConfig(Kind.OUTAGE, 1.0, 2.0, cell=1), EventConfig(Kind.LEAVE, 2.0, 1.5, "a"),
        EventConfig(Kind.HANDOVER, 5.0, ue="b", cell=0),
        EventConfig(Kind.CHANNEL, 6.0, ue="b", channel=ChannelConfig(snr_db=1.0)),
        EventConfig(Kind.BACKHAUL, 7.0, 2.0, loss=0.5), EventConfig(Kind.RETURN, 9.0, ue="a"),
        EventConfig(Kind.HANDOVER, 10.0, ue="b", cell=0))
    assert [(one["at"], one["done"]) for one in found["events"]] == [
        (1.0, True), (2.0, True), (3.0, True), (3.5, True), (5.0, True), (6.0, True), (7.0, True),
        (9.0, False), (9.0, True), (10.0, False)]
    assert "a is back with 10.45.0.4, 10.46.0.3" in [one["what"] for one in found["events"]]
    account = found["account"]
    assert account["dropped"]["down"]["link-failed"] > 100  # 1.5 s of 3 Mbit/s
    # Two seconds of both UEs' traffic, of which half is lost.
    assert account["backhaul_lost"]["down"] == pytest.approx(0.5 * 2 * 2 * 3e6 / 11200, rel=0.15)
    assert account["backhaul_lost"]["up"] == pytest.approx(0.5 * 2 * 2 * 1e6 / 11200, rel=0.25)


def test_an_event_acts_in_its_slot_however_time_is_cut() -> None:
    event = EventConfig(Kind.OUTAGE, 1.234, 0.5)
    accounts = [_run(3.0, event)["account"] for _ in range(2)]
    assert accounts[0] == accounts[1]
    cell = SimulatedCell(TWO_CELLS)
    for at, up in ((1.234, False), (1.734, True)):
        cell.advance(at)
        cell.carrier.outage(None, up)
    cell.advance(3.0)
    assert cell.account() == accounts[0]


@pytest.mark.parametrize("kind", [ChannelKind.STATIC, ChannelKind.VEHICULAR])
def test_a_changed_channel_holds_from_now_on(kind: ChannelKind) -> None:
    cell = SimulatedCell(TWO_CELLS)
    cell.advance(1.0)
    before = list(cell.extras().mcs.values())
    cell.carrier.change_channel("a", ChannelConfig(kind, snr_db=-2.0))
    cell.advance(1.01)
    now = list(cell.extras().mcs.values())
    assert max(now[0]) < min(before[0])
    assert now[1] == before[1]  # the other one's is as it was


def test_what_is_not_so_is_refused() -> None:
    carrier = SimulatedCell(TWO_CELLS).carrier
    with pytest.raises(ConfigurationError, match="there already"):
        carrier.come_back("a", True)
    carrier.leave("a")
    with pytest.raises(ConfigurationError, match="gone already"):
        carrier.leave("a")
    with pytest.raises(ConfigurationError, match="in cell 1 already"):
        carrier.hand_over("b", 1)
    with pytest.raises(ConfigurationError, match="takes no time"):
        carrier.backhaul(0.1, 5.0)
