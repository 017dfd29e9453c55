"""Labels to flows: by ends and time, in every format, and never by guessing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet
import pytest

from pcap_tools.errors import OutputError, UsageError
from pcap_tools.merge_labels import LabelFile, merge_labels

SECOND = 10**9
FLOWS: dict[str, list[Any]] = {
    "source": ["10.0.0.1", "10.0.0.2", "2001:db8::1", "10.0.0.9"],
    "destination": ["192.0.2.1", "192.0.2.1", "2001:db8::2", "192.0.2.1"],
    "source_port": [4000, 4001, 5000, 4009], "destination_port": [443, 443, 53, 443],
    "protocol": [6, 6, 17, 6],
    "first": [100 * SECOND, 100 * SECOND, 100 * SECOND, 100 * SECOND],
    "last": [110 * SECOND, 110 * SECOND, 101 * SECOND, 101 * SECOND], "bytes_up": [1, 2, 3, 4]}
LABELS = """address_a,port_a,address_b,port_b,transport,label
10.0.0.1,4000,192.0.2.1,443,TCP,web
192.0.2.1,443,10.0.0.2,4001,tcp,video
2001:0db8::1,5000,2001:db8::2,53,17,background
10.0.0.3,4000,192.0.2.1,443,TCP,web
"""


def write_flows(path: Path, times: bool = False, **extra: list[Any]) -> Path:
    table = pa.table(FLOWS | extra)
    if times:
        for name in ("first", "last"):
            at = table.schema.get_field_index(name)
            table = table.set_column(at, name, table[name].cast(pa.timestamp("ns", tz="UTC")))
    if path.suffix == ".parquet":
        pyarrow.parquet.write_table(table, path)
    elif path.suffix == ".csv":
        pyarrow.csv.write_csv(table, path)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in table.to_pylist()))
    return path


def label_file(folder: Path, text: str = LABELS) -> LabelFile:
    path = folder / "labels.csv"
    path.write_text(text)
    return LabelFile(path)


def read(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".parquet":
        return list(pyarrow.parquet.read_table(path).to_pylist())
    if path.suffix == ".csv":
        options = pyarrow.csv.ConvertOptions(strings_can_be_null=True)
        return list(pyarrow.csv.read_csv(path, convert_options=options).to_pylist())
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("suffix", ["parquet", "csv", "jsonl"])
@pytest.mark.parametrize("written", ["parquet", "csv", "jsonl"])
def test_in_either_direction_and_every_format(suffix: str, written: str, tmp_path: Path) -> None:
    flows = write_flows(tmp_path / f"flows.{suffix}", times=suffix == "parquet")
    out = tmp_path / f"out.{written}"
    merged = merge_labels(flows, label_file(tmp_path), out)
    rows = read(out)
    assert [row["label"] for row in rows] == ["web", "video", "background", None]
    assert [row["bytes_up"] for row in rows] == [1, 2, 3, 4]
    assert (merged.flows, merged.labelled, merged.without, merged.conflicting) == (4, 3, 1, 0)
    assert (merged.lines, merged.unused) == (4, 1)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        ["labels.csv", flows.name, out.name])


def test_labels_that_hold_for_a_time(tmp_path: Path) -> None:
    head, line = LABELS.splitlines()[:2]
    text = (f"{head},start,end\n{line},0,99\n{line.replace('web', 'gaming')},105,\n"
            f"{line.replace('web', 'iot').replace('10.0.0.1,4000', '10.0.0.9,4009')},,100.5\n")
    merge_labels(write_flows(tmp_path / "flows.csv"), label_file(tmp_path, text),
                 tmp_path / "out.csv")
    assert [row["label"] for row in read(tmp_path / "out.csv")] == ["gaming", None, None, "iot"]


def test_labels_that_contradict_each_other_are_none(tmp_path: Path) -> None:
    text = LABELS + LABELS.splitlines()[1].replace("web", "bulk") + "\n"
    merged = merge_labels(write_flows(tmp_path / "flows.csv"), label_file(tmp_path, text),
                          tmp_path / "out.csv")
    assert merged.conflicting == 1
    assert read(tmp_path / "out.csv")[0]["label"] is None


def test_labels_of_another_capture(tmp_path: Path) -> None:
    text = LABELS.replace("label\n", "label,capture\n").replace("web\n", "web,other.pcap\n")
    text = text.replace("video\n", "video,mine.pcap\n").replace("background\n", "background,\n")
    flows = write_flows(tmp_path / "flows.csv", capture=["mine.pcap"] * 4)
    merge_labels(flows, label_file(tmp_path, text), tmp_path / "out.csv")
    assert [row["label"] for row in read(tmp_path / "out.csv")] == [
        None, "video", "background", None]


@pytest.mark.parametrize(("text", "said"), [
    ("", "columns of nothing"), ("a,b\n1,2\n", "columns a, b"),
    (LABELS.replace("4000", "70000"), "line 2: 70000 is no port"),
    (LABELS.replace("10.0.0.1,", "10.0.0.256,"), "line 2: '10.0.0.256' does not appear"),
    (LABELS.replace("TCP", "QUICK"), "line 2: 'quick' is no transport"),
    (LABELS.replace(",web", ","), "line 2: the label is empty"),
    (LABELS.replace(",web", ""), "number of fields")])
def test_label_files_that_are_none(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=said):
        label_file(tmp_path, text)


def test_files_that_are_not_there_or_not_flows(tmp_path: Path) -> None:
    labels, flows = label_file(tmp_path), write_flows(tmp_path / "flows.csv")
    with pytest.raises(UsageError, match="cannot be read"):
        LabelFile(tmp_path / "missing.csv")
    for name, text in (("missing.csv", None), ("bad.parquet", "no"), ("flows.txt", "a"),
                       ("other.csv", "a,b\n1,2\n")):
        if text is not None:
            (tmp_path / name).write_text(text)
        with pytest.raises(UsageError):
            merge_labels(tmp_path / name, labels, tmp_path / "out.csv")
    with pytest.raises(UsageError, match="has a column bytes_up already"):
        merge_labels(flows, labels, tmp_path / "out.csv", column="bytes_up")
    with pytest.raises(UsageError, match="which format"):
        merge_labels(flows, labels, tmp_path / "out.txt")
    with pytest.raises(OutputError, match="cannot be written"):
        merge_labels(flows, labels, tmp_path / "nowhere" / "out.csv")
    assert not list(tmp_path.glob("out*"))
