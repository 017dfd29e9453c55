"""Controls of an emulated base station: what each kind makes of a request, and of its cell.

    verdict = obey(request, behaviour, wire, unit, ran)     # Done, Failed or Hung

What was asked for and what happens are two things here, as they are on the air: a kind that ignores
slices limits a UE and acknowledges. It sends nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from testbed.ran.cell_model import Ran, Share, UeFacts
from testbed.ran.e2_profiles import FLOW, HANDOVER, QUOTA, Behaviour, CccEffect, Effect
from xapp.e2 import ccc
from xapp.e2.ccc import CellControl, CellOutcome, Ratio, Refused
from xapp.e2.common import CCC_OIDS, RC_OIDS, plmn_octets
from xapp.e2.e2ap_causes import Cause, RicRequestCause
from xapp.e2.e2ap_messages import ControlRequest
from xapp.e2.profiles import Profile
from xapp.e2.quota import SliceQuota
from xapp.e2.rc import ControlHeader
from xapp.e2.rc_actions import read_flow_control, read_handover
from xapp.e2.rc_quota import read_slice_quota
from xapp.e2.ue_id import GnbDuUe, GnbUe, UeId
from xapp.errors import ProtocolError
from xapp.observations import Snssai

INVALID = RicRequestCause.CONTROL_MESSAGE_INVALID
NOT_DONE = RicRequestCause.CONTROL_FAILED_TO_EXECUTE


@dataclass(frozen=True, slots=True)
class Done:
    """Acknowledge it."""

    what: str  # for people
    outcome: bytes | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """Refuse it."""

    cause: Cause
    why: str
    outcome: bytes | None = None


@dataclass(frozen=True, slots=True)
class Hung:
    """The unit says nothing any more."""

    why: str


Verdict = Done | Failed | Hung


def obey(message: ControlRequest, oid: str, behaviour: Behaviour, wire: Profile,
         actions: tuple[tuple[int, int], ...], ran: Ran, effect: bool = True) -> Verdict:
    """Do what a request asks for, as this kind of base station does it.

    `oid` is of the function asked, `actions` are those of RC that the unit announced. Without
    `effect` everything is checked and nothing done.
    """
    try:
        if oid in CCC_OIDS:
            return _ccc(message, behaviour, ran, effect)
        if oid not in RC_OIDS:
            return Failed(RicRequestCause.ACTION_NOT_SUPPORTED, "no function for controls")
        header = wire.rc.header.decode(message.header)
        if not isinstance(header, ControlHeader):
            return Failed(INVALID, "a header of another format than 1")
        action = header.style, header.action
        if action not in actions:
            return Failed(RicRequestCause.ACTION_NOT_SUPPORTED,
                          f"style {header.style} action {header.action} is not announced")
        do = {QUOTA: _quota, HANDOVER: _handover, FLOW: _flow}[action]
        return do(message.message, header.ue, behaviour, wire, ran, effect)
    except ProtocolError as error:
        return Failed(INVALID, error.problem)


def _quota(message: bytes, ue: UeId, behaviour: Behaviour, wire: Profile, ran: Ran,
           effect: bool) -> Verdict:
    if behaviour.quota is Effect.NONE:
        # It does not even look, as FlexRIC's emulated agent: it prints and acknowledges.
        return Done("a quota was acknowledged and nothing done")
    quotas = read_slice_quota(wire, message)
    if not quotas:
        return Failed(INVALID, "no quota")
    if behaviour.quota is Effect.FIRST_UE:
        return _limit(quotas[0], ue, ran, effect)
    for one in quotas:
        snssai = _slice(one)
        if snssai not in _slices(ran) or not one.minimum <= one.maximum:
            return Failed(NOT_DONE, f"no slice {snssai}, or a minimum above the maximum")
    done = []
    for one in quotas:
        share = Share(one.minimum, one.maximum, one.dedicated)
        if behaviour.quota is Effect.RESERVED:
            share = Share(one.dedicated, 100, one.dedicated)
        if effect:
            ran.set_share(None, _slice(one), share)
        done.append(f"{_slice(one)}: {_said(share)}")
    return Done("slices have " + "; ".join(done))


def _limit(quota: SliceQuota, ue: UeId, ran: Ran, effect: bool) -> Verdict:
    """The slice in the request is not looked at."""
    if not isinstance(ue, GnbDuUe) or _by_f1(ran, ue.f1_id) is None:
        return Failed(NOT_DONE, "no UE of this gNB-CU-UE-F1AP-ID")
    share = Share(quota.minimum, quota.maximum, 0)
    if effect:
        ran.limit_ue(ue.f1_id, share)
    return Done(f"UE {ue.f1_id} is limited: {_said(share)}")


def _handover(message: bytes, ue: UeId, behaviour: Behaviour, wire: Profile, ran: Ran,
              effect: bool) -> Verdict:
    target = read_handover(wire, message)
    if not isinstance(ue, GnbUe) or not ue.f1_ids:
        return Failed(INVALID, "a UE without AMF-UE-NGAP-ID, GUAMI and F1AP id")
    facts = next((one for one in ran.ues if one.amf_id == ue.amf_id), None)
    if facts is None or facts.f1_id not in ue.f1_ids:
        return Failed(NOT_DONE, f"no UE {ue.amf_id} of the AMF")
    cells = {one.nci for one in ran.cells}
    if target.plmn != plmn_octets(ran.plmn) or target.cell not in cells - {facts.cell}:
        return Failed(NOT_DONE, f"cell {target.cell:09x} is no neighbour of this CU")
    if effect:
        ran.hand_over(facts.f1_id, target.cell)
    return Done(f"UE {ue.amf_id} goes to {target.cell:09x}")


def _flow(message: bytes, ue: UeId, behaviour: Behaviour, wire: Profile, ran: Ran,
          effect: bool) -> Verdict:
    if not behaviour.flows:
        return Done("a mapping of flows was acknowledged and nothing done")
    drb, flows = read_flow_control(wire, message)
    facts = _any_name(ran, ue)
    if facts is None:
        return Failed(NOT_DONE, "no such UE")
    for one in flows if effect else ():
        ran.map_flow(facts.ran_id, drb, one.qfi)
    return Done(f"UE {facts.ran_id}: {len(flows)} flow(s) in DRB {drb}")


def _ccc(message: ControlRequest, behaviour: Behaviour, ran: Ran, effect: bool) -> Verdict:
    if ccc.read_header(message.header) != ccc.CELL_STYLE:
        return Failed(RicRequestCause.ACTION_NOT_SUPPORTED, "a style of CCC that is not announced")
    controls = ccc.read_control(message.message)
    cells = {one.nci for one in ran.cells}
    outcomes = [_judged(one, behaviour, one.cell.cell in cells and one.cell.plmn == ran.plmn,
                        _slices(ran)) for one in controls]
    outcome = ccc.write_outcome(outcomes)
    if not controls or any(one.failed for one in outcomes):
        return Failed(NOT_DONE, "a ratio that cannot be, or of no slice or cell here", outcome)
    if behaviour.ccc is CccEffect.HANGS:
        return Hung("the DU hangs on a CCC control with valid values")
    for one in controls if effect else ():
        for ratio in (new for _, new in one.changes):
            for _, member in ratio.members:
                ran.set_share(one.cell.cell, Snssai(member.sst, member.sd),
                              Share(ratio.minimum, ratio.maximum, ratio.dedicated))
    return Done(f"CCC set {sum(len(one.changes) for one in controls)} ratio(s)", outcome)


def _judged(control: CellControl, behaviour: Behaviour, known: bool,
            slices: frozenset[Snssai]) -> CellOutcome:
    good, bad = [], []
    for _, new in control.changes:
        if known and _sound(new, behaviour.least_dedicated, slices):
            good.append(new)
        else:
            bad.append(Refused(new, "semanticError"))
    return CellOutcome(control.cell, tuple(good), tuple(bad))


def _sound(ratio: Ratio, least: int, slices: frozenset[Snssai]) -> bool:
    members = {Snssai(one.sst, one.sd) for _, one in ratio.members}
    return (least <= ratio.dedicated <= ratio.minimum <= ratio.maximum
            and bool(members) and members <= slices)


def _slices(ran: Ran) -> frozenset[Snssai]:
    return frozenset(snssai for _, snssai in ran.shares)


def _slice(quota: SliceQuota) -> Snssai:
    return Snssai(quota.slice.sst, quota.slice.sd)


def _by_f1(ran: Ran, f1_id: int) -> UeFacts | None:
    return next((one for one in ran.ues if one.f1_id == f1_id), None)


def _any_name(ran: Ran, ue: UeId) -> UeFacts | None:
    """A UE by whichever of its numbers is there."""
    if isinstance(ue, GnbDuUe):
        return _by_f1(ran, ue.f1_id)
    if not isinstance(ue, GnbUe):
        return None
    if ue.ran_id is not None:
        number = int.from_bytes(ue.ran_id)
        return next((one for one in ran.ues if one.ran_id == number), None)
    return next((one for one in ran.ues if one.amf_id == ue.amf_id), None)


def _said(share: Share) -> str:
    return f"{share.minimum} to {share.maximum} %, {share.dedicated} % dedicated"
