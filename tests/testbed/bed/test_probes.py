"""What a probe says is what an attempt came to."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from testbed.bed import probes


def test_a_program_that_is_not_there() -> None:
    assert probes.program_trouble("no-such-program-1") == "`no-such-program-1` is not installed"
    assert probes.program_trouble("sh") is None


def test_room_is_written_and_given_back(tmp_path: Path) -> None:
    assert probes.room_trouble(tmp_path / "new", 1 << 16) is None
    assert list((tmp_path / "new").iterdir()) == []


def test_no_room(tmp_path: Path) -> None:
    assert probes.room_trouble(tmp_path, 1 << 60) is not None
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("")
    assert probes.room_trouble(tmp_path / "file", 1) is not None


def test_a_setting_of_the_kernel() -> None:
    assert probes.sysctl("kernel.ostype") == "Linux"
    assert probes.sysctl("kernel.no_such") is None


def test_cores() -> None:
    assert 1 <= probes.cores() <= (os.cpu_count() or 1)


def test_trying_leaves_no_namespace() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    before = set(Path("/run/netns").glob("airsplit-try-*"))
    probes.namespace_trouble()
    assert set(Path("/run/netns").glob("airsplit-try-*")) <= before


def test_an_ordinary_user_learns_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> int:
        raise PermissionError(13, "Permission denied")
    monkeypatch.setattr(os, "open", refused)
    assert probes.tun_trouble() == "/dev/net/tun: Permission denied"


def test_compiled_code_is_counted_where_it_is_kept(
        monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    assert probes.warm_files() == 0
    (tmp_path / "run.nbi").write_text("")
    assert probes.warm_files() == 1
