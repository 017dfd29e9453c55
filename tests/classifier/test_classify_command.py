"""`airsplit classify` as people call it: labels, reports, truth, and captures that are damaged."""

from __future__ import annotations

import csv
import json
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest

from classifier.bundle import save
from classifier.judge import Judge
from pcap_tools.flows import Sampled
from pcap_tools.parse import parse
from pcap_tools.read import open_captures
from pcap_tools.write import PcapWriter
from testbed.cli import build_parser, main
from tests.classifier import bundles
from tests.pcap_tools.frames import mixed, records_of
from tests.pcap_tools.sessions import EDGE, PHONE, PORTS, session, write_capture

Capsys = pytest.CaptureFixture[str]
CLASSES = ("llm_split", "web", "bulk")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    save(bundles.flow_bundle(CLASSES), folder)
    return folder


@pytest.fixture
def captures(tmp_path: Path) -> Path:
    folder = tmp_path / "captures"
    folder.mkdir()
    write_capture(folder / "split.pcap", session())
    with PcapWriter(folder / "mixed.pcap") as writer:
        writer.write(records_of(mixed(300)))
    return folder


def truth_file(folder: Path, label: str, capture: str = "") -> Path:
    file = folder / "truth.csv"
    file.write_text("address_a,port_a,address_b,port_b,transport,label,capture\n"
                    f"{EDGE},{PORTS[1]},{PHONE},{PORTS[0]},TCP,{label},{capture}\n")
    return file


def classify(*arguments: str | Path) -> int:
    return main(["classify", *map(str, arguments)])


def printed(capsys: Capsys) -> Any:
    return json.loads(capsys.readouterr().out)


def test_every_flow_of_every_capture_gets_a_label(
        captures: Path, model: Path, tmp_path: Path, capsys: Capsys) -> None:
    out = tmp_path / "labels.csv"
    assert classify(captures, "--bundle", model, "--json", "--out", out) == 0
    document = printed(capsys)
    assert document["captures"] == ["mixed.pcap", "split.pcap"]
    flows = document["flows"]
    assert sum(document["labels"].values()) == len(flows)
    assert set(document["labels"]) <= {*CLASSES, "unknown"}
    assert [flow["flow"] for flow in flows] == list(range(len(flows)))
    [split] = [flow for flow in flows if flow["capture"] == "split.pcap"]
    assert (split["source"], split["destination"]) == (f"{PHONE}:{PORTS[0]}", f"{EDGE}:{PORTS[1]}")
    assert 0 <= split["known_after"] <= 4
    with out.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["label"] for row in rows] == [flow["label"] for flow in flows]


def test_labels_are_printed_for_people(captures: Path, model: Path, capsys: Capsys) -> None:
    assert classify(captures / "split.pcap", "--bundle", model) == 0
    assert re.search(rf"TCP {PHONE}:{PORTS[0]} > {EDGE}:{PORTS[1]}\n1 flows: ",
                     capsys.readouterr().out)


def test_against_the_truth(captures: Path, model: Path, tmp_path: Path, capsys: Capsys) -> None:
    truth = truth_file(tmp_path, "llm_split", "split.pcap")
    report = tmp_path / "report.html"
    assert classify(captures, "--bundle", model, "--truth", truth, "--report", report,
                    "--json") == 0
    document = printed(capsys)
    quality = document["quality"]
    assert quality["flows"] == sum(map(sum, quality["confusion"])) == 1
    assert [flow["truth"] for flow in document["flows"] if flow["truth"]] == ["llm_split"]
    assert {stage["stage"] for stage in quality["stages"]} >= {"packets_5", "whole"}
    html = report.read_text()
    assert "Against the truth" in html
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", html)
    pictures = re.findall(r"<svg.*?</svg>", html, re.DOTALL)
    assert len(pictures) >= 10
    for picture in pictures:
        ElementTree.fromstring(picture)
    identifiers = re.findall(r'\bid="([^"]*)"', html)
    assert len(set(identifiers)) == len(identifiers)


def test_a_flow_that_is_wrong_can_be_looked_into(
        captures: Path, model: Path, tmp_path: Path, capsys: Capsys) -> None:
    assert classify(captures / "split.pcap", "--bundle", model, "--json") == 0
    [flow] = printed(capsys)["flows"]
    wrong = next(name for name in CLASSES if name != flow["label"])
    report = tmp_path / "report.html"
    assert classify(captures / "split.pcap", "--bundle", model, "--report", report, "--truth",
                    truth_file(tmp_path, wrong)) == 0
    html = report.read_text()
    assert "Flows that are wrong" in html
    assert f"{wrong}, called {flow['label']}" in html
    assert 'href="#flow-0"' in html


def test_a_truth_that_names_no_flow_is_said(
        captures: Path, model: Path, tmp_path: Path, capsys: Capsys) -> None:
    assert classify(captures / "mixed.pcap", "--bundle", model, "--truth",
                    truth_file(tmp_path, "web", "other.pcap")) == 0
    assert "names none of the flows" in capsys.readouterr().err


def test_damaged_captures_are_labelled_up_to_there(
        captures: Path, model: Path, capsys: Capsys) -> None:
    file = captures / "split.pcap"
    file.write_bytes(file.read_bytes()[:-10])
    (captures / "no.pcap").write_text("this is no capture, and long enough to be seen as none")
    assert classify(captures, captures / "no.pcap", "--bundle", model, "--json") == 3
    captured = capsys.readouterr()
    assert json.loads(captured.out)["complete"] is False
    assert "split.pcap, byte" in captured.err


@pytest.mark.parametrize(("arguments", "problem"), [
    ((), "Either captures or --follow"),
    (("a.pcap", "--follow", "lo"), "Either captures or --follow"),
    (("--follow", "lo", "--report", "a.html"), "are for captures"),
    (("a.pcap", "--report", "a.pdf"), "a report is a page"),
    (("a.pcap", "--report", "none/a.html"), "there is no folder"),
    (("a.pcap", "--out", "a.xls"), "does not say which format"),
    (("a.pcap", "--out", "-", "--json"), "would both print"),
])
def test_what_cannot_work_is_one_line(arguments: tuple[str, ...], problem: str,
                                      capsys: Capsys) -> None:
    assert classify(*arguments) == 1
    error = capsys.readouterr().err
    assert problem in error
    assert len(error.splitlines()) == 1


def test_a_capture_that_is_not_there(model: Path, tmp_path: Path, capsys: Capsys) -> None:
    assert classify(tmp_path / "none.pcap", "--bundle", model) == 1
    assert "none.pcap" in capsys.readouterr().err


def test_judged_at_every_stage_in_the_order_of_time(captures: Path) -> None:
    judge = Judge(bundles.flow_bundle(CLASSES))
    judge.begin("split.pcap")
    with open_captures([captures / "split.pcap"]) as reader:
        for records in reader:
            judge.feed(parse(records))
    [verdict] = judge.end()
    assert verdict.said[-1].stage is Sampled.WHOLE
    seconds = [one.seconds for one in verdict.said[:-1]]
    assert seconds == sorted(seconds)
    assert {Sampled.PACKETS_5, Sampled.AFTER_100_MS} <= {one.stage for one in verdict.said}
    assert judge.counts.total() == judge.flows == 1


@pytest.mark.parametrize("as_json", [True, False])
def test_an_interface_is_followed(as_json: bool, captures: Path, model: Path, capsys: Capsys,
                                  monkeypatch: pytest.MonkeyPatch) -> None:
    def listen(interface: str, expression: str, config: Any) -> Any:
        assert (interface, expression, config.duration) == ("eth7", "tcp", 3.0)
        return open_captures([captures / "split.pcap"])

    monkeypatch.setattr("pcap_tools.live.RingSource", listen)
    assert classify("--follow", "eth7", "--filter", "tcp", "--duration", "3", "--bundle", model,
                    *(("--json",) if as_json else ())) == 0
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert lines
    if as_json:
        messages = [json.loads(line) for line in lines]
        assert {message["destination_port"] for message in messages} == {PORTS[1]}
        assert messages[0]["stage"] in Sampled.__members__
    else:
        assert all(f"TCP {PHONE}:{PORTS[0]} > {EDGE}:{PORTS[1]}" in line for line in lines)
    assert " 0 dropped" in captured.err


def test_help_shows_examples_that_parse(capsys: Capsys) -> None:
    with pytest.raises(SystemExit):
        classify("--help")
    text = capsys.readouterr().out
    examples = [line.split() for line in text.splitlines() if line.startswith("  airsplit ")]
    assert len(examples) >= 3
    for words in examples:
        parsed = build_parser().parse_args(
            [word.strip("'") for word in words[1:] if word not in ("port", "22'")])
        assert parsed.command == "classify"
