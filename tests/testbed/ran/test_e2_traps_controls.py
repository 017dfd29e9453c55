"""The traps of every kind of base station in what it does when told: quotas, flows, handovers.

The RIC's side is the production one, so that what is asked is what the xApp would ask; where it
would never ask such a thing, the request is made by hand.
"""

from __future__ import annotations

import pytest

from testbed.ran.cell_model import Share
from testbed.ran.emulator_config import INTERNET, LLM
from tests.testbed.ran.scene import Scene
from tests.testbed.ran.traps_scene import (
    ALONE,
    CU_CP,
    DU,
    GUAMI,
    SPLIT_UNITS,
    STRANGE,
    WIRE_INTERNET,
    WIRE_LLM,
    quota,
)
from xapp.e2.ccc import CccCell
from xapp.e2.ccc_quota import ccc_quota_control
from xapp.e2.common import CCC_OIDS, NrCgi, Snssai, plmn_octets
from xapp.e2.connection_events import ControlAcknowledged, ControlFailed, Indicated
from xapp.e2.control import Control
from xapp.e2.nodes import Happened
from xapp.e2.profiles import PROFILES
from xapp.e2.quota import SliceQuota
from xapp.e2.rc import ControlHeader, ControlMessage
from xapp.e2.rc_actions import FlowMapping, flow_control, handover_control
from xapp.e2.rc_parameters import Entries, Parameter, Structure
from xapp.e2.rc_quota import slice_quota_control
from xapp.e2.ue_id import GnbDuUe, GnbUe


def answered_by(scene: Scene, kind: type[object]) -> list[object]:
    return [one.event for one in scene.told
            if isinstance(one, Happened) and isinstance(one.event, kind)]


# RC 2/6.


def test_by_the_specification_slices_have_their_quotas_and_kpm_shows_it() -> None:
    scene = Scene("spec").connect().run(3.0)
    before = scene.ue().load.up_delay_ms
    assert scene.quota([quota(WIRE_LLM, 30, 100, 10),
                        quota(WIRE_INTERNET, 10, 90, 0)]).acknowledged
    scene.run(5.0)
    assert (scene.share(LLM), scene.share(INTERNET)) == (Share(30, 100, 10), Share(10, 90, 0))
    after = scene.ue().load.up_delay_ms
    assert before is not None
    assert after is not None
    assert after < before / 3


@pytest.mark.parametrize("profile", ["srsran", "ocudu"])
@pytest.mark.parametrize("snssai", [WIRE_LLM, WIRE_INTERNET, STRANGE])
def test_srsran_limits_the_ue_named_whatever_the_slice(profile: str, snssai: Snssai) -> None:
    scene = Scene(profile).connect().run(3.0)
    named, other = scene.ran.ues[1].f1_id, scene.ran.ues[2].f1_id
    before = scene.ue(1).load.down_kbps
    assert scene.quota([quota(snssai, 0, 10, 0)], GnbDuUe(named)).acknowledged
    scene.run(5.0)
    assert scene.ran.limits[named] == Share(0, 10)
    assert scene.ran.limits[other] == Share()
    assert set(scene.ran.shares.values()) == {Share()}
    after = scene.ue(1).load.down_kbps
    assert before is not None
    assert after is not None
    assert after == pytest.approx(0.1 * 106 * 700, rel=0.2)
    assert after < before / 2


def test_srsran_obeys_the_first_entry_only() -> None:
    scene = Scene("srsran").connect().run(1.0)
    ue = GnbDuUe(scene.ran.ues[1].f1_id)
    # The builder refuses two entries for it: written as for the specification, layout and all.
    control = slice_quota_control(PROFILES["spec"], [quota(WIRE_INTERNET, 0, 15, 0),
                                                     quota(WIRE_LLM, 50, 60, 0)], ue)
    assert scene.ask(control).acknowledged
    assert scene.ran.limits[ue.f1_id] == Share(0, 15)
    assert set(scene.ran.shares.values()) == {Share()}


@pytest.mark.parametrize("profile", ["srsran", "ocudu"])
def test_srsran_needs_a_du_s_name_of_a_ue_that_it_has(profile: str) -> None:
    scene = Scene(profile).connect().run(1.0)
    known = scene.ran.ues[0]
    for ue in (GnbDuUe(4711), GnbUe(known.amf_id, GUAMI, (known.f1_id,))):
        control = slice_quota_control(PROFILES["spec"], [quota(WIRE_LLM, 0, 20, 0)],
                                      GnbDuUe(1))
        control = Control(scene.profile.rc.header.encode(ControlHeader(ue, 2, 6)), control.message)
        assert not scene.ask(control).acknowledged
    assert set(scene.ran.limits.values()) == {Share()}


@pytest.mark.parametrize("missing", [11, 12, 13, 9, 10, 7])
def test_srsran_needs_all_three_ratios_plmn_sst_and_sd(missing: int) -> None:
    scene = Scene("srsran").connect().run(1.0)
    ue = GnbDuUe(scene.ran.ues[1].f1_id)
    control = slice_quota_control(scene.profile, [quota(WIRE_LLM, 0, 20, 0)], ue)
    message = scene.profile.rc.message.decode(control.message)
    assert isinstance(message, ControlMessage)
    shorter = ControlMessage(without(message.parameters, missing))
    assert shorter != message
    assert not scene.ask(Control(control.header, scene.profile.rc.message.encode(
        shorter))).acknowledged
    assert set(scene.ran.limits.values()) == {Share()}


def without(parameters: tuple[Parameter, ...] | None, number: int) -> tuple[Parameter, ...]:
    """The same without those of that number, however deep."""
    kept = []
    for one in parameters or ():
        value = one.value
        if isinstance(value, Structure):
            value = Structure(without(value.parameters, number))
        elif isinstance(value, Entries):
            value = Entries(tuple(Structure(without(item.parameters, number))
                                  for item in value.items))
        if one.id != number:
            kept.append(Parameter(one.id, value))
    return tuple(kept)


@pytest.mark.parametrize("profile", ["oai", "oai-old"])
def test_oai_reserves_the_dedicated_share_and_nothing_else(profile: str) -> None:
    scene = Scene(profile).connect().run(3.0)
    before = scene.ran.snapshot().ues[scene.ran.ues[1].f1_id][INTERNET].down_bits
    assert scene.quota([quota(WIRE_LLM, 60, 70, 20)]).acknowledged
    assert scene.share() == Share(20, 100, 20)
    assert scene.share(INTERNET) == Share()
    # What is reserved is not lent: others have a fifth less.
    scene.run(10.0)
    first = scene.ran.snapshot().ues[scene.ran.ues[1].f1_id][INTERNET].down_bits
    assert (first - before) / 13e3 < 0.9 * 74_200 / 3


@pytest.mark.parametrize("profile", ["oai", "oai-old"])
def test_oai_does_not_obey_a_minimum_or_a_maximum(profile: str) -> None:
    scene = Scene(profile).connect().run(2.0)
    assert scene.quota([quota(WIRE_LLM, 60, 70, 0), quota(WIRE_INTERNET, 0, 10, 0)]).acknowledged
    assert {scene.share(LLM), scene.share(INTERNET)} == {Share()}
    scene.run(3.0)
    assert (scene.ue(1).load.down_kbps or 0) > 20_000


@pytest.mark.parametrize("profile", ["oai", "oai-old"])
def test_oai_reads_slices_as_text_and_parameters_by_place(profile: str) -> None:
    scene = Scene(profile).connect().run(1.0)
    layout = scene.profile
    as_octets = Scene("spec").connect().run(0.1).profile
    quotas = [quota(WIRE_LLM, 20, 100, 20)]
    control = slice_quota_control(layout, quotas)
    by_spec = slice_quota_control(as_octets, quotas, GnbDuUe(1))
    message = as_octets.rc.message.decode(by_spec.message)
    assert not scene.ask(Control(control.header, layout.rc.message.encode(message))).acknowledged
    turned = layout.rc.message.decode(control.message)
    assert isinstance(turned, ControlMessage)
    entries = turned.parameters[0].value
    assert isinstance(entries, Entries)
    policy = Structure(tuple(reversed(entries.items[0].parameters or ())))
    assert not scene.ask(Control(control.header, layout.rc.message.encode(ControlMessage((
        Parameter(turned.parameters[0].id, Entries((policy,))),))))).acknowledged
    assert scene.share() == Share()
    assert scene.ask(control).acknowledged
    assert scene.share() == Share(20, 100, 20)


def test_a_control_in_the_other_layout_is_no_control() -> None:
    """FlexRIC's RC begins 00 80 where the specification's begins 01 00, or the other way round."""
    for profile, other in (("oai", "spec"), ("spec", "oai")):
        scene = Scene(profile).connect().run(1.0)
        ue = GnbDuUe(scene.ran.ues[0].f1_id)
        control = slice_quota_control(PROFILES[other], [quota(WIRE_LLM, 20, 100, 20)], ue)
        assert not scene.ask(control).acknowledged
        assert scene.share() == Share()


def test_flexric_s_emulated_agent_acknowledges_and_does_nothing() -> None:
    scene = Scene("flexric").connect().run(1.0)
    assert scene.quota([quota(WIRE_LLM, 30, 100, 30)]).acknowledged
    assert set(scene.ran.shares.values()) == {Share()}
    ue = scene.agent.ran.ues[0]
    name = GnbUe(ue.amf_id, GUAMI, ran_id=ue.ran_id.to_bytes(8))
    assert scene.ask(flow_control(scene.profile, name, 3, [FlowMapping(9, False)])).acknowledged
    assert not scene.ran.flows


def test_oai_maps_flows() -> None:
    scene = Scene("oai").connect().run(1.0)
    ue = scene.ran.ues[0]
    name = GnbUe(ue.amf_id, GUAMI, ran_id=ue.ran_id.to_bytes(8))
    assert scene.ask(flow_control(scene.profile, name, 3, [FlowMapping(9, False)])).acknowledged
    assert scene.ran.flows == {(ue.ran_id, 9): 3}
    stranger = GnbUe(1, GUAMI, ran_id=(4711).to_bytes(8))
    assert not scene.ask(flow_control(scene.profile, stranger, 3,
                                      [FlowMapping(9, False)])).acknowledged


@pytest.mark.parametrize(("profile", "least", "most"), [
    ("srsran", 0.012, 0.016), ("ocudu", 0.012, 0.016), ("spec", 0.0, 0.002)])
def test_an_acknowledgement_takes_as_long_as_was_seen(
    profile: str, least: float, most: float
) -> None:
    scene = Scene(profile).connect().run(0.5)
    ue = GnbDuUe(scene.ran.ues[0].f1_id)
    control = slice_quota_control(scene.profile, [quota(WIRE_LLM, 0, 90, 0)], ue)
    for _ in range(10):
        sent = scene.now
        answer = scene.ask_until_answered(control)
        assert answer.acknowledged
        assert least <= scene.now - sent <= most + 1e-9


# CCC.


def ccc(scene: Scene, *quotas: SliceQuota, cell: int | None = None) -> Control:
    nci = scene.ran.cells[0].nci if cell is None else cell
    # As for the specification: the builder refuses what these kinds do not bear.
    return ccc_quota_control(PROFILES["spec"], CccCell("00101", nci), quotas)


@pytest.mark.parametrize(("profile", "dedicated"), [("spec", 0), ("ocudu", 1)])
def test_ccc_acts_on_slices(profile: str, dedicated: int) -> None:
    scene = Scene(profile).connect().run(2.0)
    assert scene.ccc(ccc(scene, quota(WIRE_LLM, 40, 100, dedicated))).acknowledged
    assert scene.share() == Share(40, 100, dedicated)
    assert scene.share(INTERNET) == Share()
    assert answered_by(scene, ControlAcknowledged)


@pytest.mark.parametrize("profile", ["srsran", "ocudu"])
def test_ccc_refuses_no_dedicated_share_and_says_which(profile: str) -> None:
    scene = Scene(profile).connect().run(2.0)
    assert not scene.ccc(ccc(scene, quota(WIRE_LLM, 40, 100, 0))).acknowledged
    assert scene.share() == Share()
    failed = answered_by(scene, ControlFailed)
    assert len(failed) == 1
    assert b"semanticError" in (failed[0].outcome or b"")  # type: ignore[attr-defined]  # as filtered
    scene.run(2.0)
    assert scene.observations().ues  # it did not hang


@pytest.mark.parametrize("profile", ["spec", "ocudu"])
def test_ccc_refuses_strange_slices_and_cells(profile: str) -> None:
    scene = Scene(profile).connect().run(1.0)
    assert not scene.ccc(ccc(scene, quota(STRANGE, 40, 100, 1))).acknowledged
    assert not scene.ccc(ccc(scene, quota(WIRE_LLM, 40, 100, 1), cell=5)).acknowledged
    assert scene.share() == Share()


def test_srsran_s_du_hangs_on_ccc_until_it_is_restarted() -> None:
    scene = Scene("srsran").connect().run(2.0)
    answer = scene.ccc(ccc(scene, quota(WIRE_LLM, 40, 100, 1)))
    assert not answer.answered
    assert scene.share() == Share()
    before = len(answered_by(scene, Indicated))
    scene.run(5.0)
    assert len(answered_by(scene, Indicated)) == before
    assert not scene.quota([quota(WIRE_LLM, 0, 20, 0)]).answered
    # Its CU-CP goes on.
    ue = scene.ran.ues[0]
    unknown = handover_control(scene.profile, GnbUe(ue.amf_id, GUAMI, (ue.f1_id,)),
                               NrCgi(plmn_octets("00101"), 5))
    assert scene.ask(unknown, unit=CU_CP).answered
    scene.return_().run(3.0)
    assert len(answered_by(scene, Indicated)) > before
    assert scene.quota([quota(WIRE_LLM, 0, 20, 0)]).acknowledged


def test_nobody_but_split_kinds_announces_ccc() -> None:
    for profile in ALONE:
        scene = Scene(profile).connect()
        assert not scene.nodes.carriers(scene.key, CCC_OIDS)


# Handover.


@pytest.mark.parametrize("profile", SPLIT_UNITS)
def test_handover_goes_through_the_cu_cp_with_an_f1ap_id(profile: str) -> None:
    scene = Scene(profile, cells=2).connect().run(1.0)
    ue, target = scene.ran.ues[0], scene.ran.cells[1].nci
    name = GnbUe(ue.amf_id, GUAMI, (ue.f1_id,))
    cell = NrCgi(plmn_octets("00101"), target)
    assert scene.ask(handover_control(scene.profile, name, cell), unit=CU_CP).acknowledged
    assert scene.ran.ues[0].cell == target
    # Again to where it is, to another network, or by a name that does not fit: nothing.
    for again in (handover_control(scene.profile, name, cell),
                  handover_control(scene.profile, name, NrCgi(plmn_octets("00102"), target)),
                  handover_control(scene.profile, GnbUe(ue.amf_id, GUAMI, (ue.f1_id + 1,)),
                                   NrCgi(plmn_octets("00101"), scene.ran.cells[0].nci))):
        assert not scene.ask(again, unit=CU_CP).acknowledged
    assert scene.ran.ues[0].cell == target


def test_a_du_hands_nobody_over_and_a_cu_cp_has_no_quotas() -> None:
    scene = Scene("srsran", cells=2).connect().run(1.0)
    ue = scene.ran.ues[0]
    handover = handover_control(scene.profile, GnbUe(ue.amf_id, GUAMI, (ue.f1_id,)), NrCgi(
        plmn_octets("00101"), scene.ran.cells[1].nci))
    shares = slice_quota_control(scene.profile, [quota(WIRE_LLM, 0, 20, 0)], GnbDuUe(ue.f1_id))
    assert not scene.ask(handover, unit=DU).acknowledged
    assert not scene.ask(shares, unit=CU_CP).acknowledged
    assert scene.ran.ues[0].cell == ue.cell
    assert set(scene.ran.limits.values()) == {Share()}
