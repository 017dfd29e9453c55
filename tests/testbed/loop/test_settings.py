"""What the loop can be told, and what of it cannot be."""

from __future__ import annotations

from typing import Any

import pytest

from testbed.errors import TestbedFailure
from testbed.loop.settings import PHASES, Arm, LoopSettings, Sessions, Steering


def test_phases_follow_each_other() -> None:
    settings = LoopSettings()
    assert len(settings.ends) == len(PHASES)
    assert settings.ends[-1] == settings.seconds


@pytest.mark.parametrize("wrong", [
    {"crowd": 0}, {"calm_seconds": 0.5}, {"floor": 95}, {"static_percent": -1},
    {"sessions": Sessions.ONE, "steering": Steering.STATIC}, {"map_port": 8480},
    {"api_port": 0}, {"name": ""}, {"name": "x" * 25}, {"grant_ms": -1},
    {"headroom": 0.9}], ids=str)
def test_what_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(TestbedFailure):
        LoopSettings(**wrong)


def test_when_the_xapp_may_act() -> None:
    assert LoopSettings().acts_from == LoopSettings().ends[1]
    assert LoopSettings(watch=False).acts_from == 0
    for never in (LoopSettings(arm=Arm.DRY_RUN), LoopSettings(steering=Steering.NONE),
                  LoopSettings(steering=Steering.STATIC, watch=False)):
        assert never.acts_from is None


def test_the_edge_is_in_the_network_of_the_phones_session() -> None:
    two, one = LoopSettings(), LoopSettings(sessions=Sessions.ONE)
    assert two.edge_address.split(".")[:2] == two.phone_address.split(".")[:2] == ["10", "46"]
    assert one.edge_address.split(".")[:2] == one.phone_address.split(".")[:2] == ["10", "45"]
    assert two.edge_device != one.edge_device
