"""Joins a table of flows with labels that somebody gave them, by 5-tuple and time.

A label file is a CSV with a header; each line names two ends, in either order, and what their
flow is:

    address_a, port_a, address_b, port_b    or source, source_port, destination, destination_port
    transport (tcp, udp, a number)          or protocol, where that is one of these
    label
    start, end                              optional: seconds since 1970 that the label holds for
    capture                                 optional: compared where the flows have that column

Flows come as Parquet, CSV or JSON lines, and go out in the format of the file named. A flow with
two different labels gets none and is counted: guessing would teach a classifier nonsense. It does
not know what labels mean.
"""

from __future__ import annotations

import csv
import ipaddress
import math
import os
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pcap_tools.errors import OutputError, UsageError

TRANSPORTS = {"icmp": 1, "tcp": 6, "udp": 17, "icmpv6": 58, "sctp": 132}
ENDS = (("address_a", "port_a", "address_b", "port_b"),
        ("source", "source_port", "destination", "destination_port"))
NEEDED = ("source", "destination", "source_port", "destination_port", "protocol")
MOST_COMPLAINTS = 5  # lines of a label file that one error names
Key = tuple[int, frozenset[tuple[str, int]]]


@dataclass(frozen=True)
class Label:
    """One line of a label file."""

    name: str
    line: int
    start: float = -math.inf  # seconds since 1970
    end: float = math.inf
    capture: str = ""  # "": any


@dataclass
class Merged:
    """What came of it."""

    flows: int = 0
    labelled: int = 0
    without: int = 0  # flows that no line names
    conflicting: int = 0  # flows that lines name differently: left without a label
    used: set[int] = field(default_factory=set)  # lines that named a flow
    lines: int = 0  # of the label file

    @property
    def unused(self) -> int:
        """Lines that named no flow."""
        return self.lines - len(self.used)


class LabelFile:
    """The labels, by the two ends they are for."""

    def __init__(self, path: Path) -> None:
        self.lines = 0
        self._labels: dict[Key, list[Label]] = defaultdict(list)
        try:
            with path.open(encoding="utf-8-sig", newline="") as file:
                self._read(path, csv.DictReader(file))
        except (OSError, UnicodeError, csv.Error) as error:
            reason = getattr(error, "strerror", None) or error
            raise UsageError(f"The labels in {path} cannot be read: {reason}.",
                             "Give a CSV file in UTF-8 with a header.") from error

    def _read(self, path: Path, rows: csv.DictReader[str]) -> None:
        header = [name.strip() for name in rows.fieldnames or ()]
        rows.fieldnames = header
        ends = next((names for names in ENDS if set(names) <= set(header)), None)
        if ends is None or "label" not in header or not {"transport", "protocol"} & set(header):
            raise UsageError(
                f"{path} has the columns {', '.join(header) or 'of nothing'}.",
                f"It needs {', '.join(ENDS[0])}, transport and label.")
        complaints: list[str] = []
        for row in rows:
            try:
                key, label = _label(row, ends, rows.line_num)
            except ValueError as error:
                complaints.append(f"line {rows.line_num}: {error}")
                continue
            self._labels[key].append(label)
            self.lines += 1
        if complaints:
            more = len(complaints) - MOST_COMPLAINTS
            raise UsageError(
                f"{path}: {'; '.join(complaints[:MOST_COMPLAINTS])}"
                + (f"; and {more} more." if more > 0 else "."), "Mend these lines.")

    def labels(self, key: Key, first: float, last: float, capture: str) -> list[Label]:
        """The lines that name a flow of these ends and times."""
        return [label for label in self._labels.get(key, ())
                if label.start <= last and first <= label.end
                and (not label.capture or not capture or label.capture == capture)]


def _label(row: dict[str, str], ends: tuple[str, ...], line: int) -> tuple[Key, Label]:
    if None in row or None in row.values():
        raise ValueError("its number of fields is not the header's")
    transport = (row.get("transport") or row.get("protocol") or "").strip().lower()
    protocol = TRANSPORTS.get(transport)
    if protocol is None:
        protocol = int(transport) if transport.isdigit() else -1
    if not 0 <= protocol < 256:
        raise ValueError(f"{transport!r} is no transport such as tcp or udp")
    name = row["label"].strip()
    if not name:
        raise ValueError("the label is empty")
    key = key_of(protocol, row[ends[0]], row[ends[1]], row[ends[2]], row[ends[3]])
    return key, Label(name, line, _time(row.get("start"), -math.inf),
                      _time(row.get("end"), math.inf), (row.get("capture") or "").strip())


def _time(text: str | None, default: float) -> float:
    if not text or not text.strip():
        return default
    value = float(text)
    if math.isnan(value):
        raise ValueError(f"{text} is no time")
    return value


def key_of(protocol: int, one: str, one_port: Any, other: str, other_port: Any) -> Key:
    """The same for either order of the ends; ValueError for what is no address or port."""
    ends = []
    for address, port in ((one, one_port), (other, other_port)):
        number = int(port or 0)
        if not 0 <= number < 65536:
            raise ValueError(f"{port} is no port")
        ends.append((str(ipaddress.ip_address(str(address).strip())), number))
    return protocol, frozenset(ends)


def merge_labels(flows: Path, labels: LabelFile, out: Path, column: str = "label") -> Merged:
    """Write the flows of `flows` with one more column; every flow stays."""
    import pyarrow as pa

    merged = Merged(lines=labels.lines)
    part = out.with_name(out.name + ".part")
    writer: Any = None
    try:
        for batch in _batches(flows):
            missing = [name for name in NEEDED if name not in batch.schema.names]
            if missing:
                raise UsageError(f"{flows} has no column {', '.join(missing)}.",
                                 "Make it with: airsplit pcap flows CAPTURE --out FILE.")
            if column in batch.schema.names:
                raise UsageError(f"{flows} has a column {column} already.",
                                 "Choose another name with --column.")
            names = pa.array(_names(batch, labels, merged), pa.string())
            table = pa.table([*batch.columns, names], [*batch.schema.names, column])
            if writer is None:
                writer = _Writer(part, out.suffix, table.schema)
            writer.write(table)
        if writer is None:
            raise UsageError(f"{flows} holds no flows.", "Make it anew from the capture.")
        writer.close()
        os.replace(part, out)
    except OSError as error:
        raise OutputError(f"{out} cannot be written: {error.strerror or error}.",
                          "Free some space, or name another file.") from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
    return merged


def _names(batch: Any, labels: LabelFile, merged: Merged) -> list[str | None]:
    columns = {name: batch.column(name).to_pylist() for name in (*NEEDED, *(
        name for name in ("capture",) if name in batch.schema.names))}
    first, last = (_seconds(batch, name) for name in ("first", "last"))
    names: list[str | None] = []
    for number in range(batch.num_rows):
        row = {name: values[number] for name, values in columns.items()}
        key = key_of(int(row["protocol"]), row["source"], row["source_port"], row["destination"],
                     row["destination_port"]) if row["source"] else (-1, frozenset())
        found = labels.labels(key, first[number], last[number], str(row.get("capture") or ""))
        merged.used |= {label.line for label in found}
        different = {label.name for label in found}
        merged.flows += 1
        merged.labelled += len(different) == 1
        merged.without += not different
        merged.conflicting += len(different) > 1
        names.append(different.pop() if len(different) == 1 else None)
    return names


def _seconds(batch: Any, name: str) -> list[float]:
    """A column of times; without it every label's time is met."""
    import pyarrow as pa

    if name not in batch.schema.names:
        return [math.inf if name == "last" else -math.inf] * batch.num_rows
    values = batch.column(name)
    if pa.types.is_timestamp(values.type):
        values = values.cast(pa.timestamp("ns")).cast(pa.int64())
    return [float(value) / 1e9 for value in values.to_pylist()]


def _batches(path: Path) -> Iterator[Any]:
    """The table piece by piece; its format is told by the name."""
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.json
    import pyarrow.parquet

    suffix = path.suffix.lower()
    try:
        if suffix in (".parquet", ".pq"):
            with pyarrow.parquet.ParquetFile(path) as file:
                yield from file.iter_batches()
        elif suffix == ".csv":
            with pyarrow.csv.open_csv(path) as reader:
                yield from reader
        elif suffix in (".jsonl", ".ndjson"):
            yield from pyarrow.json.read_json(path).to_batches()
        else:
            raise UsageError(f"{path}: the name does not say what it is.",
                             "Give a table that ends in .parquet, .csv or .jsonl.")
    except (OSError, pa.ArrowException) as error:
        raise UsageError(f"The flows in {path} cannot be read: {error}.",
                         "Make the table anew: airsplit pcap flows CAPTURE --out FILE.") from error


class _Writer:
    """A table that grows, in the format of a file's name."""

    def __init__(self, path: Path, suffix: str, schema: Any) -> None:
        import pyarrow.csv
        import pyarrow.parquet

        self._file: Any = None
        if suffix in (".parquet", ".pq"):
            self._writer: Any = pyarrow.parquet.ParquetWriter(str(path), schema, compression="zstd")
        elif suffix == ".csv":
            self._writer = pyarrow.csv.CSVWriter(
                str(path), schema, write_options=pyarrow.csv.WriteOptions(quoting_style="needed"))
        elif suffix in (".jsonl", ".ndjson"):
            self._writer, self._file = None, path.open("w", encoding="utf-8")
        else:
            raise UsageError(f"{path.stem}: the name does not say which format to write.",
                             "End it in .parquet, .csv or .jsonl.")

    def write(self, table: Any) -> None:
        if self._writer is not None:
            self._writer.write_table(table)
            return
        import json

        for row in table.to_pylist():
            self._file.write(json.dumps(row, default=str) + "\n")

    def close(self) -> None:
        (self._writer or self._file).close()
