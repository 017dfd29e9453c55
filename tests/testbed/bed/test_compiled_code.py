"""Compiled code is made where it can be kept, once for each source, and not without a word."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from testbed.bed import compiled_code
from testbed.bed.compiled_code import PACKAGES, VARIABLE, make_ready, stamp_of, user_folder
from testbed.errors import TestbedFailure


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout whose user has a cache of his own."""
    made = tmp_path / "checkout"
    for package in PACKAGES:
        (made / package).mkdir(parents=True)
        (made / package / "a.py").write_text("1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv(VARIABLE, "is restored by this")
    monkeypatch.delenv(VARIABLE)
    return made


def test_beside_the_source_nothing_is_to_do(root: Path) -> None:
    said: list[str] = []
    assert make_ready(said.append, root) is None
    assert said == []
    assert VARIABLE not in os.environ


def test_else_it_is_made_once_and_told(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    warmed: list[str] = []
    monkeypatch.setattr(compiled_code, "_writable", lambda root: False)
    monkeypatch.setattr(compiled_code, "_warm",
                        lambda say: warmed.append(os.environ[VARIABLE]))
    said: list[str] = []
    assert make_ready(said.append, root) == user_folder()
    assert warmed == [str(user_folder())]
    assert str(user_folder()) in said[0]
    assert VARIABLE in said[0]
    make_ready(said.append, root)
    assert (len(warmed), len(said)) == (1, 1)
    (root / PACKAGES[0] / "a.py").write_text("22")  # the source changes
    make_ready(said.append, root)
    assert (len(warmed), len(said)) == (2, 2)


def test_a_folder_that_was_given_is_taken(
    root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "mine"))
    monkeypatch.setattr(compiled_code, "_warm", lambda say: None)
    assert make_ready(lambda text: None, root) == tmp_path / "mine"
    assert (tmp_path / "mine" / compiled_code.STAMP).read_text() == stamp_of(root)


def test_what_does_not_compile_is_told_in_a_line(capfd: pytest.CaptureFixture[str]) -> None:
    said: list[str] = []
    with pytest.raises(TestbedFailure, match=r"no\.such\.warm does not compile: .*No module"):
        compiled_code._warm(said.append, ["no.such.warm"])
    assert said == ["compiling no.such (1 of 1)"]


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() == 0, reason="root writes anywhere")
def test_a_folder_that_is_shut_is_seen(root: Path) -> None:
    (root / PACKAGES[0]).chmod(0o500)
    assert not compiled_code._writable(root)
