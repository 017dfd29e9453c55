"""Tables in three formats: the same rows, whole files or none, and columns by choice."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from pcap_tools import export
from pcap_tools.errors import OutputError, UsageError
from pcap_tools.export import TableWriter, chosen_columns, column_names, format_of
from pcap_tools.flow_table import FLOW, KEY

FEATURES = ["size_mean", "gap_mean"]
ROWS = np.dtype([*KEY, ("kind", "u1"), ("at", "<i8"), ("vector", "<f4", 2)], align=True)


def some_rows(count: int = 3) -> NDArray[Any]:
    rows = np.zeros(count, ROWS)
    rows["flow"] = np.arange(count)
    rows["version"], rows["qfi"], rows["at"] = 4, 255, 1_700_000_000_000_000_000
    rows["source"][:, :4] = (10, 0, 0, 1)
    rows["qfi"][:1] = 9
    rows["vector"] = (0.1, np.nan)
    return rows


def write(path: Path, rows: NDArray[Any], names: list[str] | None = None) -> None:
    with TableWriter(str(path), ROWS, names or column_names(ROWS, FEATURES),
                     features=FEATURES) as writer:
        for row in np.array_split(rows, 2):
            writer.write(row)
        writer.write(rows[:0])
    assert writer.rows == len(rows)


def test_parquet_has_types_and_knows_what_is_missing(tmp_path: Path) -> None:
    write(tmp_path / "rows.parquet", some_rows())
    table = pq.read_table(tmp_path / "rows.parquet")
    assert table.column_names == column_names(ROWS, FEATURES)
    first = table.slice(0, 1).to_pylist()[0]
    assert (first["source"], first["kind"], first["tunnel"]) == ("10.0.0.1", "packets_5", "none")
    assert str(table.schema.field("at").type) == "timestamp[ns, tz=UTC]"
    assert table["qfi"].to_pylist() == [9, None, None]
    assert table["gap_mean"].null_count == 3
    assert table["size_mean"].to_pylist() == pytest.approx([0.1] * 3)


def test_csv_and_json_lines_say_the_same(tmp_path: Path) -> None:
    write(tmp_path / "rows.csv", some_rows())
    write(tmp_path / "rows.jsonl", some_rows())
    with (tmp_path / "rows.csv").open(newline="") as stream:
        table = list(csv.DictReader(stream))
    lines = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert len(table) == len(lines) == 3
    for row, line in zip(table, lines, strict=True):
        assert row["source"] == line["source"] == "10.0.0.1"
        assert int(row["at"]) == line["at"] == 1_700_000_000_000_000_000
        assert (row["qfi"] or None) == (None if line["qfi"] is None else str(line["qfi"]))
        assert (row["gap_mean"], line["gap_mean"]) == ("", None)
        assert float(row["size_mean"]) == line["size_mean"] == 0.1


@pytest.mark.parametrize("name", ["rows.parquet", "rows.csv", "rows.jsonl"])
def test_a_table_without_rows_has_its_columns(name: str, tmp_path: Path) -> None:
    write(tmp_path / name, some_rows(0), ["flow", "source"])
    if name.endswith("parquet"):
        assert pq.read_table(tmp_path / name).column_names == ["flow", "source"]
    else:
        assert (tmp_path / name).read_text() == ('"flow","source"\n' if "csv" in name else "")


@pytest.mark.parametrize("name", ["rows.parquet", "rows.csv"])
def test_rows_come_in_groups_and_in_order(name: str, tmp_path: Path,
                                          monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "GROUP", 10 * ROWS.itemsize)
    with TableWriter(str(tmp_path / name), ROWS, ["flow"], features=FEATURES) as writer:
        for row in np.array_split(some_rows(95), 19):
            writer.write(row)
    if name.endswith("csv"):
        found = [int(line) for line in (tmp_path / name).read_text().splitlines()[1:]]
    else:
        assert pq.ParquetFile(tmp_path / name).num_row_groups == 10
        found = pq.read_table(tmp_path / name)["flow"].to_pylist()
    assert found == list(range(95))


@pytest.mark.parametrize("name", ["rows.parquet", "rows.csv"])
def test_an_error_leaves_nothing_and_the_old_file_as_it_was(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("old")

    def fail() -> None:
        with TableWriter(str(tmp_path / name), ROWS, ["flow"]) as writer:
            writer.write(some_rows())
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert [file.name for file in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "old"


def test_a_folder_that_is_not_there_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written: No such file"):
        TableWriter(str(tmp_path / "none" / "rows.csv"), ROWS, ["flow"])


def test_the_name_says_the_format() -> None:
    assert [format_of(name, None) for name in ("a.parquet", "a.CSV", "a.jsonl", "-")] == [
        "parquet", "csv", "jsonl", "csv"]
    assert format_of("a.csv", "jsonl") == "jsonl"
    with pytest.raises(UsageError, match="does not say"):
        format_of("a.txt", None)
    with pytest.raises(UsageError, match="cannot go to standard output"):
        format_of("-", "parquet")


def test_columns_are_chosen_by_name_pattern_and_exception() -> None:
    known = column_names(FLOW)
    assert chosen_columns(known, None) == known
    assert chosen_columns(known, "last, bytes_*,first") == ["last", "bytes_up", "bytes_down",
                                                            "first"]
    assert chosen_columns(known, "bytes_*,!bytes_up") == ["bytes_down"]
    assert "source" not in chosen_columns(known, "!source*")
    with pytest.raises(UsageError, match="Did you mean bytes_up"):
        chosen_columns(known, "byte_up")
    with pytest.raises(UsageError, match="No column"):
        chosen_columns(known, "!*")
