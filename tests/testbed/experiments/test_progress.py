"""The time that is left, and failures, as a run goes on."""

from __future__ import annotations

import io

from rich.console import Console

from testbed.experiments.design import trials_of
from testbed.experiments.progress import TrialProgress
from tests.testbed.experiments.scenes import row, small


def told(terminal: bool) -> str:
    out = io.StringIO()
    trials = trials_of(small())
    with TrialProgress(Console(file=out, force_terminal=terminal, width=160), 16) as progress:
        for number, trial in enumerate(trials[:3]):
            progress.begins(trial, number, 16)
            progress.says("calm")
            progress.ended(row(trial.name, 0, trial.levels, None if number == 1 else {},
                               seconds=60.0))
        progress.begins(trials[3], 3, 16)
    return out.getvalue()


def test_lines_where_there_is_no_terminal() -> None:
    found = told(terminal=False)
    assert "1 of 16" in found
    assert "4 of 16" in found
    assert "13 min left, 1 failed" in found
    assert "failed: LinkFailure: no device" in found
    assert "calm" not in found


def test_a_bar_on_a_terminal() -> None:
    found = told(terminal=True)
    assert "3/16" in found
    assert "13 min left, 1 failed" in found
