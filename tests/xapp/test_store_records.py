"""Records hold JSON alone, and what is in force is read back as it was."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from tests.xapp.actuators.test_targets import TARGET, VALUE
from tests.xapp.steering_scene import CELL, NODE, SHOWN, wish
from xapp.actuators.targets import Target, Value
from xapp.decisions import HandOver
from xapp.effect_watch import Effect
from xapp.observations import CellKey, UeKey
from xapp.store_records import (
    Held,
    cell_of,
    decision_document,
    effect_document,
    read_held,
    settings_document,
    uncertain,
)


@given(TARGET, VALUE, VALUE, VALUE, st.booleans(), st.booleans(), st.booleans())
def test_what_is_in_force_is_read_back(
        target: Target, found: Value, confirmed: Value, goal: Value, certain: bool, resting: bool,
        assumed: bool) -> None:
    held = Held(target, found, confirmed, goal, "rc", certain, resting, assumed)
    body = json.loads(json.dumps(held.record("rc", "why").body))
    assert read_held(body) == held
    assert not uncertain(held).certain
    assert json.dumps(settings_document({target: found}))


def test_decisions_and_effects_are_documents() -> None:
    quotas = decision_document(wish())
    assert quotas["quotas"]["1-000005"] == {"minimum": 70, "maximum": 100, "dedicated": 0}
    assert quotas["expected"][0]["subject"] == f"{CELL}/1-000005"
    move = HandOver(UeKey(NODE, "amf:1"), CELL, CellKey(NODE, "2"), "why", "test")
    assert decision_document(move)["target"] == f"{NODE}/2"
    assert cell_of(move) == cell_of(wish()) == str(CELL)
    effect = effect_document(Effect(SHOWN, 50.0, 70.0, True))
    assert (effect["before"], effect["seen"], effect["met"]) == (50.0, 70.0, True)
    assert json.dumps([quotas, decision_document(move), effect])
