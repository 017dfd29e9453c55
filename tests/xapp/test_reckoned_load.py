"""Rates from volumes alone, from an emulated base station of each kind to what is observed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from testbed.ran.emulator_config import INTERNET
from testbed.ran.fluid_cell import CellConfig, FluidConfig, SessionConfig, SliceConfig, UeConfig
from testbed.ran.node_config import NodeConfig
from testbed.ran.offered_load import Kind, LoadConfig
from tests.testbed.ran.scene import Scene

VOLUMES = ("DRB.RlcSduTransmittedVolumeDL", "DRB.RlcSduTransmittedVolumeUL")
CONSTANT = FluidConfig(
    (CellConfig(1),), (UeConfig((SessionConfig(
        INTERNET, "10.45.0.2", "internet", LoadConfig(Kind.CONSTANT, 4000, 900)),)),),
    (SliceConfig(INTERNET),))


def reckoned(kind: str, report_ms: int, renewal: float, known: int | None) -> Scene:
    node = NodeConfig(kind, report_period=renewal)
    scene = Scene(kind, period=report_ms, node=node, carried=CONSTANT)
    stations = scene.stations
    stations.config = replace(
        stations.config, measurements=VOLUMES,
        nodes=(replace(stations.config.nodes[0], renewal_ms=known),))
    return scene.connect().run(3 * renewal + 3 * report_ms / 1000 + 0.05)


@pytest.mark.parametrize("kind", ["srsran", "ocudu"])
@pytest.mark.parametrize("report_ms", [100, 300, 700, 1000, 2000])
@pytest.mark.parametrize("renewal", [0.1, 0.5, 1.0, 2.0])
def test_reports_faster_and_slower_than_figures_are_renewed(
    kind: str, report_ms: int, renewal: float
) -> None:
    scene = reckoned(kind, report_ms, renewal, round(1000 * renewal))
    load = scene.ue().load
    assert load.down_kbps == pytest.approx(4000, rel=0.02)
    assert load.up_kbps == pytest.approx(900, rel=0.02)


def test_a_kinds_usual_renewal_needs_no_word() -> None:
    assert reckoned("srsran", 500, 1.0, None).ue().load.down_kbps == pytest.approx(4000, rel=0.02)


def test_repeated_figures_are_counted_and_are_no_new_volume() -> None:
    scene = reckoned("srsran", 100, 1.0, None)
    assert scene.observer.counters.repeated > 0.7 * scene.observer.counters.reports / 2
