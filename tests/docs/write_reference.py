"""Writes the pages of docs/reference that are made of the code.

    python -m tests.docs.write_reference              # docs/reference/commands.md, settings.md

It opens no other file. A test compares what is there with what this would write.
"""

from __future__ import annotations

from pathlib import Path

from testbed.cli import build_parser
from tests.docs import commands, settings

FOLDER = Path(__file__).resolve().parent.parent.parent / "docs" / "reference"


def pages() -> dict[str, str]:
    """Each page's text by its file's name."""
    return {"commands.md": commands.page(build_parser()), "settings.md": settings.page()}


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, text in pages().items():
        (FOLDER / name).write_text(text.rstrip() + "\n", encoding="utf-8")
        print(f"Wrote {FOLDER / name}.")


if __name__ == "__main__":
    main()
