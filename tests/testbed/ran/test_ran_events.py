"""Events: sound or refused with a remedy, and each begins and ends when it should."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.ran.mac.channel import ChannelConfig
from testbed.ran.ran_events import MOST_EVENTS, EventConfig, Kind, Script, check
from xapp.config_reading import build
from xapp.errors import ConfigurationError


@pytest.mark.parametrize(("document", "said"), [
    ({"kind": "rain"}, "kind"),
    ({"kind": "outage", "at": -1}, "A time of outage cannot be"),
    ({"kind": "outage", "seconds": 0}, "A time of outage cannot be"),
    ({"kind": "handover", "ue": "a", "cell": 1, "seconds": 2}, "handover does not last"),
    ({"kind": "leave"}, "leave needs a UE"),
    ({"kind": "outage", "ue": "a"}, "outage is of no UE"),
    ({"kind": "leave", "ue": "a", "cell": 0}, "leave is of no cell"),
    ({"kind": "handover", "ue": "a"}, "handover needs a cell"),
    ({"kind": "channel", "ue": "a"}, "channel needs a channel"),
    ({"kind": "leave", "ue": "a", "channel": {}}, "leave has no channel"),
    ({"kind": "backhaul", "loss": 2}, "A loss of 2"),
    ({"kind": "backhaul", "delay_ms": -1}, "a delay of -1 ms"),
    ({"kind": "outage", "colour": "red"}, "colour")])
def test_what_cannot_be_is_refused(document: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        build(EventConfig, document)


def test_what_names_nothing_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"events\[1\].ue: there is no UE 'c'"):
        check(EventConfig(Kind.LEAVE, ue="c"), ("a", "b"), 1, "events[1]")
    with pytest.raises(ConfigurationError, match="0 to 1"):
        check(EventConfig(Kind.OUTAGE, cell=2), ("a",), 2, "event")
    check(EventConfig(Kind.CHANNEL, ue="a", channel=ChannelConfig()), ("a",), 1, "event")


@pytest.mark.parametrize(("document", "lost"), [
    ({}, 1.0), ({"delay_ms": 50}, 0.0), ({"delay_ms": 50, "loss": 0.2}, 0.2), ({"loss": 0}, 0.0)])
def test_a_backhaul_that_is_only_slower_loses_nothing(document: dict[str, Any],
                                                      lost: float) -> None:
    assert build(EventConfig, {"kind": "backhaul", **document}).lost == lost


def _ran(script: Script, until: float) -> list[tuple[float, Kind, bool]]:
    return [(at, event.kind, begins) for at, event, begins in script.due(until)]


def test_an_outage_ends_by_itself_and_a_longer_one_goes_on() -> None:
    script = Script((EventConfig(Kind.OUTAGE, 1.0, 2.0), EventConfig(Kind.OUTAGE, 2.0, 4.0),
                     EventConfig(Kind.OUTAGE, 2.0, 1.0, cell=1)))
    assert script.next == 1.0
    assert _ran(script, 3.5) == [(1.0, Kind.OUTAGE, True), (2.0, Kind.OUTAGE, True),
                                 (2.0, Kind.OUTAGE, True), (3.0, Kind.OUTAGE, False)]
    assert _ran(script, 10.0) == [(6.0, Kind.OUTAGE, False)]
    assert script.next is None


def test_who_was_called_back_does_not_come_back_twice() -> None:
    script = Script((EventConfig(Kind.LEAVE, 1.0, 5.0, ue="a"),
                     EventConfig(Kind.RETURN, 2.0, ue="a")))
    assert _ran(script, 10.0) == [(1.0, Kind.LEAVE, True), (2.0, Kind.RETURN, True)]


def test_a_control_in_a_loop_fills_no_memory() -> None:
    script = Script(EventConfig(Kind.OUTAGE, 9.0) for _ in range(MOST_EVENTS))
    with pytest.raises(ConfigurationError, match="Too many events"):
        script.add(EventConfig(Kind.OUTAGE), 1.0)


EVENTS = st.builds(EventConfig, st.just(Kind.OUTAGE), st.floats(0, 20), st.none() | st.floats(
    0.1, 9), cell=st.integers(0, 2))


@given(st.lists(EVENTS, max_size=12), st.lists(st.floats(0, 40), max_size=8))
def test_times_rise_and_what_ends_had_begun(events: list[EventConfig], looks: list[float]) -> None:
    script, last = Script(events), 0.0
    out: set[int | None] = set()
    for look in (*sorted(looks), 100.0):
        for at, event, begins in script.due(look):
            assert last <= at <= look
            last = at
            assert begins or event.cell in out
            (out.add if begins else out.discard)(event.cell)
    latest = {one.cell: one for one in sorted(events, key=lambda one: one.at)}
    assert out == {cell for cell, one in latest.items() if one.seconds is None}
    assert script.next is None
