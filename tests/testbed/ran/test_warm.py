"""Compiling ahead runs to its end: afterwards nothing that a cell of slots runs is compiled."""

from __future__ import annotations

import threading
from typing import Any

from testbed.ran.mac.simulated import run_many
from testbed.ran.warm import warm


def test_it_compiles_what_simulated_time_runs_and_ends() -> None:
    before = threading.active_count()
    warm()
    compiled: Any = run_many  # a dispatcher: its type does not say so
    known = len(compiled.signatures)
    assert known > 0
    warm()
    assert len(compiled.signatures) == known
    assert threading.active_count() == before
