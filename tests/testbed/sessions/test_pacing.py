"""Stages that take their time: the same results, later."""

from __future__ import annotations

import random
import statistics

import pytest
import torch

from edge_server.split import LayerRange
from testbed.sessions.pacing import Pace, PacedStage


class Doubling:
    """A stage that is easy to follow."""

    layers, dtype, slots, capacity = LayerRange(0, 2), torch.float32, 1, 8

    def __init__(self) -> None:
        self.truncated: list[tuple[int, int]] = []

    def forward(self, slots: object, positions: object, rows: torch.Tensor) -> torch.Tensor:
        return rows * 2

    def length(self, slot: int) -> int:
        return 3

    def truncate(self, slot: int, length: int) -> None:
        self.truncated.append((slot, length))

    def narrowed(self, layers: LayerRange) -> Doubling:
        return self

    def bytes(self) -> int:
        return 7


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    taken: list[float] = []
    monkeypatch.setattr("testbed.sessions.pacing.time.sleep", taken.append)
    return taken


def test_rows_are_what_they_were_and_pauses_average_the_pace(pauses: list[float]) -> None:
    stage = PacedStage(Doubling(), Pace(0.05, 0.3, 0.1), random.Random(1))
    rows = torch.ones(1, 4)
    for position in range(2000):
        assert torch.equal(stage.forward([0], [position], rows), rows * 2)
    assert statistics.mean(pauses) == pytest.approx(0.05, rel=0.05)


def test_rows_of_a_prompt_take_a_share_each(pauses: list[float]) -> None:
    stage = PacedStage(Doubling(), Pace(0.05, 0.0, 0.1), random.Random(1))
    stage.forward([0] * 11, range(11), torch.ones(11, 4))
    assert pauses == pytest.approx([0.1])


def test_it_is_the_stage_in_all_else(pauses: list[float]) -> None:
    inner = Doubling()
    stage = PacedStage(inner, Pace(0.1, 0.0, 0.0), random.Random(1)).narrowed(LayerRange(0, 1))
    stage.truncate(0, 2)
    assert (stage.length(0), stage.bytes(), stage.capacity, inner.truncated) == (
        3, 7, 8, [(0, 2)])
    stage.forward([0], [0], torch.ones(1, 4))
    assert pauses == [0.1]
