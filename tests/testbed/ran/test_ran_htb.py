"""Rates alone: what a file may ask for, and a run with real TCP whose shares are as told."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import pytest

from testbed import namespaces
from testbed.errors import LinkFailure
from testbed.ran.cell_model import Share
from testbed.ran.fluid_cell import SliceConfig
from testbed.ran.plane.config import TunnelConfig
from testbed.ran.plane.htb import HtbConfig
from testbed.ran.ran_config import (
    Backend,
    CarrierConfig,
    RanConfig,
    SessionConfig,
    UeConfig,
    WayConfig,
)
from testbed.ran.ran_e2 import E2Config
from testbed.ran.ran_events import EventConfig, Kind
from testbed.ran.ran_htb import MEANS, run_htb, shares_of, told
from testbed.ran.traffic.config import Kind as TrafficKind
from testbed.ran.traffic.config import TrafficConfig
from xapp.errors import ConfigurationError
from xapp.observations import Snssai

TWO = Snssai(1, 1)
GREEDY = TrafficConfig(TrafficKind.GREEDY, down_kbps=1, up_kbps=0)
CONFIG = RanConfig(
    (CarrierConfig(1),),
    (UeConfig("a", sessions=(SessionConfig(), SessionConfig("llm", TWO))),),
    (SliceConfig(maximum=30), SliceConfig(TWO, minimum=60)),
    traffic=(GREEDY, replace(GREEDY, dnn="llm")), backend=Backend.HTB, htb=HtbConfig(20.0, 5.0),
    way=WayConfig(f"airsplit-rates-{os.getpid()}"))


def test_a_network_has_its_slices_share() -> None:
    assert shares_of(CONFIG) == {"internet": Share(maximum=30), "llm": Share(60)}


@pytest.mark.parametrize(("change", "said"), [
    ({"events": (EventConfig(Kind.OUTAGE),)}, "events"),
    ({"e2": E2Config()}, "E2"),
    ({"cells": (CarrierConfig(1), CarrierConfig(2))}, "several cells"),
    ({"way": WayConfig(tunnel=TunnelConfig())}, "a tunnel"),
    ({"way": WayConfig(backhaul_ms=1.0)}, "backhaul"),
    ({"traffic": (TrafficConfig(),)}, "packet by packet"),
    ({"traffic": (), "ues": (UeConfig("a"), UeConfig("b", sessions=(
        SessionConfig("internet", TWO),)))}, "one to one"),
    ({"traffic": (), "ues": (UeConfig("a"), UeConfig("b", sessions=(
        SessionConfig("llm"),)))}, "one to one")])
def test_more_than_rates_is_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        shares_of(replace(CONFIG, **change))


def test_tcp_gets_the_shares_that_the_file_says() -> None:
    if not namespaces.available():
        pytest.skip("needs root and iproute2")
    lines: list[str] = []
    try:
        found = run_htb(CONFIG, 2.5, lines.append)
    except LinkFailure as failure:
        if "HTB cannot be set up" in str(failure):
            pytest.skip("the kernel has no HTB")
        raise
    assert set(MEANS) < set(lines)
    rates = {one["name"]: one["down_mbps"] for one in found["slices"]}
    assert 0 < rates["internet"] < 20 * 0.3 * 1.1
    assert rates["llm"] > 1.5 * rates["internet"]
    assert sum(rates.values()) < 20 * 1.1
    assert found["traffic"]["greedy_bytes"]["a down"] > 0
    assert not found["traffic"]["greedy_failures"]
    assert found["seconds"] >= 2.5
    assert told(found).startswith(f"{found['seconds']:.1f} s of rates alone")
