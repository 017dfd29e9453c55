"""What the loop can be told, and what of it cannot be."""

from __future__ import annotations

from typing import Any

import pytest

from testbed.errors import TestbedFailure
from testbed.loop.settings import (
    INTERNET,
    LLM,
    PHASES,
    Arm,
    Load,
    LoopSettings,
    RadioChannel,
    Sessions,
    Steering,
)


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


@pytest.mark.parametrize(("wrong", "said"), [
    ({"load": Load.RECORDING}, "`load: recording` does not say"),
    ({"recording": "a.pcap"}, "without `load: recording`"),
    ({"load": Load.MIX}, "`load: mix` does not say"),
    ({"traffic": ({},)}, "without `load: mix`"),
    ({"crowd_groups": ({"traffic": [{}]},), "load": Load.NONE}, "without `load: mix`"),
    ({"channel": RadioChannel.TRACE}, "`channel: trace` does not say"),
    ({"channel_trace": "a.csv"}, "without `channel: trace`"),
    ({"cells": ({},), "bandwidth_mhz": 10}, "`cells` and `bandwidth_mhz`"),
    ({"slices": ({},), "static_percent": 10}, "`slices` and `static_percent`"),
    ({"crowd_groups": ({},), "crowd": 5}, "`crowd_groups` and `crowd`"),
    ({"recording_phones": 2}, "and not which"), ({"recording_speed": 2.0}, "and not which"),
    *(({"load": Load.RECORDING, "recording": "a", name: value}, "cannot be")
      for name, value in (("recording_phones", 0), ("recording_phones", 17),
                          ("recording_speed", 0.0), ("recording_speed", 101.0))),
    ({"crowd_groups": ({"name": "phone"},)}, "called 'phone'"),
    ({"crowd_groups": ({}, {})}, "called 'crowd', or no second"),
    ({"crowd_groups": ({"count": 60}, {"name": "far", "count": 41})}, "crowd of 101"),
    ({"crowd_groups": ({"count": 0},)}, "count of '0'"),
    ({"policy": {"inter_token_ms": 50}}, "`policy.inter_token_ms` is said by a setting"),
    ({"limits": {"headroom": 2}}, "`limits.headroom` is said by a setting")], ids=str)
def test_words_that_contradict_each_other_are_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(TestbedFailure, match=said) as caught:
        LoopSettings(**wrong)
    assert caught.value.remedy


def test_the_crowd_is_counted_and_named_as_the_cell_does() -> None:
    assert LoopSettings(crowd=2).crowd_names == ["crowd1", "crowd2"]
    settings = LoopSettings(crowd_groups=({"name": "near", "count": 2}, {"name": "far"}))
    assert settings.crowd_names == ["near1", "near2", "far1"]
    assert (settings.crowd_phones, settings.groups) == (3, {"near": 2, "far": 1})


def test_what_the_models_slice_has_to_begin_with() -> None:
    assert LoopSettings().base_percent == 0
    assert LoopSettings(steering=Steering.STATIC, static_percent=25).base_percent == 25
    slices = ({"slice": int(INTERNET), "minimum": 5}, {"slice": LLM, "minimum": 12})
    assert LoopSettings(slices=slices).base_percent == 12
    assert LoopSettings(slices=slices[:1]).base_percent == 0


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
