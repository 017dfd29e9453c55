"""What a scheduler can be told, and what is refused with its remedy."""

from __future__ import annotations

from dataclasses import replace

import pytest

from testbed.ran.mac.channel import ChannelConfig, make_channel
from testbed.ran.mac.config import PROFILES, Bearer, Layout, MacConfig, QueueConfig
from xapp.errors import ConfigurationError

CHANNEL = make_channel(ChannelConfig(), 1)


def test_slots_of_patterns_have_their_symbols() -> None:
    assert MacConfig().slots == ((13, 14),)
    assert MacConfig(pattern="DSU").slots == ((13, 0), (9, 0), (0, 14))
    assert PROFILES["5g-lab"].slots == ((13, 0),) * 3 + ((9, 0), (0, 14))


@pytest.mark.parametrize("pattern", ["", "D", "DDD", "UU", "DXU", "fdd", "DU" * 11])
def test_a_pattern_needs_both_ways(pattern: str) -> None:
    with pytest.raises(ConfigurationError, match=r"mac\.pattern"):
        MacConfig(pattern=pattern)


@pytest.mark.parametrize(("name", "value"), [
    ("layers", 5), ("bler", 1.0), ("bler", float("nan")), ("harq_most", 0), ("rlc_most", 0),
    ("down_slots", 0), ("harq_slots", 61), ("request_slots", 0), ("request_jitter", -1),
    ("overhead_bytes", 101), ("failure_ms", 0), ("handover_ms", -1)])
def test_what_is_out_of_bounds_is_named(name: str, value: float) -> None:
    with pytest.raises(ConfigurationError, match=rf"mac\.{name}"):
        replace(MacConfig(), **{name: value})  # type: ignore[arg-type]  # of several types


@pytest.mark.parametrize(("name", "value"), [
    ("packets", 0), ("packets", 1 << 17), ("kbytes", 0), ("target_ms", 0), ("interval_ms", 0.5)])
def test_what_is_out_of_a_queues_bounds_is_named(name: str, value: float) -> None:
    with pytest.raises(ConfigurationError, match=rf"queue\.{name}"):
        replace(QueueConfig(), **{name: value})  # type: ignore[arg-type]  # of several types


def test_a_failure_is_known_before_it_is_mended() -> None:
    with pytest.raises(ConfigurationError, match="harq_slots"):
        MacConfig(down_slots=9, harq_slots=8)


def test_a_layout_names_what_is_there() -> None:
    Layout((6,), (0,), (Bearer(0, 0),), ((0, 100, 0),), (CHANNEL,))
    with pytest.raises(ValueError, match="one channel"):
        Layout((6,), (0, 0), (), ((0, 100, 0),), (CHANNEL,))
    for wrong in (Bearer(1, 0), Bearer(-1, 0), Bearer(0, 1)):
        with pytest.raises(ValueError, match="not there"):
            Layout((6,), (0,), (wrong,), ((0, 100, 0),), (CHANNEL,))
    with pytest.raises(ConfigurationError, match="two sessions in one slice"):
        Layout((6,), (0,), (Bearer(0, 0), Bearer(0, 0)), ((0, 100, 0),), (CHANNEL,))
