"""Measurements of E2SM-KPM: what is measured, for whom, under which conditions, and the values.

The types are those that all versions of KPM share, but for two whose marker FlexRIC moved
(`xapp.e2.kpm` says where). Names of measurements are those of 3GPP TS 28.552; which of them a base
station knows is not known here.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any

from xapp.e2.aper import (
    BitString,
    Chosen,
    Codec,
    bit_string,
    boolean,
    choice,
    converted,
    enumerated,
    field,
    integer,
    null,
    octet_string,
    printable_string,
    real,
    sequence,
    sequence_of,
    unconstrained_integer,
    wrapped,
)
from xapp.e2.common import FIVE_QI, PLMN, SNSSAI, Snssai
from xapp.e2.hot import measurement_records, remembered

MOST_NAMES = 65535  # maxnoofMeasurementInfo
MOST_LABELS = MOST_VALUES = 2**31 - 1  # so that their lengths have the general form
MOST_CONDITIONS = 32768


class Unmet(enum.Enum):
    """Why there is no value where one could be (from KPM version 5 on)."""

    NOT_SATISFIED = "the condition to report it was not met"


Value = int | float | None | Unmet  # of one measurement; None where nothing was measured


@dataclass(frozen=True, slots=True)
class Label:
    """Of what a measurement is a part; all of it with `no_label`."""

    no_label: bool | None = None
    plmn: bytes | None = None
    slice: Snssai | None = None
    five_qi: int | None = None
    qfi: int | None = None
    qci: int | None = None
    qci_max: int | None = None
    qci_min: int | None = None
    arp_max: int | None = None
    arp_min: int | None = None
    bitrate_range: int | None = None
    layer: int | None = None
    sum: bool | None = None
    bin_x: int | None = None
    bin_y: int | None = None
    bin_z: int | None = None
    override: bool | None = None
    start_end: str | None = None  # "start" or "end"
    min: bool | None = None
    max: bool | None = None
    avg: bool | None = None
    ssb: int | None = None
    beam_mode: int | None = None
    mimo_mode: int | None = None


NO_LABEL = Label(no_label=True)


@dataclass(frozen=True, slots=True)
class Measurement:
    """A measurement by name, or by the number that a base station announced for it."""

    name: str | int
    labels: tuple[Label, ...] = (NO_LABEL,)


@dataclass(frozen=True, slots=True)
class Values:
    """One granularity period's values, in the order of the measurements."""

    records: tuple[Value, ...]
    incomplete: bool | None = None


@dataclass(frozen=True, slots=True)
class Bin:
    """A class of a distribution."""

    index: int
    start: int | float
    end: int | float


@dataclass(frozen=True, slots=True)
class Bins:
    """The classes of a distribution in up to three dimensions."""

    x: tuple[Bin, ...]
    y: tuple[Bin, ...] | None = None
    z: tuple[Bin, ...] | None = None


@dataclass(frozen=True, slots=True)
class MeasurementBins:
    """The classes of one measurement."""

    name: str | int
    bins: Bins


@dataclass(frozen=True, slots=True)
class Announced:
    """A measurement that a base station can do, and its number there."""

    name: str
    number: int | None = None
    bins: Bins | None = None


class Aspect(enum.Enum):
    """What of a UE a condition looks at."""

    GBR = "gBR"
    AMBR = "aMBR"
    STATIONARY = "isStat"
    CAT_M = "isCatM"
    RSRP = "rSRP"
    RSRQ = "rSRQ"
    UL_RSRP = "ul-rSRP"
    CQI = "cQI"
    FIVE_QI = "fiveQI"
    QCI = "qCI"
    SLICE = "sNSSAI"


class Relation(enum.Enum):
    """How a condition compares."""

    EQUAL = "equal"
    GREATER = "greaterthan"
    LESS = "lessthan"
    CONTAINS = "contains"
    PRESENT = "present"


# Whole numbers are Chosen("valueInt", ...) or Chosen("valueEnum", ...): their type tells no more.
TestValue = Chosen | bool | BitString | bytes | str | float


@dataclass(frozen=True, slots=True)
class Condition:
    """Which UEs are meant: those of which this holds."""

    aspect: Aspect
    relation: Relation | None = None
    value: TestValue | None = None


@dataclass(frozen=True, slots=True)
class Match:
    """A condition, or a label, and whether it is an alternative to the one before."""

    what: Label | Condition
    alternative: bool | None = None


@dataclass(frozen=True, slots=True)
class CommonCondition:
    """A condition for all measurements, and whether it is an alternative to the one before."""

    condition: Condition
    alternative: bool | None = None


TRUE = enumerated((True,), extensible=True)
ALTERNATIVE = TRUE  # LogicalOR, up to version 4
ALTERNATIVE_OR_NOT = enumerated((True, False), extensible=True)  # from version 5 on
UP_TO_65535 = integer(1, 65535, extensible=True)

LABEL = sequence(
    Label, field("no_label", TRUE, optional=True), field("plmn", PLMN, optional=True),
    field("slice", SNSSAI, optional=True), field("five_qi", FIVE_QI, optional=True),
    field("qfi", integer(0, 63, extensible=True), optional=True),
    field("qci", integer(0, 255), optional=True), field("qci_max", integer(0, 255), optional=True),
    field("qci_min", integer(0, 255), optional=True),
    field("arp_max", integer(1, 15, extensible=True), optional=True),
    field("arp_min", integer(1, 15, extensible=True), optional=True),
    field("bitrate_range", UP_TO_65535, optional=True), field("layer", UP_TO_65535, optional=True),
    field("sum", TRUE, optional=True), field("bin_x", UP_TO_65535, optional=True),
    field("bin_y", UP_TO_65535, optional=True), field("bin_z", UP_TO_65535, optional=True),
    field("override", TRUE, optional=True),
    field("start_end", enumerated(("start", "end"), extensible=True), optional=True),
    field("min", TRUE, optional=True), field("max", TRUE, optional=True),
    field("avg", TRUE, optional=True), extensible=True,
    additions=(field("ssb", UP_TO_65535, optional=True),
               field("beam_mode", UP_TO_65535, optional=True),
               field("mimo_mode", integer(1, 2, extensible=True), optional=True)))
# Labels have two dozen fields, and nearly all are `no_label`.
LABELS = remembered(sequence_of(wrapped(LABEL), 1, MOST_LABELS, cost=2))
MEASUREMENT_NAME = printable_string(1, 150, extensible=True)
MEASUREMENT_NUMBER = integer(1, 65536, extensible=True)
MEASUREMENT_TYPE: Codec[str | int] = choice(
    ("measName", MEASUREMENT_NAME), ("measID", MEASUREMENT_NUMBER), extensible=True)
MEASUREMENT = sequence(
    Measurement, field("name", MEASUREMENT_TYPE), field("labels", LABELS), extensible=True)
# A base station repeats the list of names for each UE of a report.
MEASUREMENTS = remembered(sequence_of(MEASUREMENT, 1, MOST_NAMES, cost=2))

VALUE: Codec[Value] = choice(
    ("integer", integer(0, 2**32 - 1)), ("real", real()), ("noValue", null()), extensible=True,
    added=(("notSatisfied", null(Unmet.NOT_SATISFIED)),))
RECORDS = measurement_records(sequence_of(VALUE, 1, MOST_VALUES), VALUE)
VALUES = sequence(
    Values, field("records", RECORDS),
    field("incomplete", TRUE, optional=True), extensible=True)
DATA = sequence_of(VALUES, 1, 65535)

BIN_VALUE = choice(("valueInt", unconstrained_integer()), ("valueReal", real()), extensible=True)
BIN_LIST = sequence_of(
    sequence(Bin, field("index", UP_TO_65535), field("start", BIN_VALUE), field("end", BIN_VALUE),
             extensible=True), 1, 65535)
BINS = sequence(Bins, field("x", BIN_LIST), field("y", BIN_LIST, optional=True),
                field("z", BIN_LIST, optional=True), extensible=True)
MEASUREMENT_BINS = sequence_of(
    sequence(MeasurementBins, field("name", MEASUREMENT_TYPE), field("bins", BINS),
             extensible=True), 1, MOST_NAMES)
ANNOUNCED = sequence_of(
    sequence(Announced, field("name", MEASUREMENT_NAME),
             field("number", MEASUREMENT_NUMBER, optional=True), extensible=True,
             additions=(field("bins", BINS, optional=True),)), 1, MOST_NAMES, cost=2)

TEST_VALUE: Codec[TestValue] = choice(
    ("valueInt", unconstrained_integer()), ("valueEnum", unconstrained_integer()),
    ("valueBool", boolean()), ("valueBitS", bit_string()), ("valueOctS", octet_string()),
    ("valuePrtS", printable_string()), extensible=True, added=(("valueReal", real()),))


def _aspect(marker_after: int) -> Codec[Aspect]:
    """TestCond-Type; KPM has six before the marker, FlexRIC's version 3 all of them."""
    alternatives = [(aspect.value, TRUE) for aspect in Aspect]
    named: Codec[Any] = choice(*alternatives[:marker_after], extensible=True,
                               added=alternatives[marker_after:])
    return converted(named, Aspect, lambda chosen: Aspect(chosen.name),
                     lambda aspect: Chosen(aspect.value, True))


def condition(marker_after: int = 6) -> Codec[Condition]:
    """TestCondInfo, with so many aspects before the marker."""
    return sequence(
        Condition, field("aspect", _aspect(marker_after)),
        field("relation", enumerated(Relation, extensible=True), optional=True),
        field("value", TEST_VALUE, optional=True), extensible=True)


def matches(
    condition_codec: Codec[Condition], alternative: Codec[bool]
) -> Codec[tuple[Match, ...]]:
    """MatchingCondList; up to KPM 2.02 its items were bare choices, which are not known here."""
    what = choice(("measLabel", LABEL), ("testCondInfo", condition_codec), extensible=True)
    return sequence_of(
        sequence(Match, field("what", what), field("alternative", alternative, optional=True),
                 extensible=True), 1, MOST_CONDITIONS, cost=6)


def common_conditions(
    condition_codec: Codec[Condition], alternative: Codec[bool]
) -> Codec[tuple[CommonCondition, ...]]:
    """MatchingUeCondPerSubList."""
    return sequence_of(
        sequence(CommonCondition, field("condition", condition_codec), extensible=True,
                 additions=(field("alternative", alternative, optional=True),)),
        1, MOST_CONDITIONS, cost=6)
