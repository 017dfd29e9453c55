"""The crowd obeys its orders, says when it did, and refuses others."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

import testbed.ran.ran_traffic
from testbed.errors import TestbedFailure
from testbed.loop.crowd import Names, obey
from testbed.loop.documents import crowd_document
from testbed.loop.settings import Load, LoopSettings
from testbed.ran.ran_config import RanConfig, load
from xapp.errors import ConfigurationError


@pytest.fixture
def config(tmp_path: Path) -> RanConfig:
    file = tmp_path / "crowd.yaml"
    file.write_text(yaml.safe_dump(crowd_document(LoopSettings(name="it", crowd=2))))
    return load(file)


@pytest.fixture(autouse=True)
def _no_packets(monkeypatch: pytest.MonkeyPatch) -> None:
    @contextlib.contextmanager
    def running(config: RanConfig, plane: object) -> Iterator[Any]:
        yield SimpleNamespace(account=lambda: {"sent": 7})

    monkeypatch.setattr(testbed.ran.ran_traffic, "running_traffic", running)


def said(config: RanConfig, orders: str, monkeypatch: pytest.MonkeyPatch,
         capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    monkeypatch.setattr("sys.stdin", io.StringIO(orders))
    obey(config)
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_it_begins_and_ends_as_told(config: RanConfig, monkeypatch: pytest.MonkeyPatch,
                                    capsys: pytest.CaptureFixture[str]) -> None:
    found = said(config, "start\nstop\nstart\n", monkeypatch, capsys)
    assert [next(iter(one)) for one in found] == ["ready", "started", "stopped", "started",
                                                  "stopped"]
    assert found[2]["account"] == {"sent": 7}
    assert found[1]["started"] <= found[2]["stopped"]


def test_a_recording_is_read_before_it_is_ready(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:
    """A start would be too late for minutes of reading, and to find that it is not there."""
    file = tmp_path / "crowd.yaml"
    file.write_text(yaml.safe_dump(crowd_document(LoopSettings(
        name="it", crowd=2, load=Load.MIX, traffic=({"kind": "replay", "file": "none.csv"},)))))
    with pytest.raises(ConfigurationError, match=r"none\.csv cannot be read"):
        said(load(file), "start\nstop\n", monkeypatch, capsys)
    assert "ready" not in capsys.readouterr().out


@pytest.mark.parametrize("orders", ["stop\n", "start\nstart\n", "dance\n"])
def test_other_orders_are_refused(orders: str, config: RanConfig, monkeypatch: pytest.MonkeyPatch,
                                  capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(TestbedFailure, match="is no order"):
        said(config, orders, monkeypatch, capsys)


def test_it_knows_where_packets_go_in(config: RanConfig) -> None:
    assert (Names(config).n6, Names(config).namespace("crowd1")) == ("it-n6", "it-crowd1")
