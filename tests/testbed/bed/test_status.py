"""The status is what is found: neither a dead keeper nor an ended part is said to run."""

from __future__ import annotations

import os
from pathlib import Path

from testbed.bed import layout
from testbed.bed.bed_command import NOT_READY, NOT_RUNNING
from testbed.bed.layout import BedOrder, News, PartNews
from testbed.bed.modes import Mode
from testbed.bed.record import Process, Record, process_of
from testbed.bed.status import look


def ordered(root: Path, mode: Mode = Mode.ROOT) -> Path:
    folder = layout.folder_of(root)
    folder.mkdir(parents=True, exist_ok=True)
    layout.write_order(folder, BedOrder(mode, "why", Path("/m"), layout.default_settings()))
    return folder


def test_nothing_runs(tmp_path: Path) -> None:
    found = look(tmp_path)
    assert (found.state, found.ready, found.exit_status) == ("down", False, NOT_RUNNING)
    assert "airsplit testbed up" in found.text()


def test_a_keeper_that_is_gone_is_down_whatever_it_said(tmp_path: Path) -> None:
    layout.write_news(ordered(tmp_path), News(layout.READY))
    assert look(tmp_path).state == "down"
    layout.write_news(ordered(tmp_path), News(layout.FAILED, error="no cell"))
    assert "no cell" in look(tmp_path).text()


def test_it_starts_is_ready_and_loses_a_part(tmp_path: Path) -> None:
    folder = ordered(tmp_path)
    with Record.open(layout.NAME, tmp_path):
        assert look(tmp_path).state == "starting"
        layout.write_news(folder, News(waiting_for="the edge"))
        assert "waiting for the edge" in look(tmp_path).text()
        assert look(tmp_path).exit_status == NOT_READY
        alive = PartNews("cell", process_of(os.getpid()), "/x")
        layout.write_news(folder, News(layout.READY, parts=(alive,), addresses={"p": "http://p"}))
        found = look(tmp_path)
        assert (found.ready, found.exit_status, dict(found.parts)) == (True, 0, {"cell": "runs"})
        assert found.document()["ports"]["the xApp's E2"] == 36421
        assert "http://p" in found.text()
        dead = PartNews("edge", Process(os.getpid(), 1), "/x")
        layout.write_news(folder, News(layout.READY, parts=(alive, dead)))
        found = look(tmp_path)
        assert (found.ready, found.parts["edge"]) == (False, "ended")


def test_in_a_user_namespace_only_pages_have_ports_here(tmp_path: Path) -> None:
    ordered(tmp_path, Mode.USER)
    with Record.open(layout.NAME, tmp_path):
        assert set(look(tmp_path).ports) == {
            "the phone's page", "the operator's console", "the xApp's API"}
