"""srsRAN's remote control between cell and xApp: quotas of slices, and the log that has them.

Twice: the xApp's core and the emulated control in one process and virtual time, and
`airsplit ran` and `airsplit xapp` as processes, a WebSocket and SCTP between them.
"""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from testbed.ran.cell_model import Share
from testbed.ran.emulator_config import LLM
from testbed.ran.faults import Fault
from testbed.ran.remote_control import RemoteControl
from tests.testbed.ran.steered import SteeredScene
from tests.testbed.ran.test_ran_whole import QUICK, Cell, steered
from tests.xapp.whole.scene import World, until
from xapp.actuators.base import RemoteRequest
from xapp.events import Code
from xapp.ric import usrsctp
from xapp.store_read import Row

ACTUATOR = "websocket_slice_quota"


class RemoteScene(SteeredScene):
    """The remote control is connected; its answers come with the next step of time."""

    def __init__(self, profile: str = "srsran") -> None:
        self._asked: list[tuple[int, RemoteRequest]] = []
        self.commands: list[str] = []
        super().__init__(profile)
        self._control = RemoteControl(
            self.ran, effect=lambda: Fault.NO_EFFECT not in self.agent.faults)

    def begin(self) -> RemoteScene:
        super().begin()
        self.core.remote(self.agent.name, True, self.now)
        return self

    def ask_remote(self, call: int, step: RemoteRequest) -> None:
        self._asked.append((call, step))

    def _commit(self) -> None:
        super()._commit()
        while self._asked:
            call, step = self._asked.pop(0)
            self.commands.append(step.command)
            answer, _ = self._control.answer(step.command)
            self.core.remote_answered(call, "websocket", "error" not in answer,
                                      answer.get("error", ""), self.now)
            super()._commit()


def test_slices_are_steered_by_it_and_the_log_has_what_is_in_force() -> None:
    scene = RemoteScene().begin()
    scene.label()
    scene.wait(8.0)
    nci = scene.ran.cells[0].nci
    assert scene.used() == [ACTUATOR]
    assert scene.states() == ["confirmed"]  # by KPM, not by the acknowledgement
    assert scene.ran.shares[nci, LLM].minimum >= 10
    assert set(scene.ran.limits.values()) == {Share()}  # of UEs, which RC would have limited
    assert len(scene.commands) == 2
    scene.agree()


def test_what_it_acknowledges_and_does_not_do_is_undone() -> None:
    scene = RemoteScene().begin()
    scene.agent.faults.add(Fault.NO_EFFECT)
    scene.label()
    scene.wait(15.0)
    assert scene.used()[:2] == [ACTUATOR, "rc_slice_quota"]
    assert "confirmed" not in scene.states()
    assert {Code.NO_EFFECT, Code.ROLLED_BACK} <= set(scene.codes())
    minimums = [json.loads(one)["policies"]["min_prb_policy_ratio"] for one in scene.commands[:4]]
    assert minimums[0] > 0 < minimums[1]
    assert minimums[2:] == [0, 0]
    assert set(scene.ran.shares.values()) == {Share()}


def test_without_it_srsran_is_steered_over_e2_and_by_ue() -> None:
    scene = RemoteScene().begin()
    scene.core.remote(scene.agent.name, False, scene.now, "gone")
    scene.label()
    scene.wait(8.0)
    assert scene.used() == ["rc_slice_quota"]
    assert not scene.commands
    assert Code.REMOTE_DOWN in scene.codes()
    assert set(scene.ran.shares.values()) == {Share()}
    assert set(scene.ran.limits.values()) != {Share()}
    scene.agree()


def free_port() -> int:
    """The xApp has to be told it before the cell is there."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def in_force(audit: list[Row]) -> dict[str, tuple[int, int, int]]:
    """Quotas of slices by the log alone: what was sent and acknowledged last."""
    sent: dict[tuple[str, int], list[dict[str, Any]]] = {}
    found: dict[str, tuple[int, int, int]] = {}
    for one in audit:
        body = one["body"]
        if one["kind"] == "sent":
            sent[one["subject"], body["step"]] = body["sets"]
        elif one["kind"] == "answer" and body["answer"] == "acknowledged":
            for each in sent[one["subject"], body["step"]]:
                assert each["target"]["kind"] == "slice"
                value = each["value"]
                found[each["target"]["slice"]] = (
                    value["minimum"], value["maximum"], value["dedicated"])
    return found


def shares_of(cell: Cell) -> dict[str, tuple[int, int, int]]:
    return {name: (low, most, kept) for name, (low, most, kept) in cell.shares().items()}


@pytest.mark.slow
@pytest.mark.skipif(not usrsctp.available(), reason="libusrsctp2 is not installed")
def test_as_processes_the_cell_has_what_the_audit_log_says(tmp_path: Path) -> None:
    port = free_port()
    kind = f'srsran, remote: "ws://127.0.0.1:{port}"'
    with World(tmp_path, QUICK, (kind,)) as world:
        cell = Cell(world, "srsran", "--simulated", more=f"  remote_port: {port}\n")
        cell.ready()
        world.xapp.has("remote_up", cell.name)
        decision = steered(world, cell)
        assert decision["actuator"] == ACTUATOR
        assert decision["state"] in ("confirmed", "unproven")
        until(lambda: in_force(world.xapp.audit()) == shares_of(cell), "one story of both")
        shares, audit = shares_of(cell), world.xapp.audit()
        assert shares["1-000001"] != (0, 100, 0)
        assert {one["body"]["actuator"] for one in audit if one["kind"] == "action"} == {ACTUATOR}
        assert shares == {one["snssai"]: tuple(one["after"].values())
                          for one in decision["changes"]}
        assert set(cell.limits().values()) == {(0, 100)}
        assert world.xapp.end() == 0
        until(lambda: cell.untouched, "the quota back as it was")
        assert in_force(world.xapp.audit()) == shares_of(cell)
        assert world.xapp.count("put_back") == 1
        assert cell.end() == 0
        assert "gives slice 1-000001" in cell.text
