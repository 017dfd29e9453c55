"""The loss curve as a PNG.

Does: draw training and validation loss over tokens and write the picture as a whole.
Does not know: the training, the model.
"""

from __future__ import annotations

import os
from pathlib import Path

from testbed.training.checkpoint import History

SMOOTHING = 0.95  # weight of the past in the drawn training loss


def smooth(losses: list[float]) -> list[float]:
    """Exponential average without the bias of its start."""
    average, weight, result = 0.0, 0.0, []
    for loss in losses:
        average = SMOOTHING * average + (1 - SMOOTHING) * loss
        weight = SMOOTHING * weight + (1 - SMOOTHING)
        result.append(average / weight)
    return result


def draw_curve(history: History, tokens_per_step: int, path: Path) -> None:
    """Write the picture."""
    from matplotlib.figure import Figure  # here: the rest of training does not wait for it

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.add_subplot()
    million = tokens_per_step / 1e6
    steps = [step * million for step, _ in history.train]
    losses = [loss for _, loss in history.train]
    axes.plot(steps, losses, color="0.85", linewidth=0.6)
    axes.plot(steps, smooth(losses), color="tab:blue", label="training (smoothed; text and chat)")
    if history.valid:
        axes.plot(
            [step * million for step, _ in history.valid],
            [loss for _, loss in history.valid],
            color="tab:orange",
            marker=".",
            label="validation (text)",
        )
    axes.set_xlabel("tokens read (millions)")
    axes.set_ylabel("loss (nats per token)")
    axes.set_ylim(min(losses) - 0.1 if losses else 0.0, min(6.5, max(losses, default=6.5)))
    axes.grid(alpha=0.3)
    axes.legend()
    part = path.with_suffix(".part")
    figure.savefig(part, format="png", dpi=120)
    os.replace(part, path)
