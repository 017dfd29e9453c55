"""Taps' words go where they belong, and what becomes of taps is told once."""

from __future__ import annotations

from classifier.messages import AddressRates, Labelled, TapStatus
from xapp.events import Code
from xapp.flows import FlowsConfig, FlowTable
from xapp.matching import Matching
from xapp.taps import AWAITED_SECONDS, CROWDED_SECONDS, Taps


def status(sequence: int, labels: int = 0) -> TapStatus:
    return TapStatus(1, 1.0, 1, 1, 0, 1, 1, 0, labels, 0.0, tap="tap", sequence=sequence)


def test_the_first_word_and_messages_that_never_came_are_told() -> None:
    taps = Taps(FlowTable(), None, 5.0)
    assert not taps.speak(0.0)
    assert [one.code for one in taps.heard(status(1), "tcp://tap", 1.0)] == [Code.TAP_HEARD]
    assert taps.heard(status(2), "tcp://tap", 2.0) == []
    lost, = taps.heard(status(3, labels=2), "tcp://tap", 3.0)
    assert lost.code is Code.LABELS_LOST
    assert "2 messages" in lost.sentence
    assert taps.heard(status(4, labels=2), "tcp://tap", 4.0) == []


def test_silence_and_its_end_are_told_once() -> None:
    taps = Taps(FlowTable(), None, 5.0)
    assert taps.watch(100.0) == []  # none ever spoke
    taps.heard(status(1), "tcp://tap", 100.0)
    assert taps.watch(105.0) == []
    assert [one.code for one in taps.watch(105.1)] == [Code.TAP_SILENT]
    assert taps.watch(106.0) == []
    taps.heard(status(2), "tcp://tap", 107.0)
    assert [one.code for one in taps.watch(107.0)] == [Code.TAP_HEARD]


def test_a_tap_that_is_waited_for_and_never_spoke_is_told_of_once() -> None:
    taps = Taps(FlowTable(), None, 5.0, awaited=True)
    assert taps.watch(100.0) == taps.watch(100.0 + AWAITED_SECONDS - 0.1) == []
    told, = taps.watch(100.0 + AWAITED_SECONDS)
    assert told.code is Code.TAP_SILENT
    assert "taps: []" in told.sentence
    assert taps.watch(200.0) == []
    for awaited in (False, True):  # none is to be, and one spoke in time
        others = Taps(FlowTable(), None, 5.0, awaited)
        others.watch(100.0)
        if awaited:
            others.heard(status(1), "tcp://tap", 110.0)
        assert others.watch(114.0) == others.watch(115.0) == []


def test_rates_go_to_those_who_divide_and_match() -> None:
    matching = Matching()
    taps = Taps(FlowTable(), matching, 5.0)
    taps.heard(AddressRates(1, 1.0, (("10.45.0.2", 1, 2),), "tap", 1), "tcp://tap", 1.0)
    assert "10.45.0.2" in matching._heard
    assert "10.45.0.2" in taps.sessions._rates


def test_more_flows_than_are_remembered_are_told_now_and_then() -> None:
    taps = Taps(FlowTable(FlowsConfig(most_strangers=10)), None, 500.0)

    def flood(count: int, now: float) -> list[str]:
        for number in range(count):
            taps.heard(Labelled(number, "web", 0.9, "AFTER_1_S", 1, "198.51.100.1", "192.0.2.1", 1,
                                2, 6, tap=f"tap-{now}"), "tcp://tap", now)
        return [one.sentence for one in taps.watch(now) if one.code is Code.FLOWS_CROWDED]

    assert flood(10, 1.0) == []
    assert flood(25, 2.0)[0].startswith("25 flows were given up")
    assert flood(5, 3.0) == []  # it was told a moment ago
    assert flood(1, 3.0 + CROWDED_SECONDS)[0].startswith("6 flows")
    assert flood(0, 3.0 + 3 * CROWDED_SECONDS) == []
