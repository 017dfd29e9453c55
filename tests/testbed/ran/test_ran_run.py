"""A cell is run to its end: by the clock or faster, ended by a signal, summed up either way."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from testbed.ran.emulator_config import preset
from testbed.ran.fluid_cell import FluidCells
from testbed.ran.mac.channel import ChannelConfig
from testbed.ran.ran_control import tell
from testbed.ran.ran_e2 import E2Config
from testbed.ran.ran_events import Carrier, EventConfig, Kind
from testbed.ran.ran_run import RunOptions, run_cell, told
from testbed.ran.ran_view import Extras
from xapp.errors import ConfigurationError


class Carried:
    """Writes down what it is told; `broken` are UEs of which nothing can be had."""

    def __init__(self) -> None:
        self.log: list[tuple[object, ...]] = []

    def _note(self, *what: object) -> str:
        if "broken" in what:
            raise ConfigurationError("broken is gone already.")
        self.log.append(what)
        return " ".join(map(str, what))

    def outage(self, cell: int | None, up: bool) -> str:
        return self._note("outage", cell, up)

    def leave(self, ue: str) -> str:
        return self._note("leave", ue)

    def come_back(self, ue: str, new_address: bool) -> str:
        return self._note("return", ue, new_address)

    def hand_over(self, ue: str, cell: int) -> str:
        return self._note("handover", ue, cell)

    def change_channel(self, ue: str, channel: ChannelConfig) -> str:
        return self._note("channel", ue, channel.snr_db)

    def backhaul(self, loss: float | None, delay_ms: float) -> str:
        return self._note("backhaul", loss, delay_ms)


class _Cell:
    """The fluid cell, by the clock or with a time of its own."""

    def __init__(self, start: float | None = None) -> None:
        self.ran = FluidCells(preset("srsran", 1, 4, "overload").cells,
                              time.monotonic() if start is None else start)
        self.steps = 0
        self.carried = Carried()
        self.told = ["this process did not run for 2.0 s"]

    def advance(self, now: float) -> None:
        self.steps += 1
        self.ran.advance(now)

    def extras(self) -> Extras:
        return Extras({one.f1_id: f"ue{place}" for place, one in enumerate(self.ran.ues)},
                      late_us={"p50": None})

    @property
    def carrier(self) -> Carrier:
        return self.carried

    @property
    def pcf(self) -> None:
        """None."""

    def news(self) -> list[str]:
        told, self.told = self.told, []
        return told

    def account(self) -> Mapping[str, Any]:
        return {"steps": self.steps}


def test_simulated_time_is_as_long_as_asked_and_faster() -> None:
    found = run_cell(_Cell(0.0), RunOptions(seconds=20.0, paced=False))
    assert found["seconds"] == pytest.approx(20.0, abs=0.02)
    assert found["times_real_time"] > 1
    assert found["cells"][0]["down_prbs"] == pytest.approx(100, abs=1)
    assert found["late_us"] == {"p50": None}
    assert found["account"]["steps"] == 200
    lines = told(found).splitlines()
    assert lines[0].startswith("20.0 s of the cell's time in ")
    assert len(lines) == 3  # no lateness was measured
    assert lines[1].startswith("slice 1 of cell 0: down 7")
    assert "nothing delivered" not in lines[1]


def test_by_the_clock_with_tables_and_e2(capsys: pytest.CaptureFixture[str],
                                         monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes it for a terminal then
    monkeypatch.setenv("TERM", "xterm")
    said: list[str] = []
    options = RunOptions(seconds=1.2, view=True, e2=E2Config("tcp://127.0.0.1:1"))
    found = run_cell(_Cell(), options, said.append)
    assert found["seconds"] == pytest.approx(1.2, abs=0.5)
    assert found["took_seconds"] >= 1.2
    assert "min-max" in capsys.readouterr().err
    assert not said  # it is below the tables


def test_a_signal_ends_it_with_a_summary() -> None:
    cell = _Cell()

    def end() -> None:
        deadline = time.monotonic() + 20
        while cell.steps < 5 and time.monotonic() < deadline:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=end)
    thread.start()
    found = run_cell(cell, RunOptions())
    thread.join()
    assert 0 < found["seconds"] < 20
    assert len(found["ues"]) == 4


def test_what_e2_says_is_told_where_there_are_no_tables() -> None:
    said: list[str] = []
    run_cell(_Cell(), RunOptions(seconds=0.3, e2=E2Config("tcp://127.0.0.1:1")), said.append)
    assert any("for the RIC at" in line for line in said)


def test_events_happen_at_their_times_and_are_in_the_summary() -> None:
    cell = _Cell(0.0)
    said: list[str] = []
    found = run_cell(cell, RunOptions(seconds=3.0, paced=False, events=(
        EventConfig(Kind.OUTAGE, at=1.0, seconds=0.55),
        EventConfig(Kind.LEAVE, at=2.0, ue="broken"),
        EventConfig(Kind.HANDOVER, at=0.25, ue="ue1", cell=1))), said.append)
    assert cell.carried.log == [("handover", "ue1", 1), ("outage", None, False),
                                ("outage", None, True)]
    assert [(one["at"], one["done"]) for one in found["events"]] == [
        (0.25, True), (1.0, True), (1.55, True), (2.0, False)]
    assert "1.55 s: outage None True" in said
    assert "at 2.00 s leave was refused: broken is gone already." in told(found)
    assert "this process did not run for 2.0 s" in said


def test_a_running_cell_is_told(tmp_path: Path) -> None:
    cell, door = _Cell(), tmp_path / "door"
    answers: list[str] = []

    def talk() -> None:
        deadline = time.monotonic() + 20
        while not door.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        for event in ({"kind": "outage", "cell": 0, "seconds": 0.05}, {"kind": "leave", "ue": "x"},
                      {"kind": "rain"}, {"kind": "leave", "ue": "ue1", "at": 0.05},
                      {"kind": "outage", "cell": 7}):
            try:
                answers.append(tell(door, event))
            except ConfigurationError as error:
                answers.append(f"no: {error}")
        while len(cell.carried.log) < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=talk)
    thread.start()
    found = run_cell(cell, RunOptions(control=door))
    thread.join()
    assert answers[0] == "outage 0 False"
    assert answers[1].startswith("no: event.ue: there is no UE 'x'")
    assert answers[2].startswith("no: kind")
    assert answers[3] == "leave in 0.05 s"
    assert answers[4].startswith("no: event.cell: 7 is none")
    assert sorted(map(str, cell.carried.log)) == [
        "('leave', 'ue1')", "('outage', 0, False)", "('outage', 0, True)"]
    assert len(found["events"]) == 3
    assert not door.exists()
