"""Compiled code for a user who cannot write beside the source: made once, with a word about it.

    make_ready(print)       # before programs start; they find what was made by NUMBA_CACHE_DIR

Where the source's folders can be written, numba keeps what it compiled there, and set-up has made
it. Elsewhere each program would compile for minutes in the midst of what it does, without a word.
It compiles nothing itself: each package's `warm` does.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from testbed.errors import TestbedFailure

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("pcap_tools", "classifier", "testbed/ran")  # that have compiled functions
MODULES = ("pcap_tools.warm", "classifier.warm", "testbed.ran.warm")
VARIABLE = "NUMBA_CACHE_DIR"
STAMP = "airsplit-ready"  # in the folder: of which source everything was made
WARM_SECONDS = 900.0  # for one package, on a busy machine


def make_ready(say: Callable[[str], None], root: Path = ROOT) -> Path | None:
    """The folder where this user's compiled code is; None where it is beside the source."""
    if VARIABLE not in os.environ:
        if _writable(root):
            return None
        os.environ[VARIABLE] = str(user_folder())  # for all that is started from here
    folder = Path(os.environ[VARIABLE])
    if _stamp_in(folder) == (wanted := stamp_of(root)):
        return folder
    say(f"Compiled code is made for this user, once, in {folder}: that takes some minutes. "
        f"(To share what there is, let this user write to {root}, or set {VARIABLE}.)")
    _warm(say)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / STAMP).write_text(wanted)
    except OSError as error:
        raise TestbedFailure(f"{folder} cannot be written: {error.strerror}.",
                             f"Set {VARIABLE} to a folder of yours.") from error
    return folder


def user_folder() -> Path:
    """By the XDG base directories."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "airsplit" / "numba"


def _writable(root: Path) -> bool:
    """Numba keeps a function beside its file, in __pycache__."""
    for package in PACKAGES:
        kept = root / package / "__pycache__"
        if not os.access(kept if kept.exists() else root / package, os.W_OK | os.X_OK):
            return False
    return True


def stamp_of(root: Path) -> str:
    """Another one when any source file is."""
    digest = hashlib.sha256(sys.version.encode())
    for package in PACKAGES:
        for file in sorted((root / package).rglob("*.py")):
            about = file.stat()
            line = f"{file.relative_to(root)} {about.st_size} {about.st_mtime_ns}\n"
            digest.update(line.encode())
    return digest.hexdigest()


def _stamp_in(folder: Path) -> str | None:
    try:
        return (folder / STAMP).read_text()
    except OSError:
        return None


def _warm(say: Callable[[str], None], modules: Sequence[str] = MODULES) -> None:
    for number, module in enumerate(modules, 1):
        say(f"compiling {module.removesuffix('.warm')} ({number} of {len(modules)})")
        try:
            done = subprocess.run([sys.executable, "-m", module], stderr=subprocess.PIPE, text=True,
                                  timeout=WARM_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise TestbedFailure(f"{module} compiles for more than {WARM_SECONDS:g} s.",
                                 "Try again when the machine has less to do.") from error
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            raise TestbedFailure(f"{module} does not compile: {last}.",
                                 f"Is there room, and may this user write to {VARIABLE}?")
