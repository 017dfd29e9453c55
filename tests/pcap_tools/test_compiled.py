"""Compiled or not, the result is the same; and a change of any source is noticed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pcap_tools import compiled

ROOT = Path(__file__).resolve().parents[2]


def digest(uncompiled: str) -> str:
    program = [sys.executable, "-W", "error", "-m", "tests.pcap_tools.digest"]
    return subprocess.run(program, cwd=ROOT, env={**os.environ, "AIRSPLIT_UNCOMPILED": uncompiled},
                          capture_output=True, text=True, check=True).stdout


def test_uncompiled_code_gives_the_same_bits() -> None:
    assert len(digest("1")) == 65
    assert digest("1") == digest("")


def test_what_is_kept_is_by_the_sources_of_all(tmp_path: Path) -> None:
    source = "from pcap_tools.compiled import compiled\n"
    for name, text in (("one.py", source), ("other.py", source), ("none.py", "")):
        (tmp_path / name).write_text(text)
    stamps = [compiled._sources.__wrapped__(tmp_path)]
    for name in ("none.py", "other.py"):
        (tmp_path / name).write_text(source[:-1] * (name == "other.py") + "# changed")
        stamps.append(compiled._sources.__wrapped__(tmp_path))
    assert stamps[0] == stamps[1] != stamps[2]


@pytest.mark.skipif(compiled.UNCOMPILED, reason="nothing is compiled")
def test_functions_are_compiled() -> None:
    from pcap_tools.parse import parse_all

    assert hasattr(parse_all, "py_func")
