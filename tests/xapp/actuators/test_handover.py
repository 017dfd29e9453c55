"""RC 3/1: a UE by its AMF's number, to a cell of the same node."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.xapp.steering_scene import CELL, NODE, facts, wish
from xapp.actuators.base import E2Control, Refusal, Steps
from xapp.actuators.handover import RcHandover
from xapp.actuators.targets import PlaceTarget
from xapp.decisions import HandOver
from xapp.e2.profiles import PROFILES
from xapp.e2.rc_actions import read_handover
from xapp.e2.ue_id import GnbUe, Guami
from xapp.observations import CellKey, Observations, UeKey

EMPTY = Observations(0.0)
ACTUATOR = RcHandover(PROFILES["srsran"])
UE, TARGET = UeKey(NODE, "amf:7"), CellKey(NODE, "00019b002")
MOVE = HandOver(UE, CELL, TARGET, "the other cell has room.", "test")
NODE_FACTS = replace(facts("srsran"), ues={
    UE: GnbUe(7, Guami(b"\x00\xf1\x10", 1, 2, 3), (4,)), UeKey(NODE, "amf:8"): GnbUe(
        8, Guami(b"\x00\xf1\x10", 1, 2, 3))})


def test_a_ue_is_handed_over_by_its_cu_and_can_be_handed_back() -> None:
    made = ACTUATOR.plan(MOVE, NODE_FACTS, EMPTY)
    assert isinstance(made, Steps)
    (step,) = made.steps
    assert isinstance(step, E2Control)
    assert step.unit == "cu_cp"
    assert read_handover(PROFILES["srsran"], step.message).cell == 0x19B002
    assert made.sets == {PlaceTarget(UE, CELL): TARGET}
    back = ACTUATOR.put(NODE_FACTS, {PlaceTarget(UE, CELL): CELL})
    assert isinstance(back, Steps)


@pytest.mark.parametrize("move", [
    replace(MOVE, target=CellKey("another", "00019b002")),
    replace(MOVE, target=CellKey(NODE, "")),
    replace(MOVE, ue=UeKey(NODE, "du:1")),
    replace(MOVE, ue=UeKey(NODE, "amf:8")),  # without an F1AP id
    replace(MOVE, target=CellKey(NODE, "no hex"))])
def test_what_cannot_be_is_refused(move: HandOver) -> None:
    assert isinstance(ACTUATOR.plan(move, NODE_FACTS, EMPTY), Refusal)


def test_it_sets_no_quotas() -> None:
    assert ACTUATOR.can(NODE_FACTS, wish()) is not None
