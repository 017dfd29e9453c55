"""What is made of a subscription, and of whom it reports; by the kind's own conditions."""

from __future__ import annotations

import pytest

from testbed.ran.cell_model import Counters, Snapshot
from testbed.ran.e2_profiles import BEHAVIOURS
from testbed.ran.emulator_config import LLM, preset
from testbed.ran.fluid_cell import FluidCells
from testbed.ran.reports import Admitted, Asked, Fatal, header, judge, message, ue_id
from xapp.e2.common import EutraCgi, NrCgi, plmn_octets
from xapp.e2.e2ap_causes import RicRequestCause
from xapp.e2.e2ap_messages import SubscriptionDetails, SubscriptionRequest
from xapp.e2.e2ap_types import Action, ActionType, RequestId
from xapp.e2.kpm import (
    ActionDefinition,
    CellAction,
    CommonConditionAction,
    EventTrigger,
    Report,
    UeAction,
    UeReports,
    read_header,
)
from xapp.e2.measurements import Aspect, CommonCondition, Condition, Measurement, Relation
from xapp.e2.profiles import PROFILES
from xapp.e2.ue_id import GnbDuUe, GnbUe
from xapp.observations import Snssai

NAMES = (Measurement("DRB.UEThpDl"), Measurement("RRU.PrbTotDl"))
CELL = CellAction(NAMES, 500)
PLMN = plmn_octets("00101")


def judged(name: str, definition: ActionDefinition, period: int = 500,
           type: ActionType = ActionType.REPORT) -> object:
    behaviour, wire = BEHAVIOURS[name], PROFILES[name]
    request = SubscriptionRequest(RequestId(1, 1), 2, SubscriptionDetails(
        wire.kpm.event.encode(EventTrigger(period)),
        (Action(4, type, wire.kpm.action.encode(definition)),)))
    return judge(request, behaviour, wire, behaviour.units[0], FluidCells(preset(name).cells))


def by_slice(*slices: bytes, alternative: bool | None = True) -> ActionDefinition:
    return ActionDefinition(4, CommonConditionAction(tuple(
        CommonCondition(Condition(Aspect.SLICE, Relation.EQUAL, one),
                        alternative if place else None)
        for place, one in enumerate(slices)), CELL))


def test_what_is_announced_is_admitted() -> None:
    found = judged("spec", by_slice(b"\1\0\0\1", b"\1"))
    assert isinstance(found, Admitted)
    assert found.named == (4,)
    assert [str(one) for one in found.asked[0].slices or ()] == ["1-000001", "1"]


@pytest.mark.parametrize("definition", [
    ActionDefinition(1, CellAction((Measurement("No.Such"),), 500)),
    ActionDefinition(1, CellAction(NAMES, 500, NrCgi(PLMN, 5))),
    ActionDefinition(1, CellAction(NAMES, 500, EutraCgi(PLMN, 5))),
    ActionDefinition(2, UeAction(GnbDuUe(1), CELL)), ActionDefinition(4, CELL),
    by_slice(b"\1\0"), by_slice(b"\1", b"\2", alternative=None)])
def test_what_is_not_is_refused(definition: ActionDefinition) -> None:
    assert judged("spec", definition) is RicRequestCause.ACTION_NOT_SUPPORTED


def test_an_insert_and_a_period_below_ten_milliseconds_are_refused() -> None:
    definition = ActionDefinition(1, CELL)
    assert judged("spec", definition, type=ActionType.INSERT) is (
        RicRequestCause.ACTION_NOT_SUPPORTED)
    assert judged("spec", definition, 9) is RicRequestCause.EVENT_TRIGGER_NOT_SUPPORTED


def test_oai_has_no_reports_of_cells_and_does_not_end_on_them() -> None:
    assert judged("oai", ActionDefinition(1, CELL)) is RicRequestCause.ACTION_NOT_SUPPORTED
    assert isinstance(judged("oai", by_slice(b"\1", b"\2")), Fatal)


@pytest.mark.parametrize("name", BEHAVIOURS)
def test_a_header_has_the_time_where_the_layout_has_room(name: str) -> None:
    wall = 1_760_000_000_000_000_000
    seconds = read_header(header(PROFILES[name], wall)).seconds
    assert seconds == (None if name.startswith(("oai", "flexric")) else pytest.approx(wall / 1e9))


def test_ues_are_named_as_the_kind_names_them() -> None:
    facts = FluidCells(preset().cells).ues[0]
    assert ue_id(facts, BEHAVIOURS["srsran"], "00101") == GnbDuUe(facts.f1_id)
    whole = ue_id(facts, BEHAVIOURS["oai"], "00101")
    assert isinstance(whole, GnbUe)
    assert (whole.amf_id, whole.ran_id) == (facts.amf_id, facts.ran_id.to_bytes(8))


def test_a_cell_s_report_is_of_that_cell_and_a_node_s_of_all() -> None:
    ran = FluidCells(preset(cells=2, ues=2, load="overload").cells)
    behaviour, wire = BEHAVIOURS["spec"], PROFILES["spec"]
    before = ran.snapshot()
    ran.advance(2)
    after = ran.snapshot()

    def values(cell: NrCgi | None) -> tuple[object, ...]:
        asked = Asked(1, 2.0, ActionDefinition(1, CellAction(
            (Measurement("RRU.PrbUsedDl"), Measurement("RRU.PrbAvailDl")), 2000, cell)))
        data = message(asked, before, after, behaviour, wire, ran)
        report = wire.kpm.message.decode(data or b"")
        assert isinstance(report, Report)
        return report.data[0].records

    one = values(NrCgi(PLMN, ran.cells[0].nci))
    assert sum(one) == 106  # type: ignore[arg-type]  # whole numbers
    assert one[0] == pytest.approx(105, abs=2)
    assert sum(values(None)) == 212  # type: ignore[arg-type]  # as above


def test_where_no_ue_is_meant_nothing_is_reported() -> None:
    ran = FluidCells(preset().cells)
    asked = Asked(1, 1.0, by_slice(b"\7"), slices=(Snssai(7),))
    shot = Snapshot(1.0, {1: {LLM: Counters()}})
    behaviour, wire = BEHAVIOURS["spec"], PROFILES["spec"]
    assert message(asked, shot, shot, behaviour, wire, ran) is None
    strange = message(asked, shot, shot, behaviour, wire, ran, strangers=True)
    found = wire.kpm.message.decode(strange or b"")
    assert isinstance(found, UeReports)
    assert len(found.ues) == 1
