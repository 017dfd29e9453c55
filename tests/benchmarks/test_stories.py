"""Held-out stories: what the folder has to hold, and what comes out."""

from __future__ import annotations

import argparse
import gzip
import json
from pathlib import Path

import pytest

from tests.benchmarks import stories


def parse(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    stories.add_option(parser, "its own")
    return parser.parse_args(words)


def test_stories_are_read_in_order(tmp_path: Path) -> None:
    text = "\nOne.\nStill one.\n\n\n\nTwo.\n\n"
    (tmp_path / stories.FILE).write_bytes(gzip.compress(text.encode()))
    assert parse().stories is None
    folder = parse("--stories", str(tmp_path)).stories
    assert stories.read(folder) == ["One.\nStill one.", "Two."]


def test_a_folder_without_them_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parse("--stories", str(tmp_path))
    assert "tests.benchmarks.stories" in capsys.readouterr().err


def test_books_become_a_folder_that_is_read(tmp_path: Path) -> None:
    book, plain, other = (tmp_path / name for name in ("book.txt", "plain.txt", "other.json"))
    book.write_bytes(b"\xef\xbb\xbfThe licence\r\n*** START OF THE EBOOK X ***\r\n"
                     b"\r\n\r\nOnce upon\r\na time.\r\n \r\nIt ended.\r\n"
                     b"*** END OF THE EBOOK X ***\r\nMore licence\r\n")
    plain.write_text("No licence\nat all.\n")
    other.write_text(json.dumps({"name": "Other", "body": "Body one.\n\nBody\ntwo."}))
    stories.write(tmp_path / "out", [book, plain, other])
    assert stories.read(tmp_path / "out") == [
        "Once upon a time.\nIt ended.", "No licence at all.", "Body one.\nBody two."]


@pytest.mark.parametrize(("name", "text", "what"), [
    ("a.txt", " \n\n", "holds no text"), ("a.json", "[]", "body"), ("a.json", "{", "a.json"),
    ("a.json", '{"body": 3}', "body")])
def test_what_is_no_story_is_refused(
    name: str, text: str, what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_text(text)
    monkeypatch.setattr("sys.argv", ["stories", "--out", str(tmp_path), str(tmp_path / name)])
    with pytest.raises(SystemExit):
        stories.main()
    assert what in capsys.readouterr().err
