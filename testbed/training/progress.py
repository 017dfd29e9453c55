"""Progress of a training run: a bar on a terminal, plain lines elsewhere.

Does: show step, loss, speed and remaining time; smooth what is shown.
Does not know: the training, files.
"""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

LINE_EVERY = 20  # steps between plain lines
SHOWN_WEIGHT = 0.9  # weight of the past in the shown loss and speed


class TrainingProgress:
    """Shows a run up to its last step; use it in a with statement."""

    def __init__(self, console: Console, last: int) -> None:
        self.console = console
        self.last = last
        self.loss: float | None = None
        self.speed: float | None = None
        self.valid: float | None = None
        self.seconds_per_step: float | None = None
        self.seen_at = time.monotonic()
        self.bar: Progress | None = None
        if console.is_terminal:
            self.bar = Progress(
                TextColumn("training"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[numbers]}"),
                TimeElapsedColumn(),
                TimeRemainingColumn(elapsed_when_finished=False),
                console=console,
            )
            self.task = self.bar.add_task("training", total=last, numbers="")

    def __enter__(self) -> TrainingProgress:
        if self.bar is not None:
            self.bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.bar is not None:
            self.bar.stop()

    def numbers(self) -> str:
        """Loss and speed in words."""
        valid = "" if self.valid is None else f", validation {self.valid:.3f}"
        return f"loss {self.loss or 0:.3f}{valid}, {self.speed or 0:,.0f} tokens/s"

    def step_done(self, step: int, loss: float, valid: float | None, speed: float) -> None:
        """Take in one finished step and show it."""
        now = time.monotonic()
        self.loss = _blend(self.loss, loss)
        self.speed = _blend(self.speed, speed)
        self.seconds_per_step = _blend(self.seconds_per_step, now - self.seen_at)
        self.seen_at = now
        self.valid = self.valid if valid is None else valid
        if self.bar is not None:
            self.bar.update(self.task, completed=step, numbers=self.numbers())
        elif step % LINE_EVERY == 0 or valid is not None or step == self.last:
            left = (self.last - step) * self.seconds_per_step
            self.console.print(
                f"{time.strftime('%H:%M:%S')} step {step} of {self.last}: {self.numbers()},"
                f" {left / 60:.1f} min left",
                soft_wrap=True,
                highlight=False,
            )


def _blend(past: float | None, value: float) -> float:
    return value if past is None else SHOWN_WEIGHT * past + (1 - SHOWN_WEIGHT) * value
