"""`airsplit pcap` as people call it: counts, files, exit codes, and captures that are damaged."""

from __future__ import annotations

import csv
import io
import json
import re
import shlex
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from pcap_tools.errors import CaptureError
from pcap_tools.features import FEATURES
from pcap_tools.gather import PARTIAL, progress_bar, read_through
from pcap_tools.read import open_captures
from pcap_tools.write import PcapWriter
from testbed.cli import build_parser, main
from tests.pcap_tools.frames import ethernet, mixed, records_of, udp
from tests.pcap_tools.sessions import BEGIN, session, write_capture

Capsys = pytest.CaptureFixture[str]
COMMANDS = ("info", "flows", "features", "plot", "anonymise", "merge-labels")
TURNS, TOKENS = 2, 12


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One split-model session."""
    return write_capture(tmp_path_factory.mktemp("captures") / "split.pcap",
                         session(TURNS, TOKENS))


@pytest.fixture
def mixture(tmp_path: Path) -> Path:
    with PcapWriter(tmp_path / "mixed.pcap") as writer:
        writer.write(records_of(mixed(200)))
    return tmp_path / "mixed.pcap"


def pcap(*arguments: str | Path) -> int:
    return main(["pcap", *map(str, arguments)])


def printed(capsys: Capsys) -> Any:
    return json.loads(capsys.readouterr().out)


def cut(capture: Path, tmp_path: Path) -> Path:
    """The same capture without its last bytes."""
    file = tmp_path / "cut.pcap"
    file.write_bytes(capture.read_bytes()[:-10])
    return file


def test_info_counts_everything(capture: Path, capsys: Capsys) -> None:
    assert pcap("info", capture, "--json") == 0
    document = printed(capsys)
    packets = session(TURNS, TOKENS)
    assert document["packets"] == len(packets) + 3
    assert document["bytes"] == sum(abs(size) for _, size in packets) + 54 * document["packets"]
    assert document["link_types"] == {"Ethernet": document["packets"]}
    assert document["protocols"] == {"TCP": document["packets"]}
    assert document["first"] == "2023-11-14T22:13:19.999999Z"
    assert document["seconds"] == pytest.approx((packets[-1][0] + 300) / 1e9)
    assert (document["truncated"], document["skipped"], document["complete"]) == (0, 0, True)
    assert pcap("info", capture) == 0
    text = capsys.readouterr().out
    assert re.search(rf"packets +{document['packets']}\n", text)


def test_a_capture_that_ends_too_early_is_delivered_and_said(
        capture: Path, tmp_path: Path, capsys: Capsys) -> None:
    assert pcap("info", cut(capture, tmp_path), "--json") == PARTIAL
    captured = capsys.readouterr()
    document = json.loads(captured.out)
    assert document["packets"] == len(session(TURNS, TOKENS)) + 2
    assert document["complete"] is False
    assert len(document["warnings"]) == 1
    assert "cut.pcap, byte" in captured.err


@pytest.mark.parametrize("name", ["flows.parquet", "flows.csv", "flows.jsonl"])
def test_flows_are_written(name: str, capture: Path, tmp_path: Path, capsys: Capsys) -> None:
    out = tmp_path / name
    assert pcap("flows", capture, "--out", out, "--columns", "source*,bytes_up", "--json") == 0
    document = printed(capsys)
    assert (document["flows"], document["rows"], document["file"]) == (1, 1, str(out))
    if name.endswith("parquet"):
        rows = pq.read_table(out).to_pylist()
    elif name.endswith("csv"):
        rows = list(csv.DictReader(io.StringIO(out.read_text())))
    else:
        rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert list(rows[0]) == ["source", "source_port", "bytes_up"]
    up = [size for _, size in session(TURNS, TOKENS) if size > 0]
    assert str(rows[0]["bytes_up"]) == str(sum(up) + 40 * (len(up) + 2))


def test_a_damaged_capture_gives_flows_up_to_there(
        capture: Path, tmp_path: Path, capsys: Capsys) -> None:
    out = tmp_path / "flows.csv"
    assert pcap("flows", cut(capture, tmp_path), "--out", out) == PARTIAL
    assert len(out.read_text().splitlines()) == 2
    assert "1 flow of " in capsys.readouterr().out


def test_standard_input_and_output(capture: Path, capsys: Capsys,
                                   monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(capture.read_bytes())))
    assert pcap("flows", "-", "--out", "-", "--columns", "source,destination") == 0
    captured = capsys.readouterr()
    assert captured.out == '"source","destination"\n"10.0.0.1","192.0.2.9"\n'
    assert "1 flow of" in captured.err


def test_folders_and_several_files_are_one_table(
        capture: Path, mixture: Path, tmp_path: Path, capsys: Capsys) -> None:
    assert pcap("flows", capture, mixture.parent, "--out", tmp_path / "a.parquet", "--json") == 0
    document = printed(capsys)
    assert len(document["files"]) == 2
    assert document["packets"] == len(session(TURNS, TOKENS)) + 3 + 200
    table = pq.read_table(tmp_path / "a.parquet")
    assert sum(table["packets_up"].to_pylist()) + sum(
        table["packets_down"].to_pylist()) <= document["packets"]


def test_one_bad_file_does_not_stop_the_others(capture: Path, tmp_path: Path,
                                               capsys: Capsys) -> None:
    (tmp_path / "bad.pcap").write_text("no capture at all, and long enough to be seen as such")
    assert pcap("info", capture, tmp_path / "bad.pcap", "--json") == PARTIAL
    assert printed(capsys)["packets"] == len(session(TURNS, TOKENS)) + 3


def test_several_processes_write_the_same_table(
        capture: Path, mixture: Path, tmp_path: Path, capsys: Capsys) -> None:
    tables = []
    for jobs in ("1", "2"):
        out = tmp_path / f"{jobs}.parquet"
        assert pcap("flows", capture, mixture, "--out", out, "--jobs", jobs, "--json") == 0
        document = printed(capsys)
        assert document["counters"]["packets"]["flow"] <= document["packets"]
        tables.append(pq.read_table(out))
    assert tables[0].drop_columns(["flow"]).num_rows == tables[1].num_rows
    ends = [sorted(zip(*(table[name].to_pylist() for name in (
        "source", "destination", "source_port", "packets_up", "packets_down")), strict=True))
            for table in tables]
    assert ends[0] == ends[1]
    assert sorted(tables[1]["flow"].to_pylist()) == list(range(tables[1].num_rows))


def test_features_at_chosen_moments(capture: Path, tmp_path: Path, capsys: Capsys) -> None:
    out = tmp_path / "samples.parquet"
    assert pcap("features", capture, "--out", out, "--json") == 0
    table = pq.read_table(out)
    assert printed(capsys)["samples"] == table.num_rows
    # Of moments between which no packet came, the first alone is there.
    assert table["kind"].to_pylist() == ["packets_5", "packets_10", "packets_20", "after_100_ms",
                                         "after_1_s", "whole"]
    assert {feature.name for feature in FEATURES} <= set(table.column_names)
    assert pcap("features", capture, "--out", out, "--at", "packets_10,whole", "--columns",
                "kind,bytes_up") == 0
    assert pq.read_table(out).to_pydict()["kind"] == ["packets_10", "whole"]
    assert pcap("features", capture, "--out", out, "--at", "window_1_s") == 0
    assert set(pq.read_table(out)["kind"].to_pylist()) == {"window_1_s"}


def test_features_say_what_they_mean(capsys: Capsys) -> None:
    assert pcap("features", "--list") == 0
    text = capsys.readouterr().out
    assert len(text.splitlines()) == len(FEATURES) + 1
    assert pcap("features", "--list", "--json") == 0
    assert [one["name"] for one in printed(capsys)["features"]] == [
        feature.name for feature in FEATURES]


def test_a_report_opens_without_a_network(capture: Path, tmp_path: Path, capsys: Capsys) -> None:
    out = tmp_path / "report.html"
    assert pcap("plot", capture, "--out", out, "--json") == 0
    document = printed(capsys)
    [found] = document["sessions"]
    assert (found["tokens"], found["turns"], found["row_bytes"]) == (TURNS * TOKENS, TURNS, 552)
    html = out.read_text()
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", html)
    assert not re.search(r"url\((?!#)|@import|fetch\(|XMLHttpRequest", html)
    for picture in re.findall(r"<svg.*?</svg>", html, re.DOTALL):
        ElementTree.fromstring(picture)
    identifiers = re.findall(r'\bid="([^"]*)"', html)
    assert len(set(identifiers)) == len(identifiers)
    assert "24 tokens in 2 turns" in html
    assert "TCP 10.0.0.1:50000 → 192.0.2.9:8470" in html
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]


@pytest.mark.parametrize("name", ["picture.png", "picture.svg"])
def test_pictures(name: str, mixture: Path, tmp_path: Path, capsys: Capsys) -> None:
    out = tmp_path / name
    assert pcap("plot", mixture, "--out", out, "--kind", "bytes,sizes", "--theme", "dark") == 0
    if name.endswith("svg"):
        root = ElementTree.fromstring(out.read_text())
        assert len([one for one in root if one.tag.endswith("svg")]) == 2
    else:
        assert out.read_bytes().startswith(b"\x89PNG")


def test_one_flow_with_the_times_that_the_phone_wrote_down(
        capture: Path, tmp_path: Path, capsys: Capsys) -> None:
    folder = tmp_path / "recording"
    folder.mkdir()
    (folder / "capture.pcap").write_bytes(capture.read_bytes())
    times = [(BEGIN + time) / 1e9 for time, size in session(TURNS, TOKENS) if size == -38]
    (folder / "timing.jsonl").write_text(
        "".join(json.dumps({"time": time, "answer": 1}) + "\n" for time in times) + "{cut of")
    out = tmp_path / "report.html"
    assert pcap("plot", folder, "--out", out, "--flow", "largest") == PARTIAL
    assert f"{TURNS * TOKENS} tokens in the phone" in out.read_text()
    assert "timing.jsonl, line 25" in capsys.readouterr().err


@pytest.mark.parametrize(("arguments", "problem"), [
    (("plot", "--out", "report.txt"), "does not say what to draw"),
    (("plot", "--out", "none/report.html"), "there is no folder"),
    (("plot", "--out", "a.png", "--kind", "pie"), "no such picture"),
    (("plot", "--out", "a.png", "--flow", "x"), "no flow's number"),
    (("plot", "--out", "a.png", "--flow", "99"), "has no such flow"),
    (("flows", "--out", "flows.txt"), "does not say which format"),
    (("flows", "--out", "flows.csv", "--columns", "byte_up"), "Did you mean"),
    (("flows", "--out", "none/flows.csv"), "cannot be written"),
    (("features", "--out", "a.csv", "--at", "never"), "no such moment"),
    (("features",), "need a capture and --out"),
])
def test_what_cannot_work_is_one_line(
        arguments: tuple[str, ...], problem: str, capture: Path, tmp_path: Path, capsys: Capsys,
        monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert pcap(arguments[0], capture, *arguments[1:]) == 1
    error = capsys.readouterr().err
    assert problem in error
    assert error.startswith("airsplit pcap: ")
    assert len(error.splitlines()) == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["info", "flows", "plot"])
def test_what_is_no_capture_is_one_line(command: str, tmp_path: Path, capsys: Capsys) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("these are notes about something else entirely")
    out = () if command == "info" else ("--out", tmp_path / (
        "a.html" if command == "plot" else "a.csv"))
    assert pcap(command, file, *out) == 1
    assert "notes.txt is no capture" in capsys.readouterr().err
    assert [one.name for one in tmp_path.iterdir()] == ["notes.txt"]


def test_an_empty_capture_is_drawn(tmp_path: Path, capsys: Capsys) -> None:
    with PcapWriter(tmp_path / "empty.pcap"):
        pass
    assert pcap("plot", tmp_path / "empty.pcap", "--out", tmp_path / "a.html") == 0
    assert "no packet in it" in (tmp_path / "a.html").read_text()


def test_names_from_captures_cannot_write_the_page(tmp_path: Path) -> None:
    name = "<script>alert(1)<b>.pcap"
    with PcapWriter(tmp_path / name) as writer:
        writer.write_frame(BEGIN, ethernet(0x0800, udp("10.0.0.1", "10.0.0.2", (1, 2), b"x")))
    assert pcap("plot", tmp_path / name, "--out", tmp_path / "a.html") == 0
    assert "<script>alert" not in (tmp_path / "a.html").read_text()


def test_ctrl_c_ends_the_reading_and_delivers(capture: Path) -> None:
    source = open_captures([capture], batch=10)
    seen = []

    def take(records: Any) -> None:
        seen.append(len(records))
        if len(seen) == 2:
            raise KeyboardInterrupt

    account = read_through(source, take)
    assert account.interrupted
    assert account.exit_code == 130
    assert sum(seen) == 20


def test_progress_is_shown_on_a_terminal_only(capture: Path, monkeypatch: pytest.MonkeyPatch,
                                              capsys: Capsys) -> None:
    source = open_captures([capture])
    with progress_bar(source, False) as moved:
        moved()
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with progress_bar(source, False) as moved:
        for _ in source:
            moved()
    assert "packets/s" in capsys.readouterr().err
    with pytest.raises(CaptureError):
        open_captures([capture.parent / "none"])


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_examples_that_parse(command: str, capsys: Capsys) -> None:
    with pytest.raises(SystemExit):
        main(["pcap", command, "--help"])
    text = capsys.readouterr().out
    lines = [line.strip() for line in text.partition("examples:")[2].splitlines()]
    examples = [line for line in lines if line.startswith("airsplit pcap ")]
    assert len(examples) >= 2
    for example in examples:
        words = shlex.split(re.split(r" {2,}| \| ", example)[0])
        assert build_parser().parse_args(words[1:]).command == "pcap"


def test_the_same_capture_gives_the_same_picture(capture: Path, tmp_path: Path) -> None:
    for name in ("a.svg", "b.svg"):
        assert pcap("plot", capture, "--out", tmp_path / name, "--kind", "phases") == 0
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def test_flows_of_many_packets_are_not_lost_at_borders(tmp_path: Path, capsys: Capsys) -> None:
    frames = mixed(500)
    with PcapWriter(tmp_path / "a.pcap") as writer:
        for at in range(0, 500, 50):
            writer.write(records_of(frames[at:at + 50]))
    assert pcap("flows", tmp_path / "a.pcap", "--out", tmp_path / "a.parquet", "--json") == 0
    table = pq.read_table(tmp_path / "a.parquet")
    counted = np.sum(table["packets_up"].to_numpy()) + np.sum(table["packets_down"].to_numpy())
    assert pcap("info", tmp_path / "a.pcap", "--json") == 0
    kinds = json.loads(capsys.readouterr().out.splitlines()[-1])["kinds"]
    assert counted == kinds["flow"] + kinds.get("fragment", 0)
