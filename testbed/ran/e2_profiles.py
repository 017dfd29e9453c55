"""How each kind of base station behaves at its end of E2, as data: units, models, traps.

    behaviour = BEHAVIOURS["srsran"]

Layouts and numbers are those of `xapp.e2.profiles`; what is here is what a RIC sees happen. Every
trap is one that a real system was seen to have, or that is in its source. It does nothing itself.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

from xapp.e2 import ccc
from xapp.e2.announced import QUOTA_NAMES
from xapp.e2.ccc import CccCell, CccFunctionDefinition, CellSupport
from xapp.e2.common import CCC_OIDS, KPM_OIDS, RC_OIDS, FunctionName
from xapp.e2.e2ap_types import RanFunction
from xapp.e2.kpm import FUNCTION, EventStyle, FunctionDefinition, ReportStyle
from xapp.e2.measurements import Announced
from xapp.e2.profiles import (
    COMMON_MEASUREMENTS,
    PROFILES,
    SRSRAN_MEASUREMENTS,
    Profile,
    QuotaIds,
)
from xapp.e2.rc_function import RC_FUNCTION, ControlAction, ControlStyle, RcFunctionDefinition
from xapp.e2.rc_parameters import ParameterDefinition
from xapp.ric.transport import PPID_CU_CP, PPID_CU_UP, PPID_DU

KPM_2, KPM_3, RC_1, CCC_6 = KPM_OIDS[0], KPM_OIDS[1], RC_OIDS[0], CCC_OIDS[0]
CU_UP_MEASUREMENTS = ("DRB.PacketSuccessRateUlgNBUu",)
FLEXRIC_MODELS = ("MAC_STATS_V0", "RLC_STATS_V0", "PDCP_STATS_V0", "SLICE_STATS_V0")
FIRST_FLEXRIC_MODEL = 142  # the number of its MAC model
KPM_NUMBER, RC_NUMBER, CCC_NUMBER = 2, 3, 4  # of RAN functions, until a node comes with others
PPID_WHOLE = 0  # a gNB in one piece names no unit
STYLES = {1: ("E2 Node Measurement", 1, 1),
          4: ("Common Condition-based, UE-level Measurement", 4, 3)}
QUOTA, HANDOVER, FLOW = (2, 6), (3, 1), (1, 2)
_RC_NAMES = {QUOTA: ("Radio Resource Allocation Control", "Slice-level PRB quota"),
             HANDOVER: ("Connected Mode Mobility", "Handover Control"),
             FLOW: ("Radio Bearer Control", "QoS flow mapping configuration")}


# Of RC 3/1, as srsRAN's and OCUDU's CU-CP announce it; only what leads to the NR CGI is read there.
HANDOVER_PARAMETERS = (
    "Target Primary Cell ID", ">CHOICE Target Cell", ">>NR Cell", ">>>NR CGI", ">>E-UTRA Cell",
    ">>>E-UTRA CGI")


class Effect(enum.Enum):
    """What becomes of an accepted quota."""

    SLICE = "the slices have it"
    FIRST_UE = "the UE named is limited by the first entry, whatever slice is in it"
    RESERVED = "the dedicated share is reserved; minimum is logged, maximum ignored"
    NONE = "nothing"


class CccEffect(enum.Enum):
    """What becomes of valid quotas over CCC."""

    SLICE = "the slices have them"
    HANGS = "the DU stops answering until it is restarted"


@dataclass(frozen=True, slots=True)
class UnitBehaviour:
    """One association: which unit it is, and what it announces."""

    name: str  # du, cu_cp, cu_up; gnb where one is all
    ppid: int
    measurements: tuple[str, ...] = ()
    styles: tuple[int, ...] = ()  # of KPM
    actions: tuple[tuple[int, int], ...] = ()  # of RC
    ccc: bool = False
    models: tuple[str, ...] = ()  # FlexRIC's own


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One kind of base station."""

    name: str
    units: tuple[UnitBehaviour, ...]
    quota: Effect
    flows: bool = True  # a mapping of QoS flows is carried out
    ccc: CccEffect | None = None
    least_dedicated: int = 0  # percent; CCC refuses less
    kpm_oid: str = KPM_2
    stale_seconds: float = 0.0  # figures are renewed so rarely; du_report_period
    last_action_only: bool = False  # all admitted actions are written to one place
    ue_ran_ids: bool = False  # UEs are named as a whole gNB names them, with their RAN UE id
    microseconds: bool = False  # RLC delays; else tenths of a millisecond
    counted_prbs: bool = False  # PRBs as a number; else in percent
    least_ack_seconds: float = 0.0005
    most_ack_seconds: float = 0.002

    @property
    def wire(self) -> Profile:
        return PROFILES[self.name]


DU = UnitBehaviour("du", PPID_DU, COMMON_MEASUREMENTS + SRSRAN_MEASUREMENTS, (1, 4), (QUOTA,), True)
CU_CP = UnitBehaviour("cu_cp", PPID_CU_CP, actions=(HANDOVER,))
CU_UP = UnitBehaviour("cu_up", PPID_CU_UP, CU_UP_MEASUREMENTS, (1,))

SPEC = Behaviour(
    "spec", (replace(DU, measurements=(
        *COMMON_MEASUREMENTS, "DRB.RlcDelayUl", "DRB.RlcPacketDropRateDl", "RRU.PrbUsedDl",
        "RRU.PrbUsedUl", "RRU.PrbAvailDl", "RRU.PrbAvailUl"), actions=(QUOTA, FLOW)), CU_CP),
    Effect.SLICE, ccc=CccEffect.SLICE)
SRSRAN = Behaviour(
    "srsran", (DU, CU_CP), Effect.FIRST_UE, ccc=CccEffect.HANGS, least_dedicated=1,
    stale_seconds=1.0, last_action_only=True, least_ack_seconds=0.012, most_ack_seconds=0.016)
OCUDU = replace(SRSRAN, name="ocudu", ccc=CccEffect.SLICE)
OAI = Behaviour(
    "oai", (UnitBehaviour(
        "gnb", PPID_WHOLE,
        (*COMMON_MEASUREMENTS, "DRB.PdcpSduVolumeDL", "DRB.PdcpSduVolumeUL"), (4,),
        (QUOTA, FLOW)),),
    Effect.RESERVED, ue_ran_ids=True, microseconds=True)
OAI_OLD = replace(OAI, name="oai-old", counted_prbs=True)
FLEXRIC = Behaviour(
    "flexric", (UnitBehaviour("gnb", PPID_WHOLE, COMMON_MEASUREMENTS, (4,), (QUOTA, FLOW),
                              models=FLEXRIC_MODELS),),
    Effect.NONE, flows=False, kpm_oid=KPM_3, ue_ran_ids=True, microseconds=True)
BEHAVIOURS: Mapping[str, Behaviour] = {
    one.name: one for one in (SPEC, SRSRAN, OCUDU, OAI, OAI_OLD, FLEXRIC)}


def functions_of(behaviour: Behaviour, unit: UnitBehaviour, cells: tuple[CccCell, ...],
                 shift: int = 0) -> tuple[RanFunction, ...]:
    """What a unit announces; with `shift` under other numbers than usual."""
    found = []
    if unit.measurements:
        oid = behaviour.kpm_oid
        found.append(RanFunction(KPM_NUMBER + shift, FUNCTION.encode(FunctionDefinition(
            FunctionName("ORAN-E2SM-KPM", oid, "KPM Monitor"),
            (EventStyle(1, "Periodic Report", 1),), tuple(
                ReportStyle(style, STYLES[style][0], STYLES[style][1],
                            tuple(Announced(one) for one in unit.measurements), 1,
                            STYLES[style][2]) for style in unit.styles))), 0, oid))
    if unit.actions:
        found.append(RanFunction(RC_NUMBER + shift, RC_FUNCTION.encode(RcFunctionDefinition(
            FunctionName("ORAN-E2SM-RC", RC_1, "RAN Control"), controls=tuple(
                _control_style(behaviour, one) for one in unit.actions))), 0, RC_1))
    if unit.ccc and behaviour.ccc is not None:
        found.append(RanFunction(CCC_NUMBER + shift, ccc.write_function(CccFunctionDefinition(
            FunctionName("ORAN-E2SM-CCC", CCC_6, "Cell Configuration and Control"),
            tuple(CellSupport(one, ((ccc.RATIO, ccc.ATTRIBUTES),)) for one in cells))), 0, CCC_6))
    for place, name in enumerate(unit.models):
        found.append(RanFunction(FIRST_FLEXRIC_MODEL + place + shift, name.encode(), 0,
                                 f"1.3.6.1.4.1.53148.1.1.2.{FIRST_FLEXRIC_MODEL + place}"))
    return tuple(found)


def _control_style(behaviour: Behaviour, one: tuple[int, int]) -> ControlStyle:
    style, action = _RC_NAMES[one]
    parameters: tuple[ParameterDefinition, ...] | None = None
    if one == QUOTA:
        parameters = _quota_parameters(behaviour.wire.quota.ids)
    elif one == HANDOVER:
        parameters = tuple(ParameterDefinition(number, name)
                           for number, name in enumerate(HANDOVER_PARAMETERS, 1))
    return ControlStyle(one[0], style, (ControlAction(one[1], action, parameters),), 1, 1, None, 1)


def _quota_parameters(ids: QuotaIds) -> tuple[ParameterDefinition, ...]:
    return tuple(ParameterDefinition(getattr(ids, one.name), QUOTA_NAMES[one.name])
                 for one in fields(ids))
