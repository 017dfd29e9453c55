"""`anonymise` and `merge-labels` as commands: what they write, print and answer."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pcap_tools import label_commands
from pcap_tools.errors import CaptureError, OutputError, UsageError
from pcap_tools.gather import PARTIAL
from pcap_tools.parse import parse
from pcap_tools.read import open_captures
from pcap_tools.write import PcapWriter
from tests.pcap_tools.frames import MAC_A, ethernet, mixed, records_of
from tests.pcap_tools.test_merge_labels import LABELS, write_flows


def anonymise(*arguments: str | Path) -> int:
    return run(label_commands.configure_anonymise, *arguments)


def run(configure: Any, *arguments: str | Path) -> int:
    parser = argparse.ArgumentParser()
    configure(parser)
    parsed = parser.parse_args([str(argument) for argument in arguments])
    return int(parsed.run(parsed))


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    with PcapWriter(tmp_path / "in.pcap") as writer:
        writer.write(records_of(mixed(40)))
    return tmp_path / "in.pcap"


def packets(path: Path) -> Any:
    with open_captures([path]) as reader:
        return np.concatenate([parse(records) for records in reader])


def test_a_capture_without_people(capture: Path, tmp_path: Path,
                                  capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.pcap"
    assert anonymise(capture, "--out", out, "--json") == 0
    assert json.loads(capsys.readouterr().out) == {
        "file": str(out), "written": 40, "left_out": {}, "warnings": 0}
    before, after = packets(capture), packets(out)
    for column in ("time", "length", "payload", "source_port", "flags", "vlan", "protocol"):
        assert np.array_equal(before[column], after[column])
    assert out.stat().st_size < capture.stat().st_size / 2
    assert b"\x0a\0\0" not in out.read_bytes()
    assert MAC_A not in out.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.pcap", "out.pcap"]


def test_a_key_makes_it_the_same_again(capture: Path, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_bytes(b"0123456789abcdef")
    outs = [tmp_path / f"{number}.pcap" for number in range(4)]
    for number, out in enumerate(outs):
        anonymise(capture, "--out", out, *(("--key", key) if number < 2 else ()))
    texts = [out.read_bytes() for out in outs]
    assert texts[0] == texts[1]
    assert len(set(texts)) == 3


def test_what_is_left_out_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with PcapWriter(tmp_path / "in.pcap") as writer:
        writer.write(records_of([*mixed(3), ethernet(0x88CC, b"switch in the cellar")]))
    with PcapWriter(tmp_path / "raw.pcap", link=101) as writer:
        writer.write(records_of([b"\x45" + bytes(30)], link=101))
    damaged = (tmp_path / "in.pcap").read_bytes()[:-5]
    (tmp_path / "in.pcap").write_bytes(damaged + b"\xff" * 40)
    code = anonymise(tmp_path / "in.pcap", tmp_path / "raw.pcap", "--out", tmp_path / "out.pcap")
    said = capsys.readouterr()
    assert code == PARTIAL
    assert "3 frames; left out: " in said.out
    assert "1 of another link type" in said.out
    assert "in.pcap" in said.err
    assert b"cellar" not in (tmp_path / "out.pcap").read_bytes()


def test_what_cannot_be(capture: Path, tmp_path: Path) -> None:
    (tmp_path / "short").write_bytes(b"short")
    with PcapWriter(tmp_path / "empty.pcap"):
        pass
    for error, arguments in (
            (UsageError, [capture, "--key", tmp_path / "short"]),
            (UsageError, [capture, "--key", tmp_path / "missing"]),
            (CaptureError, [tmp_path / "empty.pcap"]), (CaptureError, [tmp_path / "short"])):
        with pytest.raises(error):
            anonymise(*arguments, "--out", tmp_path / "out.pcap")
    with pytest.raises(OutputError):
        anonymise(capture, "--out", tmp_path / "nowhere" / "out.pcap")
    assert not list(tmp_path.glob("out*"))


def test_labels_are_merged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flows, out = write_flows(tmp_path / "flows.csv"), tmp_path / "out.csv"
    (tmp_path / "labels.csv").write_text(LABELS)
    arguments = (flows, "--labels", tmp_path / "labels.csv", "--out", out)
    assert run(label_commands.configure_merge_labels, *arguments, "--json") == 0
    assert json.loads(capsys.readouterr().out) == {
        "file": str(out), "flows": 4, "labelled": 3, "without": 1, "conflicting": 0, "lines": 4,
        "unused": 1}
    run(label_commands.configure_merge_labels, *arguments, "--column", "truth")
    assert "3 of 4 flows labelled" in capsys.readouterr().out
    assert "truth" in out.read_text().splitlines()[0]
