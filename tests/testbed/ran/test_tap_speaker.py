"""The emulated cell's tap, heard by the tap's own subscriber."""

from __future__ import annotations

import time

import pytest

from classifier.errors import TapError
from classifier.labels import LLM_SPLIT
from classifier.messages import Labelled, TapStatus
from classifier.publisher import Subscriber
from testbed.ran.tap_speaker import TapSpeaker


def test_its_flows_are_split_llms_and_its_counts_add_up() -> None:
    speaker = TapSpeaker(0, ("10.46.0.2", "10.46.1.2"))
    subscriber = Subscriber(speaker.address)
    heard: list[object] = []
    try:
        deadline = time.monotonic() + 30
        while not any(isinstance(one, TapStatus) for one in heard):
            assert time.monotonic() < deadline, "nothing was heard"
            speaker.say(5)  # a subscriber that connects late misses the first ones
            while (message := subscriber.receive(0.05)) is not None:
                heard.append(message)
    finally:
        subscriber.close()
        speaker.close()
    labels = [one for one in heard if isinstance(one, Labelled)]
    assert {(one.source, one.label) for one in labels} <= {
        ("10.46.0.2", LLM_SPLIT), ("10.46.1.2", LLM_SPLIT)}
    status = next(one for one in heard if isinstance(one, TapStatus))
    assert status.live == 2
    assert status.labels % 2 == 0


def test_a_port_in_use_is_told() -> None:
    first = TapSpeaker(0, ())
    try:
        with pytest.raises(TapError, match="Cannot publish"):
            TapSpeaker(int(first.address.rpartition(":")[2]), ())
    finally:
        first.close()
