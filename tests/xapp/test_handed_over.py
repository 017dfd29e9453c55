"""A handover as a whole: decided, kept, sent to the CU-CP, acknowledged, seen; then left alone."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from testbed.ran.emulator_config import LLM
from testbed.ran.faults import Fault
from testbed.ran.reports import AMF
from tests.testbed.ran.steered import SteeredScene
from xapp import core
from xapp.decisions import Decision, HandOver
from xapp.e2.common import plmn_octets
from xapp.e2.ue_id import Guami
from xapp.observations import CellKey, Observations, UeKey
from xapp.store_records import Kind
from xapp.ue_map import Origin, UeEntry

GUAMI = Guami(plmn_octets("00101"), *AMF)


class Moving(SteeredScene):
    """Two cells of one gNB; who is where, and how the AMF knows them, is told each second."""

    def __init__(self, known: bool = True) -> None:
        self.amf_known = known
        super().__init__("srsran", cells=2, ues=2)

    def _map(self) -> None:
        self.core.mapped(Origin.EMULATOR, [UeEntry(
            session.address, UeKey(self.agent.name, f"du:{one.f1_id}"), session.slice,
            CellKey(self.agent.name, f"{one.cell:09x}"),
            core_name=(one.amf_id, GUAMI) if self.amf_known else None)
            for one in self.ran.ues for session in one.sessions], self.now)

    def pass_by(self, seconds: int) -> None:
        for _ in range(seconds):
            self._map()
            self.wait(1.0)

    def place(self, nci: int) -> CellKey:
        return CellKey(self.agent.name, f"{nci:09x}")


def decided(scene: Moving, monkeypatch: pytest.MonkeyPatch) -> UeKey:
    """The policy wants the split LLM's UE of the first cell in the second, once."""
    source, target = (scene.place(one.nci) for one in scene.ran.cells)
    user = next(one for one in scene.ran.ues if one.sessions[0].slice == LLM)
    key = UeKey(scene.agent.name, f"du:{user.f1_id}")
    wanted: list[Decision] = [HandOver(key, source, target, "a test.", "test")]

    def decide(observations: Observations, *rest: object) -> Sequence[Decision]:
        return [wanted.pop()] if wanted else []

    monkeypatch.setattr(core, "decide", decide)
    return key


def test_a_ue_that_reports_name_by_its_du_is_handed_over_by_its_amf_s_name(
    monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Moving()
    scene.begin()
    assert all(one.moved == float("-inf") for one in scene.observations().ues.values())
    key = decided(scene, monkeypatch)
    at = scene.now
    scene.pass_by(1)
    # At once, and before anything of it was seen, it is one that moves.
    assert at <= scene.observations().ues[key].moved <= at + 1.0
    scene.pass_by(6)
    assert scene.used() == ["rc_handover"]
    assert scene.states() == ["confirmed"]
    kinds = [one.kind for one in scene.records if one.kind in (
        Kind.DECISION, Kind.ACTION, Kind.SENT, Kind.ANSWER, Kind.EFFECT, Kind.DECISION_ENDED)]
    assert kinds == [Kind.DECISION, Kind.ACTION, Kind.SENT, Kind.ANSWER, Kind.EFFECT,
                     Kind.DECISION_ENDED]
    target = scene.ran.cells[1].nci
    assert next(one for one in scene.ran.ues if f"du:{one.f1_id}" == key.ue).cell == target
    ue = scene.observations().ues[key]
    assert ue.cell == scene.place(target)
    assert at <= ue.moved < scene.now  # from when it is left alone for the pause


def test_without_its_amf_s_name_nobody_is_sent_anywhere_and_the_remedy_is_told(
    monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Moving(known=False)
    scene.begin()
    decided(scene, monkeypatch)
    scene.pass_by(3)
    assert scene.used() == []
    assert scene.states() == ["failed"]
    assert any("AMF" in one.sentence for one in scene.said_to_operator)


def test_a_handover_that_is_acknowledged_and_does_not_happen_is_no_success(
    monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Moving()
    scene.begin()
    scene.agent.faults.add(Fault.NO_EFFECT)
    decided(scene, monkeypatch)
    scene.pass_by(20)
    assert scene.used() == ["rc_handover"]
    assert scene.states()
    assert "confirmed" not in scene.states()
