"""Loads: rates as configured, and a split LLM that waits for its own answers."""

from __future__ import annotations

import random

import pytest

from testbed.ran.offered_load import Kind, LoadConfig, Source, source_of
from xapp.errors import ConfigurationError

STEP = 0.01


def offered(source: Source, seconds: float, up_left: float = 0.0) -> tuple[float, float]:
    """Bits of so much time, in a cell where all that was offered is gone at once, or never."""
    down = up = 0.0
    for step in range(round(seconds / STEP)):
        more = source.offer(step * STEP, STEP, 0.0, up_left)
        down, up = down + more[0], up + more[1]
    return down, up


def test_a_constant_load_is_its_rate() -> None:
    source = source_of(LoadConfig(Kind.CONSTANT, 1000, 100), random.Random(1))
    assert offered(source, 10) == pytest.approx((10e6, 1e6))


def test_an_idle_session_offers_nothing() -> None:
    assert offered(source_of(LoadConfig(Kind.IDLE), random.Random(1)), 10) == (0, 0)


def test_an_on_off_load_is_on_for_its_part_of_the_time() -> None:
    source = source_of(LoadConfig(Kind.ON_OFF, 1000, 0, 1, 3), random.Random(1))
    down, _ = offered(source, 4000)
    assert down / 4000e3 / 1000 == pytest.approx(0.25, abs=0.04)


def test_a_split_llm_sends_a_prompt_then_token_by_token() -> None:
    config = LoadConfig(Kind.SPLIT_LLM, tokens=5, think_seconds=1000)
    source = source_of(config, random.Random(1))
    down, up = offered(source, 1100)
    # It may have begun a second answer; whole tokens are counted.
    assert source.tokens >= 5
    assert down == pytest.approx(source.tokens * config.answer_kbit * 1000)
    assert up >= (config.prompt_kbit + 4 * config.token_kbit) * 1000


def test_a_split_llm_whose_activations_are_stuck_sends_nothing_more() -> None:
    config = LoadConfig(Kind.SPLIT_LLM, think_seconds=0.1)
    source = source_of(config, random.Random(1))
    assert offered(source, 60, up_left=1.0) == (0, config.prompt_kbit * 1000)
    assert source.tokens == 0


def test_the_same_seed_is_the_same_load() -> None:
    config = LoadConfig(Kind.ON_OFF)
    assert offered(source_of(config, random.Random(3)), 50) == offered(
        source_of(config, random.Random(3)), 50)


@pytest.mark.parametrize("wrong", [
    {"down_kbps": -1.0}, {"tokens": 0}, {"on_seconds": 0.0}, {"think_seconds": -1.0}])
def test_loads_that_cannot_be_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError, match="load"):
        LoadConfig(**wrong)  # type: ignore[arg-type]  # each is right but for its value
