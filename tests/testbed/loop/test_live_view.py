"""The live view: all that there is to see, in a terminal of any size, and before it is known."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from testbed.loop.chronicle import Event, What
from testbed.loop.live_view import Scene, draw
from testbed.loop.settings import INTERNET, LLM, LoopSettings
from testbed.loop.slices import SliceSample
from testbed.loop.story import Token

REASON = ("The guarantee of slice 1-000002 rises from 12 % to 15 %, since the flow's tokens wait "
          "61 ms where the policy wants 40 ms; the others keep their floor.")
ADDRESSES = {"the phone's page": "http://127.0.0.1:8501",
             "the operator's console": "http://127.0.0.1:8502",
             "metrics": "http://127.0.0.1:8480/metrics",
             "the xApp": "http://127.0.0.1:8480/api/v1/status"}


def shown(scene: Scene, width: int = 120, height: int = 60) -> str:
    console = Console(file=io.StringIO(), width=width, record=True)
    console.print(draw(scene, width, height))
    return console.export_text()


def whole_story() -> Scene:
    """As much as there ever is."""
    events = [Event(9.0 * number, what, f"event {number}: the cell guarantees slice 1-000002 12 % "
                    "of its resource blocks, 0 % before") for number, what in enumerate(What)]
    decisions = [{"state": "confirmed", "reason": REASON}]
    return replace(scene(), events=events, decisions=decisions, addresses=ADDRESSES)


def scene() -> Scene:
    settings = LoopSettings()
    tokens = [Token(0, number, 0, number * 0.03) for number in range(1000)]
    return Scene(
        settings, 30.0, [], tokens, [
            SliceSample(29, INTERNET, 7500, 100, 97, 99, 1500, 10),
            SliceSample(29, LLM, None, None, None, 3, None, None)],
        {LLM: {"minimum": 11, "maximum": 100, "dedicated": 0}},
        {"label": "llm_split", "confidence": 0.98, "address": "10.46.0.2"},
        [{"state": "confirmed", "reason": "The guarantee rises."}], False,
        [Event(16.0, What.CONGESTION, "the crowd comes")],
        {"the phone's page": "http://127.0.0.1:8501"})


def test_everything_is_there() -> None:
    text = shown(scene())
    for part in ("congested", "11 %", "7.5 Mbit/s", "97 %", "llm_split  98 % sure, 10.46.0.2",
                 "may act", "confirmed: The guarantee rises.", "the crowd comes",
                 "http://127.0.0.1:8501", "33 tokens a second, 30 ms from one to the next"):
        assert part in text


def test_every_slice_is_shown_in_each_cell_that_reported_it() -> None:
    third = "1-000002"
    own = LoopSettings(slices=({"slice": INTERNET}, {"slice": LLM}, {"slice": third}))
    found = replace(scene(), settings=own, samples=[
        SliceSample(29, name, kbps, 100, 97, 99, 15, 10, cell) for name, kbps, cell in (
            (INTERNET, 7500, "a"), (INTERNET, 2500, "b"), (third, 3500, "b"))])
    lines = shown(found).splitlines()
    for name, rate in (("everybody's, cell 0", "7.5"), ("everybody's, cell 1", "2.5"),
                       ("the split model's ", "-"), (f"{third}, cell 1", "3.5")):
        assert [f"{rate} Mbit/s" in line for line in lines if f" {name}" in line] == [True]


@pytest.mark.parametrize("width", [40, 80, 120, 300])
def test_any_width_will_do(width: int) -> None:
    assert all(len(line) <= width for line in shown(scene(), width).splitlines())


@pytest.mark.parametrize("width", [80, 160])
@pytest.mark.parametrize("height", [24, 30, 50])
def test_a_terminal_shows_all_of_it(width: int, height: int) -> None:
    text = shown(whole_story(), width, height)
    assert len(text.splitlines()) <= height
    for part in (*ADDRESSES, *ADDRESSES.values(), "wait for each token", "tokens a second",
                 "11 %", "llm_split  98 % sure", "may act", "confirmed: The guarantee",
                 f"event {len(What) - 1}: the cell guarantees"):
        assert part in text
    assert text.splitlines()[0].startswith(" the phone's page http://")


def test_with_less_room_the_chart_is_lower_and_the_oldest_events_go() -> None:
    high, low = (shown(whole_story(), 80, height) for height in (60, 24))
    assert "100 ms │" in high
    assert "100 ms │" not in low
    assert f" {REASON.rpartition(' ')[2]}" in high
    told = [[number for number in range(len(What)) if f"event {number}: " in text]
            for text in (high, low)]
    assert told[0] == list(range(len(What)))
    assert 0 < len(told[1]) < len(What)
    assert told[1] == told[0][-len(told[1]):]


@settings(max_examples=20)
@given(st.integers(40, 200), st.integers(7, 60), st.integers(0, len(What)), st.booleans())
def test_it_is_never_higher_than_the_terminal(width: int, height: int, events: int, up: bool,
                                              ) -> None:
    found = whole_story()
    found = replace(found, events=found.events[:events], tokens=found.tokens[:20],
                    addresses=ADDRESSES if up else {})
    assert len(shown(found, width, height).splitlines()) <= height
    waiting = Scene(found.settings, said=[f"waiting for {number}" for number in range(40)])
    text = shown(waiting, width, height)
    assert len(text.splitlines()) <= height
    assert "waiting for 39" in text


def test_before_anything_is_known() -> None:
    settings = LoopSettings()
    assert "waiting for the cell" in shown(Scene(settings, said=["waiting for the cell"]))
    text = shown(Scene(settings, now=0.0))
    assert "no flow of a split model is known" in text
    assert "only watches" in text
