"""The pages' commands work: blocks of `sh` run as they stand, in order, on the bundled model.

A block of `console` is not run. It stands under a line that says what it needs, and the options it
names have to be there.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from testbed.cli import build_parser
from tests.docs.blocks import Block, blocks_of, prompted

ROOT = Path(__file__).resolve().parent.parent.parent
DOCS = ROOT / "docs"
README = ROOT / "README.md"
PAGES = sorted(DOCS.glob("**/*.md"))
GUIDES = [DOCS / "index.md", *sorted((DOCS / "guides").glob("*.md"))]
LANGUAGES = {"sh", "console", "text"}
# What a failing command leaves running ends with the script.
HEAD = "set -euo pipefail\nset -m\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n"
TIMEOUT = 240  # seconds of a page on a machine that is busy; each takes some


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path, language: str) -> list[Block]:
    return [one for one in blocks_of(page.read_text(encoding="utf-8")) if one.language == language]


def parses(command: str) -> bool:
    """Whether the parser takes it; words behind two spaces are about it."""
    words = shlex.split(re.split(r" {2,}|\s# | \| | > ", command)[0])
    try:
        build_parser().parse_args(words[1:])
    except SystemExit as left:
        return left.code == 0
    return True


RUN = [page for page in PAGES if blocks(page, "sh")]


@pytest.mark.parametrize("page", RUN, ids=name_of)
def test_they_run(page: Path, tmp_path: Path) -> None:
    for folder in ("testbed", "docs"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "XDG_CONFIG_HOME": str(tmp_path / "config"), "XDG_DATA_HOME": str(tmp_path / "data")}
    script = HEAD + "\n".join(one.text for one in blocks(page, "sh"))
    said = tmp_path / "said"  # a file: a child left behind keeps no pipe open
    with said.open("w") as out:
        status = subprocess.run(["bash", "-c", script], cwd=tmp_path, env=environment, stdout=out,
                                stderr=subprocess.STDOUT, timeout=TIMEOUT).returncode
    assert status == 0, said.read_text(encoding="utf-8", errors="replace")[-4000:]


def test_guides_have_commands_that_run() -> None:
    assert {"phone.md", "operator.md", "researcher.md"} <= {page.name for page in RUN}


@pytest.mark.parametrize("page", [README, *GUIDES], ids=name_of)
def test_what_is_not_run_says_what_it_needs(page: Path) -> None:
    for one in blocks(page, "console"):
        assert one.above.startswith("Needs "), f"{name_of(page)}:{one.line}"
        assert one.above.endswith(":"), f"{name_of(page)}:{one.line}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_each_block_is_of_a_known_kind(page: Path) -> None:
    for one in blocks_of(page.read_text(encoding="utf-8")):
        assert one.language in LANGUAGES, f"{name_of(page)}:{one.line}"


@pytest.mark.parametrize("page", [README, *PAGES], ids=name_of)
def test_commands_that_are_not_run_have_options_that_are_there(page: Path) -> None:
    for one in blocks(page, "console"):
        for command in prompted(one):
            if command.startswith("airsplit "):
                assert parses(command), f"{name_of(page)}:{one.line}: {command}"


@pytest.mark.parametrize("page", [README, *PAGES], ids=name_of)
def test_commands_in_the_text_have_options_that_are_there(page: Path) -> None:
    for command in re.findall(r"`airsplit ([^`]+)`", page.read_text(encoding="utf-8")):
        words = command.split()
        known = options_of(words)
        for word in words:
            if word.startswith("--"):
                assert word.partition("=")[0].rstrip(".,") in known, f"{name_of(page)}: {command}"


def options_of(words: list[str]) -> set[str]:
    """Those of the command that the words begin with, and of what it stands below."""
    parser, found = build_parser(), {"--help"}
    for word in words:
        below = next((one for one in parser._actions
                      if isinstance(one, argparse._SubParsersAction)), None)
        if below is None or word not in below.choices:
            break
        parser = below.choices[word]
        found |= set(parser._option_string_actions)
    return found


@pytest.mark.parametrize("page", GUIDES, ids=name_of)
def test_targets_of_make_are_there(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    named = set(re.findall(r"(?:`|[$#] )make ([a-z-]+)", page.read_text(encoding="utf-8")))
    assert named <= targets


def test_a_command_that_is_wrong_is_seen(capsys: pytest.CaptureFixture[str]) -> None:
    assert parses("airsplit tap eth0        labels of live flows")
    assert not parses("airsplit tap eth0 --no-such-option")
    assert not parses("airsplit no-such-command")
    capsys.readouterr()
