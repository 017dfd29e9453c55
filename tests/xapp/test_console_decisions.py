"""A decision on the page: expected against seen, in words and on a track."""

from __future__ import annotations

import re

import pytest

from tests.xapp.api_scene import make_scene
from xapp.api_decisions import DecisionModel, EffectModel
from xapp.console_decisions import bound_text, decision_html, effect_text, title_text

SCENE = make_scene(history=600.0)
CLOCK = SCENE.operations.picture().clock
ALL = [DecisionModel.of(one, CLOCK) for one in SCENE.operations.network.decisions]
CONFIRMED = next(one for one in ALL if one.state == "confirmed" and len(one.effects) == 2)
ROLLED_BACK = next(one for one in ALL if one.state == "rolled_back")


def effect(**changes: object) -> EffectModel:
    return EffectModel.model_validate({
        "subject": "n/c/1", "metric": "up_delay_ms", "at_least": None, "at_most": 25.0,
        "within": 3.0, "before": 96.0, "seen": 7.0, "met": True} | changes)


def test_it_says_what_was_changed_expected_and_seen() -> None:
    shown = decision_html(CONFIRMED)
    assert 'data-tone="good"' in shown
    assert "confirmed" in shown
    assert CONFIRMED.reason.split(";")[0] in shown
    assert shown.count("<mark") == 2
    assert "expected ≤ 25 ms within 3 s" in shown
    assert shown.count("<li>") == 3


def test_one_that_was_rolled_back_is_told_apart() -> None:
    shown = decision_html(ROLLED_BACK)
    assert shown.startswith('<div class="as-decision" data-tone="bad">')
    assert "rolled back" in shown


@pytest.mark.parametrize(("changes", "words"), [
    ({}, "≤ 25 ms"), ({"beside": 0.5}, "≤ 25 ms and ≤ 50 % of the longest wait beside it"),
    ({"at_most": None, "at_least": 20.0, "metric": "down_prbs"}, "≥ 20 %"),
    ({"at_least": 500.0, "at_most": 900.0, "metric": "up_kbps"}, "≥ 500 kbit/s and ≤ 900 kbit/s")])
def test_bounds_in_words(changes: dict[str, object], words: str) -> None:
    assert bound_text(effect(**changes)) == words


def test_what_would_only_prove_an_effect_is_no_fault_where_it_is_missing() -> None:
    for needed, tone, words in ((True, "bad", "expected ≤"), (False, "wait", "would prove it: ≤")):
        one = CONFIRMED.model_copy(update={"effects": [effect(met=False, needed=needed)]})
        shown = decision_html(one)
        assert f'class="as-track" data-tone="{tone}"' in shown
        assert words in shown


def test_what_was_not_seen_is_no_dot() -> None:
    for seen, before, dots in ((None, None, 0), (None, 3.0, 1), (0.0, 0.0, 2)):
        one = CONFIRMED.model_copy(update={"effects": [effect(seen=seen, before=before)]})
        shown = decision_html(one)
        assert len(re.findall(r"<i[ >]", shown)) == dots
    assert "seen \N{EN DASH}" in effect_text(
        CONFIRMED.model_copy(update={"effects": [effect(seen=None)]}))


def test_every_place_on_the_track_is_within_it() -> None:
    for values in ((0.0, 0.0, None, 0.0), (1e9, 1e-9, 5.0, None), (-3.0, 4.0, None, 2.0)):
        before, seen, low, high = values
        one = CONFIRMED.model_copy(update={"effects": [
            effect(before=before, seen=seen, at_least=low, at_most=high)]})
        for place in re.findall(r"(?:left|width): (-?[\d.]+)%", decision_html(one)):
            assert 0 <= float(place) <= 100


def test_titles() -> None:
    assert title_text(CONFIRMED) == f"Quotas of {CONFIRMED.cell.rsplit('/')[-1]}"
    moved = CONFIRMED.model_copy(update={"kind": "hand_over", "ues": ["n/amf:7"], "target": "n/c2"})
    assert title_text(moved) == "Move amf:7 to c2"


def test_nothing_from_outside_acts_in_the_page() -> None:
    evil = "<script>alert(1)</script>"
    one = CONFIRMED.model_copy(update={
        "reason": evil, "policy": evil, "actuator": evil, "cell": evil, "state": evil,
        "effects": [effect(subject=evil, metric="up_prbs")]})
    assert "<script" not in decision_html(one)
