"""When steps were: the last ones of each session, by the worker's clock."""

from __future__ import annotations

import itertools

import pytest

from edge_server.engine.checkpoint import Checkpoint
from edge_server.engine.load import EngineOptions, open_engine
from edge_server.frame import Flags
from edge_server.logs import alias
from edge_server.step_times import StepTime, StepTimes
from tests.conftest import MakeCheckpoint
from tests.edge_server.worker_scene import CAPACITY, SLOTS, Desk


def test_the_last_ones_are_kept() -> None:
    times = StepTimes(3)
    for end in range(5):
        times.add(StepTime(7 + end % 2, end, 0.0, 0.0, 0.0))
    assert [one.end for one in times.of(alias(8))] == [3]
    assert [one.end for one in times.of(alias(7))] == [2, 4]
    assert times.of("") == []


@pytest.fixture
def desk(checkpoint_folder: MakeCheckpoint) -> Desk:
    """Its clock goes on by one whenever it is read."""
    engine = open_engine(Checkpoint.open(checkpoint_folder("gemma3")),
                         EngineOptions("reference", "fp32", SLOTS, CAPACITY, 1))
    ticks = itertools.count(1)
    return Desk(engine, lambda: float(next(ticks)), StepTimes(8))


def test_each_job_that_is_answered_has_its_times(desk: Desk) -> None:
    """Of a prompt's pieces each is a job of its own; none of it is anybody else's."""
    desk.worker.start()
    one, other = desk.open(), desk.open()
    rows = desk.rows([5, 6, 7, 8])
    desk.ask(one, rows[:2], 0, Flags.NONE)
    desk.ask(one, rows[2:], 2)
    desk.ask(other, rows[:1], 0)
    desk.worker.stop()
    assert desk.times is not None
    found = desk.times.of(alias(one.number))
    assert [step.end for step in found] == [2, 4]
    assert [step.end for step in desk.times.of(alias(other.number))] == [1]
    for step in found:
        assert step.came < step.began < step.ended
    assert found[0].ended < found[1].came < desk.worker.now()
