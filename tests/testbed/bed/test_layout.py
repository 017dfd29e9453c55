"""What the keeper is told and tells is read as it was written; a file's settings go before ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.bed import layout
from testbed.bed.layout import BedOrder, News, PartNews
from testbed.bed.modes import Mode
from testbed.bed.record import Process
from testbed.errors import TestbedFailure
from testbed.loop.settings import Load
from xapp.errors import XappError


def test_an_order_is_read_as_written(tmp_path: Path) -> None:
    order = BedOrder(Mode.USER, "because", Path("/models/one"),
                     layout.with_crowd(layout.default_settings(), 5))
    layout.write_order(tmp_path, order)
    assert layout.read_order(tmp_path) == order


def test_news_are_read_as_written(tmp_path: Path) -> None:
    assert layout.read_news(tmp_path) is None
    news = News(layout.READY, "", (PartNews("cell", Process(5, 7), "/x/cell.log"),
                                   PartNews("gone", None, "/x/gone.log")), {"page": "http://x"})
    layout.write_news(tmp_path, news)
    assert layout.read_news(tmp_path) == news


@pytest.mark.parametrize("text", ["", "[]", "{", "\x00"])
def test_damaged_documents_are_named(tmp_path: Path, text: str) -> None:
    (tmp_path / layout.NEWS).write_text(text)
    with pytest.raises(TestbedFailure, match=layout.NEWS):
        layout.read_news(tmp_path)


def test_without_an_order_the_command_is_told(tmp_path: Path) -> None:
    with pytest.raises(TestbedFailure, match="airsplit testbed up"):
        layout.read_order(tmp_path)


def test_a_file_goes_before_ours(tmp_path: Path) -> None:
    config = tmp_path / "bed.yaml"
    config.write_text("{bandwidth_mhz: 10, page_port: 9001}")
    settings = layout.settings_of(config)
    assert (settings.bandwidth_mhz, settings.page_port, settings.page) == (10, 9001, True)
    assert layout.settings_of(None) == layout.default_settings()


def test_a_cell_of_ones_own_goes_in_the_place_of_ours(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The keeper runs elsewhere: files have whole paths."""
    monkeypatch.chdir(tmp_path)
    config = tmp_path / "bed.yaml"
    config.write_text("{load: mix, cells: [{bandwidth_mhz: 20}], crowd_groups: [{name: a, count: 3"
                      "}], traffic: [{kind: replay, file: mine.pcap}]}")
    settings = layout.settings_of(config)
    assert settings.crowd_names == ["a1", "a2", "a3"]
    assert settings.traffic == ({"kind": "replay", "file": str(tmp_path / "mine.pcap")},)
    order = BedOrder(Mode.RELAY, "because", Path("/models/one"), settings)
    layout.write_order(tmp_path, order)
    assert layout.read_order(tmp_path) == order
    config.write_text("{crowd: 8, crowd_groups: [{name: a}]}")
    with pytest.raises(TestbedFailure, match="`crowd_groups` and `crowd`"):
        layout.settings_of(config)


@pytest.mark.parametrize("text", ["{name: airsplit-other}", "{doors: /tmp/x}"])
def test_what_is_the_testbeds_own_is_refused(tmp_path: Path, text: str) -> None:
    config = tmp_path / "bed.yaml"
    config.write_text(text)
    with pytest.raises(TestbedFailure, match="the testbed's own"):
        layout.settings_of(config)


@pytest.mark.parametrize("text", ["{no_such: 1}", "{page_port: many}", "["])
def test_a_wrong_file_is_refused(tmp_path: Path, text: str) -> None:
    config = tmp_path / "bed.yaml"
    config.write_text(text)
    with pytest.raises((TestbedFailure, XappError)):
        layout.settings_of(config)


def test_a_crowd_sends_and_none_is_silent() -> None:
    ours = layout.default_settings()
    assert ours.load is Load.NONE
    full = layout.with_crowd(ours, 24)
    assert (full.load, full.crowd) == (Load.PHONES, 24)
    assert layout.with_crowd(full, 0).load is Load.NONE
    with pytest.raises(TestbedFailure, match="crowd of 1000"):
        layout.with_crowd(ours, 1000)
