"""A file's cell of slots, in simulated time and with real packets: figures, shares, accounts."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from testbed import namespaces
from testbed.ran.cell_model import Share
from testbed.ran.fluid_cell import SliceConfig
from testbed.ran.mac.channel import ChannelConfig
from testbed.ran.mac.config import MacConfig
from testbed.ran.mac.tables import McsTable, transport_block_bits
from testbed.ran.ran_cell import PacketCell, SimulatedCell, opened
from testbed.ran.ran_config import (
    CarrierConfig,
    RanConfig,
    SessionConfig,
    UeConfig,
    WayConfig,
    load,
)
from testbed.ran.ran_events import EventConfig
from testbed.ran.ran_events import Kind as EventKind
from testbed.ran.ran_run import Cell, RunOptions, run_cell
from testbed.ran.ran_view import Extras, between
from testbed.ran.traffic.config import Kind, TrafficConfig
from xapp.errors import ConfigurationError
from xapp.observations import Snssai

EXAMPLE = Path(__file__).resolve().parents[3] / "docs" / "examples" / "cell.yaml"
ONE, TWO = Snssai(1), Snssai(1, 1)
GOOD = ChannelConfig(snr_db=40.0)  # 256-QAM's last MCS
# Two UEs, one a slice, that want more than there is.
FULL = RanConfig(
    (CarrierConfig(1),), (UeConfig("a", channel=GOOD),
                          UeConfig("b", sessions=(SessionConfig(slice=TWO),), channel=GOOD)),
    (SliceConfig(ONE), SliceConfig(TWO)),
    traffic=(TrafficConfig(Kind.SATURATION, down_kbps=150_000, up_kbps=1000),),
    mac=MacConfig(bler=0.0, again_bler=0.0))


def _rates(cell: Cell, begin: float, end: float) -> dict[str, float]:
    """Downlink Mbit/s by slice."""
    cell.advance(begin)
    before = cell.ran.snapshot()
    cell.advance(end)
    figures = between(before, cell.ran.snapshot(), cell.ran, Extras())
    return {one.name: one.down_mbps for one in figures.slices}


def _closed(account: Mapping[str, Any]) -> None:
    """Every packet is delivered, dropped by a reason, or inside."""
    dropped = sum(sum(one.values()) for one in account["dropped"].values())
    assert account["taken"] == sum(account["delivered"].values()) + dropped + account["inside"]


def test_a_full_cell_carries_what_38_214_says() -> None:
    cell = SimulatedCell(FULL)
    rates = _rates(cell, 1.0, 3.0)
    block = transport_block_bits(106, 13, 12, 0, McsTable.QAM256, 27)
    assert sum(rates.values()) == pytest.approx(block / 1000, rel=0.03)
    assert rates[str(ONE)] == pytest.approx(rates[str(TWO)], rel=0.05)
    _closed(cell.account())


def test_a_share_is_in_force_and_lent_where_it_is_not_wanted() -> None:
    cell = SimulatedCell(FULL)
    total = sum(_rates(cell, 0.5, 1.5).values())
    assert cell.ran.set_share(None, TWO, Share(70, 100, 0))
    rates = _rates(cell, 2.0, 4.0)
    assert rates[str(TWO)] / total == pytest.approx(0.7, abs=0.03)
    idle = replace(FULL, traffic=(replace(FULL.traffic[0], ues=("a",)),))
    alone = SimulatedCell(idle)
    assert alone.ran.set_share(None, TWO, Share(70, 100, 0))
    assert _rates(alone, 1.0, 2.0)[str(ONE)] == pytest.approx(total, rel=0.03)


def test_the_same_seed_gives_the_same_figures_at_any_pace() -> None:
    config = load(EXAMPLE)
    accounts = []
    for step in (5.0, 0.05):
        cell = SimulatedCell(config)
        at = 0.0
        while at < 5.0:
            at = min(5.0, at + step)
            cell.advance(at)
        accounts.append(cell.account())
        _closed(accounts[-1])
    assert accounts[0] == accounts[1]
    other = SimulatedCell(replace(config, seed=2))
    other.advance(5.0)
    assert other.account() != accounts[0]


def test_views_know_names_queues_and_mcs() -> None:
    cell = SimulatedCell(FULL)
    cell.advance(2.0)
    extras = cell.extras()
    assert set(extras.names.values()) == {"a", "b"}
    assert all(down > 100_000 for down, _ in extras.queued_bytes.values())
    assert set(extras.mcs.values()) == {(27, 27)}
    assert extras.late_us == {}  # simulated slots are not late


def test_real_packets_through_the_scheduler() -> None:
    if not namespaces.available():
        pytest.skip("needs root, iproute2 and /dev/net/tun")
    config = RanConfig(
        (CarrierConfig(1),), (UeConfig("a", 2, channel=GOOD),),
        traffic=(TrafficConfig(Kind.POISSON, down_kbps=4000, up_kbps=1000),),
        way=WayConfig(f"airsplit-cell-{os.getpid()}", backhaul_ms=1.0))
    with opened(config, False, True) as cell:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and min(
                cell.account()["delivered"].values()) < 100:
            time.sleep(0.05)
        found = run_cell(cell, RunOptions(seconds=0.5))
    account = found["account"]
    assert min(account["delivered"].values()) >= 100
    assert account["plane"]["down"]["dropped"].get("device") is None
    assert account["traffic"]["sent"]["packets"]["down"] >= account["delivered"]["down"]
    # A grant, the air, a millisecond of backhaul: an empty cell has some milliseconds, not zero.
    assert account["plane"]["up"]["delay_us"]["p50"] > 4000
    assert found["late_us"]["p50"] is not None
    assert found["cells"][0]["down_mbps"] > 1


def test_a_phone_vanishes_and_returns_with_another_address_while_its_traffic_goes_on() -> None:
    if not namespaces.available():
        pytest.skip("needs root, iproute2 and /dev/net/tun")
    config = RanConfig(
        (CarrierConfig(1),), (UeConfig("a", channel=GOOD), UeConfig("b", channel=GOOD)),
        traffic=(TrafficConfig(Kind.POISSON, down_kbps=4000, up_kbps=1000),),
        way=WayConfig(f"airsplit-gone-{os.getpid()}"))
    events = (EventConfig(EventKind.LEAVE, 0.5, 0.5, "a"), EventConfig(EventKind.OUTAGE, 1.5, 0.3),
              EventConfig(EventKind.BACKHAUL, 2.0, 0.5))
    with opened(config, False, True) as cell:
        found = run_cell(cell, RunOptions(seconds=3.0, events=events))
        deadline = time.monotonic() + 30
        delivered = cell.account()["plane"]["down"]["delivered"]  # after all of it
        while cell.account()["plane"]["down"]["delivered"] < delivered + 100:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert [one.address for one in cell.ran.ues[0].sessions] == ["10.45.0.4"]
    assert [one["what"] for one in found["events"]] == [
        "a is gone", "a is back with 10.45.0.4", "every cell is out", "every cell is there again",
        "the backhaul loses 100 % and takes 0 ms", "the backhaul loses 0 % and takes 0 ms"]
    plane = found["account"]["plane"]
    assert plane["down"]["dropped"]["no-bearer"] > 0  # to who was gone
    assert plane["down"]["dropped"]["backhaul"] > 0
    assert found["account"]["traffic"]["sent"]["while_the_device_was_down"] > 0
    for way in plane.values():
        assert way["read"] == way["delivered"] + sum(way["dropped"].values()) + way["inside"]


def test_a_delay_that_simulated_time_has_not_is_no_silent_zero() -> None:
    with pytest.raises(ConfigurationError, match=r"way.backhaul_ms.*takes no time"):
        SimulatedCell(replace(FULL, way=WayConfig(backhaul_ms=5.0)))


def test_a_pause_is_told_in_milliseconds() -> None:
    found = SimpleNamespace(all_pauses=1, pauses=(SimpleNamespace(seconds=0.037),))
    cell: Any = PacketCell.__new__(PacketCell)
    cell.plane, cell._paused = SimpleNamespace(statistics=lambda: found), 0
    assert cell.news()[0].startswith("this process did not run for 37 ms; the slots")
    assert cell.news() == []
