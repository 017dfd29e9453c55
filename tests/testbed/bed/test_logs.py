"""Last lines, and those that come: of all parts or the named ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from testbed.bed.layout import PARTS
from testbed.bed.logs import MOST_LINE, followed, last_lines
from testbed.errors import TestbedFailure


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / PARTS).mkdir()
    (tmp_path / "keeper.log").write_text("k1\n")
    (tmp_path / PARTS / "edge.log").write_text("e1\ne2\ne3\n")
    return tmp_path


def test_last_lines_of_all_or_one(folder: Path) -> None:
    assert list(last_lines(folder, [], 2)) == [("keeper", "k1"), ("edge", "e2"), ("edge", "e3")]
    assert list(last_lines(folder, ["edge"], 1)) == [("edge", "e3")]
    assert list(last_lines(folder, ["edge"], 0)) == []


def test_a_part_that_is_not_there(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(TestbedFailure, match=r"no part 'core'. There are keeper, edge"):
        list(last_lines(folder, ["core"], 1))
    with pytest.raises(TestbedFailure, match="no logs yet"):
        list(last_lines(tmp_path / "none", [], 1))


def test_lines_that_come_and_a_file_begun_anew(folder: Path) -> None:
    edge = folder / PARTS / "edge.log"
    todo: list[Callable[[], None]] = [
        lambda: _add(edge, "e4\nhal"), lambda: _add(edge, "f\n"),
        lambda: _anew(edge, "x\n"), edge.unlink]
    steps = iter(todo)

    def pause(_: float) -> bool:
        step = next(steps, None)
        if step is not None:
            step()
        return step is None

    assert list(followed(folder, ["edge"], pause)) == [
        ("edge", "e4"), ("edge", "half"), ("edge", "x")]


def test_a_line_without_end_is_bounded(folder: Path) -> None:
    edge = folder / PARTS / "edge.log"
    looks = iter(range(8))

    def pause(_: float) -> bool:
        look = next(looks)
        with edge.open("ab") as file:
            file.write(b"a" * MOST_LINE if look < 3 else b"\n")
        return look == 7

    found = [line for _, line in followed(folder, ["edge"], pause)]
    assert max(map(len, found)) == MOST_LINE


def _add(file: Path, text: str) -> None:
    with file.open("a") as opened:
        opened.write(text)


def _anew(file: Path, text: str) -> None:
    file.write_text(text)
