"""Files are found from everywhere, wherever they are named; a trace's kind is told by columns."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from testbed.errors import TestbedFailure
from testbed.loop.own_files import trace_kind, with_whole_paths
from testbed.loop.settings import Load, LoopSettings, RadioChannel


def test_every_file_has_its_whole_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = LoopSettings(
        load=Load.MIX, channel=RadioChannel.TRACE, channel_trace="walk.csv",
        crowd_groups=({"channel": {"kind": "csv", "file": "a.csv"},
                       "traffic": [{"kind": "replay", "file": "b.pcap"}]},),
        traffic=({"kind": "replay", "file": "/elsewhere/c.pcap"}, {"kind": "poisson"}))
    found = with_whole_paths(settings)
    assert found.channel_trace == str(tmp_path / "walk.csv")
    group, = found.crowd_groups
    assert group["channel"] == {"kind": "csv", "file": str(tmp_path / "a.csv")}
    assert group["traffic"] == [{"kind": "replay", "file": str(tmp_path / "b.pcap")}]
    assert found.traffic == settings.traffic
    assert with_whole_paths(found) == found
    recording = LoopSettings(load=Load.RECORDING, recording="phone.csv")
    assert with_whole_paths(recording).recording == str(tmp_path / "phone.csv")
    assert with_whole_paths(LoopSettings()) == LoopSettings()


def test_a_file_that_is_no_text_is_left_to_its_reader() -> None:
    settings = LoopSettings(load=Load.MIX, traffic=({"file": 5, "channel": 7, "traffic": [3]},))
    assert with_whole_paths(settings) == settings


def test_a_traces_kind_is_told_by_its_columns(tmp_path: Path) -> None:
    for text, kind in (("seconds,cqi\n0,5\n", "csv"), ("Timestamp,dl_cqi\n0,5\n", "kpi"),
                       ("seconds,Timestamp,cqi\n", "csv"), ("", "csv"), ("\xff\x00", "csv")):
        file = tmp_path / "trace.csv"
        file.write_text(text, encoding="latin-1")
        assert trace_kind(file) == kind
        packed = tmp_path / "trace.csv.gz"
        packed.write_bytes(gzip.compress(text.encode("latin-1")))
        assert trace_kind(packed) == kind


def test_a_trace_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "no.gz").write_bytes(b"not packed")
    for file in (tmp_path / "missing.csv", tmp_path, tmp_path / "no.gz"):
        with pytest.raises(TestbedFailure, match=r"channel_trace: .* cannot be read"):
            trace_kind(file)
