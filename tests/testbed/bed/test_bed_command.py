"""The five commands: what each asks for, prints and returns; what they do is others' to test."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from testbed.bed import bed_command, compiled_code, doctor, layout, modes, status, updown
from testbed.bed.doctor import Finding, Grade
from testbed.bed.layout import BedOrder, News
from testbed.bed.modes import Choice, Mode
from testbed.bed.status import Status
from testbed.cli import main
from testbed.loop.settings import Load, Sessions

Say = Callable[[str], None]


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(compiled_code, "make_ready", lambda say: None)
    return tmp_path


@pytest.mark.parametrize(("words", "mode", "load", "crowd"), [
    ([], Mode.ROOT, Load.NONE, 8), (["--mode", "relay"], Mode.RELAY, Load.NONE, 8),
    (["--crowd", "3"], Mode.ROOT, Load.PHONES, 3), (["--crowd", "0"], Mode.ROOT, Load.NONE, 8)])
def test_up_is_an_order(
    words: list[str], mode: Mode, load: Load, crowd: int, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str]
) -> None:
    orders: list[BedOrder] = []

    def up(order: BedOrder, say: Say) -> News:
        orders.append(order)
        return News(layout.READY, addresses={"a page": "http://127.0.0.1:1"})

    monkeypatch.setattr(modes, "detect", lambda forced: Choice(forced or Mode.ROOT, "because"))
    monkeypatch.setattr(updown, "up", up)
    assert main(["testbed", "up", *words]) == 0
    told = capsys.readouterr()
    assert f"mode {mode}: because" in told.err
    assert "a page: http://127.0.0.1:1" in told.out
    order, = orders
    assert (order.mode, order.settings.load, order.settings.crowd) == (mode, load, crowd)


def test_up_takes_one_session(monkeypatch: pytest.MonkeyPatch) -> None:
    orders: list[BedOrder] = []

    def up(order: BedOrder, say: Say) -> News:
        orders.append(order)
        return News(layout.READY)

    monkeypatch.setattr(modes, "detect", lambda forced: Choice(Mode.ROOT, "because"))
    monkeypatch.setattr(updown, "up", up)
    assert main(["testbed", "up", "--sessions", "one"]) == 0
    assert main(["testbed", "up"]) == 0
    assert [order.settings.sessions for order in orders] == [Sessions.ONE, Sessions.TWO]


def test_an_unknown_mode_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["testbed", "up", "--mode", "magic"])
    assert "'root', 'user', 'relay'" in capsys.readouterr().err


@pytest.mark.parametrize(("there", "told"), [(True, "All of it has ended."),
                                             (False, "Nothing runs.")])
def test_down_says_whether_there_was_any(
    there: bool, told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(updown, "down", lambda say: there)
    assert main(["testbed", "down"]) == 0
    assert capsys.readouterr().out == f"{told}\n"


@pytest.mark.parametrize(("found", "code"), [
    (Status(status.DOWN), bed_command.NOT_RUNNING), (Status("starting"), bed_command.NOT_READY),
    (Status(layout.READY, mode="relay"), 0)])
def test_the_status_is_the_exit_status(
    found: Status, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(status, "look", lambda: found)
    assert main(["testbed", "status", "--json"]) == code
    assert json.loads(capsys.readouterr().out) == found.document()
    assert main(["testbed", "status"]) == code
    assert capsys.readouterr().out == found.text() + "\n"


def test_logs_are_the_parts_last_lines(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parts = layout.folder_of() / layout.PARTS
    parts.mkdir(parents=True)
    (parts / "edge.log").write_text("one\ntwo\nthree\n")
    assert main(["testbed", "logs", "edge", "-n", "2"]) == 0
    assert capsys.readouterr().out == "edge: two\nedge: three\n"
    assert main(["testbed", "logs", "-n", "-1"]) == 1
    assert "Give 0 or more" in capsys.readouterr().err


@pytest.mark.parametrize(("grade", "code"), [(Grade.GOOD, 0), (Grade.LACKING, 1)])
def test_the_doctor_tells_a_remedy_and_fails_where_no_mode_works(
    grade: Grade, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    findings = [Finding("mode relay", grade, "said", "the remedy", Mode.RELAY)]
    monkeypatch.setattr(doctor, "examine", lambda settings: findings)
    assert main(["testbed", "doctor"]) == code
    told = capsys.readouterr().out
    assert "mode relay" in told
    assert "-> the remedy" in told
    assert main(["testbed", "doctor", "--json"]) == code
    assert json.loads(capsys.readouterr().out)[0]["remedy"] == "the remedy"


def test_every_command_has_a_parser_and_a_run() -> None:
    made: dict[str, argparse.ArgumentParser] = {}
    bed_command.configure(
        lambda name, summary: made.setdefault(name, argparse.ArgumentParser()), Path("model"))
    assert set(made) == set(bed_command.SUMMARIES)
    assert all(callable(one.get_default("run")) for one in made.values())


def test_what_the_cell_does_not_take_is_said_before_anything_starts(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str]) -> None:
    def up(order: BedOrder, say: Say) -> News:
        pytest.fail("it starts")

    monkeypatch.setattr(modes, "detect", lambda forced: Choice(Mode.ROOT, "because"))
    monkeypatch.setattr(updown, "up", up)
    config = tmp_path / "bed.yaml"
    config.write_text("{cells: [{bandwidth_mhz: 7}]}")
    assert main(["testbed", "up", "--config", str(config)]) == 1
    assert "cells[0]" in capsys.readouterr().err
