"""How a run of trials goes: a bar with the time that is left on a terminal, plain lines elsewhere.

The time left is the median of the trials so far, times those to come. It does not know what trials
do; what they say while they run is shown beside the bar.
"""

from __future__ import annotations

import statistics
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from testbed.experiments.design import Trial
from testbed.experiments.results import Row


class TrialProgress:
    """Use it in a with statement."""

    def __init__(self, console: Console, total: int) -> None:
        self.console, self.total = console, total
        self._seconds: list[float] = []
        self._failed = 0
        self._trial = ""
        self._bar: Progress | None = None
        if console.is_terminal:
            self._bar = Progress(
                BarColumn(24), MofNCompleteColumn(), TimeElapsedColumn(),
                TextColumn("{task.fields[left]}"), TextColumn("{task.fields[what]}"),
                console=console)
            self._task = self._bar.add_task("trials", total=total, left="", what="")

    def __enter__(self) -> TrialProgress:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()

    def begins(self, trial: Trial, number: int, of: int) -> None:
        self._trial = trial.name
        if self._bar is not None:
            self._bar.update(self._task, what=trial.name)
        else:
            self._line(f"{number + 1} of {of}: {trial.name}{self.left()}")

    def says(self, text: str) -> None:
        """What the trial is at."""
        if self._bar is not None:
            self._bar.update(self._task, what=f"{self._trial}: {text}")

    def ended(self, row: Row) -> None:
        self._seconds.append(row.seconds)
        self._failed += not row.done
        if not row.done:
            self._line(f"{row.trial} failed: {row.error}")
        if self._bar is not None:
            self._bar.update(self._task, completed=len(self._seconds),
                             left=self.left().removeprefix(", "))

    def left(self) -> str:
        """The time that is left, in words."""
        if not self._seconds:
            return ""
        seconds = statistics.median(self._seconds) * (self.total - len(self._seconds))
        failed = f", {self._failed} failed" if self._failed else ""
        return f", {_span(seconds)} left{failed}"

    def _line(self, text: str) -> None:
        self.console.print(text, soft_wrap=True, highlight=False, markup=False)


def _span(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
