"""A UE with sessions in two slices, on a base station whose reports name no slice."""

from __future__ import annotations

from dataclasses import replace

import pytest

from classifier.messages import AddressRates
from testbed.ran.cell_model import Share
from testbed.ran.emulator_config import INTERNET, LLM
from testbed.ran.faults import Fault
from testbed.ran.fluid_cell import SessionConfig
from testbed.ran.offered_load import Kind, LoadConfig
from testbed.ran.remote_control import RemoteControl
from tests.testbed.ran.steered import SteeredScene, never_pausing
from xapp.actuators.base import RemoteRequest
from xapp.observations import Ue
from xapp.store_records import Kind as RecordKind

ELSEWHERE = SessionConfig(INTERNET, "10.45.9.9", "internet", LoadConfig(Kind.CONSTANT, 500, 50))


class TwoSessions(SteeredScene):
    """Its first UE has both; a tap counts every address, each second, where it is to."""

    def __init__(self, kind: str, counted: bool = True) -> None:
        made = never_pausing(kind)
        first, *others = made.cells.ues
        both = replace(first, sessions=(*first.sessions, ELSEWHERE))
        self.counted, self._answers = counted, list[tuple[int, str]]()
        super().__init__(kind, carried=replace(
            made, cells=replace(made.cells, ues=(both, *others))))
        self.control = RemoteControl(self.ran)

    def ask_remote(self, call: int, step: RemoteRequest) -> None:
        self._answers.append((call, step.command))

    def pass_by(self, seconds: int) -> None:
        """Time passes, counted by the tap, and commands over the WebSocket are answered."""
        for _ in range(seconds):
            before = self.ran.snapshot()
            for _ in range(10):
                self.wait(0.1)
                while self._answers:
                    call, command = self._answers.pop(0)
                    answer, _ = self.control.answer(command)
                    self.core.remote_answered(
                        call, "websocket", "error" not in answer, "", self.now)
                    self._commit()
            after, rates = self.ran.snapshot(), []
            for one in self.ran.ues:
                for session in one.sessions:
                    now, then = (shot.ues[one.f1_id].get(session.slice) for shot in (after, before))
                    if now is not None:
                        more = now if then is None else now.minus(then)
                        rates.append((session.address, round(more.up_bits / 8),
                                      round(more.down_bits / 8)))
            if self.counted:
                self.core.label(AddressRates(1, 1.0, tuple(rates), "tap"), "tcp://tap", self.now)

    def mixed(self) -> Ue:
        ue, = (one for one in self.observations().ues.values()
               if len(self.core.ue_map.addresses_of(one.key)) == 2)
        return ue


@pytest.mark.parametrize("kind", ["srsran", "oai-old"])
def test_its_labelled_flow_is_in_the_slice_of_its_address_and_is_steered(kind: str) -> None:
    scene = TwoSessions(kind)
    scene.begin()
    assert scene.mixed().slice is None
    scene.label()
    scene.wait(3.0)
    flow, = (one for one in scene.observations().flows.values() if not one.from_counters)
    assert (flow.ue, flow.slice) == (scene.mixed().key, LLM)
    assert scene.used()


@pytest.mark.parametrize("counted", [True, False])
def test_on_srsran_it_is_guaranteed_and_not_capped_and_that_is_seen(counted: bool) -> None:
    scene = TwoSessions("srsran", counted)
    scene.begin()
    scene.pass_by(3)
    before = scene.mixed().load.up_delay_ms
    scene.label()
    scene.pass_by(6)
    assert scene.states()[0] == "confirmed"
    assert scene.used()[0] == "rc_slice_quota"
    share = scene.ran.limits[scene.ran.ues[0].f1_id]
    assert share.minimum > 0
    assert share.maximum == 100
    after = scene.mixed().load.up_delay_ms
    assert before is not None
    assert after is not None
    assert after < before / 2  # what was confirmed is so


def test_its_sums_are_divided_as_the_tap_counts_its_addresses() -> None:
    scene = TwoSessions("srsran")
    scene.begin()
    scene.label()
    scene.pass_by(6)
    cell, = scene.observations().cells.values()
    load, whole = cell.slices[LLM].load, scene.mixed().load
    assert load.up_kbps is not None
    assert whole.up_kbps is not None
    assert load.up_kbps == pytest.approx(whole.up_kbps - 50, rel=0.1)
    assert load.up_delay_ms is None


def test_where_the_websocket_is_there_the_slice_is_guaranteed_and_that_is_seen() -> None:
    scene = TwoSessions("srsran")
    scene.begin()
    scene.core.remote(scene.agent.name, True, scene.now)
    scene.pass_by(3)
    scene.label()
    scene.pass_by(8)
    assert scene.used()[0] == "websocket_slice_quota"
    assert scene.states()[0] == "confirmed"
    assert scene.share().minimum > 0
    assert set(scene.ran.limits.values()) == {Share()}  # no UE is limited


def test_an_acknowledgement_without_effect_is_not_confirmed() -> None:
    scene = TwoSessions("srsran")
    scene.begin()
    scene.agent.faults.add(Fault.NO_EFFECT)
    scene.pass_by(3)
    scene.label()
    scene.pass_by(10)
    assert scene.used()
    assert scene.of(RecordKind.EFFECT)
    assert "confirmed" not in scene.states()
