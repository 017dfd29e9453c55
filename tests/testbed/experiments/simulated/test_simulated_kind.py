"""A small simulated network: the xApp is asked over E2 and obeyed, and steering pays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from testbed.experiments.errors import BadScenario
from testbed.experiments.kind import Figures
from testbed.experiments.simulated.run import simulate
from testbed.experiments.simulated.settings import SimulatedSettings, SimulatedSteering
from testbed.experiments.simulated.simulated_kind import SIMULATED, figures_of

SETTINGS: dict[str, Any] = {
    "cells": 2, "ues": 50, "llm_users": 1, "bandwidth_mhz": 5, "load": 1.5, "off_seconds": 0,
    "calm_seconds": 3, "settle_seconds": 5, "seconds": 4, "threads": 2, "think_seconds": 0.5}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Figures]:
    folder = tmp_path_factory.mktemp("simulated")
    return {name: SIMULATED.run({**SETTINGS, "steering": name}, 1, folder, lambda text: None)
            for name in ("none", "static", "xapp")}


def test_steering_pays_in_simulated_time(found: dict[str, Figures]) -> None:
    none, static, xapp = (found[name]["p95_times_calm"] for name in ("none", "static", "xapp"))
    assert isinstance(none, float)
    assert isinstance(static, float)
    assert isinstance(xapp, float)
    assert none > 1.5
    assert static < 0.8 * none
    assert xapp < 0.8 * none


def test_only_the_xapp_raises_guarantees(found: dict[str, Figures]) -> None:
    assert found["xapp"]["raised_cells"] == 100.0
    assert found["none"]["raised_cells"] == found["static"]["raised_cells"] == 0.0
    assert found["none"]["guarantee"] == 0.0


def test_costs_are_measured_and_every_figure_has_a_column(found: dict[str, Figures]) -> None:
    assert set(found["xapp"]) == {one.name for one in SIMULATED.columns}
    for name in ("scheduler_cpu", "node_cpu", "xapp_cpu", "times_real_time"):
        value = found["xapp"][name]
        assert isinstance(value, float)
        assert value > 0
    reports = found["xapp"]["reports_per_second"]
    assert isinstance(reports, float)
    assert reports > 4  # two base stations, two a second each


def test_the_same_seed_comes_to_the_same() -> None:
    settings = SimulatedSettings(
        ues=6, llm_users=1, bandwidth_mhz=5, load=1.5, off_seconds=0, calm_seconds=2,
        settle_seconds=2, seconds=2, steering=SimulatedSteering.XAPP)
    one, two = (figures_of(simulate(settings, 4, lambda text: None)) for _ in range(2))
    for name in ("p50_ms", "p95_ms", "decisions", "others_down_mbps", "used_percent"):
        assert one[name] == two[name]
    other = figures_of(simulate(settings, 5, lambda text: None))
    assert other["others_down_mbps"] != one["others_down_mbps"]


def test_what_is_kept(tmp_path: Path) -> None:
    SIMULATED.run({**SETTINGS, "cells": 1, "ues": 4, "settle_seconds": 1, "seconds": 1}, 1,
                  tmp_path, lambda text: None)
    document = json.loads((tmp_path / "summary.json").read_text())
    assert document["settings"]["ues"] == 4


@pytest.mark.parametrize(("settings", "said"), [
    ({"cells": 0}, "0 cells"), ({"ues": 3, "llm_users": 4}, "llm_users is 4"),
    ({"steering": "luck"}, "steering"), ({"profile": "none"}, "no kind of base station"),
    ({"seconds": 0}, "time or the load"), ({"threads": 0}, "threads"),
    ({"bandwidth_mhz": 7}, "7"), ({"nothing": 1}, "settings.nothing")])
def test_settings_that_cannot_be(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(BadScenario, match=said):
        SIMULATED.check(settings)
