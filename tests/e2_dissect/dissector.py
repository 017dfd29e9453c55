"""Wireshark's dissectors for tests: frames of a capture as trees, and what it objects to.

Where node or the package is missing, tests are skipped and say how to install them; with
AIRSPLIT_E2_DISSECT=required in the environment they fail instead.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PACKAGE = HERE / "node_modules" / "@goodtools" / "wiregasm" / "package.json"
VARIABLE = "AIRSPLIT_E2_DISSECT"
PATIENCE = 240.0  # seconds for a busy machine; it takes some five
OBJECTIONS = re.compile(r"malformed|expert info|dissector bug|incorrect|unverified|"
                        r"not mapped|undecoded|exception occurred", re.IGNORECASE)


@dataclass(frozen=True)
class Frame:
    """What Wireshark makes of one frame."""

    number: int
    protocol: str
    info: str
    tree: tuple[tuple[int, str], ...]  # depth and text of each line

    @property
    def objections(self) -> list[str]:
        return [text for _, text in self.tree if OBJECTIONS.search(text)]

    def has(self, text: str) -> bool:
        """Whether a line begins so."""
        return any(line.startswith(text) for _, line in self.tree)


def missing() -> str:
    """Why captures cannot be dissected here; nothing where they can."""
    if shutil.which("node") is None:
        return "node is not installed; Debian: apt-get install nodejs npm"
    if not PACKAGE.exists():
        return "Wireshark's dissectors are not installed; npm ci --prefix tests/e2_dissect"
    return ""


def need_dissectors() -> None:
    """Skip the test, or fail it, where they are missing."""
    reason = missing()
    if reason and os.environ.get(VARIABLE) == "required":
        pytest.fail(f"{VARIABLE}=required, and {reason}")
    if reason:
        pytest.skip(reason)


def dissect(capture: Path) -> list[Frame]:
    """Every frame of the capture."""
    done = subprocess.run(["node", str(HERE / "dissect.mjs"), str(capture)], capture_output=True,
                          text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr
    frames = []
    for line in done.stdout.splitlines():
        frame = json.loads(line)
        columns = frame["columns"]
        frames.append(Frame(frame["number"], columns["Protocol"], columns["Info"],
                            tuple((depth, text) for depth, text in frame["tree"])))
    return frames
