"""`--stories FOLDER`: held-out text that a benchmark reads, as training has it.

The folder holds `valid.txt.gz`: UTF-8 text, one paragraph a line, a blank line between stories.
This command makes one of stories in the public domain: plain text as Project Gutenberg has it,
whose licence is cut off, or JSON files with a `body` as LCATS has them. A file is a story. It knows
no tokens.

    python -m tests.benchmarks.stories --out stories book.txt another.txt
    python -m tests.benchmarks.stories --out stories LCATS/corpora/grimm/*.json
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
from pathlib import Path

FILE = "valid.txt.gz"
HOW = "python -m tests.benchmarks.stories makes one"
_LICENCE = re.compile(r"\A.*?^\*\*\* ?START OF [^\n]*\n", re.DOTALL | re.MULTILINE)
_END = re.compile(r"^\*\*\* ?END OF .*\Z", re.DOTALL | re.MULTILINE)


def add_option(parser: argparse.ArgumentParser, otherwise: str) -> None:
    """`otherwise` is what a benchmark reads without it."""
    parser.add_argument("--stories", type=folder, metavar="FOLDER",
                        help=f"with {FILE}: one paragraph a line, a blank line between stories; "
                             f"{HOW} (default: {otherwise})")


def folder(text: str) -> Path:
    """For argparse."""
    found = Path(text)
    if not (found / FILE).is_file():
        raise argparse.ArgumentTypeError(f"there is no {found / FILE}; {HOW}")
    return found


def read(where: Path) -> list[str]:
    """The stories, in order."""
    with gzip.open(where / FILE, "rt", encoding="utf-8", errors="replace") as file:
        return [story for part in file.read().split("\n\n") if (story := part.strip("\n"))]


def story_of(file: Path) -> str:
    """The paragraphs of one file, each a line; raises ValueError where there are none."""
    text = file.read_text(encoding="utf-8-sig", errors="replace")
    if file.suffix == ".json":
        text = _body(text, file)
    text = _END.sub("", _LICENCE.sub("", text))
    paragraphs = [" ".join(part.split()) for part in re.split(r"\n\s*\n", text)]
    story = "\n".join(part for part in paragraphs if part)
    if not story:
        raise ValueError(f"{file} holds no text")
    return story


def _body(text: str, file: Path) -> str:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{file} is no JSON: {error}") from error
    body = document.get("body") if isinstance(document, dict) else None
    if not isinstance(body, str):
        raise ValueError(f"{file} has no text named `body`")
    return body


def write(out: Path, files: list[Path]) -> int:
    """The folder's file; returns its characters."""
    text = "\n\n".join(map(story_of, files)) + "\n"
    out.mkdir(parents=True, exist_ok=True)
    (out / FILE).write_bytes(gzip.compress(text.encode(), mtime=0))
    return len(text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("files", type=Path, nargs="+", metavar="STORY")
    options = parser.parse_args()
    try:
        characters = write(options.out, options.files)
    except (OSError, ValueError) as error:
        parser.error(f"{error}; give text files, or JSON files with a `body`")
    print(f"{options.out / FILE}: stories {len(options.files)}, characters {characters:,}.")


if __name__ == "__main__":
    main()
