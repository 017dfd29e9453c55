"""What a cell does not take is said before anything starts, and by the setting's own name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from testbed.bed.modes import Mode
from testbed.errors import TestbedFailure
from testbed.loop.cell_check import check_cell
from testbed.loop.settings import INTERNET, LLM, Load, LoopSettings, RadioChannel
from tests.testbed.loop.recordings import recorded, traced

OWN: dict[str, Any] = {
    "cells": ({"bandwidth_mhz": 10, "spacing_khz": 30}, {"bandwidth_mhz": 20, "spacing_khz": 30}),
    "mac": {"pattern": "DDDSU"},
    "slices": ({"slice": INTERNET, "minimum": 20}, {"slice": LLM, "maximum": 60}),
    "crowd_groups": ({"name": "near", "count": 2, "traffic": [{"kind": "poisson"}]},
                     {"name": "far", "count": 3, "cell": 1,
                      "channel": {"kind": "cell-edge", "snr_db": 15}}),
    "traffic": ({"kind": "phones", "ues": ["far"], "phones": 2},), "load": Load.MIX}


def own(**others: Any) -> LoopSettings:
    return LoopSettings(**{**OWN, **others})


@pytest.mark.parametrize("load", [Load.NONE, Load.PHONES, Load.SATURATION])
def test_the_simple_words_are_taken(load: Load) -> None:
    check_cell(LoopSettings(load=load))


def test_a_cell_of_ones_own_is_taken(tmp_path: Path) -> None:
    check_cell(own(policy={"strategy": "static", "quotas": {LLM: {"minimum": 30}}},
                   limits={"hold": 8}))
    check_cell(own())
    check_cell(own(page=True, channel=RadioChannel.TRACE,
                   channel_trace=str(traced(tmp_path / "walk.csv"))))
    check_cell(LoopSettings(load=Load.RECORDING, recording=str(recorded(tmp_path / "a.csv"))))


@pytest.mark.parametrize(("wrong", "said"), [
    ({"cells": ({"bandwidth_mhz": 7},)}, r"cells\[0\]"),
    ({"cells": ({}, {"width": 7})}, r"no setting 'cells\[1\]\.width'"),
    ({"cells": ({"spacing_khz": 15}, {"spacing_khz": 30})}, "slots are of different lengths"),
    ({"mac": {"pattern": "XYZ"}}, "pattern"), ({"mac": {"queue": 5}}, r"mac\.queue"),
    ({"mac": {"speed": 1}}, r"mac\.speed"),
    ({"slices": ({"slice": INTERNET},)}, "slices: there are 1"),
    ({"slices": ({"slice": INTERNET, "minimum": 60}, {"slice": LLM, "minimum": 60})},
     "guaranteed 120 %"),
    ({"slices": ({"slice": INTERNET, "most": 5}, {"slice": LLM})}, r"slices\[0\]\.most"),
    ({"crowd_groups": ({"name": "near", "channel": {"kind": "good"}},)},
     r"crowd_groups\[0\]\.channel\.kind"),
    ({"crowd_groups": ({"name": "near", "colour": "red"},)}, r"crowd_groups\[0\]\.colour"),
    ({"crowd_groups": ({"name": "near", "cell": 5},), "traffic": ({},)}, r"cell: 5 is none"),
    ({"crowd_groups": ({"name": "N/A"},), "traffic": ({},)}, "N/A"),
    ({"crowd_groups": ({"name": "a", "sessions": [{"slice": "7"}]},), "traffic": ({},)},
     "slice 7 is none"),
    ({"traffic": ({"kind": "noise"},)}, r"traffic\[0\]\.kind"),
    ({"policy": {"strategy": "luck"}}, "no strategy is called 'luck'"),
    ({"policy": {"quota": {}}}, r"policy\.quota"), ({"policy": {"floors": 5}}, r"policy\.floors"),
    ({"policy": {"floors": {INTERNET: 95}}}, "floors add up to 95 %"),
    ({"limits": {"growth": 9}}, "limits"), ({"limits": {"patience": 9}}, r"limits\.patience"),
    ({"traffic": ({"kind": "poisson"}, {"kind": "replay"})}, r"traffic\[1\]: A replay needs"),
    ({"traffic": ({"ues": ["nobody"]},)}, "no UE 'nobody'"),
    ({"crowd_groups": ({"name": "near", "traffic": [{"down": 5}]},)},
     r"crowd_groups\[0\]\.traffic\[0\]\.down"),
    ({"traffic": ({"kind": "phones", "uses": ["juggling"]},)}, "no phone use 'juggling'"),
    ({"traffic": ({"kind": "greedy"},), "mode": Mode.RELAY}, r"traffic\[0\]: greedy"),
], ids=str)
def test_what_the_cell_does_not_take_is_named(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(TestbedFailure, match=said) as caught:
        check_cell(own(**wrong))
    assert caught.value.remedy


def test_files_that_are_missing_or_none_are_named(tmp_path: Path) -> None:
    junk = tmp_path / "junk"
    junk.write_bytes(b"\x00\x01 no packets here")
    table = tmp_path / "table.csv"
    table.write_text("a,b\n1,2\n")
    for file in (tmp_path / "missing.pcap", tmp_path / "missing.csv", junk, table, tmp_path):
        for settings in (
                LoopSettings(load=Load.RECORDING, recording=str(file)),
                LoopSettings(load=Load.MIX, traffic=({"kind": "replay", "file": str(file)},)),
                LoopSettings(channel=RadioChannel.TRACE, channel_trace=str(file)),
                own(crowd_groups=({"name": "far", "channel": {"kind": "csv",
                                                              "file": str(file)}},))):
            with pytest.raises(TestbedFailure) as caught:
                check_cell(settings)
            assert file.name in caught.value.problem
