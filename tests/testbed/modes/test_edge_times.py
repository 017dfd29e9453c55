"""What an edge tells of its steps: joined to the right ones, and nothing of what is no answer."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from testbed.modes.edge_times import Times, edge_offset, edge_steps, joined, steps_of
from testbed.modes.figures import Measured, Turn, figures_of
from testbed.modes.opening import Offset
from testbed.modes.programs import Server
from tests.conftest import MakeCheckpoint, RunEdge
from tests.testbed.modes.test_figures import PROMPT, TOKEN

SILENT = {"server": None, "computed": None, "reported": None}
FIRST, LATER = replace(PROMPT, **SILENT), replace(TOKEN, **SILENT)  # type: ignore[arg-type]


def at(end: int) -> dict[str, float]:
    return {"end": end, "came": 1000.0 + end, "began": 1000.25 + end, "ended": 1000.5 + end}


def test_each_step_has_the_times_of_its_own_rows() -> None:
    """Two turns of three tokens after four of prompt: 4 5 6, then 11 12 13; one was not kept."""
    turns = [Turn(which, place, (5, 6, 7), (FIRST, LATER, LATER))
             for which in (0, 1) for place in (0, 1)]
    told = steps_of({"now": 3.0, "steps": [at(end) for end in (4, 5, 6, 11, 13)]})
    found = joined(turns, 4, [told, {}])
    times = [[step.reported.whole if step.reported else None for step in turn.steps]
             for turn in found]
    assert times == [[1004.0, 1005.0, 1006.0], [1011.0, None, 1013.0], [None] * 3, [None] * 3]
    assert [step.server for step in found[0].steps] == [0.5] * 3
    assert [step.computed for step in found[0].steps] == [None, 0.25, 0.25]  # a prompt's: unknown
    assert [step.seconds for step in found[0].steps] == [FIRST.seconds, LATER.seconds,
                                                         LATER.seconds]


def test_a_tokens_ways_are_known_of_an_edge_as_well() -> None:
    """It was asked at 101.000, and answered 25 ms later; the edge's clock is 1000 s ahead."""
    told = {1: Times(0, 0, 0), 2: Times(1101.010, 1101.011, 1101.014)}
    turns = joined([Turn(0, 0, (5, 6), (FIRST, LATER))], 1, [told])
    found = figures_of(Measured(turns, 0.5, 1200, 130, offset=Offset(1000.0, 0.001)))
    assert found["up_ms"] == pytest.approx(10)
    assert found["down_ms"] == pytest.approx(11)
    assert found["server_ms"] == pytest.approx(4)
    assert found["compute_ms"] == pytest.approx(3)


@pytest.mark.parametrize("told", [
    None, [], {}, {"steps": 3}, {"steps": [3]}, {"steps": [{}]}, {"steps": [at(1) | {"came": "1"}]},
    {"steps": [at(1) | {"ended": math.nan}]}, {"steps": [at(1) | {"end": True}]}])
def test_what_is_no_answer(told: Any) -> None:
    with pytest.raises(ValueError, match="no"):
        steps_of(told)


def test_an_edge_that_keeps_none_and_one_that_is_not_there(
        running_edge: RunEdge, checkpoint_folder: MakeCheckpoint) -> None:
    edge = running_edge(checkpoint_folder("llama"), "--backend", "reference", "--context", 40)
    for port in (edge.port, 1):
        server = Server("127.0.0.1", port, None)
        assert edge_offset(server, lambda: 0.0) is None
        assert edge_steps(server, "00000000") == {}
