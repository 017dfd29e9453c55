"""Logs become traces: labels, recordings, and what of them does not belong to the traffic."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from classifier.errors import DataError
from classifier.kpi_data import (
    collection_of,
    describe,
    label_of,
    pieces,
    read_folder,
    read_log,
    removed,
)
from tests.classifier.kpi_logs import rows, write_folder, write_log


def test_every_labelled_trace_of_the_folder_is_read(tmp_path: Path) -> None:
    write_folder(tmp_path, 10)
    write_log(tmp_path / "SingleUE/Trial7/Raw/mixed.csv.gz", rows("embb", 40, 1))
    found = read_folder(tmp_path)
    assert describe(found) == {
        **{f"Trial{trial}": {"embb": 40, "mmtc": 40, "null": 40, "urllc": 40}
           for trial in (1, 7)}, "multi2": {"embb": 40, "urllc": 40}}
    assert {(trace.trial, trace.collection) for trace in found if trace.label == "urllc"} == {
        ("Trial1", "1"), ("Trial7", "03_03"), ("multi2", "06_12")}
    np.testing.assert_allclose(found[0].rows, rows("embb", 40, 10), rtol=1e-5)


@pytest.mark.parametrize(("name", "trial", "label", "collection"), [
    ("embb_03_03a", "", "embb", "03_03"), ("embb_05_18_a", "Trial7", "embb", "05_18"),
    ("URLLC_06_12", "", "urllc", "06_12"), ("urll_2", "Trial7", "urllc", "2"),
    ("mmtc", "Trial7", "mmtc", "1"), ("mmtc_1010123456002_metrics", "Trial5", "mmtc", "11_18"),
    ("embb3_1010123456002_metrics", "Trial3", "embb", "3"), ("null_1", "Trial4", "null", "null"),
])
def test_names_tell_class_and_recording(
    name: str, trial: str, label: str, collection: str,
) -> None:
    assert label_of(name) == label
    assert collection_of(name, trial) == collection


def test_mixed_traffic_has_no_label() -> None:
    assert label_of("mixed_2") is None


def test_test_traffic_that_the_authors_cut_away_is_left_out(tmp_path: Path) -> None:
    table = np.concatenate([rows("urllc", 30, 1), rows("null", 20, 1), rows("embb", 60, 2)])
    cleaned = np.concatenate([table[45:50], table[50:][table[50:, 1] > 0]])
    write_log(tmp_path / "SingleUE/Trial1/Raw/embb1_metrics.csv.gz", table)
    # Its times went through a spreadsheet.
    write_log(tmp_path / "SingleUE/Trial1/embb_clean.csv.gz", cleaned,
              times=[1.67e12] * len(cleaned))
    kept = np.concatenate([trace.rows for trace in read_folder(tmp_path)])
    assert len(kept) >= 60
    np.testing.assert_allclose(kept[-40:], table[-40:], rtol=1e-5)
    assert kept[:, 1].sum() == pytest.approx(table[50:, 1].sum())


def test_silence_that_was_cut_away_is_kept() -> None:
    table = rows("mmtc", 100, 3)
    cut = removed(table, table[table[:, 1] > 0])
    active = np.flatnonzero(table[:, 1] > 0)
    assert not cut[active[0]:active[-1] + 1].any()


def test_a_pause_ends_a_trace_and_broken_times_do_not() -> None:
    none = np.zeros(6, np.bool_)
    assert pieces(np.array([0, 250, 500, 90_000, 90_250, 90_500.0]), none) == [(0, 3), (3, 6)]
    assert pieces(np.full(6, 1.67e12), none) == [(0, 6)]
    foreign = np.array([1, 0, 0, 1, 0, 0], np.bool_)
    assert pieces(np.arange(0.0, 1500.0, 250.0), foreign) == [(1, 3), (4, 6)]


def test_rows_of_an_earlier_experiment_are_left_out(tmp_path: Path) -> None:
    write_folder(tmp_path, 10)
    table = np.concatenate([rows("embb", 30, 1), rows("urllc", 40, 92)])
    times = [1e12 + 250 * row for row in range(30)] + [1.7e12 + 250 * row for row in range(40)]
    write_log(tmp_path / "Multi-UE/Trial2/multi2/1011_metrics.csv.gz", table, times=times)
    [found] = [trace for trace in read_folder(tmp_path) if trace.collection == "06_12"]
    np.testing.assert_allclose(found.rows, table[30:], rtol=1e-5)


@pytest.mark.parametrize("content", [
    b"", b"no log", b"\xff\xfe\x00", b"Timestamp,dl_mcs\n1,2\n", b"\x00" * 100,
    (",".join(("Timestamp", "dl_mcs")) + "\n" + "9" * 200_000).encode(),
])
def test_a_file_that_is_no_log_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"log\.csv"):
        read_log(path)


def test_truncated_logs_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "embb.csv.gz"
    write_log(path, rows("embb", 50, 1))
    whole = path.read_bytes()
    for length in (0, 1, 9, 20, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match=r"embb\.csv\.gz"):
            read_log(path)


def test_damaged_numbers_are_refused_and_short_lines_left_out(tmp_path: Path) -> None:
    path = tmp_path / "embb.csv.gz"
    write_log(path, rows("embb", 5, 1))
    text = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(text + b"\n1,2,3"))
    assert len(read_log(path)[0]) == 5
    path.write_bytes(gzip.compress(text.replace(b",,", b",,x", 2)))
    with pytest.raises(DataError):
        read_log(path)


def test_a_folder_without_logs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="SingleUE"):
        read_folder(tmp_path)
