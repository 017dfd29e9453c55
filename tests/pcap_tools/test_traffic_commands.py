"""record and replay as a person types them: files, words, exit codes."""

from __future__ import annotations

import argparse
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pcap_tools import traffic_commands
from pcap_tools.errors import LiveError, OutputError
from pcap_tools.read import open_captures
from pcap_tools.sending import Sender
from pcap_tools.write import PcapWriter
from tests.pcap_tools import frames, network

WHY_NOT = network.missing()
needs_network = pytest.mark.skipif(WHY_NOT is not None, reason=WHY_NOT or "")


def run(*words: object) -> int:
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(required=True)
    for name, configure in (("record", traffic_commands.configure_record),
                            ("replay", traffic_commands.configure_replay)):
        configure(commands.add_parser(name))
    arguments = parser.parse_args([str(word) for word in words])
    return int(arguments.run(arguments))


@pytest.fixture(scope="module")
def space() -> Iterator[network.Namespace]:
    with network.namespace() as made:
        yield made


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    path = tmp_path / "given.pcap"
    with PcapWriter(path) as writer:
        writer.write(frames.records_of(frames.mixed(90)))
    return path


def read(path: Path) -> list[bytes]:
    return [frame for records in open_captures([path]) for frame in frames.frames_of(records)]


def object_of(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    [line] = capsys.readouterr().out.splitlines()
    facts = json.loads(line)
    assert isinstance(facts, dict)
    return facts


def once_recording(space: network.Namespace, out: Path, action: Callable[[], None]) -> None:
    """Act in the namespace as soon as the recording listens."""
    def act() -> None:
        deadline = time.monotonic() + 20
        while not Path(f"{out}.part").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        with space.inside():
            action()

    threading.Thread(target=act).start()


def send_all(sent: list[bytes]) -> None:
    with Sender("near") as sender:
        records = frames.records_of(sent)
        sender.send(records.data, records.start, records.captured)


@needs_network
@pytest.mark.parametrize("extra", [[], ["--sniffer"]])
def test_record_keeps_what_is_asked_for_until_the_time_is_over(
        space: network.Namespace, tmp_path: Path, capsys: pytest.CaptureFixture[str],
        extra: list[str]) -> None:
    out, sent = tmp_path / "run.pcap", frames.mixed(60)
    once_recording(space, out, lambda: send_all(sent))
    with space.inside():
        assert run("record", "far", "--out", out, "--port", "40-60", "--host", "2001:db8::2",
                   "--duration", 1.2, "--json", *extra) == 0
    wanted = [frame for number, frame in enumerate(sent) if number % 3 == 1 and number % 7 == 1]
    assert read(out) == wanted
    facts = object_of(capsys)
    assert facts["packets"] == len(wanted)
    assert facts["dropped"] == 0
    assert facts["files"] == [str(out)]
    events = [json.loads(line)["event"] for line in Path(facts["log"]).read_text().splitlines()]
    assert events[0] == "start"
    assert events[-1] == "stop"


@needs_network
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_a_recording_that_is_whole(
        space: network.Namespace, tmp_path: Path, capsys: pytest.CaptureFixture[str],
        number: signal.Signals) -> None:
    out, sent = tmp_path / "run.pcap", frames.mixed(20)

    def act() -> None:
        send_all(sent)
        os.kill(os.getpid(), number)

    before = signal.getsignal(number)
    once_recording(space, out, act)
    with space.inside():
        assert run("record", "far", "--out", out, "--duration", 30) == 0
    assert read(out) == sent
    last = json.loads(out.with_suffix(".timing.jsonl").read_text().splitlines()[-1])
    assert last["ended_by"] == number.name
    assert "20 packets" in capsys.readouterr().out
    assert signal.getsignal(number) == before


@needs_network
def test_replayed_frames_arrive_as_they_were_recorded(
        space: network.Namespace, capture: Path, tmp_path: Path,
        capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "again.pcap"
    codes = []

    def replay() -> None:
        codes.append(run("replay", capture, "--interface", "near", "--json"))

    once_recording(space, out, replay)
    with space.inside():
        assert run("record", "far", "--out", out, "--packets", 90, "--duration", 20) == 0
    assert read(out) == read(capture)
    assert codes == [0]
    facts = json.loads(capsys.readouterr().out.splitlines()[0])
    assert facts["packets"] == 90
    assert facts["cut"] == facts["left_out"] == facts["too_long"] == 0
    assert facts["seconds"] >= 0.089  # a millisecond apart in the capture


@needs_network
def test_frames_that_the_interface_does_not_take_are_told(
        space: network.Namespace, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "long.pcap"
    with PcapWriter(path) as writer:
        writer.write(frames.records_of([frames.mixed(1)[0] + bytes(12_000), *frames.mixed(2)]))
    with space.inside():
        assert run("replay", path, "--interface", "near", "--json") == 3
    facts = object_of(capsys)
    assert (facts["packets"], facts["too_long"]) == (2, 1)


@needs_network
def test_replay_on_no_interface_names_those_there_are(
        space: network.Namespace, capture: Path) -> None:
    with space.inside(), pytest.raises(LiveError, match="far, lo, near"):
        run("replay", capture, "--interface", "eth77")


@needs_network
def test_files_are_replaced_only_when_told_to(
        space: network.Namespace, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run.pcap"
    out.write_bytes(b"precious")
    with space.inside():
        with pytest.raises(OutputError, match="--force"):
            run("record", "far", "--out", out, "--duration", 0.05)
        assert out.read_bytes() == b"precious"
        assert run("record", "far", "--out", out, "--duration", 0.05, "--force") == 0
    assert read(out) == []


@pytest.mark.parametrize("words", [
    ["record", "lo", "--port", "70000"],
    ["record", "lo", "--rotate", "many"],
    ["record", "lo", "--duration", "-1"],
    ["replay", "x.pcap", "--interface", "lo", "--speed", "0"],
    ["replay", "x.pcap", "--interface", "lo", "--address", "10.0.0.0/8=10.0.0.1"],
    ["replay", "x.pcap", "--interface", "lo", "--source-mac", "02:00"],
])
def test_options_that_make_no_sense_are_refused_by_name(
        words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run(*words)
    assert ended.value.code == 2
    assert words[-2] in capsys.readouterr().err
