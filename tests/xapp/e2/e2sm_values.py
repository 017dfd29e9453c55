"""Random values of every type of the service models, for hypothesis."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from xapp.e2 import ccc, kpm, rc, rc_function, rc_parameters, ue_id
from xapp.e2.aper import BitString, Chosen
from xapp.e2.common import EutraCgi, FunctionName, NrCgi, Snssai, plmn_octets
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
    Unmet,
    Values,
)
from xapp.e2.quota import SliceQuota

Any_ = st.SearchStrategy[Any]


def number(low: int, high: int) -> Any_:
    """Numbers of all lengths of bytes, their bounds among them."""
    return st.one_of(st.integers(low, high), st.integers(low, min(high, low + 300)),
                     st.sampled_from((low, high)))


def text(least: int, most: int) -> Any_:
    return st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=least,
                   max_size=most)


def bits(low: int, high: int) -> Any_:
    return st.integers(low, high).flatmap(
        lambda width: st.builds(BitString, st.integers(0, 2**width - 1), st.just(width)))


def maybe(one: Any_) -> Any_:
    return st.none() | one


def some(one: Any_, least: int = 1, most: int = 3) -> Any_:
    return st.lists(one, min_size=least, max_size=most).map(tuple)


def chosen(**alternatives: Any_) -> Any_:
    return st.one_of(*(st.builds(Chosen, st.just(name), one)
                       for name, one in alternatives.items()))


PLMN = st.from_regex(r"\A[0-9]{5,6}\Z").map(plmn_octets)
NUMBER_32, EIGHT = number(0, 2**32 - 1), st.binary(min_size=8, max_size=8)
SNSSAI = st.builds(Snssai, st.integers(0, 255), maybe(number(0, 2**24 - 1)))
NR_CGI = st.builds(NrCgi, PLMN, number(0, 2**36 - 1))
CGI = NR_CGI | st.builds(EutraCgi, PLMN, number(0, 2**28 - 1))
WHOLE = number(-(2**63), 2**63 - 1)
REAL = st.floats(allow_nan=False)
NAME = text(1, 20) | text(150, 300)  # longer than the bounds, which are extensible
FUNCTION_NAME = st.builds(FunctionName, NAME, NAME, NAME, maybe(WHOLE))

GUAMI = st.builds(ue_id.Guami, PLMN, number(0, 255), number(0, 1023), number(0, 63))
GNB = st.builds(ue_id.GlobalGnbId, PLMN, bits(22, 32))
NG_ENB = st.builds(ue_id.GlobalNgEnbId, PLMN,
                   chosen(macro=bits(20, 20), short=bits(18, 18), long=bits(21, 21)))
ENB = st.builds(ue_id.GlobalEnbId, PLMN, chosen(macro=bits(20, 20), home=bits(28, 28),
                                                short=bits(18, 18), long=bits(21, 21)))
AMF, X2, X2_MORE = number(0, 2**40 - 1), number(0, 4095), maybe(number(0, 2**20))
E1S = maybe(some(NUMBER_32))
UE_ID = st.one_of(
    st.builds(ue_id.GnbDuUe, NUMBER_32, maybe(EIGHT)),
    st.builds(ue_id.GnbUe, AMF, GUAMI, maybe(some(NUMBER_32, 1, 4)), E1S, maybe(EIGHT),
              maybe(NUMBER_32), maybe(GNB), maybe(GNB | NG_ENB)),
    st.builds(ue_id.GnbCuUpUe, NUMBER_32, maybe(EIGHT)),
    st.builds(ue_id.NgEnbUe, AMF, GUAMI, maybe(NUMBER_32), maybe(NUMBER_32), maybe(NG_ENB),
              maybe(GNB | NG_ENB)),
    st.builds(ue_id.NgEnbDuUe, NUMBER_32),
    st.builds(ue_id.EnGnbUe, X2, ENB, X2_MORE, maybe(NUMBER_32), E1S, maybe(EIGHT)),
    st.builds(ue_id.EnbUe, NUMBER_32, st.builds(ue_id.Gummei, PLMN, number(0, 65535),
                                                number(0, 255)),
              maybe(X2), X2_MORE, maybe(ENB)))

TRUE = maybe(st.just(True))
WIDE = maybe(number(1, 65535) | number(65536, 2**31))  # extensible
BYTE = maybe(number(0, 255))
LABEL = st.just(Label(no_label=True)) | st.builds(
    Label, TRUE, maybe(PLMN), maybe(SNSSAI), maybe(number(0, 300)), maybe(number(0, 99)), BYTE,
    BYTE, BYTE, maybe(number(1, 20)), maybe(number(1, 15)), WIDE, WIDE, TRUE, WIDE, WIDE, WIDE,
    TRUE, maybe(st.sampled_from(("start", "end"))), TRUE, TRUE, TRUE, WIDE, WIDE,
    maybe(number(1, 4)))
MEASURED = NAME | number(1, 65536)
MEASUREMENTS = some(st.builds(Measurement, MEASURED, some(LABEL)))
VALUE = st.one_of(NUMBER_32, REAL, st.none(), st.just(Unmet.NOT_SATISFIED))
DATA = some(st.builds(Values, some(VALUE, 1, 6), TRUE))
BIN_LIST = some(st.builds(Bin, number(1, 70000), WHOLE | REAL, WHOLE | REAL))
BINS = st.builds(Bins, BIN_LIST, maybe(BIN_LIST), maybe(BIN_LIST))
PERIOD = number(1, 2**32 - 1)
CONDITION = st.builds(
    Condition, st.sampled_from(Aspect), maybe(st.sampled_from(Relation)),
    maybe(st.one_of(chosen(valueInt=WHOLE, valueEnum=WHOLE), st.booleans(), bits(0, 40),
                    st.binary(max_size=200), text(0, 200), REAL)))
MATCHES = some(st.builds(Match, LABEL | CONDITION, TRUE))
STYLE = number(-5, 70000)

EVENTS = some(st.builds(kpm.EventStyle, STYLE, NAME, STYLE))
KPM_FUNCTION = st.builds(
    kpm.FunctionDefinition, FUNCTION_NAME, maybe(EVENTS),
    maybe(some(st.builds(kpm.ReportStyle, STYLE, NAME, STYLE, some(st.builds(
        Announced, NAME, maybe(number(1, 65536)), maybe(BINS))), STYLE, STYLE))))
CELL_ACTION = st.builds(kpm.CellAction, MEASUREMENTS, PERIOD, maybe(CGI),
                        maybe(some(st.builds(MeasurementBins, MEASURED, BINS))))
ACTION = st.builds(kpm.ActionDefinition, STYLE, st.one_of(
    CELL_ACTION, st.builds(kpm.UeAction, UE_ID, CELL_ACTION),
    st.builds(kpm.ConditionAction, some(st.builds(kpm.Conditional, MEASURED, MATCHES,
                                                  maybe(BINS))), PERIOD, maybe(CGI)),
    st.builds(kpm.CommonConditionAction, some(st.builds(CommonCondition, CONDITION, TRUE)),
              CELL_ACTION),
    st.builds(kpm.UesAction, some(UE_ID, 2), CELL_ACTION)))
REPORT = st.builds(kpm.Report, DATA, maybe(MEASUREMENTS), maybe(PERIOD))
MESSAGE = st.one_of(
    REPORT, st.builds(kpm.ConditionReport, DATA, some(st.builds(
        kpm.ConditionalUes, MEASURED, MATCHES, maybe(some(UE_ID)))), maybe(PERIOD)),
    st.builds(kpm.UeReports, some(st.builds(kpm.UeReport, UE_ID, REPORT))))


def header(stamp: int) -> Any_:
    short = maybe(text(0, 20))
    return st.builds(kpm.IndicationHeader, st.binary(min_size=stamp, max_size=stamp), short, short,
                     short, short)


PLAIN = st.one_of(st.booleans(), WHOLE, REAL, bits(0, 70), st.binary(max_size=300), text(0, 300))
PARAMETER_ID = number(1, 2**32 - 1) | number(2**32, 2**33)
STRUCTURE = st.recursive(
    st.just(rc_parameters.Structure()),
    lambda inner: st.builds(rc_parameters.Structure, maybe(some(st.builds(
        rc_parameters.Parameter, PARAMETER_ID, st.one_of(
            st.builds(rc_parameters.KeyElement, PLAIN),
            st.builds(rc_parameters.Element, maybe(PLAIN)), inner,
            st.builds(rc_parameters.Entries, some(inner))))))), max_leaves=5)
PARAMETERS = STRUCTURE.map(lambda one: one.parameters or ())
DEFINITIONS = st.recursive(
    st.builds(rc_parameters.ParameterDefinition, PARAMETER_ID, NAME),
    lambda inner: st.builds(rc_parameters.ParameterDefinition, PARAMETER_ID, NAME, st.one_of(
        st.builds(rc_parameters.ListDefinition, some(inner)),
        st.builds(rc_parameters.StructureDefinition, some(inner)))), max_leaves=4)
NAMED = maybe(some(DEFINITIONS))
ID = number(1, 65535) | number(65536, 70000)
RC_HEADER = st.one_of(
    st.builds(rc.ControlHeader, UE_ID, STYLE, ID, maybe(st.booleans())),
    st.builds(rc.BundleHeader, maybe(UE_ID), maybe(st.booleans())))
RC_MESSAGE_1 = st.builds(rc.ControlMessage, PARAMETERS)
RC_MESSAGE = RC_MESSAGE_1 | st.builds(rc.BundleMessage, some(st.builds(
    rc.StyleActions, STYLE, some(st.builds(rc.ActionParameters, ID, RC_MESSAGE_1)))))
OUTCOMES = st.builds(rc_parameters.Outcome, PARAMETER_ID, PLAIN)
RC_OUTCOME = st.one_of(
    st.builds(rc.ControlOutcome, some(OUTCOMES, 0)),
    st.builds(rc.BundleOutcome, some(st.builds(rc.StyleOutcomes, STYLE, some(
        st.builds(rc.ActionOutcome, ID, some(OUTCOMES)))))),
    st.builds(rc.ParametersOutcome, PARAMETERS))
RC_FUNCTION = st.builds(
    rc_function.RcFunctionDefinition, FUNCTION_NAME,
    maybe(st.builds(rc_function.Events, EVENTS, NAMED, maybe(some(st.builds(
        rc_function.CallProcess, ID, NAME,
        some(st.builds(rc_function.Breakpoint, ID, NAME, NAMED))))), NAMED, NAMED)),
    maybe(some(st.builds(rc_function.RcReportStyle, STYLE, NAME, STYLE, STYLE, STYLE, STYLE,
                         NAMED))),
    maybe(some(st.builds(rc_function.InsertStyle, STYLE, NAME, STYLE, STYLE, maybe(some(st.builds(
        rc_function.InsertIndication, ID, NAME, NAMED))), STYLE, STYLE, STYLE))),
    maybe(some(st.builds(rc_function.ControlStyle, STYLE, NAME, maybe(some(st.builds(
        rc_function.ControlAction, ID, NAME, NAMED, maybe(st.booleans())))), STYLE, STYLE,
        maybe(STYLE), STYLE, NAMED))),
    maybe(some(st.builds(rc_function.PolicyStyle, STYLE, NAME, STYLE, maybe(some(st.builds(
        rc_function.PolicyAction, ID, NAME, STYLE, NAMED, NAMED)))))))

DIGITS = st.from_regex(r"\A[0-9]{5,6}\Z")
PERCENT = st.integers(0, 100)
RATIO = st.builds(ccc.Ratio, some(st.tuples(DIGITS, SNSSAI)), PERCENT, PERCENT, PERCENT,
                  st.sampled_from(ccc.RESOURCES))
CCC_CELL = st.builds(ccc.CccCell, DIGITS, number(0, 2**36 - 1))
CCC_CONTROL = some(st.builds(ccc.CellControl, CCC_CELL, some(st.tuples(RATIO, RATIO))))
CCC_OUTCOME = some(st.builds(ccc.CellOutcome, CCC_CELL, some(RATIO, 0), some(
    st.builds(ccc.Refused, RATIO, st.sampled_from(ccc.CAUSES)), 0)))
CCC_REPORT = some(st.builds(ccc.CellReport, CCC_CELL, some(
    st.tuples(st.sampled_from(ccc.CHANGES), RATIO))))
CCC_FUNCTION = st.builds(
    ccc.CccFunctionDefinition,
    st.builds(FunctionName, text(1, 20), text(1, 20), text(1, 20), maybe(st.integers(0, 9))),
    some(st.builds(ccc.CellSupport, CCC_CELL, some(st.tuples(text(1, 30), some(text(1, 20), 0)))),
         0))


@st.composite
def quotas(draw: Callable[[Any_], Any], least_dedicated: int = 0, most: int = 4) -> Any:
    """Shares that can be meant."""
    slices = draw(st.lists(SNSSAI.filter(lambda one: one.sd != 0xFFFFFF), min_size=1,
                           max_size=most, unique=True))
    left, found = 100, []
    for place, one in enumerate(slices):
        room = left - least_dedicated * (len(slices) - place - 1)
        minimum = draw(st.integers(least_dedicated, room))
        left -= minimum
        found.append(SliceQuota(one, minimum, draw(st.integers(minimum, 100)),
                                draw(st.integers(least_dedicated, minimum)), draw(DIGITS)))
    return found
