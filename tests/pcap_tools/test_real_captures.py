"""Real captures, where there are some: as many packets and bytes as Wireshark's reader finds.

    AIRSPLIT_CAPTURES=folder python -m pytest tests/pcap_tools/test_real_captures.py

compares every capture below that folder with `capinfos`; without the variable, captures written
here are compared with scapy's reader, and with `capinfos` where that is installed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from scapy.utils import RawPcapNgReader

from pcap_tools.errors import CaptureError
from pcap_tools.read import open_captures
from tests.benchmarks import traffic
from tests.pcap_tools.captures import MICRO, pcap, pcapng, read_all, save, some_frames

FOLDER = os.environ.get("AIRSPLIT_CAPTURES")
FRAMES = some_frames()
Totals = tuple[int, int]  # packets, bytes on the wire


def wireshark(path: Path) -> Totals | None:
    """What `capinfos` counts; None where it cannot read the file."""
    done = subprocess.run(["capinfos", "-T", "-M", "-r", "-c", "-d", str(path)], text=True,
                          capture_output=True, check=False)
    fields = done.stdout.strip().split("\t")
    return (int(fields[-2]), int(fields[-1])) if len(fields) >= 3 else None


def ours(path: Path) -> Totals | None:
    reader = open_captures([path])
    try:
        for _ in reader:
            pass
    except CaptureError:
        return None
    return reader.counters.packets, reader.counters.bytes


@pytest.mark.skipif(FOLDER is None, reason="AIRSPLIT_CAPTURES names no folder")
@pytest.mark.skipif(shutil.which("capinfos") is None, reason="capinfos is not installed")
def test_packets_and_bytes_of_real_captures_are_those_that_wireshark_counts() -> None:
    files = [path for path in sorted(Path(FOLDER or "").rglob("*")) if path.is_file()]
    assert files
    found = {path.name: (ours(path), wireshark(path)) for path in files}
    assert {name: pair for name, pair in found.items() if pair[0] != pair[1]} == {}


@pytest.mark.skipif(shutil.which("capinfos") is None, reason="capinfos is not installed")
@pytest.mark.parametrize("make", [
    lambda: pcap(FRAMES), lambda: pcap(FRAMES, MICRO, ">"), lambda: pcapng(FRAMES),
    lambda: pcapng(FRAMES, ">"), lambda: pcap(some_frames(cut=60)),
    lambda: pcap(FRAMES)[:-3], lambda: pcapng(FRAMES)[:-3],
])
def test_wireshark_counts_the_same(tmp_path: Path, make: Callable[[], bytes]) -> None:
    path = save(tmp_path, "a.pcap", make())
    assert ours(path) == wireshark(path)


@pytest.mark.parametrize("order", "<>")
def test_scapy_finds_the_same_frames_in_pcapng(tmp_path: Path, order: str) -> None:
    path = save(tmp_path, "a.pcapng", pcapng(FRAMES, order))
    with RawPcapNgReader(str(path)) as reader:
        packets: list[Any] = list(reader)
    theirs = [((about.tshigh << 32) + about.tslow, data, about.wirelen)
              for data, about in packets]
    assert theirs == read_all(open_captures([path]))


def test_made_up_traffic_is_the_same_every_time_and_as_long_as_wanted(tmp_path: Path) -> None:
    mix = traffic.Mix(packets=3000, flows=100, tunnel=True, snap=96)
    traffic.write(mix, tmp_path / "a.pcap")
    traffic.write(mix, tmp_path / "b.pcap")
    assert (tmp_path / "a.pcap").read_bytes() == (tmp_path / "b.pcap").read_bytes()
    reader = open_captures([tmp_path / "a.pcap"])
    frames = read_all(reader)
    assert len(frames) == 3000
    assert max(len(kept) for _, kept, _ in frames) == 96
    assert [time for time, _, _ in frames] == sorted(time for time, _, _ in frames)
    assert reader.warnings == []
