"""Every combination once in each block, in an order that the seed decides."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.experiments.design import chosen, trials_of
from testbed.experiments.errors import BadScenario
from tests.testbed.experiments.scenes import small


@given(st.integers(0, 50), st.integers(1, 6))
def test_blocks_are_whole_and_have_one_seed(seed: int, repetitions: int) -> None:
    scenario = small(seed=seed, repetitions=repetitions)
    trials = trials_of(scenario)
    assert len({one.name for one in trials}) == len(trials) == scenario.trials
    size = len(scenario.cells())
    for number in range(repetitions):
        block = trials[number * size:(number + 1) * size]
        assert {one.seed for one in block} == {seed + number}
        assert len({tuple(one.levels.values()) for one in block}) == size
    assert trials == trials_of(scenario)


def test_the_order_is_not_the_files_and_differs_between_blocks() -> None:
    scenario = small(repetitions=30)
    orders = {tuple(tuple(one.levels.values()) for one in trials_of(scenario)[at:at + 4])
              for at in range(0, 120, 4)}
    assert len(orders) > 5


def test_names_do_not_collide() -> None:
    scenario = small(factors={"a": {"x-y": {}, "x": {}}, "b": {"z": {}, "y-z": {}}}, compare=[])
    assert len({one.name for one in trials_of(scenario)}) == scenario.trials


def test_levels_are_chosen() -> None:
    scenario = small()
    trials = trials_of(scenario)
    assert {one.levels["load"] for one in chosen(scenario, trials, ["load=none"])} == {"none"}
    assert chosen(scenario, trials, ["load=none", "load=saturation"]) == trials
    with pytest.raises(BadScenario, match="load=full"):
        chosen(scenario, trials, ["load=full"])
