"""A small simulated network: the xApp is asked over E2 and obeyed, and steering pays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from testbed.experiments.errors import BadScenario
from testbed.experiments.kind import Figures
from testbed.experiments.simulated.ric import core_config
from testbed.experiments.simulated.run import simulate
from testbed.experiments.simulated.settings import SimulatedSettings, SimulatedSteering
from testbed.experiments.simulated.simulated_kind import SIMULATED, figures_of, settings_of
from xapp.observations import Snssai

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


def test_what_is_kept_and_a_guarantee_that_was_there_before_the_load(tmp_path: Path) -> None:
    """A prompt of 40 rows waits for longer than such a target allows, in an empty cell too."""
    figures = SIMULATED.run({
        **SETTINGS, "cells": 1, "ues": 6, "profile": "spec", "inter_token_ms": 40,
        "air_share": 0.7, "grant_ms": 20, "calm_seconds": 4, "settle_seconds": 1, "seconds": 1,
        "load": 3}, 1, tmp_path, lambda text: None)
    document = json.loads((tmp_path / "summary.json").read_text())
    assert document["settings"]["ues"] == 6
    lines = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
    assert [one["number"] for one in lines] == list(range(1, len(lines) + 1))
    decided = next(one for one in lines if one["kind"] == "decision")
    assert decided["who"] == "llm"
    assert "target of 40 ms" in decided["body"]["reason"]
    assert decided["body"]["quotas"]["1"]["minimum"] == 10
    assert decided["at"] == decided["body"]["at"] < 4
    assert sum(one["kind"] == "decision" for one in lines) == figures["decisions"]
    action = next(one for one in lines if one["kind"] == "action")
    assert {one["name"][-1] for one in action["body"]["before"]} == {"1"}  # what was in force
    assert action["body"]["sets"] != action["body"]["before"]
    assert figures["congestion_to_quota_s"] == 0.0  # and not the seconds since it was given


def test_a_policy_and_limits_of_ones_own_are_the_xapps() -> None:
    settings = settings_of({
        "policy": {"strategy": "static", "quotas": {"1-000001": {"minimum": 37}}},
        "limits": {"hold": 8, "headroom": 2}, "floor": 20, "inter_token_ms": 45, "grant_ms": 15})
    config = core_config(settings, (), {})
    policy, = config.policies
    assert (policy.strategy, policy.inter_token_ms) == ("static", 45)
    assert policy.floors == {Snssai(1): 20}
    assert policy.quotas[Snssai(1, 1)].minimum == 37
    limits = config.limits
    assert (limits.hold, limits.headroom, limits.grant_ms) == (8, 2, 15)


def test_a_token_that_never_comes_is_a_long_wait() -> None:
    settings = SimulatedSettings(
        ues=6, llm_users=2, bandwidth_mhz=5, load=0, calm_seconds=1, settle_seconds=1, seconds=1,
        edge_seconds=2.0, steering=SimulatedSteering.NONE)
    found = simulate(settings, 1, lambda text: None)
    assert found.tokens.first.all()  # each has had an answer's first one, and no other
    figures = figures_of(found)
    assert figures["stalls"] == 2
    assert isinstance(figures["p95_ms"], float)
    assert 500 < figures["p95_ms"] < 1000
    found.standing = [0.2]  # as everybody does: the next token is on its way
    assert (figures_of(found)["stalls"], figures_of(found)["p95_ms"]) == (0, None)


@pytest.mark.parametrize(("settings", "said"), [
    ({"cells": 0}, "0 cells"), ({"cells": 257}, "257 cells of 100 UEs cannot be"),
    ({"profile": "srsran", "cells": 129}, "1 to 128 cells"), ({"air_share": 2}, "shares from 0"),
    ({"grant_ms": -1}, "grant_ms"), ({"ues": 3, "llm_users": 4}, "llm_users is 4"),
    ({"steering": "luck"}, "steering"), ({"profile": "none"}, "no kind of base station"),
    ({"seconds": 0}, "time or the load"), ({"threads": 0}, "threads"),
    ({"bandwidth_mhz": 7}, "7"), ({"nothing": 1}, "settings.nothing"),
    ({"policy": {"strategy": "luck"}}, "no strategy is called 'luck'"),
    ({"policy": {"floors": {"1": 5}}}, "`policy.floors` is said by a setting of its own"),
    ({"policy": {"wishes": 3}}, r"policy\.wishes"), ({"limits": {"hold": 0}}, "limits"),
    ({"limits": {"grant_ms": 5}}, "`limits.grant_ms` is said")])
def test_settings_that_cannot_be(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(BadScenario, match=said):
        SIMULATED.check(settings)
