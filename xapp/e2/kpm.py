"""E2SM-KPM: what a base station can measure, what we ask for, and what it reports.

All versions from 2 on share their types but for a few places, which a `Kpm` layout settles: how
long a time stamp is, and where FlexRIC's version 3 moved extension markers. Layouts are data of a
node's profile; `read_header` tells by itself which time stamp it has.

    KPM_V3.action.encode(ActionDefinition(4, CommonConditionAction(conditions, CellAction(...))))
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from xapp.e2.aper import (
    Codec,
    choice,
    converted,
    field,
    integer,
    octet_string,
    printable_string,
    sequence,
    sequence_of,
    wrapped,
)
from xapp.e2.bits import refused
from xapp.e2.common import (
    CGI,
    FORMAT_TYPE,
    FUNCTION_NAME,
    STYLE_NAME,
    STYLE_TYPE,
    EutraCgi,
    FunctionName,
    NrCgi,
)
from xapp.e2.hot_reports import usual_reports
from xapp.e2.measurements import (
    ALTERNATIVE,
    ALTERNATIVE_OR_NOT,
    ANNOUNCED,
    BINS,
    DATA,
    MEASUREMENT_BINS,
    MEASUREMENT_TYPE,
    MEASUREMENTS,
    Announced,
    Bins,
    CommonCondition,
    Match,
    Measurement,
    MeasurementBins,
    Value,
    Values,
    common_conditions,
    condition,
    matches,
)
from xapp.e2.ue_id import UE_ID, UeId
from xapp.errors import ProtocolError

NTP_OFFSET = 2_208_988_800  # seconds from 1900, where NTP counts from, to 1970
MOST_STYLES = 63
MOST_REPORTS = 65535


@dataclass(frozen=True, slots=True)
class EventStyle:
    """A way to trigger reports."""

    style: int
    name: str
    format: int


@dataclass(frozen=True, slots=True)
class ReportStyle:
    """A way to report, its formats, and what it can measure."""

    style: int
    name: str
    action_format: int
    measurements: tuple[Announced, ...]
    header_format: int
    message_format: int


@dataclass(frozen=True, slots=True)
class FunctionDefinition:
    """What a base station's KPM can do."""

    name: FunctionName
    events: tuple[EventStyle, ...] | None = None
    reports: tuple[ReportStyle, ...] | None = None

    def style(self, number: int) -> ReportStyle | None:
        """The report style of that number, where it is announced."""
        return next((one for one in self.reports or () if one.style == number), None)


@dataclass(frozen=True, slots=True)
class EventTrigger:
    """Reports come periodically."""

    period: int  # milliseconds


@dataclass(frozen=True, slots=True)
class CellAction:
    """Format 1: measure for a cell, or for the whole node."""

    measurements: tuple[Measurement, ...]
    granularity: int  # milliseconds of each set of values
    cell: NrCgi | EutraCgi | None = None
    bins: tuple[MeasurementBins, ...] | None = None


@dataclass(frozen=True, slots=True)
class UeAction:
    """Format 2: measure for one UE."""

    ue: UeId
    action: CellAction


@dataclass(frozen=True, slots=True)
class Conditional:
    """A measurement, and for whom."""

    name: str | int
    matches: tuple[Match, ...]
    bins: Bins | None = None


@dataclass(frozen=True, slots=True)
class ConditionAction:
    """Format 3: each measurement for the UEs that meet its conditions."""

    measurements: tuple[Conditional, ...]
    granularity: int  # milliseconds
    cell: NrCgi | EutraCgi | None = None


@dataclass(frozen=True, slots=True)
class CommonConditionAction:
    """Format 4: measure for each UE that meets the conditions."""

    conditions: tuple[CommonCondition, ...]
    action: CellAction


@dataclass(frozen=True, slots=True)
class UesAction:
    """Format 5: measure for these UEs, two at least."""

    ues: tuple[UeId, ...]
    action: CellAction


Action = CellAction | UeAction | ConditionAction | CommonConditionAction | UesAction


@dataclass(frozen=True, slots=True)
class ActionDefinition:
    """What to report, and in which style."""

    style: int
    action: Action


@dataclass(frozen=True, slots=True)
class IndicationHeader:
    """When a report's values began, and who reports."""

    start: bytes  # NTP, of 8 octets; of 4 in version 2
    file_format: str | None = None
    sender_name: str | None = None
    sender_type: str | None = None
    vendor: str | None = None

    @property
    def seconds(self) -> float | None:
        """Seconds since 1970; None where the time stamp is no such time, as version 2's are."""
        if len(self.start) != 8:
            return None
        seconds = int.from_bytes(self.start) / 2**32 - NTP_OFFSET
        return seconds if seconds > 0 else None


def ntp_octets(nanoseconds: int) -> bytes:
    """The time stamp of a time in nanoseconds since 1970."""
    seconds, rest = divmod(nanoseconds, 10**9)
    return ((seconds + NTP_OFFSET) % 2**32 << 32 | (rest << 32) // 10**9).to_bytes(8)


@dataclass(frozen=True, slots=True)
class Report:
    """Format 1: values of a cell, a node or one UE."""

    data: tuple[Values, ...]
    measurements: tuple[Measurement, ...] | None = None  # those asked for where left out
    granularity: int | None = None  # milliseconds


@dataclass(frozen=True, slots=True)
class ConditionalUes:
    """A measurement, its conditions, and the UEs that met them."""

    name: str | int
    matches: tuple[Match, ...]
    ues: tuple[UeId, ...] | None = None


@dataclass(frozen=True, slots=True)
class ConditionReport:
    """Format 2: values of the UEs that met conditions, one UE after the other."""

    data: tuple[Values, ...]
    measurements: tuple[ConditionalUes, ...]
    granularity: int | None = None  # milliseconds


@dataclass(frozen=True, slots=True)
class UeReport:
    """One UE's values."""

    ue: UeId
    report: Report


@dataclass(frozen=True, slots=True)
class UeReports:
    """Format 3: values of many UEs."""

    ues: tuple[UeReport, ...]


IndicationMessage = Report | ConditionReport | UeReports


@dataclass(frozen=True, slots=True)
class Kpm:
    """The types of one version of KPM as one family of base stations writes them."""

    function: Codec[FunctionDefinition]
    event: Codec[EventTrigger]
    action: Codec[ActionDefinition]
    header: Codec[IndicationHeader]
    message: Codec[IndicationMessage]


PERIOD = integer(1, 2**32 - 1)

FUNCTION = sequence(
    FunctionDefinition, field("name", FUNCTION_NAME),
    field("events", sequence_of(sequence(
        EventStyle, field("style", STYLE_TYPE), field("name", STYLE_NAME),
        field("format", FORMAT_TYPE), extensible=True), 1, MOST_STYLES), optional=True),
    field("reports", sequence_of(sequence(
        ReportStyle, field("style", STYLE_TYPE), field("name", STYLE_NAME),
        field("action_format", FORMAT_TYPE), field("measurements", ANNOUNCED),
        field("header_format", FORMAT_TYPE), field("message_format", FORMAT_TYPE),
        extensible=True), 1, MOST_STYLES), optional=True), extensible=True)

EVENT = wrapped(choice(("eventDefinition-Format1", sequence(
    EventTrigger, field("period", PERIOD), extensible=True)), extensible=True))

REPORT = sequence(
    Report, field("data", DATA), field("measurements", MEASUREMENTS, optional=True),
    field("granularity", PERIOD, optional=True), extensible=True)
UE_REPORTS = converted(
    wrapped(sequence_of(usual_reports(
        sequence(UeReport, field("ue", UE_ID), field("report", REPORT), extensible=True),
        UeReport, Report, PERIOD), 1, MOST_REPORTS, cost=3)),
    UeReports, UeReports, lambda reports: reports.ues)


def _header(stamp: int) -> Codec[IndicationHeader]:
    def text(most: int) -> Codec[str]:
        return printable_string(0, most, extensible=True)

    return wrapped(choice(("indicationHeader-Format1", sequence(
        IndicationHeader, field("start", octet_string(stamp, stamp)),
        field("file_format", text(15), optional=True),
        field("sender_name", text(400), optional=True),
        field("sender_type", text(8), optional=True), field("vendor", text(32), optional=True),
        extensible=True)), extensible=True))


def _action(moved: bool, alternative: Codec[bool]) -> Codec[ActionDefinition]:
    """Action definitions; with `moved`, additions stand before their markers."""
    bins = field("bins", MEASUREMENT_BINS, optional=True)
    own_bins = field("bins", BINS, optional=True)
    cell = field("cell", CGI, optional=True)
    test = condition(11 if moved else 6)
    cell_action = sequence(
        CellAction, field("measurements", MEASUREMENTS), field("granularity", PERIOD), cell,
        *((bins,) if moved else ()), extensible=True, additions=() if moved else (bins,))
    conditional = sequence(
        Conditional, field("name", MEASUREMENT_TYPE), field("matches", matches(test, alternative)),
        *((own_bins,) if moved else ()), extensible=True, additions=() if moved else (own_bins,))
    formats = (
        ("actionDefinition-Format1", cell_action),
        ("actionDefinition-Format2", sequence(
            UeAction, field("ue", UE_ID), field("action", cell_action), extensible=True)),
        ("actionDefinition-Format3", sequence(
            ConditionAction, field("measurements", sequence_of(conditional, 1, 65535)),
            field("granularity", PERIOD), cell, extensible=True)),
        ("actionDefinition-Format4", sequence(
            CommonConditionAction, field("conditions", common_conditions(test, alternative)),
            field("action", cell_action), extensible=True)),
        ("actionDefinition-Format5", sequence(
            UesAction, field("ues", sequence_of(wrapped(UE_ID), 2, 65535, cost=3)),
            field("action", cell_action), extensible=True)))
    before = 5 if moved else 3
    return sequence(
        ActionDefinition, field("style", STYLE_TYPE),
        field("action", choice(*formats[:before], added=formats[before:], extensible=True)),
        extensible=True)


def _message(moved: bool, alternative: Codec[bool]) -> Codec[IndicationMessage]:
    conditional = sequence(
        ConditionalUes, field("name", MEASUREMENT_TYPE),
        field("matches", matches(condition(11 if moved else 6), alternative)),
        field("ues", sequence_of(wrapped(UE_ID), 1, 65535, cost=3), optional=True), extensible=True)
    formats = (
        ("indicationMessage-Format1", REPORT),
        ("indicationMessage-Format2", sequence(
            ConditionReport, field("data", DATA),
            field("measurements", sequence_of(conditional, 1, 65535)),
            field("granularity", PERIOD, optional=True), extensible=True)),
        ("indicationMessage-Format3", UE_REPORTS))
    before = 3 if moved else 2
    return wrapped(choice(*formats[:before], added=formats[before:], extensible=True))


def _layout(stamp: int, moved: bool, alternative: Codec[bool]) -> Kpm:
    return Kpm(FUNCTION, EVENT, _action(moved, alternative), _header(stamp),
               _message(moved, alternative))


KPM_V2 = _layout(4, False, ALTERNATIVE)  # 2.03, OAI's and FlexRIC's default
KPM_V3 = _layout(8, False, ALTERNATIVE)  # 3.00 and 4.00, srsRAN's
KPM_V5 = _layout(8, False, ALTERNATIVE_OR_NOT)  # 5.00, OCUDU's
KPM_FLEXRIC_V3 = _layout(8, True, ALTERNATIVE)  # 3.00 with the markers that FlexRIC moved


def read_header(data: bytes) -> IndicationHeader:
    """An indication's header, with a time stamp of 8 octets or of 4."""
    try:
        return KPM_V3.header.decode(data)
    except ProtocolError:
        return KPM_V2.header.decode(data)


def rows(
    message: Report | UeReports, asked: tuple[Measurement, ...] = ()
) -> Iterator[tuple[UeId | None, dict[str | int, Value]]]:
    """Each UE (None: the cell) with its latest values by name.

    Names that a report leaves out are those that were `asked` for. A measurement with several
    labels counts with its first; one without a value is None, never 0. Base stations have been
    seen to leave out a value that they lack, so that all others move up: where there are not as
    many values as names, nobody knows which is which, and it is a ProtocolError.
    """
    reports = ([(one.ue, one.report) for one in message.ues] if isinstance(message, UeReports)
               else [(None, message)])
    for ue, report in reports:
        names = [one.name for one in report.measurements or asked for _ in one.labels]
        records = report.data[-1].records
        if len(names) != len(records):
            raise refused(f"a report of {len(records)} values for {len(names)} measurements")
        latest: dict[str | int, Value] = {}
        for name, value in zip(names, records, strict=True):
            latest.setdefault(name, value)
        yield ue, latest
