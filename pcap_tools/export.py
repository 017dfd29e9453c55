"""Tables of flows and samples into files: Parquet, CSV or JSON lines, as they come.

Rows are written in groups, so a table of any length needs the memory of one group. A file appears
under its name once it is whole. It does not know what the columns mean, except that addresses,
times and the codes of enumerations are written as people read them.
"""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from enum import IntEnum
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from pcap_tools.errors import OutputError, UsageError
from pcap_tools.flows import End, Sampled
from pcap_tools.naming import address_texts
from pcap_tools.packets import Tunnel

if TYPE_CHECKING:
    import pyarrow as pa

Format = Literal["parquet", "csv", "jsonl"]
FORMATS: tuple[Format, ...] = get_args(Format)
EXTENSIONS: Mapping[str, Format] = {".parquet": "parquet", ".pq": "parquet", ".csv": "csv",
                                    ".jsonl": "jsonl", ".ndjson": "jsonl"}
GROUP = 6 << 20  # bytes of rows written at once; with all that is made of them some ten times that
ADDRESSES = ("source", "destination")  # sixteen bytes, to be read with the column `version`
TIMES = ("first", "last", "at", "time")  # nanoseconds since 1970
CODES: Mapping[str, type[IntEnum]] = {"end": End, "kind": Sampled, "tunnel": Tunnel}
VECTOR = "vector"  # one column a feature
ABSENT: Mapping[str, int] = {"qfi": 255}  # the number that means there is none

Column = NDArray[Any] | list[str]


def format_of(path: str, given: Format | None) -> Format:
    """The format for `path`: as it was asked for, else by the name; CSV on standard output."""
    if given is not None:
        if path == "-" and given == "parquet":
            raise UsageError("Parquet cannot go to standard output.",
                             "Name a file, or choose --format csv or jsonl.")
        return given
    if path == "-":
        return "csv"
    found = EXTENSIONS.get(Path(path).suffix.lower())
    if found is None:
        raise UsageError(f"{path}: the name does not say which format to write.",
                         f"End it in {', '.join(EXTENSIONS)}, or give --format.")
    return found


def column_names(kind: np.dtype[Any], features: Sequence[str] = ()) -> list[str]:
    """The columns that rows of `kind` become; a vector becomes one for each of `features`."""
    names: list[str] = []
    for name in kind.names or ():
        names += list(features) if name == VECTOR else [name]
    return names


def chosen_columns(known: Sequence[str], wanted: str | None) -> list[str]:
    """The columns of a comma-separated list such as `flow,bytes_up`; all without one.

    A `!` before a name leaves it out, and `*` stands for any part: `!first_*`.
    """
    if not wanted:
        return list(known)
    from fnmatch import fnmatchcase

    words = [word.strip() for word in wanted.split(",") if word.strip()]
    chosen = list(known) if words and all(word.startswith("!") for word in words) else []
    for word in words:
        pattern = word.removeprefix("!")
        matching = [name for name in known if fnmatchcase(name, pattern)]
        if not matching:
            from difflib import get_close_matches

            near = get_close_matches(pattern, known, 3, 0.4)
            raise UsageError(f"There is no column {pattern!r}.",
                             f"Did you mean {' or '.join(near)}?" if near else
                             f"Columns: {', '.join(known)}.")
        if word.startswith("!"):
            chosen = [name for name in chosen if name not in matching]
        else:
            chosen += [name for name in matching if name not in chosen]
    if not chosen:
        raise UsageError("No column is left.", "Leave fewer of them out.")
    return chosen


def columns_of(
    rows: NDArray[Any], names: Sequence[str], features: Sequence[str] = ()
) -> dict[str, Column]:
    """Rows of a structured array as columns `names`, addresses and codes in words."""
    index = {name: number for number, name in enumerate(features)}
    result: dict[str, Column] = {}
    for name in names:
        if name in index:
            result[name] = rows[VECTOR][:, index[name]]
        elif name in ADDRESSES:
            result[name] = address_texts(rows["version"], rows[name])
        elif name in CODES:
            words = {int(code): code.name.lower() for code in CODES[name]}
            result[name] = [words.get(int(code), str(code)) for code in rows[name]]
        else:
            result[name] = rows[name]
    return result


class TableWriter:
    """A table that grows by `write` and is there, whole, after `close`; use it in a with statement.

    When the with statement ends in an error nothing is left behind.
    """

    def __init__(
        self, path: str, kind: np.dtype[Any], names: Sequence[str], given: Format | None = None,
        features: Sequence[str] = (),
    ) -> None:
        self.path = path
        self.format = format_of(path, given)
        self.rows = 0
        self._kind, self._names, self._features = kind, list(names), list(features)
        self._waiting: list[NDArray[Any]] = []
        self._written = False
        self._parquet: Any = None
        self._text: IO[str] = sys.stdout
        self._part = Path(path + ".part") if path != "-" else None
        if self._part is not None:
            # At once, so that nobody waits for an hour to learn that the folder is not there.
            with _Mapped(path):
                self._text = self._part.open("w", encoding="utf-8", newline="")

    def __enter__(self) -> TableWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()

    def write(self, rows: NDArray[Any]) -> None:
        """Add rows of a structured array."""
        if not len(rows):
            return
        self._waiting.append(rows)
        if sum(part.nbytes for part in self._waiting) >= GROUP:
            self._flush()

    def close(self) -> None:
        """Write what is left, and give the file its name."""
        try:
            if self._waiting or not self._written:
                self._flush()
            with _Mapped(self.path):
                if self._parquet is not None:
                    self._parquet.close()
                self._text.flush()
                if self._part is not None:
                    self._text.close()
                    os.replace(self._part, self.path)
        except BaseException:
            self.discard()
            raise

    def discard(self) -> None:
        """Remove what was written."""
        # The error that led here is the one to tell of.
        with suppress(OSError, ValueError):
            if self._parquet is not None:
                self._parquet.close()
        if self._part is not None:
            with suppress(OSError):
                self._text.close()
            with suppress(OSError):
                self._part.unlink(missing_ok=True)

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        rows = np.concatenate(waiting) if waiting else np.empty(0, self._kind)
        columns = columns_of(rows, self._names, self._features)
        with _Mapped(self.path):
            if self.format == "parquet":
                self._write_parquet(arrow_table(columns))
            elif self.format == "csv":
                self._text.write(_csv_of(columns, header=not self._written))
            else:
                self._text.writelines(_lines_of(columns))
        self._written = True
        self.rows += len(rows)

    def _write_parquet(self, table: pa.Table) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        if self._parquet is None:
            # Numbers seldom repeat: looking for those that do takes longer and more room.
            words = [field.name for field in table.schema if pa.types.is_dictionary(field.type)]
            self._parquet = pq.ParquetWriter(str(self._part), table.schema, compression="zstd",
                                             use_dictionary=words)
        self._parquet.write_table(table)


class _Mapped:
    """What the system says against writing becomes one of our errors."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        if isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
            raise OutputError(f"{self._path} cannot be written: {error.strerror or error}.",
                              "Free some space, mend the permissions, or name another file."
                              ) from error


def arrow_table(columns: Mapping[str, Column], dates: bool = True) -> pa.Table:
    """The columns for Arrow; what is undefined is missing. `dates`: times as times."""
    import pyarrow as pa

    arrays: dict[str, Any] = {}
    for name, column in columns.items():
        if isinstance(column, list):
            arrays[name] = _words(column)
            continue
        missing = column == ABSENT[name] if name in ABSENT else (
            np.isnan(column) if column.dtype.kind == "f" else None)
        kind = pa.timestamp("ns", tz="UTC") if dates and name in TIMES else None
        arrays[name] = _numbers(column, missing, kind)
    return pa.table(arrays)


def _numbers(column: NDArray[Any], missing: NDArray[np.bool_] | None = None, kind: Any = None
             ) -> pa.Array:
    """An Arrow array from its buffers: `pa.array` would load pandas first, for 0.2 s."""
    import pyarrow as pa

    valid = None if missing is None or not missing.any() else pa.py_buffer(
        np.packbits(~missing, bitorder="little"))
    data = (np.packbits(column, bitorder="little") if column.dtype.kind == "b"
            else np.ascontiguousarray(column))
    return pa.Array.from_buffers(kind or pa.from_numpy_dtype(column.dtype), len(column),
                                 [valid, pa.py_buffer(data)])


def _words(column: list[str]) -> pa.Array:
    """A dictionary array: each different word once, and which one stands where."""
    import pyarrow as pa

    place = {word: number for number, word in enumerate(dict.fromkeys(column))}
    encoded = [word.encode() for word in place]
    ends = np.cumsum([0, *map(len, encoded)], dtype=np.int32)
    words = pa.StringArray.from_buffers(len(encoded), pa.py_buffer(ends),
                                        pa.py_buffer(b"".join(encoded)))
    return pa.DictionaryArray.from_arrays(
        _numbers(np.fromiter((place[word] for word in column), np.int32, len(column))), words)


def _csv_of(columns: Mapping[str, Column], header: bool) -> str:
    """Times stay nanoseconds since 1970, what is missing is empty."""
    import pyarrow as pa
    import pyarrow.csv

    buffer = pa.BufferOutputStream()
    options = pyarrow.csv.WriteOptions(include_header=header, quoting_style="needed",
                                       quoting_header="needed")
    table = arrow_table(columns, dates=False)
    plain = pa.schema([(field.name, field.type.value_type if pa.types.is_dictionary(field.type)
                        else field.type) for field in table.schema])
    pyarrow.csv.write_csv(table.cast(plain), buffer, options)
    return str(buffer.getvalue().to_pybytes().decode())


def _lines_of(columns: Mapping[str, Column]) -> Iterable[str]:
    plain = [_plain(name, column) for name, column in columns.items()]
    for row in zip(*plain, strict=True):
        yield json.dumps(dict(zip(columns, row, strict=True))) + "\n"


def _plain(name: str, column: Column) -> Iterable[Any]:
    """Python's own values; what is missing is None."""
    if isinstance(column, list):
        return column
    if name in ABSENT:
        return [None if value == ABSENT[name] else value for value in column.tolist()]
    if column.dtype.kind == "f":
        # The shortest text that gives the same number back, in the column's own precision.
        return [float(str(value)) if math.isfinite(value) else None for value in column]
    values: list[Any] = column.tolist()
    return values
