"""The README's commands work: its shell blocks are run as they stand, on the bundled model.

Blocks that only call make are checked against the Makefile instead: they would test the tests.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from xapp.ric import kernel_sctp, usrsctp

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
COMMANDS = [block for block in BLOCKS if "airsplit" in block]


def make_targets() -> set[str]:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))


def test_every_make_target_named_exists() -> None:
    named = set(re.findall(r"(?:`|^)make ([a-z-]+)", README, re.MULTILINE))
    assert {"demo", "test"} <= named
    assert named <= make_targets()


@pytest.mark.long
def test_the_commands_run(tmp_path: Path) -> None:
    assert len(COMMANDS) == 7
    # One script, in order: later blocks use what earlier ones wrote.
    # What a failing command leaves running ends with the script.
    script = "set -euo pipefail\nset -m\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n"
    script += "\n".join(COMMANDS)
    for folder in ("testbed", "docs"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    out, err = tmp_path / "out", tmp_path / "err"  # files: a child left behind keeps no pipe open
    with out.open("w") as stdout, err.open("w") as stderr:
        status = subprocess.run(["bash", "-c", script], cwd=tmp_path, env=environment,
                                stdout=stdout, stderr=stderr, timeout=200).returncode
    assert status == 0, out.read_text() + err.read_text()
    listed = out.read_text().split("Revoked alice.")[1]
    assert "operator" in listed
    assert "alice" not in listed
    assert '"turns"' in out.read_text()  # the JSON object of the two-turn question
    assert "layers [0, 1) here and [7, 8), [1, 7) at the edge" in err.read_text()


@pytest.mark.alone  # the ports are the ones that the page names: another test may hold one
@pytest.mark.skipif(not (usrsctp.available() or kernel_sctp.available()), reason="no SCTP here")
def test_one_box_steers_its_emulated_cell(tmp_path: Path) -> None:
    """The two commands as they stand, beside files of their own; what is set is put back."""
    block = next(one for one in re.findall(r"```console\n(.*?)```", README, re.DOTALL)
                 if "airsplit e2-node" in one)
    station, xapp = (line.removeprefix("$ airsplit ").split() for line in block.splitlines())
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    environment = os.environ | {"XDG_CONFIG_HOME": str(tmp_path), "PYTHONUNBUFFERED": "1"}

    def start(arguments: list[str]) -> tuple[subprocess.Popen[bytes], Path]:
        lines = tmp_path / f"{arguments[0]}.lines"
        with lines.open("wb") as out:
            return subprocess.Popen([sys.executable, "-m", "testbed.cli", *arguments],
                                    cwd=tmp_path, stdout=out, stderr=subprocess.STDOUT,
                                    env=environment | {"PYTHONPATH": str(ROOT)}), lines

    def says(lines: Path, words: str) -> None:
        deadline = time.monotonic() + 60
        while words not in lines.read_text(encoding="utf-8"):
            assert time.monotonic() < deadline, lines.read_text(encoding="utf-8")
            time.sleep(0.05)

    (node, told), (ours, log) = start(station), start(xapp)
    try:
        says(log, "REST API at http://127.0.0.1:8480")
        says(told, "slices have 1: 10 to 100 %")
        ours.terminate()
        assert ours.wait(40) == 0
        says(told, "slices have 1: 0 to 100 %, 0 % dedicated; 1-000001: 0 to 100 %, 0 % dedicated")
        node.terminate()
        assert node.wait(20) == 0
    finally:
        for one in (ours, node):
            if one.poll() is None:
                one.kill()
                one.wait()


def tree_names() -> list[str]:
    """Every file or folder in the annotated tree, with the folder it stands under."""
    tree = README.split("## What is where\n\n```\n")[1].split("```")[0]
    found: list[str] = []
    stack: list[tuple[int, str]] = []
    for line in tree.splitlines():
        indent = len(line) - len(line.lstrip())
        names = re.match(r"((?:\S+ )*\S+)(?:  +|$)", line.strip())
        assert names
        while stack and stack[-1][0] >= indent:
            stack.pop()
        base = stack[-1][1] if stack else ""
        for name in names.group(1).split(" "):
            found.append(base + name)
        stack.append((indent, base + names.group(1).split(" ")[0]))
    return found


@pytest.mark.parametrize("name", tree_names())
def test_every_file_in_the_tree_is_there(name: str) -> None:
    assert (ROOT / name).exists()


def test_links_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)]+)\)", README)
    assert links
    for link in links:
        page, _, title = link.partition("#")
        assert (ROOT / page).exists(), link
        titles = re.findall(r"^#+ (.*)$", (ROOT / page).read_text(), re.MULTILINE) if title else []
        assert not title or title in [one.lower().replace(" ", "-") for one in titles], link
