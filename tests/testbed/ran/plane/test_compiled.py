"""Kept code is that of all files that it was made from."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.ran.plane import compiled


def test_the_stamp_covers_the_scheduler_and_what_it_loads_bytes_with(
        monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / "plane"
    for place in ("plane", "mac"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "one.py").write_text("compiled")
    (tmp_path / "octets.py").write_text("byte")
    monkeypatch.setattr(compiled, "_FOLDER", folder)
    monkeypatch.setattr(compiled, "_ELSEWHERE", (tmp_path / "octets.py",))
    seen = set()
    for changed in (None, "plane/one.py", "mac/one.py", "octets.py"):
        if changed:
            (tmp_path / changed).write_text("compiled otherwise")
        compiled._sources.cache_clear()
        seen.add(compiled._sources())
    compiled._sources.cache_clear()
    assert len(seen) == 4
