"""After each fault of a base station its quotas are what the audit log says, and it was told."""

from __future__ import annotations

import pytest

from testbed.ran.faults import Fault
from tests.testbed.ran.steered import SteeredScene
from xapp.events import Code

TOLD = {Fault.LATE_ACK: Code.CONTROL_UNANSWERED, Fault.NO_ACK: Code.CONTROL_UNANSWERED,
        Fault.CONTROL_FAILURE: Code.CONTROL_REFUSED, Fault.DIE_ON_CONTROL: Code.NODE_LOST_MIDWAY}
MOST_WAIT = 60  # seconds for all to be settled


def settle(scene: SteeredScene) -> None:
    """Until nothing is under way and nothing is to be put back."""
    for _ in range(MOST_WAIT):
        scene.wait(1.0)
        if not scene.core.steering.unsettled():
            return
    raise AssertionError(f"never settled: {scene.codes()[-8:]}")


@pytest.mark.parametrize("fault", TOLD)
def test_quotas_are_what_the_log_says_after(fault: Fault) -> None:
    scene = SteeredScene("spec").begin()
    scene.agent.faults.add(fault)
    scene.label()
    scene.wait(6.0)
    assert TOLD[fault] in scene.codes() or scene.ends is not None
    scene.agent.faults.clear()
    if scene.ends is not None:
        scene.return_()
        scene.core.tick(scene.now)
        scene._map()
    settle(scene)
    assert TOLD[fault] in scene.codes()
    scene.agree()
