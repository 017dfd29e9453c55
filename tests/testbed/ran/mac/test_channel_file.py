"""Channels of files: what columns mean, what is missing, and errors that name line and remedy."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from testbed.ran.mac.channel import UNKNOWN, ChannelConfig, Kind, cqi_of_snr, make_channel
from testbed.ran.mac.channel_file import read_channel, read_kpi
from testbed.ran.mac.tables import CqiTable
from xapp.errors import ConfigurationError

KPI = """Timestamp,num_ues,,dl_mcs,dl_n_samples,dl_cqi,,ul_mcs,ul_n_samples,ul_sinr
1690932386446,4,,3.6,28,6.75,,10.5682,44,29.7
1690932386696,3,,0,0,6.2857,,11,7,32.4
1690932386946,2,,0,2,0,,0,0,0
"""


def _write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_columns_of_our_own(tmp_path: Path) -> None:
    channel = read_channel(_write(tmp_path / "c.csv", (
        "seconds,cqi,mcs_up\n10,15,3\n10.5,,\n12,0,\n")))
    assert channel.seconds.tolist() == [0.0, 0.5, 2.0]
    assert channel.cqi.tolist() == [15, 15, 0]  # what was said last holds on
    assert channel.cqi_up.tolist() == [15, 15, 0]
    assert channel.mcs_up.tolist() == [3, 3, 3]
    assert channel.mcs_down.tolist() == [UNKNOWN] * 3
    assert channel.period == pytest.approx(3.0)


def test_ratios_become_cqis_with_the_uplinks_offset(tmp_path: Path) -> None:
    channel = read_channel(_write(tmp_path / "c.csv", "seconds,snr_db\n0,20\n1,5\n"),
                           CqiTable.TABLE1, -6.0)
    assert channel.cqi.tolist() == cqi_of_snr(np.array([20.0, 5.0]), CqiTable.TABLE1).tolist()
    assert channel.cqi_up.tolist() == cqi_of_snr(np.array([14.0, -1.0]), CqiTable.TABLE1).tolist()


def test_an_mcs_alone_is_in_range(tmp_path: Path) -> None:
    channel = read_channel(_write(tmp_path / "c.csv", "seconds,mcs_down\n0,0\n1,28\n"))
    assert channel.mcs_down.tolist() == [0, 28]
    assert channel.cqi.tolist() == [15, 15]


def test_a_kpi_log(tmp_path: Path) -> None:
    path = tmp_path / "ue.csv.gz"
    path.write_bytes(gzip.compress(KPI.encode()))
    channel = read_kpi(path)
    assert channel.seconds == pytest.approx([0, 0.25, 0.5])
    assert channel.cqi.tolist() == [7, 6, 0]
    assert channel.mcs_down.tolist() == [4, 4, 0]  # nothing sent is no MCS 0
    assert channel.mcs_up.tolist() == [11, 11, 11]
    made = make_channel(ChannelConfig(Kind.KPI, file=path), 1)
    assert made.cqi.tolist() == channel.cqi.tolist()


def test_times_that_a_spreadsheet_has_rounded(tmp_path: Path) -> None:
    path = _write(tmp_path / "ue.csv", "Timestamp,dl_cqi\n1.66922E+12,7\n1.66922E+12,8\n")
    with pytest.raises(ConfigurationError, match="row_seconds"):
        read_kpi(path)
    assert read_kpi(path, row_seconds=0.25).seconds.tolist() == [0.0, 0.25]


@pytest.mark.parametrize(("text", "said"), [
    ("", "names nothing"),
    ("time,cqi\n0,3\n", "no columns seconds and one of cqi"),
    ("seconds,rsrp\n0,3\n", "names seconds, rsrp"),
    ("seconds,cqi\n", "has no lines"),
    ("seconds,cqi\n0,16\n", r"line 2: cqi is 16. It is 0 to 15"),
    ("seconds,cqi\n0,3\n1,x\n", "line 3: cqi is 'x', no number"),
    ("seconds,cqi\n0,3\n0,4\n", "line 3: time does not go on"),
    ("seconds,cqi\nnan,3\n", "line 2: seconds is 'nan'"),
    ("seconds,mcs_up\n0,29\n", "It is 0 to 28")])
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        read_channel(_write(tmp_path / "c.csv", text))


def test_files_that_are_none(tmp_path: Path) -> None:
    for name, data in (("c.csv.gz", b"not gzip"), ("d.csv", b"\xff\xfe\x00"),
                       ("e.csv.gz", gzip.compress(KPI.encode())[:60]),
                       ("f.csv", b"seconds,cqi\n0," + b"9" * 10_000)):
        path = tmp_path / name
        path.write_bytes(data)
        with pytest.raises(ConfigurationError, match=name):
            read_channel(path)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_kpi(tmp_path / "nowhere.csv")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.binary(max_size=200))
def test_no_bytes_do_worse_than_a_configuration_error(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "any.csv"
    for head in (b"", b"seconds,cqi,mcs_up\n", b"Timestamp,dl_cqi,dl_n_samples\n"):
        path.write_bytes(head + data)
        for read in (read_channel, read_kpi):
            try:
                read(path)
            except ConfigurationError:
                continue
