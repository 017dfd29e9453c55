"""After each fault its quotas are what the audit log says, no floor is broken, and it was told.

That a base station acknowledges and does nothing is in `test_steered`: there nothing comes to be in
force at all.
"""

from __future__ import annotations

import pytest

from testbed.ran.emulator_config import INTERNET, LLM
from testbed.ran.faults import Fault
from tests.testbed.ran.steered import SteeredScene
from xapp.events import Code
from xapp.slice_policy import SlicePolicy

# What an operator hears of it; None: it is counted, and disturbs nothing.
TOLD = {
    Fault.LATE_ACK: Code.CONTROL_UNANSWERED, Fault.NO_ACK: Code.CONTROL_UNANSWERED,
    Fault.CONTROL_FAILURE: Code.CONTROL_REFUSED, Fault.DIE_ON_CONTROL: Code.NODE_LOST_MIDWAY,
    Fault.REFUSE_SUBSCRIPTIONS: Code.NO_REPORTS, Fault.GARBAGE: Code.GARBAGE,
    Fault.DROP_INDICATIONS: None, Fault.DUPLICATE_INDICATIONS: None,
    Fault.DELAY_INDICATIONS: None, Fault.UNKNOWN_UE: None}
UNMOVED = (Fault.CONTROL_FAILURE, Fault.REFUSE_SUBSCRIPTIONS)
# Rows that want more than the floor leaves: whoever forgot it would give their slice 50 %.
POLICY = SlicePolicy("llm", inter_token_ms=10, row_bytes=200_000, floors={INTERNET: 60})
MOST_WAIT = 60  # seconds for all to be settled


def wait(scene: SteeredScene, seconds: int) -> None:
    for _ in range(seconds):
        scene.wait(1.0)
        scene.floors_hold()


def settle(scene: SteeredScene) -> None:
    """Until nothing is under way and nothing is to be put back."""
    for _ in range(MOST_WAIT):
        wait(scene, 1)
        if not scene.core.steering.unsettled():
            return
    raise AssertionError(f"never settled: {scene.codes()[-8:]}")


def test_every_fault_is_here_but_the_one_that_has_its_own() -> None:
    assert {*TOLD, Fault.NO_EFFECT} == set(Fault)


@pytest.mark.parametrize("fault", TOLD)
def test_quotas_are_what_the_log_says_and_keep_the_floor_after(fault: Fault) -> None:
    scene = SteeredScene("spec", ues=2, policy=POLICY)
    scene.agent.faults.add(fault)
    scene.begin()
    scene.label()
    wait(scene, 6)
    scene.agent.faults.clear()
    if scene.ends is not None:
        scene.return_()
        scene.core.tick(scene.now)
        scene._map()
        wait(scene, 8)
    settle(scene)
    code = TOLD[fault]
    assert code is None or code in scene.codes()
    scene.agree()
    assert (scene.share(LLM).minimum == 0) is (fault in UNMOVED)
