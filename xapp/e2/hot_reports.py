"""A shortcut for what nearly every indication is made of: one UE's values, in their usual form.

It gives and takes the same values and bytes as the type that it stands before, in a fraction of the
time. What a UE is called, as a DU or a gNB with a RAN's id for it does, is known by its octets from
the report before. An item that is otherwise, with something optional left out, or something added,
goes the long way. What values mean is not known here.
"""

from __future__ import annotations

from typing import Any, TypeVar

from xapp.e2.bits import Reader, Writer
from xapp.e2.codec import Codec, Read, Write
from xapp.e2.measurements import MEASUREMENTS, RECORDS, Values
from xapp.e2.sequences import twin
from xapp.e2.ue_id import UE_ID, GnbDuUe, GnbUe, UeId

T = TypeVar("T")
MOST_REMEMBERED = 16_384  # UEs, some 300 B each; a base station's, and others', come and go
# An item begins an octet: nothing added, and which kind of UE. A DU's: nothing added, no RAN's id,
# two bits of its number's length, of which the second begins the next octet.
OF_DU, OF_DU_MASK = 0x08, 0xFE
# A gNB's: nothing added, of what is optional the RAN's id alone; three bits of its number's length.
# Behind that are an AMF's name, of seven octets, and eight of the RAN's id.
OF_GNB, OF_GNB_MASK = 0x0080, 0xFFE0
AFTER_NUMBER = 7 + 8
# After the UE: nothing added, names and period there; one set of values, counted from 0 in two
# octets; nothing added to it, and it is complete.
WHOLE = b"\x60\0\0\0"
REPORT_MASK, VALUES_MASK = 0xE0, 0xC0  # the other bits fill up an octet, whatever they are


def usual_reports(
    codec: Codec[T], item: type[T], report: type[Any], period: Codec[int]
) -> Codec[T]:
    """UEMeasurementReportItem: an `item` of a UE and its `report`."""
    return Codec(codec.kind, _reader(codec.read, item, report, period.read),
                 _writer(codec.write, period.write), codec.name)


def _end_of_ue(data: bytes, start: int) -> int:
    """Where a UE of a usual form ends that begins there; 0 where it is of another."""
    first, second = data[start], data[start + 1]
    if first & OF_DU_MASK == OF_DU:
        return start + 3 + ((first & 1) << 1 | second >> 7)
    if (first << 8 | second) & OF_GNB_MASK == OF_GNB:
        return start + 3 + (second >> 2 & 7) + AFTER_NUMBER
    return 0


def _reader(read_slowly: Read, item: type[Any], report: type[Any], read_period: Read) -> Read:
    read_records, read_names = RECORDS.read, MEASUREMENTS.read
    make_item = twin(item, ("ue", "report"))
    make_report = twin(report, ("data", "measurements", "granularity"))
    make_values = twin(Values, ("records", "incomplete"))
    known: dict[bytes, UeId] = {}
    # What ended the item before, names and period: nearly always the next one ends in the same way.
    tail: tuple[bytes, Any, Any] = b"", None, None

    def read(reader: Reader) -> Any:
        nonlocal tail
        position, data = reader.position, reader.data
        start = position >> 3
        end = 0 if position & 7 else _end_of_ue(data, start)
        if not end:
            return read_slowly(reader)
        name = data[start:end]
        ue = known.get(name)
        if ue is None:
            one = read_slowly(reader)
            if len(known) >= MOST_REMEMBERED:
                known.clear()
            known[name] = one.ue
            return one
        whole = data[end:end + 4]
        if whole != WHOLE and (len(whole) < 4 or whole[0] & REPORT_MASK != WHOLE[0]
                               or whole[1] or whole[2] or whole[3] & VALUES_MASK):
            return read_slowly(reader)
        reader.spend(1)  # as a list of one set of values does
        reader.position = (end + 4) << 3
        values = make_values(read_records(reader), None)
        values.__class__ = Values
        position = reader.position
        octets, names, period = tail
        if octets and not position & 7 and data.startswith(octets, position >> 3):
            reader.spend(1)  # as names that are known do
            reader.position = position + (len(octets) << 3)
        else:
            names, period = read_names(reader), read_period(reader)
            if not (position | reader.position) & 7:
                tail = data[position >> 3:reader.position >> 3], names, period
        made = make_report((values,), names, period)
        made.__class__ = report
        one = make_item(ue, made)
        one.__class__ = item
        return one

    return read


def _writer(write_slowly: Write, write_period: Write) -> Write:
    write_records, write_names = RECORDS.write, MEASUREMENTS.write
    known: dict[UeId, bytes] = {}

    def write(writer: Writer, value: Any) -> None:
        ue, report = value.ue, value.report
        data, names, period = report.data, report.measurements, report.granularity
        if (writer.width or names is None or period is None or len(data) != 1
                or data[0].incomplete is not None or type(ue) not in (GnbDuUe, GnbUe)):
            write_slowly(writer, value)
            return
        name = known.get(ue)
        if name is None:
            name = _octets_of(ue)
            if len(known) >= MOST_REMEMBERED:
                known.clear()
            known[ue] = name
        if not name:
            write_slowly(writer, value)
            return
        writer.done += name
        writer.done += WHOLE
        write_records(writer, data[0].records)
        write_names(writer, names)
        write_period(writer, period)

    return write


def _octets_of(ue: UeId) -> bytes:
    """An item's begin, as far as its UE; empty where that does not end an octet."""
    writer = Writer()
    writer.bits(0, 1)
    UE_ID.write(writer, ue)
    return b"" if writer.width else bytes(writer.done)
