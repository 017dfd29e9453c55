"""Controls by what is refused before anything is done; what each kind does is in the traps."""

from __future__ import annotations

import pytest

from testbed.ran.cell_model import Share
from testbed.ran.controls import Done, Failed, Verdict, obey
from testbed.ran.e2_profiles import BEHAVIOURS
from testbed.ran.emulator_config import preset
from testbed.ran.fluid_cell import FluidCells
from xapp.e2 import ccc
from xapp.e2.ccc import CccCell, CellControl, Ratio
from xapp.e2.common import CCC_OIDS, KPM_OIDS, RC_OIDS, Snssai
from xapp.e2.control import Control
from xapp.e2.e2ap_messages import ControlRequest
from xapp.e2.e2ap_types import RequestId
from xapp.e2.profiles import PROFILES
from xapp.e2.quota import SliceQuota
from xapp.e2.rc import BundleHeader, ControlHeader
from xapp.e2.rc_actions import FlowMapping, flow_control
from xapp.e2.rc_quota import slice_quota_control
from xapp.e2.ue_id import GnbCuUpUe, GnbDuUe, GnbUe, Guami

SPEC = PROFILES["spec"]
GOOD = slice_quota_control(SPEC, [SliceQuota(Snssai(1, 1), 20, 90, 5)], GnbDuUe(1))


def obeyed(control: Control, oid: str = RC_OIDS[0], ran: FluidCells | None = None,
           effect: bool = True) -> tuple[Verdict, FluidCells]:
    ran = ran or FluidCells(preset("spec").cells)
    behaviour = BEHAVIOURS["spec"]
    verdict = obey(ControlRequest(RequestId(1, 1), 3, control.header, control.message), oid,
                   behaviour, SPEC, behaviour.units[0].actions, ran, effect)
    return verdict, ran


def test_a_good_one_is_done_and_only_where_it_is_to_have_an_effect() -> None:
    verdict, ran = obeyed(GOOD)
    assert isinstance(verdict, Done)
    assert Share(20, 90, 5) in ran.shares.values()
    verdict, ran = obeyed(GOOD, effect=False)
    assert isinstance(verdict, Done)
    assert set(ran.shares.values()) == {Share()}


@pytest.mark.parametrize("control", [
    Control(b"", b""), Control(GOOD.header, b"\xff" * 20), Control(b"\xff" * 5, GOOD.message),
    Control(SPEC.rc.header.encode(BundleHeader()), GOOD.message),
    Control(SPEC.rc.header.encode(ControlHeader(GnbDuUe(1), 2, 7)), GOOD.message),
    Control(SPEC.rc.header.encode(ControlHeader(GnbDuUe(1), 3, 1)), GOOD.message),
    slice_quota_control(SPEC, [SliceQuota(Snssai(1, 1), 20, 90, 5),
                               SliceQuota(Snssai(9), 20, 90, 5)], GnbDuUe(1))])
def test_bad_ones_fail_and_change_nothing(control: Control) -> None:
    verdict, ran = obeyed(control)
    assert isinstance(verdict, Failed)
    assert verdict.why
    assert set(ran.shares.values()) == {Share()}


def test_a_function_for_reports_takes_no_controls() -> None:
    assert isinstance(obeyed(GOOD, KPM_OIDS[0])[0], Failed)


@pytest.mark.parametrize(("ue", "done"), [
    (GnbDuUe(1), True), (GnbDuUe(99), False), (GnbCuUpUe(1), False),
    (GnbUe(101, Guami(b"\0\xf1\x10", 2, 1, 0)), True),
    (GnbUe(5, Guami(b"\0\xf1\x10", 2, 1, 0), ran_id=(1).to_bytes(8)), True)])
def test_flows_are_mapped_by_whichever_name_of_a_ue(ue: GnbDuUe, done: bool) -> None:
    verdict, ran = obeyed(flow_control(SPEC, ue, 5, [FlowMapping(9, False), FlowMapping(8, True)]))
    assert isinstance(verdict, Done if done else Failed)
    assert ran.flows == ({(1, 9): 5, (1, 8): 5} if done else {})


@pytest.mark.parametrize(("minimum", "maximum", "dedicated"), [(50, 40, 0), (20, 90, 30)])
def test_ccc_refuses_ratios_that_do_not_rise_and_does_none_of_them(
    minimum: int, maximum: int, dedicated: int
) -> None:
    ran = FluidCells(preset("spec").cells)
    cell = CccCell("00101", ran.cells[0].nci)
    good = Ratio((("00101", Snssai(1)),), 90, 10, 0)
    bad = Ratio((("00101", Snssai(1, 1)),), maximum, minimum, dedicated)
    verdict, _ = obeyed(Control(ccc.write_header(), ccc.write_control(
        [CellControl(cell, ((good, good), (bad, bad)))])), CCC_OIDS[0], ran)
    assert isinstance(verdict, Failed)
    outcome = ccc.read_outcome(verdict.outcome or b"")
    assert [one.ratio for one in outcome[0].failed] == [bad]
    assert outcome[0].accepted == (good,)
    assert set(ran.shares.values()) == {Share()}


def test_ccc_of_another_style_is_refused() -> None:
    verdict, _ = obeyed(Control(ccc.write_header(1), b"{}"), CCC_OIDS[0])
    assert isinstance(verdict, Failed)
