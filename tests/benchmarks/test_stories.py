"""Held-out stories: what the folder has to hold, and what comes out."""

from __future__ import annotations

import argparse
import gzip
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
    assert "docs/encodings.md" in capsys.readouterr().err
