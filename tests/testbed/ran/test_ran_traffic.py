"""Traffic of a cell's file on a real user plane: all of it is sent, received and accounted for."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from testbed import namespaces
from testbed.ran.mac.channel import ChannelConfig
from testbed.ran.plane.user_plane import UserPlane
from testbed.ran.ran_config import CarrierConfig, RanConfig, UeConfig, WayConfig, plane_config
from testbed.ran.ran_traffic import left_out_of_recordings, running_traffic
from testbed.ran.traffic.config import Kind, TrafficConfig


def _config(*traffic: TrafficConfig) -> RanConfig:
    return RanConfig((CarrierConfig(1),), (UeConfig("a", 2, channel=ChannelConfig()),),
                     traffic=traffic, way=WayConfig(f"airsplit-traffic-{os.getpid()}"))


def test_packets_and_greedy_flows_arrive_and_are_accounted_for() -> None:
    if not namespaces.available():
        pytest.skip("needs root, iproute2 and /dev/net/tun")
    config = _config(TrafficConfig(Kind.POISSON, ("a1",), down_kbps=4000, up_kbps=0),
                     TrafficConfig(Kind.GREEDY, ("a2",), up_kbps=0))
    with UserPlane(plane_config(config)) as plane:
        with running_traffic(config, plane) as traffic:
            deadline = time.monotonic() + 30
            while time.monotonic() < deadline:
                account = traffic.account()
                if account["sent"]["packets"]["down"] > 50 and (
                        account["greedy_bytes"]["a2 down"] > 100_000):
                    break
                time.sleep(0.02)
        account = traffic.account()
        assert account["sent"]["packets"]["down"] > 50
        assert account["sent"]["packets"]["up"] == 0
        assert account["sent"]["late_ms"]["p50"] is not None
        assert set(account["greedy_bytes"]) == {"a2 down"}
        assert account["greedy_bytes"]["a2 down"] > 100_000
        assert account["greedy_failures"] == {}
        assert plane.statistics().down.delivered > account["sent"]["packets"]["down"]


def test_what_nobody_sent_is_none() -> None:
    if not namespaces.available():
        pytest.skip("needs root, iproute2 and /dev/net/tun")
    config = _config()
    with UserPlane(plane_config(config)) as plane, running_traffic(config, plane) as traffic:
        assert traffic.account() == {"sent": None, "greedy_bytes": None}


def test_what_recordings_leave_out_is_said(tmp_path: Path) -> None:
    path = tmp_path / "phone.csv"
    path.write_text("Time,Source,Destination,Length\n0,10.0.0.1,1.1.1.1,2000\n1,::1,::2,90\n")
    said = left_out_of_recordings(_config(TrafficConfig(Kind.REPLAY, file=path)))
    assert len(said) == 1
    assert "1 packets of others or no IPv4" in said[0]
    assert "1 too long" in said[0]
    assert left_out_of_recordings(_config(TrafficConfig())) == []
