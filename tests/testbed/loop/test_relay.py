"""Label messages noted and passed on, and exchanged alike for all flows."""

from __future__ import annotations

import json
from typing import Any

import pytest

from classifier.labels import CLASSES, UNKNOWN
from classifier.messages import Labelled, Message, TapStatus
from testbed.loop.relay import Relay, rotated


class Publisher:
    def __init__(self) -> None:
        self.sent: list[Message] = []

    def send(self, message: Message) -> None:
        self.sent.append(message)


def labelled(label: str) -> Labelled:
    return Labelled(1, label, 0.9, "PACKETS_5", 1, "10.46.0.2", "10.46.0.1", 4000, 8470, 6)


def noted(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_the_tap_is_noted_once_and_each_label_as_it_was(
        capsys: pytest.CaptureFixture[str]) -> None:
    publisher = Publisher()
    relay = Relay(publisher, 1)  # type: ignore[arg-type]  # it sends, and that is all that is asked
    status = TapStatus(1, 1.0, 1, 1, 0, 1, 1, 0, 1, 0.0, "it")
    for message in (status, labelled("llm_split"), status):
        relay.take(message)
    first, second = noted(capsys)
    assert first["tap"] == "it"
    assert second["label"] == "llm_split"
    assert second["heard"] > 0
    passed = publisher.sent[1]
    assert isinstance(passed, Labelled)
    assert passed.label == rotated("llm_split", 1) != "llm_split"
    assert publisher.sent[0] is publisher.sent[2] is status


def test_without_a_publisher_it_only_notes(capsys: pytest.CaptureFixture[str]) -> None:
    Relay(None, 0).take(labelled("web"))
    assert [one.get("label") for one in noted(capsys)] == [None, "web"]


@pytest.mark.parametrize("places", range(1, len(CLASSES)))
def test_no_label_stays_and_each_is_taken_once(places: int) -> None:
    exchanged = [rotated(one, places) for one in CLASSES]
    assert sorted(exchanged) == sorted(CLASSES)
    assert all(before != after for before, after in zip(CLASSES, exchanged, strict=True))
    assert rotated(UNKNOWN, places) == UNKNOWN
