"""KPM's messages: vectors, what goes in comes out, and what base stations get wrong."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings

from tests.xapp.e2 import e2sm_values as values
from tests.xapp.e2.examples import (
    ASKED,
    CELL,
    CELL_ACTION,
    EXAMPLES,
    FULL_LABEL,
    GUAMI,
    KPM_DEFINITION,
    METRICS,
    NOON,
    PLMN,
    SLICE_EQUAL,
    UES,
    Example,
    reports,
)
from tests.xapp.e2.hostile import PROMISED_SECONDS, assault, flips, truncations
from xapp.e2.codec import Codec
from xapp.e2.kpm import (
    KPM_FLEXRIC_V3,
    KPM_V2,
    KPM_V3,
    KPM_V5,
    ActionDefinition,
    CellAction,
    CommonConditionAction,
    EventTrigger,
    IndicationHeader,
    IndicationMessage,
    Kpm,
    Report,
    UeReport,
    UeReports,
    ntp_octets,
    read_header,
    rows,
)
from xapp.e2.measurements import NO_LABEL, CommonCondition, Measurement, Unmet, Values
from xapp.e2.ue_id import GnbDuUe, GnbUe
from xapp.errors import ProtocolError

LAYOUTS = (KPM_V2, KPM_V3, KPM_V5, KPM_FLEXRIC_V3)
KPM_EXAMPLES = [one for one in EXAMPLES if one.model == "kpm"]


# The bytes of each were dissected by Wireshark 4.4, and the values are those that it showed.
@pytest.mark.parametrize(("encoded", "decoded"), [
    # trigger: three extension bits, period - 1 in two octets (length 2 in two bits)
    ("0803e7", EventTrigger(1000)),
    ("0000", EventTrigger(1)),
    ("18fffffffe", EventTrigger(2**32 - 1)),
])
def test_a_trigger(encoded: str, decoded: EventTrigger) -> None:
    assert KPM_V3.event.encode(decoded).hex() == encoded
    assert KPM_V3.event.decode(bytes.fromhex(encoded)) == decoded


def test_a_cell_report_bit_by_bit() -> None:
    # 7 bits: no extensions, format 1 (1 bit of 2), no optional fields; 1 value set (2 octets);
    # its marker and option bits; 1 record (1 octet); 3 bits of choice, 2 of length, 1 octet.
    assert KPM_V3.message.encode(Report((Values((10,)),))).hex() == "0000000001000a"


def test_style_4_with_a_slice_bit_by_bit() -> None:
    action = ActionDefinition(4, CommonConditionAction(
        (CommonCondition(SLICE_EQUAL),), CellAction((Measurement("CQI"),), 1000)))
    encoded = (
        "00" "0104"  # marker bit; style
        "80" "19"  # the first format after the marker, in an open type of 25 octets
        "00" "0000"  # marker bit; one condition
        "3840" "0100"  # marker bits, relation and value there; the fifth test after the marker
        "04" "0101"  # EQUAL; of six kinds of values the fifth, an octet string of one octet
        "00" "0000"  # marker bit, no cell; one measurement
        "0020" "435149"  # markers, a name, of 3 characters
        "01" "200000"  # one label; markers, 21 bits of which the first is set, and `true`
        "4003e7")  # granularity, in two octets
    assert KPM_V3.action.encode(action).hex() == encoded
    assert KPM_V3.action.decode(bytes.fromhex(encoded)) == action


@pytest.mark.parametrize("one", KPM_EXAMPLES, ids=lambda one: one.name)
def test_examples_come_out_as_they_went_in(one: Example) -> None:
    assert one.codec.decode(one.data) == one.value


@settings(max_examples=60)
@given(values.KPM_FUNCTION)
def test_any_definition(value: object) -> None:
    for layout in LAYOUTS:
        assert layout.function.decode(layout.function.encode(value)) == value  # type: ignore[arg-type]  # drawn


@settings(max_examples=60)
@given(values.ACTION)
def test_any_action(value: ActionDefinition) -> None:
    for layout in LAYOUTS:
        assert layout.action.decode(layout.action.encode(value)) == value


@settings(max_examples=60)
@given(values.MESSAGE)
def test_any_message(value: IndicationMessage) -> None:
    for layout in LAYOUTS:
        assert layout.message.decode(layout.message.encode(value)) == value


@given(values.header(8), values.header(4))
def test_any_header(late: IndicationHeader, early: IndicationHeader) -> None:
    assert read_header(KPM_V3.header.encode(late)) == late
    assert KPM_V2.header.decode(KPM_V2.header.encode(early)) == early


def test_a_header_of_either_length_is_told_by_itself() -> None:
    assert read_header(bytes.fromhex("0001020304")).start == b"\1\2\3\4"
    assert read_header(bytes.fromhex("000102030405060708")).start == bytes(range(1, 9))


@pytest.mark.parametrize("one", KPM_EXAMPLES, ids=lambda one: one.name)
def test_damaged_payloads_are_refused_or_others(one: Example) -> None:
    assault(one.codec.decode, itertools.chain(truncations(one.data), flips(one.data)))


def test_a_long_report_is_read_and_a_longer_one_refused() -> None:
    assert len(KPM_V3.message.decode(KPM_V3.message.encode(reports(256))).ues) == 256  # type: ignore[union-attr]  # format 3
    with pytest.raises(ProtocolError, match="elements"):
        KPM_V3.message.decode(KPM_V3.message.encode(reports(2000)))


def test_what_takes_long_counts_more() -> None:
    labels = tuple(replace(FULL_LABEL, bin_x=number) for number in range(1, 1000))
    conditions = (CommonCondition(SLICE_EQUAL),) * 2000
    cases: list[tuple[Codec[Any], Any]] = [
        (KPM_V3.message, Report((Values((1,)),), (Measurement("a", labels),))),
        (KPM_V3.action, ActionDefinition(4, CommonConditionAction(conditions, CELL_ACTION))),
        (KPM_V3.message, UeReports(tuple(
            UeReport(UES[0], Report((Values((1,)),))) for _ in range(1000))))]
    for codec, value in cases:
        data = codec.encode(value)
        with pytest.raises(ProtocolError, match="elements"):
            codec.decode(data)
        assault(codec.decode, iter([data]))


def test_floods_of_promised_elements_end_soon() -> None:
    for filling in (b"\x00", b"\xff", b"\x40", b"\x80", b"\x01"):
        assault(KPM_V3.message.decode, iter([filling * size for size in (100, 5000, 65000)]))
        assault(KPM_V3.message.decode, iter([b"\x00\x00\x00" + filling * 65000]))


def test_time_stamps() -> None:
    header = IndicationHeader(ntp_octets(NOON + 250_000_000))
    assert header.seconds == pytest.approx(1_700_000_000.25, abs=1e-3)
    assert IndicationHeader(b"\1\2\3\4").seconds is None
    assert IndicationHeader(bytes(8)).seconds is None


def test_rows_of_ues_and_of_a_cell() -> None:
    found = list(rows(reports(2)))
    assert found == [(GnbDuUe(0), dict(zip(METRICS, (0, 12.5, 40, None), strict=True))),
                     (GnbDuUe(1), dict(zip(METRICS, (1000, 12.5, 41, None), strict=True)))]
    assert list(rows(Report((Values((1, 2)), Values((3, Unmet.NOT_SATISFIED)))), ASKED[:2])) == [
        (None, {METRICS[0]: 3, METRICS[1]: Unmet.NOT_SATISFIED})]
    twice = (Measurement("CQI", (NO_LABEL, FULL_LABEL)),)
    assert list(rows(Report((Values((7, 8)),), twice))) == [(None, {"CQI": 7})]


@pytest.mark.parametrize("values", [(1,), (1, 2, 3, 4, 5)])
def test_values_that_cannot_be_told_apart_are_not_guessed(values: tuple[int, ...]) -> None:
    with pytest.raises(ProtocolError, match="values for 4 measurements"):
        list(rows(Report((Values(values),), ASKED)))
    with pytest.raises(ProtocolError, match="values for 0 measurements"):
        list(rows(Report((Values(values),))))


def test_a_value_that_was_not_measured_is_none() -> None:
    (_, row), = rows(Report((Values((None,)),), ASKED[:1]))
    assert row == {METRICS[0]: None}


def test_where_layouts_differ() -> None:
    action = ActionDefinition(4, CommonConditionAction((CommonCondition(SLICE_EQUAL),),
                                                       CELL_ACTION))
    spec, moved = KPM_V3.action.encode(action), KPM_FLEXRIC_V3.action.encode(action)
    assert spec != moved
    assert KPM_V2.action.encode(action) == spec
    plain = ActionDefinition(1, CellAction(ASKED, 1000, CELL))
    assert KPM_V3.action.encode(plain) != KPM_FLEXRIC_V3.action.encode(plain)
    assert KPM_V3.message.encode(reports(1)) != KPM_FLEXRIC_V3.message.encode(reports(1))


def test_a_report_of_gnb_ues_with_their_amf_id() -> None:
    message = UeReports((reports(1).ues[0],))
    ue = GnbUe(2**40 - 1, GUAMI)
    assert PLMN in KPM_V3.message.encode(
        UeReports((type(message.ues[0])(ue, message.ues[0].report),)))


def test_styles_are_found_by_number() -> None:
    assert KPM_DEFINITION.style(4) is not None
    assert KPM_DEFINITION.style(9) is None


@pytest.mark.parametrize("layout", LAYOUTS)
def test_values_out_of_bounds_are_refused(layout: Kpm) -> None:
    with pytest.raises(ProtocolError):
        layout.event.encode(EventTrigger(0))
    with pytest.raises(ProtocolError):
        layout.message.encode(Report(()))
    with pytest.raises(ProtocolError):
        layout.message.encode(Report((Values((2**32,)),)))
    with pytest.raises(ProtocolError):
        layout.message.encode(Report((Values((1,)),), (Measurement("Zürich"),)))


def crafted(ues: int) -> UeReports:
    """UEs that each have another name of measurement: the slowest that is no error."""
    return UeReports(tuple(
        UeReport(GnbDuUe(number), Report((Values((number,)),), (Measurement(f"M{number}"),)))
        for number in range(ues)))


def test_the_most_that_a_gnb_reports_is_let_through_and_little_more() -> None:
    wanted = tuple(Measurement(f"M{number}") for number in range(8))
    busy = UeReports(tuple(UeReport(GnbDuUe(number), Report((Values(tuple(range(8))),), wanted))
                           for number in range(256)))
    assert KPM_V3.message.decode(KPM_V3.message.encode(busy)) == busy
    near, beyond = KPM_V3.message.encode(crafted(600)), KPM_V3.message.encode(crafted(1000))
    assert KPM_V3.message.decode(near) == crafted(600)
    with pytest.raises(ProtocolError, match="more than 5120 elements"):
        KPM_V3.message.decode(beyond)
    assault(KPM_V3.message.decode, iter([beyond]))
    # Nothing of it is wrong, and it takes the most of all: some 7 ms, with less of a margin.
    assault(KPM_V3.message.decode, iter([near]), 4 * PROMISED_SECONDS)
