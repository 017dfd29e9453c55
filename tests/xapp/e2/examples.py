"""One realistic example of every payload of the service models, as base stations and we write them.

Each has the codec of the layout it is written in. `SPEC` and `BUNDLES` are those in the
specification's layouts, which any dissector should know.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from xapp.e2 import ccc
from xapp.e2.aper import BitString, Chosen, Codec
from xapp.e2.ccc import (
    CccCell,
    CccFunctionDefinition,
    CellControl,
    CellOutcome,
    CellReport,
    CellSupport,
    Ratio,
    Refused,
)
from xapp.e2.common import EutraCgi, FunctionName, NrCgi, Snssai, plmn_octets
from xapp.e2.kpm import (
    KPM_FLEXRIC_V3,
    KPM_V2,
    KPM_V3,
    ActionDefinition,
    CellAction,
    CommonConditionAction,
    ConditionAction,
    Conditional,
    ConditionalUes,
    ConditionReport,
    EventStyle,
    EventTrigger,
    FunctionDefinition,
    IndicationHeader,
    Report,
    ReportStyle,
    UeAction,
    UeReport,
    UeReports,
    UesAction,
    ntp_octets,
)
from xapp.e2.measurements import (
    Announced,
    Aspect,
    Bin,
    Bins,
    CommonCondition,
    Condition,
    Label,
    Match,
    Measurement,
    MeasurementBins,
    Relation,
    Values,
)
from xapp.e2.profiles import PROFILES
from xapp.e2.quota import SliceQuota
from xapp.e2.rc import (
    RC,
    RC_FLEXRIC,
    ActionOutcome,
    ActionParameters,
    BundleHeader,
    BundleMessage,
    BundleOutcome,
    ControlHeader,
    ControlMessage,
    ControlOutcome,
    ParametersOutcome,
    StyleActions,
    StyleOutcomes,
)
from xapp.e2.rc_actions import FlowMapping, flow_control, handover_control
from xapp.e2.rc_function import (
    RC_FUNCTION,
    Breakpoint,
    CallProcess,
    ControlAction,
    ControlStyle,
    Events,
    InsertIndication,
    InsertStyle,
    PolicyAction,
    PolicyStyle,
    RcFunctionDefinition,
    RcReportStyle,
)
from xapp.e2.rc_parameters import (
    Element,
    Entries,
    KeyElement,
    ListDefinition,
    Outcome,
    Parameter,
    ParameterDefinition,
    Structure,
    StructureDefinition,
)
from xapp.e2.rc_quota import slice_quota_control
from xapp.e2.ue_id import (
    EnbUe,
    EnGnbUe,
    GlobalEnbId,
    GlobalGnbId,
    GlobalNgEnbId,
    GnbCuUpUe,
    GnbDuUe,
    GnbUe,
    Guami,
    Gummei,
    NgEnbDuUe,
    NgEnbUe,
    UeId,
)

# Wireshark 4.4 has KPM 3's OID with a slip in its second number, and warns of any other.
DISSECTORS_KPM_V3_OID = "1.2.6.1.4.1.53148.1.3.2.2"
PLMN = plmn_octets("00101")
CELL = NrCgi(PLMN, 0x00066C000)
GUAMI = Guami(PLMN, 2, 1, 0)
LLM, INTERNET = Snssai(1, 5), Snssai(1)
METRICS = ("DRB.UEThpDl", "DRB.UEThpUl", "DRB.RlcSduDelayDl", "RRU.PrbTotDl")
ASKED = tuple(Measurement(name) for name in METRICS)
NOON = 1_700_000_000_000_000_000  # nanoseconds since 1970

UES: tuple[UeId, ...] = (
    GnbUe(7, GUAMI, (3,), (9,), b"\0\0\0\0\0\0\0\1", 77, GlobalGnbId(PLMN, BitString(411, 22)),
          GlobalNgEnbId(PLMN, Chosen("short", BitString(5, 18)))),
    GnbDuUe(4, b"12345678"), GnbCuUpUe(2**32 - 1),
    NgEnbUe(2**40 - 1, GUAMI, 1, 2, GlobalNgEnbId(PLMN, Chosen("macro", BitString(7, 20))),
            GlobalGnbId(PLMN, BitString(2**32 - 1, 32))),
    NgEnbDuUe(300),
    EnGnbUe(4095, GlobalEnbId(PLMN, Chosen("home", BitString(1, 28))), 4096, 5, (1, 2),
            b"ABCDEFGH"),
    EnbUe(65536, Gummei(PLMN, 32769, 1), 12, 4095,
          GlobalEnbId(PLMN, Chosen("long", BitString(2**21 - 1, 21)))))


@dataclass(frozen=True)
class Example:
    """A payload: which model's, what for, its value and its codec."""

    name: str
    model: str  # "kpm", "rc" or "ccc"
    part: str  # "function", "trigger", "action", "header", "message", "control_header", ...
    value: Any
    codec: Codec[Any]

    @property
    def data(self) -> bytes:
        return self.codec.encode(self.value)


def reports(count: int, metrics: int = 4) -> UeReports:
    """Style 4's report of so many UEs, as srsRAN's DU writes it."""
    return UeReports(tuple(
        UeReport(GnbDuUe(number), Report(
            (Values(tuple((1000 * number, 12.5, 40 + number, None)[place % 4]
                          for place in range(metrics))),),
            ASKED[:metrics], 1000)) for number in range(count)))


FULL_LABEL = Label(
    None, PLMN, LLM, 9, 1, 5, 6, 4, 15, 1, 3, 2, True, 1, 2, 65535, True, "end", True, True, True,
    4, 5, 2)
BINS = Bins((Bin(1, 0, 10), Bin(2, 10, 20.5)), (Bin(1, -5, 5),))
SLICE_EQUAL = Condition(Aspect.SLICE, Relation.EQUAL, b"\1")
MATCHES = (Match(Label(no_label=True)), Match(Condition(Aspect.CQI, Relation.GREATER,
                                                       Chosen("valueInt", 10))))
CELL_ACTION = CellAction(ASKED, 1000)
STYLES = tuple(
    ReportStyle(style, name, style, tuple(Announced(metric) for metric in METRICS), 1, message)
    for style, name, message in (
        (1, "E2 Node Measurement", 1), (2, "E2 Node Measurement for a single UE", 1),
        (3, "Condition-based, UE-level E2 Node Measurement", 2),
        (4, "Common Condition-based, UE-level Measurement", 3),
        (5, "E2 Node Measurement for multiple UEs", 3)))
KPM_DEFINITION = FunctionDefinition(
    FunctionName("ORAN-E2SM-KPM", "1.3.6.1.4.1.53148.1.2.2.2", "KPM Monitor", 0),
    (EventStyle(1, "Periodic Report", 1),), STYLES)

QUOTA_NAMES = ("RRM Policy Ratio List", "RRM Policy Ratio Group", "RRM Policy", "",
               "RRM Policy Member List", "RRM Policy Member", "PLMN Identity", "S-NSSAI", "SST",
               "SD", "Min PRB Policy Ratio", "Max PRB Policy Ratio", "Dedicated PRB Policy Ratio")
QUOTA_PARAMETERS = tuple(ParameterDefinition(number, name)
                         for number, name in enumerate(QUOTA_NAMES, 1) if name)
RC_DEFINITION = RcFunctionDefinition(
    FunctionName("ORAN-E2SM-RC", "1.3.6.1.4.1.53148.1.1.2.3", "RAN Control", 0),
    controls=(ControlStyle(
        2, "Radio Resource Allocation Control",
        (ControlAction(6, "Slice-level PRB quota", QUOTA_PARAMETERS),), 1, 1, None, 1),))
DEEP = ParameterDefinition(1, "list", ListDefinition((
    ParameterDefinition(2, "item", StructureDefinition((ParameterDefinition(3, "leaf"),))),)))
FULL_RC_DEFINITION = RcFunctionDefinition(
    FunctionName("ORAN-E2SM-RC", "1.3.6.1.4.1.53148.1.1.2.3", "RAN Control"),
    Events((EventStyle(4, "UE Information Change", 4),), (DEEP,),
           (CallProcess(1, "Handover", (Breakpoint(1, "Preparation", (DEEP,)),)),), (DEEP,),
           (DEEP,)),
    (RcReportStyle(4, "UE Information", 4, 1, 1, 2, (DEEP,)),),
    (InsertStyle(3, "Connected Mode Mobility", 2, 3, (InsertIndication(1, "Handover", (DEEP,)),),
                 2, 5, 1),),
    (ControlStyle(3, "Connected Mode Mobility",
                  (ControlAction(1, "Handover Control", (DEEP,)),), 1, 1, 1, 1, (DEEP,)),),
    (PolicyStyle(3, "Connected Mode Mobility", 2,
                 (PolicyAction(1, "Handover Control", 2, (DEEP,), (DEEP,)),)),))

QUOTAS = (SliceQuota(LLM, 40, 80, 10), SliceQuota(INTERNET, 20, 60, 5))
TWO_SLICES = slice_quota_control(PROFILES["spec"], QUOTAS, GnbDuUe(4))
TWO_SLICES_OAI = slice_quota_control(PROFILES["oai"], QUOTAS)
HANDOVER = handover_control(PROFILES["srsran"], GnbUe(7, GUAMI, (3,)), CELL)
FLOWS = flow_control(PROFILES["spec"], GnbDuUe(4), 5, [FlowMapping(9, False)])

KINDS_OF_VALUES: tuple[KeyElement | Element | Structure | Entries, ...] = (
    KeyElement(True), Element(-5), Element(2.5), Element(BitString(5, 9)), Element(b"\xca\xfe"),
    Element("text"), Element(), Structure(),
    Entries((Structure((Parameter(300, Element(2**31 - 1)),)), Structure())))
ONE_OF_EACH = ControlMessage(tuple(
    Parameter(number, value) for number, value in enumerate(KINDS_OF_VALUES, 1)))
OUTCOMES = ControlOutcome((Outcome(1, 100), Outcome(11, -1), Outcome(12, "ok")))

RATIO = Ratio((("00101", LLM), ("00101", INTERNET)), 80, 40, 10)
CCC_CELL = CccCell("00101", 0x00066C000)
CCC_DEFINITION = CccFunctionDefinition(
    FunctionName("ORAN-E2SM-CCC", "1.3.6.1.4.1.53148.1.6.2.4", "Cell Configuration and Control", 0),
    (CellSupport(CCC_CELL, ((ccc.RATIO, ccc.ATTRIBUTES),)),))


class _Json(Codec[Any]):
    """CCC's functions in a codec's clothes."""

    def __init__(self, write: Callable[[Any], bytes], read: Callable[[bytes], Any]) -> None:
        super().__init__(object, lambda reader: None, lambda writer, value: None)
        self._write, self._read = write, read

    def encode(self, value: Any) -> bytes:
        return self._write(value)

    def decode(self, data: bytes | memoryview) -> Any:
        return self._read(bytes(data))


SPEC: tuple[Example, ...] = (
    Example("KPM definition", "kpm", "function", KPM_DEFINITION, KPM_V3.function),
    Example("KPM trigger", "kpm", "trigger", EventTrigger(1000), KPM_V3.event),
    Example("cell action", "kpm", "action", ActionDefinition(1, CellAction(
        (*ASKED, Measurement(7, (FULL_LABEL,))), 100, CELL, (MeasurementBins("L1M.PRB", BINS),))),
        KPM_V3.action),
    Example("UE action", "kpm", "action", ActionDefinition(2, UeAction(UES[0], CELL_ACTION)),
            KPM_V3.action),
    Example("conditional action", "kpm", "action", ActionDefinition(3, ConditionAction(
        (Conditional("RRU.PrbUsedDl", MATCHES, BINS),), 1000, EutraCgi(PLMN, 5))), KPM_V3.action),
    Example("common condition action", "kpm", "action", ActionDefinition(4, CommonConditionAction(
        (CommonCondition(SLICE_EQUAL),), CELL_ACTION)), KPM_V3.action),
    Example("UEs action", "kpm", "action", ActionDefinition(5, UesAction(UES, CELL_ACTION)),
            KPM_V3.action),
    Example("KPM header", "kpm", "header", IndicationHeader(ntp_octets(NOON), "1.0", "DU 1", "gNB",
                                                            "airsplit"), KPM_V3.header),
    Example("cell report", "kpm", "message", Report(
        (Values((10, 0.25, None, 2**32 - 1)), Values((0, -1e300, 70000, 1), True)), ASKED, 1000),
        KPM_V3.message),
    Example("bare cell report", "kpm", "message", Report((Values((10,)),)), KPM_V3.message),
    Example("conditional report", "kpm", "message", ConditionReport(
        (Values((1, 2)),), (ConditionalUes("RRU.PrbUsedDl", MATCHES, UES[:2]),), 1000),
        KPM_V3.message),
    Example("UE reports", "kpm", "message", reports(3), KPM_V3.message),
    Example("reports of all kinds of UEs", "kpm", "message", UeReports(tuple(
        UeReport(ue, Report((Values((1, 2.5, None, 4)),), ASKED, 1000)) for ue in UES)),
        KPM_V3.message),
    Example("RC definition", "rc", "function", RC_DEFINITION, RC_FUNCTION),
    Example("full RC definition", "rc", "function", FULL_RC_DEFINITION, RC_FUNCTION),
    Example("quota header", "rc", "control_header", RC.header.decode(TWO_SLICES.header), RC.header),
    Example("quota message", "rc", "control_message", RC.message.decode(TWO_SLICES.message),
            RC.message),
    Example("handover header", "rc", "control_header", RC.header.decode(HANDOVER.header),
            RC.header),
    Example("handover message", "rc", "control_message", RC.message.decode(HANDOVER.message),
            RC.message),
    Example("flow header", "rc", "control_header", RC.header.decode(FLOWS.header), RC.header),
    Example("flow message", "rc", "control_message", RC.message.decode(FLOWS.message), RC.message),
    Example("header with a decision", "rc", "control_header", ControlHeader(UES[0], 3, 1, False),
            RC.header),
    Example("values of all kinds", "rc", "control_message", ONE_OF_EACH, RC.message),
    Example("control outcome", "rc", "control_outcome", OUTCOMES, RC.outcome),
    Example("CCC definition", "ccc", "function", CCC_DEFINITION,
            _Json(ccc.write_function, ccc.read_function)),
    Example("CCC header", "ccc", "control_header", 2, _Json(ccc.write_header, ccc.read_header)),
    Example("CCC control", "ccc", "control_message", (CellControl(CCC_CELL, ((RATIO, RATIO),)),),
            _Json(ccc.write_control, ccc.read_control)),
    Example("CCC outcome", "ccc", "control_outcome",
            (CellOutcome(CCC_CELL, (RATIO,), (Refused(RATIO, "semanticError"),)),),
            _Json(ccc.write_outcome, ccc.read_outcome)),
    Example("CCC report", "ccc", "message", (CellReport(CCC_CELL, (("modification", RATIO),)),),
            _Json(lambda cells: ccc.write_report("periodic", cells)[1],
                  lambda data: ccc.read_report(ccc.write_report("periodic", ())[0], data)[1])),
)
BUNDLES: tuple[Example, ...] = (
    Example("bundle header", "rc", "control_header", BundleHeader(UES[1], True), RC.header),
    Example("bundle message", "rc", "control_message", BundleMessage((StyleActions(
        2, (ActionParameters(6, ONE_OF_EACH),)),)), RC.message),
    Example("bundle outcome", "rc", "control_outcome", BundleOutcome((StyleOutcomes(
        2, (ActionOutcome(6, OUTCOMES.values),)),)), RC.outcome),
    Example("structured outcome", "rc", "control_outcome",
            ParametersOutcome(ONE_OF_EACH.parameters), RC.outcome),
)
OTHER_LAYOUTS: tuple[Example, ...] = (
    Example("RC 3 definition", "rc", "function", RcFunctionDefinition(
        RC_DEFINITION.name, controls=(ControlStyle(
            3, "Mobility", (ControlAction(1, "Handover Control", None, True),), 1, 1, None, 1),)),
        RC_FUNCTION),
    Example("version 2 header", "kpm", "header", IndicationHeader(b"\1\2\3\4"), KPM_V2.header),
    *(Example(f"FlexRIC {one.name}", "kpm", one.part, one.value, KPM_FLEXRIC_V3.action)
      for one in SPEC if one.part == "action"),
    *(Example(f"FlexRIC {one.name}", "kpm", one.part, one.value, KPM_FLEXRIC_V3.message)
      for one in SPEC if one.model == "kpm" and one.part == "message"),
    Example("FlexRIC quota header", "rc", "control_header",
            RC_FLEXRIC.header.decode(TWO_SLICES_OAI.header), RC_FLEXRIC.header),
    Example("FlexRIC quota message", "rc", "control_message",
            RC_FLEXRIC.message.decode(TWO_SLICES_OAI.message), RC_FLEXRIC.message),
    Example("FlexRIC bundle header", "rc", "control_header", BundleHeader(), RC_FLEXRIC.header),
    Example("FlexRIC bundle message", "rc", "control_message", BUNDLES[1].value,
            RC_FLEXRIC.message),
)
EXAMPLES = SPEC + BUNDLES + OTHER_LAYOUTS
