"""The shortcut for UEs' reports: what it gives and takes is what the long way does, to the bit."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from xapp.e2.aper import choice, field, sequence, sequence_of, wrapped
from xapp.e2.codec import Codec
from xapp.e2.kpm import MOST_REPORTS, PERIOD, REPORT, UE_REPORTS, Report, UeReport, UeReports
from xapp.e2.measurements import (
    MEASUREMENTS,
    MOST_VALUES,
    TRUE,
    VALUE,
    Label,
    Measurement,
    Unmet,
    Values,
)
from xapp.e2.ue_id import UE_ID, GnbCuUpUe, GnbDuUe, GnbUe, Guami, UeId
from xapp.errors import ProtocolError

LONG_WAY = wrapped(sequence_of(sequence(
    UeReport, field("ue", UE_ID), field("report", sequence(
        Report, field("data", sequence_of(sequence(
            Values, field("records", sequence_of(VALUE, 1, MOST_VALUES)),
            field("incomplete", TRUE, optional=True), extensible=True), 1, 65535)),
        field("measurements", MEASUREMENTS, optional=True),
        field("granularity", PERIOD, optional=True), extensible=True)), extensible=True),
    1, MOST_REPORTS, cost=3))

NUMBERS = st.integers(0, 2**32 - 1) | st.integers(0, 300)
VALUES = st.one_of(NUMBERS, st.floats(allow_nan=False), st.none(), st.just(Unmet.NOT_SATISFIED))
GUAMIS = st.builds(Guami, st.just(b"123"), st.integers(0, 255), st.integers(0, 1023),
                   st.integers(0, 63))
UES: st.SearchStrategy[UeId] = st.one_of(
    st.builds(GnbDuUe, NUMBERS), st.builds(GnbDuUe, NUMBERS, st.binary(min_size=8, max_size=8)),
    st.builds(GnbCuUpUe, NUMBERS),
    st.builds(GnbUe, st.integers(0, 2**40 - 1), GUAMIS, st.none() | st.just((1, 2)), st.none(),
              st.none() | st.binary(min_size=8, max_size=8)))
NAMES = st.lists(st.builds(
    Measurement, st.sampled_from(["DRB.UEThpDl", "RRU.PrbTotUl", 7, 400]),
    st.just((Label(no_label=True),)) | st.just((Label(five_qi=9), Label(sum=True)))),
    min_size=1, max_size=4).map(tuple)
ITEMS = st.builds(UeReport, UES, st.builds(
    Report, st.lists(st.builds(
        Values, st.lists(VALUES, min_size=1, max_size=5).map(tuple),
        st.none() | st.none() | st.just(True)), min_size=1, max_size=2).map(tuple),
    st.none() | NAMES, st.none() | st.integers(1, 2**32 - 1)))
REPORTS = st.lists(ITEMS, min_size=1, max_size=6).map(tuple)


def read(codec: Codec[tuple[UeReport, ...]] | Codec[UeReports], data: bytes) -> object:
    try:
        found = codec.decode(data)
    except ProtocolError:
        return ProtocolError
    return found.ues if isinstance(found, UeReports) else found


@given(REPORTS)
@settings(max_examples=60)
def test_both_ways_write_the_same_and_read_it_back(reports: tuple[UeReport, ...]) -> None:
    data = UE_REPORTS.encode(UeReports(reports))
    assert data == LONG_WAY.encode(reports)
    for _ in range(2):  # by now its UEs are known
        assert UE_REPORTS.decode(data).ues == LONG_WAY.decode(data) == reports
        assert UE_REPORTS.encode(UeReports(reports)) == data


@given(REPORTS, st.data())
@settings(max_examples=100)
def test_both_ways_say_the_same_of_bytes_that_were_spoilt(
    reports: tuple[UeReport, ...], data: st.DataObject,
) -> None:
    whole = UE_REPORTS.encode(UeReports(reports))
    UE_REPORTS.decode(whole)
    spoilt = bytearray(whole)
    bit = data.draw(st.integers(0, 8 * len(spoilt) - 1))
    spoilt[bit >> 3] ^= 0x80 >> (bit & 7)
    end = data.draw(st.just(len(spoilt)) | st.integers(0, len(spoilt)))
    assert read(UE_REPORTS, bytes(spoilt[:end])) == read(LONG_WAY, bytes(spoilt[:end]))


def test_an_item_in_the_middle_of_an_octet_goes_the_long_way() -> None:
    one = UeReport(GnbDuUe(1), Report((Values((1,)),), (Measurement(7),), 100))
    after = UeReport(GnbDuUe(2), Report((Values((None,)),), (Measurement(7),)))
    data = UE_REPORTS.encode(UeReports((one, after, one)))
    assert UE_REPORTS.decode(data).ues == (one, after, one)
    assert data == LONG_WAY.encode((one, after, one))


def test_a_report_within_a_choice_reads_as_alone() -> None:
    one = UeReports((UeReport(GnbDuUe(70_000), Report((Values((5, 2.5)),), (Measurement(7),), 9)),))
    either = choice(("report", REPORT), ("reports", UE_REPORTS), extensible=True)
    assert either.decode(either.encode(one)) == one
