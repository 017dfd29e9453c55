"""A trial of the loop, computed again from what it kept, has the figures that it had."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from testbed.errors import TestbedFailure
from testbed.experiments.loop_again import figures_again
from testbed.experiments.loop_kind import Loop
from tests.testbed.experiments.test_loop_kind import stand_in


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("testbed.loop.picture.draw", lambda result, file: None)


def test_figures_are_the_same_again(tmp_path: Path) -> None:
    figures = Loop(stand_in).run({}, 1, tmp_path, lambda text: None)
    assert figures_again(tmp_path) == figures


def test_a_quota_that_was_computed_wrongly_is_found(tmp_path: Path) -> None:
    Loop(stand_in).run({}, 1, tmp_path, lambda text: None)
    file = tmp_path / "summary.json"
    document = json.loads(file.read_text())
    document["verdict"]["congestion_to_quota_seconds"] = 0.0  # as older code had it
    document["cell_quotas"].insert(1, [-2.0, {"1-000001": {"minimum": 5}}])
    document["cell_quotas"].insert(2, [-1.0, {"1-000001": {"minimum": 0}}])
    file.write_text(json.dumps(document))
    assert figures_again(tmp_path)["congestion_to_quota_s"] == pytest.approx(5.0)


def test_a_trial_that_kept_nothing_is_said_to_be_so(tmp_path: Path) -> None:
    with pytest.raises(TestbedFailure, match=r"summary\.json"):
        figures_again(tmp_path)
