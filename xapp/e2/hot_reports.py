"""A shortcut for what nearly every indication is made of: one UE's values, as a DU reports them.

It gives and takes the same values and bytes as the type that it stands before, in a third of the
time. An item that begins otherwise, with a UE of another kind, something optional left out, or
something added, goes the long way. What values mean is not known here.
"""

from __future__ import annotations

from typing import Any, TypeVar

from xapp.e2.bits import Reader, Writer
from xapp.e2.codec import Codec, Read, Write
from xapp.e2.measurements import MEASUREMENTS, RECORDS, Values
from xapp.e2.sequences import twin
from xapp.e2.ue_id import GnbDuUe

T = TypeVar("T")
# The item begins an octet: nothing added, the second kind of UE, nothing added to it, no RAN's id,
# and the first of two bits of its number's length.
OF_DU, OF_DU_MASK = 0x08, 0xFE
# After the number: nothing added, names and period there; one set of values, counted from 0 in two
# octets; nothing added to it, and it is complete.
WHOLE = b"\x60\0\0\0"
WHOLE_MASKS = (0xE0, 0xFF, 0xFF, 0xC0)  # the other bits fill up an octet, whatever they are
LARGEST_ID = 2**32 - 1


def reports_of_dus(
    codec: Codec[T], item: type[T], report: type[Any], period: Codec[int]
) -> Codec[T]:
    """UEMeasurementReportItem: an `item` of a UE and its `report`."""
    return Codec(codec.kind, _reader(codec.read, item, report, period.read),
                 _writer(codec.write, period.write), codec.name)


def _reader(read_slowly: Read, item: type[Any], report: type[Any], read_period: Read) -> Read:
    read_records, read_names = RECORDS.read, MEASUREMENTS.read
    make_item = twin(item, ("ue", "report"))
    make_report = twin(report, ("data", "measurements", "granularity"))
    make_values = twin(Values, ("records", "incomplete"))
    make_ue = twin(GnbDuUe, ("f1_id", "ran_id"))
    report_mask, _, _, values_mask = WHOLE_MASKS

    def read(reader: Reader) -> Any:
        position, data = reader.position, reader.data
        start = position >> 3
        first = data[start]
        if position & 7 or first & OF_DU_MASK != OF_DU:
            return read_slowly(reader)
        end = start + 3 + ((first & 1) << 1 | data[start + 1] >> 7)
        whole = data[end:end + 4]
        if whole != WHOLE and (len(whole) < 4 or whole[0] & report_mask != WHOLE[0]
                               or whole[1] or whole[2] or whole[3] & values_mask):
            return read_slowly(reader)
        ue = make_ue(int.from_bytes(data[start + 2:end]), None)
        ue.__class__ = GnbDuUe
        reader.spend(1)  # as a list of one set of values does
        reader.position = (end + 4) << 3
        values = make_values(read_records(reader), None)
        values.__class__ = Values
        made = make_report((values,), read_names(reader), read_period(reader))
        made.__class__ = report
        one = make_item(ue, made)
        one.__class__ = item
        return one

    return read


def _writer(write_slowly: Write, write_period: Write) -> Write:
    write_records, write_names = RECORDS.write, MEASUREMENTS.write

    def write(writer: Writer, value: Any) -> None:
        ue, report = value.ue, value.report
        data, names, period = report.data, report.measurements, report.granularity
        if (writer.width or type(ue) is not GnbDuUe or ue.ran_id is not None or names is None
                or period is None or len(data) != 1 or data[0].incomplete is not None
                or not 0 <= ue.f1_id <= LARGEST_ID):
            write_slowly(writer, value)
            return
        number = ue.f1_id
        size = (number.bit_length() + 7) >> 3 or 1
        head = OF_DU << 8 | size - 1 << 7
        writer.done += (head << 8 * size | number).to_bytes(size + 2) + WHOLE
        write_records(writer, data[0].records)
        write_names(writer, names)
        write_period(writer, period)

    return write
