"""The live view: all that there is to see, at any width, and before anything is known."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from testbed.loop.chronicle import Event, What
from testbed.loop.live_view import Scene, draw
from testbed.loop.settings import INTERNET, LLM, LoopSettings
from testbed.loop.slices import SliceSample
from testbed.loop.story import Token


def shown(scene: Scene, width: int = 120) -> str:
    console = Console(file=io.StringIO(), width=width, record=True)
    console.print(draw(scene, width))
    return console.export_text()


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


@pytest.mark.parametrize("width", [40, 80, 120, 300])
def test_any_width_will_do(width: int) -> None:
    assert all(len(line) <= width for line in shown(scene(), width).splitlines())


def test_before_anything_is_known() -> None:
    settings = LoopSettings()
    assert "waiting for the cell" in shown(Scene(settings, said=["waiting for the cell"]))
    text = shown(Scene(settings, now=0.0))
    assert "no flow of a split model is known" in text
    assert "only watches" in text
