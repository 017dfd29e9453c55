"""Progress on a terminal and elsewhere."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from testbed.training.progress import TrainingProgress


@pytest.mark.parametrize("terminal", [False, True])
def test_progress_shows_loss_and_speed(terminal: bool) -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=terminal, width=140)
    with TrainingProgress(console, 40) as progress:
        for step in range(1, 41):
            progress.step_done(step, 3.0, 2.5 if step == 40 else None, 1000.0)
    text = stream.getvalue()
    assert "loss 3.000, validation 2.500, 1,000 tokens/s" in text
    assert ("step 20 of 40" in text) is not terminal
