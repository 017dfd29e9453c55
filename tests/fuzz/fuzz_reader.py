"""Looks for bytes that the capture reader does not survive, guided by the code they reach.

It needs atheris, in an environment of its own if need be, together with numpy and zstandard:

    python -m venv fuzzing && fuzzing/bin/pip install atheris numpy zstandard
    fuzzing/bin/python -m tests.fuzz.fuzz_reader CORPUS_FOLDER -max_total_time=300

The compiled walks run as plain Python here, so that the fuzzer sees their branches. The first
folder named is where it keeps what it found; it begins with small captures of every kind.
"""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import Any

os.environ["AIRSPLIT_UNCOMPILED"] = "1"


def main() -> None:
    try:
        atheris: Any = importlib.import_module("atheris")
    except ModuleNotFoundError:
        sys.exit("atheris is not installed; this file's first lines say how to get it")
    with atheris.instrument_imports(include=["pcap_tools"]):
        from tests.fuzz import reader_checks
    folders = [Path(word) for word in sys.argv[1:] if not word.startswith("-")]
    for folder in folders[:1]:
        folder.mkdir(parents=True, exist_ok=True)
        for number, seed in enumerate(reader_checks.seeds()):
            (folder / f"seed-{number}").write_bytes(seed)
    atheris.Setup(sys.argv, reader_checks.check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
