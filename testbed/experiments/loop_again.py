"""Figures of a trial of the loop that is over, from what is in its folder. It runs nothing."""

from __future__ import annotations

from pathlib import Path

from testbed.experiments.kind import Figures
from testbed.experiments.loop_kind import figures_of
from testbed.loop import kept


def figures_again(folder: Path) -> Figures:
    """By the code of today; TestbedFailure where the trial kept no document that it can read."""
    return figures_of(kept.read(folder))
