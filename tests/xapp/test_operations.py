"""The seam between the xApp and its API: the fake keeps to it, and what it hands out stays."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from tests.xapp.api_scene import make_scene
from tests.xapp.fake_network import CELLS, LLM
from xapp.observations import Load
from xapp.operations import (
    METRICS,
    QUOTA_METRICS,
    Clock,
    Health,
    Kind,
    Operations,
    slice_subject,
)


def test_the_fake_is_one_that_the_api_can_stand_on() -> None:
    operations: Operations = make_scene().operations  # mypy checks it; this names what it checks
    assert operations.picture().health.ready


def test_a_picture_does_not_change() -> None:
    scene = make_scene()
    before = scene.operations.picture()
    loads = {key: cell.load for key, cell in before.observations.cells.items()}
    scene.clocks.monotonic += 30.0
    after = scene.operations.picture()
    assert {key: cell.load for key, cell in before.observations.cells.items()} == loads
    assert after.observations.cells[CELLS[0]].load != loads[CELLS[0]]
    with pytest.raises(FrozenInstanceError):
        before.started = 0.0  # type: ignore[misc]  # it cannot be


def test_ready_is_alive_without_a_reason_against_it() -> None:
    assert Health(True).ready
    assert not Health(True, ("No node.",)).ready
    assert not Health(False).ready


def test_times_on_the_wall() -> None:
    assert Clock(100.0, 5000.0).wall_time(90.0) == 4990.0


def test_histories_are_of_what_loads_and_quotas_have() -> None:
    for kind in (Kind.CELL, Kind.SLICE, Kind.UE):
        assert set(METRICS[kind]) - set(QUOTA_METRICS) <= set(Load.__slots__)
    assert slice_subject(CELLS[0], LLM) == f"{CELLS[0]}/1-000001"
