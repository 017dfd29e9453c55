"""`--stories FOLDER`: held-out text that a benchmark reads, as training has it.

The folder holds `valid.txt.gz`: UTF-8 text, one paragraph a line, a blank line between stories.
docs/encodings.md tells how to make one from books in the public domain. It knows no tokens.
"""

from __future__ import annotations

import argparse
import gzip
from pathlib import Path

FILE = "valid.txt.gz"


def add_option(parser: argparse.ArgumentParser, otherwise: str) -> None:
    """`otherwise` is what a benchmark reads without it."""
    parser.add_argument("--stories", type=folder, metavar="FOLDER",
                        help=f"with {FILE}: one paragraph a line, a blank line between stories "
                             f"(default: {otherwise})")


def folder(text: str) -> Path:
    """For argparse."""
    found = Path(text)
    if not (found / FILE).is_file():
        raise argparse.ArgumentTypeError(
            f"there is no {found / FILE}; docs/encodings.md tells how to make one")
    return found


def read(where: Path) -> list[str]:
    """The stories, in order."""
    with gzip.open(where / FILE, "rt", encoding="utf-8", errors="replace") as file:
        return [story for part in file.read().split("\n\n") if (story := part.strip("\n"))]
