"""The features of a UE's last seconds: what they are, and that they know no future."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from classifier.kpi_features import (
    COLUMNS,
    FEATURES,
    LONGEST,
    WINDOWS,
    KpiRow,
    quiet,
    vector_now,
    vectors,
)
from tests.classifier.kpi_logs import SILENT, rows


def feature(table: np.ndarray, name: str) -> float:
    return float(vectors(table)[-1, FEATURES.index(name)])


def test_features_are_named_once_and_nothing_names_the_cell_or_the_channel() -> None:
    assert len(set(FEATURES)) == len(FEATURES)
    assert not any(word in name for name in FEATURES
                   for word in ("cqi", "sinr", "slice", "rnti", "imsi", "phr"))


def test_means_spreads_and_peaks_are_those_of_the_window() -> None:
    table = rows("urllc", 300, 3)
    for window in WINDOWS:
        recent = table[-window:, 5].astype(float)
        assert feature(table, f"uplink_mbps_mean_{window}") == pytest.approx(recent.mean(), 1e-5)
        assert feature(table, f"uplink_mbps_peak_{window}") == pytest.approx(recent.max(), 1e-6)
        assert feature(table, f"uplink_mbps_spread_{window}") == pytest.approx(
            recent.std() / recent.mean(), 1e-3)


def test_bursts_and_active_rows_are_counted() -> None:
    table = np.tile(SILENT, (16, 1))
    table[[2, 3, 9], 1] = 40
    table[12, 5] = 1.0
    assert feature(table, "bursts_16") == 3
    assert feature(table, "downlink_active_16") == pytest.approx(3 / 16)
    assert feature(table, "uplink_active_16") == pytest.approx(1 / 16)
    assert feature(table, "active_16") == pytest.approx(4 / 16)


def test_shares_and_sizes_relate_the_two_directions() -> None:
    table = np.tile(SILENT, (4, 1))
    table[:, 0], table[:, 1], table[:, 5], table[:, 6] = 3.0, 30, 1.0, 20
    table[:2, 4] = 14
    assert feature(table, "uplink_share_4") == pytest.approx(0.25)
    assert feature(table, "uplink_block_share_4") == pytest.approx(0.4)
    assert feature(table, "downlink_block_bytes_4") == pytest.approx(0.1)
    assert feature(table, "downlink_mcs_sending_4") == pytest.approx(14)
    assert np.isnan(feature(table, "uplink_mcs_sending_4"))


def test_no_feature_knows_the_future() -> None:
    table = rows("embb", 120, 5)
    other = table.copy()
    other[60:] = rows("urllc", 60, 6)
    np.testing.assert_array_equal(vectors(table)[:60], vectors(other)[:60])
    np.testing.assert_array_equal(quiet(table)[:60], quiet(other)[:60])


def test_no_feature_knows_more_than_the_longest_window() -> None:
    table = rows("embb", 2 * LONGEST, 5)
    np.testing.assert_array_equal(vectors(table)[-1], vector_now(table[-LONGEST:])[0])


def test_what_is_not_reported_is_missing_and_not_zero() -> None:
    table = rows("urllc", 40, 2)
    table[:, [2, 7]] = np.nan
    assert np.isnan(feature(table, "downlink_buffer_mean_16"))
    assert np.isnan(feature(table, "uplink_buffer_last"))
    table[-16:-1, 0] = np.nan
    assert feature(table, "downlink_mbps_mean_16") == pytest.approx(table[-1, 0])


def test_a_ue_is_quiet_four_seconds_after_its_last_traffic() -> None:
    table = np.tile(SILENT, (40, 1))
    table[10, 1] = 50
    found = quiet(table)
    assert found[:10].all()
    assert not found[10:26].any()
    assert found[26:].all()


@pytest.mark.parametrize(("change", "expected"), [
    ({}, True),
    ({1: 1, 5: 0.1, 6: 2}, True),  # a lone block down, and grants for signalling up
    ({5: 0.5, 6: 10}, False),
    ({1: 4}, False),
    ({1: np.nan, 0: 0.001}, True),
    ({1: np.nan, 0: 0.1}, False),  # blocks unknown: the volume tells
])
def test_signalling_alone_is_quiet(change: dict[int, float], expected: bool) -> None:
    table = np.tile(SILENT, (20, 1))
    for column, value in change.items():
        table[12, column] = value
    assert quiet(table)[-1] == expected


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0, 1e300, None])
def test_values_that_cannot_be_are_missing(value: float | None) -> None:
    assert np.isnan(replace(KpiRow(), downlink_mbps=value).values()[0])


def test_columns_are_those_of_a_row() -> None:
    assert KpiRow(downlink_mbps=1.0, uplink_mcs=9.0).values().tolist()[::8] == [1.0, 9.0]
    assert len(KpiRow().values()) == len(COLUMNS)


def test_uncompiled_features_are_the_same() -> None:
    code = ("import sys, numpy as np; from classifier.kpi_features import vectors, quiet;"
            "from tests.classifier.kpi_logs import rows;"
            "t = rows('mmtc', 80, 4); t[3:9, 1] = np.nan;"
            "sys.stdout.write(vectors(t).tobytes().hex() + quiet(t).tobytes().hex())")
    table = rows("mmtc", 80, 4)
    table[3:9, 1] = np.nan
    plain = subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, text=True,
                           capture_output=True, env={"AIRSPLIT_UNCOMPILED": "1"}).stdout
    found = np.frombuffer(bytes.fromhex(plain)[:vectors(table).nbytes], np.float32)
    np.testing.assert_allclose(found.reshape(80, -1), vectors(table), rtol=1e-4, atol=1e-6)
    assert plain.endswith(quiet(table).tobytes().hex())
