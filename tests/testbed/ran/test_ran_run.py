"""A cell is run to its end: by the clock or faster, ended by a signal, summed up either way."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Mapping
from typing import Any

import pytest

from testbed.ran.emulator_config import preset
from testbed.ran.fluid_cell import FluidCells
from testbed.ran.ran_e2 import E2Config
from testbed.ran.ran_run import RunOptions, run_cell, told
from testbed.ran.ran_view import Extras


class _Cell:
    """The fluid cell, by the clock or with a time of its own."""

    def __init__(self, start: float | None = None) -> None:
        self.ran = FluidCells(preset("srsran", 1, 4, "overload").cells,
                              time.monotonic() if start is None else start)
        self.steps = 0

    def advance(self, now: float) -> None:
        self.steps += 1
        self.ran.advance(now)

    def extras(self) -> Extras:
        return Extras(late_us={"p50": None})

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
    options = RunOptions(1.2, True, e2=E2Config("tcp://127.0.0.1:1"))
    found = run_cell(_Cell(), options, said.append)
    assert found["seconds"] == pytest.approx(1.2, abs=0.5)
    assert found["took_seconds"] >= 1.2
    assert "Slices" in capsys.readouterr().err
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
    run_cell(_Cell(), RunOptions(0.3, e2=E2Config("tcp://127.0.0.1:1")), said.append)
    assert any("for the RIC at" in line for line in said)
