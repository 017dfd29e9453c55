"""The command: its plan, what it keeps, and what it says; scenarios themselves are stood in for."""

from __future__ import annotations

import json
import re
import shlex
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from testbed import namespaces
from testbed.cli import build_parser, main
from testbed.errors import LinkFailure
from testbed.sessions import runner
from testbed.sessions.flow_labels import CAPTURES, read_labels, rows_of, write_whole
from testbed.sessions.scenarios import Scenario
from testbed.tap import Flow

COMMAND = ("testbed", "record-sessions")


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Names of the scenarios that ran; each leaves one flow of its main activity."""
    names: list[str] = []

    def run(scenario: Scenario, place: runner.Place, starter: object) -> dict[str, Any]:
        names.append(scenario.name)
        if "00003" in scenario.name and len(names) <= 6:
            raise LinkFailure("The link's process ended.", "Its message is above.")
        main_activity = scenario.activities[0]
        flow = Flow(6 if main_activity.transport == "tcp" else 17, scenario.far_address,
                    main_activity.port, scenario.near_address, 1024)
        record = {"flows": rows_of(scenario, [flow])}
        folder = place.out / CAPTURES
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / f"{scenario.name}.json", json.dumps(record))  # others read meanwhile
        return record

    monkeypatch.setattr(runner, "run", run)
    monkeypatch.setattr(namespaces, "require", lambda: None)
    monkeypatch.setattr(namespaces, "remove_leftovers", lambda: None)
    before = signal.getsignal(signal.SIGTERM)
    yield names
    signal.signal(signal.SIGTERM, before)


def test_the_plan_is_printed_and_nothing_is_recorded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "sessions"
    assert main([*COMMAND, "--out", str(out), "--count", "5", "--start", "3", "--plan"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["number"] for line in lines] == [3, 4, 5, 6, 7]
    assert not out.exists()


def test_what_failed_is_told_and_recorded_by_the_next_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], recorded: list[str],
) -> None:
    command = [*COMMAND, "--out", str(tmp_path), "--count", "6", "--jobs", "1"]
    assert main(command) == 1
    printed = capsys.readouterr()
    assert "5 captures recorded, 1 failed" in printed.out
    assert "00003-" in printed.err
    assert "The link's process ended." in printed.err
    assert "again" in printed.err
    assert len(recorded) == 6

    assert main([*command, "--json"]) == 0
    assert len(recorded) == 7
    facts = json.loads(capsys.readouterr().out)
    assert (facts["recorded"], facts["failed"]) == (1, 0)
    assert sum(facts["flows"].values()) == 6
    assert len(read_labels(tmp_path)) == 6


def test_only_some_kinds(tmp_path: Path, recorded: list[str]) -> None:
    assert main([*COMMAND, "--out", str(tmp_path), "--count", "12", "--only", "split"]) == 0
    assert len(recorded) == 5
    assert all(name.endswith("-split") for name in recorded)


def test_a_kind_that_there_is_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*COMMAND, "--out", str(tmp_path), "--only", "telepathy"]) == 1
    assert "no such kind" in capsys.readouterr().err


def test_without_root_it_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("testbed.namespaces.lacking", lambda: ["CAP_NET_ADMIN"])
    assert main([*COMMAND, "--out", str(tmp_path)]) == 1
    assert "Run as root" in capsys.readouterr().err


def test_help_has_examples_that_parse(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([*COMMAND, "--help"])
    text = capsys.readouterr().out
    examples = [line.strip() for line in text.partition("\nexamples:\n")[2].splitlines()
                if line.startswith("  airsplit ")]
    assert len(examples) >= 3
    for example in examples:
        words = shlex.split(re.split(r" \| ", example)[0])
        assert build_parser().parse_args(words[1:]).testbed_command == "record-sessions"
