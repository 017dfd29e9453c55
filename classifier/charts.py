"""Pictures of labels and of how good they are, in the look of the captures' report.

Each function returns how to draw one picture; it does not know where the numbers come from.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from classifier.labels import UNKNOWN
from classifier.quality import Curve, Quality
from pcap_tools.look import SERIES, Draw, Look
from pcap_tools.plots import new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = {"llm_split": "c0", "llm_chat": "c5", "web": "c1", "video": "c4", "audio": "c3",
           "realtime": "c2", "gaming": "c6", "bulk": "c8", "iot": "c7", "background": "c9",
           UNKNOWN: "pause"}
STAGE_NAMES = {"PACKETS_5": "5 packets", "PACKETS_10": "10 packets", "PACKETS_20": "20 packets",
               "AFTER_100_MS": "0.1 s", "AFTER_1_S": "1 s", "AFTER_2_S": "2 s",
               "AFTER_10_S": "10 s", "WHOLE": "whole flow"}
MOST_FEATURES = 20
DARKEST = 0.55  # of a full cell: numbers in it stay readable in both themes


def colour_of(label: str) -> str:
    """A label's colour; others' labels share what is there."""
    return COLOURS.get(label) or SERIES[sum(label.encode()) % len(SERIES)]


def confusion_plot(quality: Quality) -> Draw:
    """What was called what; the shade is the share of the row."""

    def draw(look: Look) -> Figure:
        from matplotlib.patches import Rectangle

        there = np.flatnonzero(quality.table.sum(axis=1))
        table, count = quality.table[there], len(quality.names)
        figure = new_figure(look, 1.1 + 0.33 * len(there))
        axes = figure.subplots()
        rows = np.maximum(table.sum(axis=1, keepdims=True), 1)
        for place, number in np.ndenumerate(table):
            row, column = place
            share = float(number / rows[row, 0])
            right = there[row] == column
            if number:
                axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, linewidth=0,
                                         color=look["up" if right else "down"],
                                         alpha=0.06 + (DARKEST - 0.06) * share))
                axes.text(column, row, f"{number:,}", ha="center", va="center",
                          fontsize=6 if look.narrow else 8)
        axes.set_xlim(-0.5, count - 0.5)
        axes.set_ylim(len(there) - 0.5, -0.5)
        axes.set_xticks(range(count), quality.names, rotation=45 if look.narrow else 30,
                        ha="left", rotation_mode="anchor", color=look["text"])
        axes.xaxis.tick_top()
        axes.set_yticks(range(len(there)), [quality.names[place] for place in there],
                        color=look["text"])
        axes.tick_params(length=0)
        axes.set_ylabel("truth")
        axes.set_xlabel("was called")
        axes.grid(visible=False)
        for side in ("left", "bottom"):
            axes.spines[side].set_visible(False)
        return figure

    return draw


def reliability_plot(quality: Quality) -> Draw:
    """How often answers are right, over how sure they were."""

    def draw(look: Look) -> Figure:
        figure = new_figure(look, 3.0)
        axes, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
        axes.plot([0, 1], [0, 1], color=look["soft"], linewidth=0.8, linestyle="--")
        confidence, right, counts = zip(*quality.reliability, strict=True)
        axes.plot(confidence, right, "o-", color=look["up"], markersize=5, linewidth=1.3)
        axes.set_ylim(-0.03, 1.03)
        axes.set_xlim(0, 1.01)
        axes.set_title("Share of right answers (dashed: as sure as right)")
        below.bar(confidence, counts, width=0.035, color=look["soft"], linewidth=0)
        below.set_title("Answers")
        below.set_xlabel("confidence")
        below.grid(axis="x", visible=False)
        return figure

    return draw


def curves_plot(curves: Sequence[Curve]) -> Draw:
    """Precision over recall, a line for each class."""

    def draw(look: Look) -> Figure:
        figure = new_figure(look, 4.4 if look.narrow else 3.4)
        axes = figure.subplots()
        for curve in curves:
            axes.plot(curve.recall, curve.precision, color=look[colour_of(curve.name)],
                      linewidth=1.4, drawstyle="steps-pre",
                      label=f"{curve.name} {curve.area:.2f}")
        axes.set_xlim(0, 1.01)
        axes.set_ylim(0, 1.03)
        axes.set_title("Precision")
        axes.set_xlabel("recall; behind each name the area under its curve")
        figure.legend(loc="outside lower left", ncols=2 if look.narrow else 5, handlelength=1.2,
                      columnspacing=1.2)
        return figure

    return draw


def stages_plot(quality: Quality) -> Draw:
    """How good answers are, the earlier the less is known."""

    def draw(look: Look) -> Figure:
        figure = new_figure(look, 2.7)
        axes = figure.subplots()
        place = np.arange(len(quality.stages))
        for shift, values, colour, name in (
                (-0.2, [stage.accuracy for stage in quality.stages], "up", "accuracy"),
                (0.2, [stage.macro_f1 for stage in quality.stages], "down", "macro F1")):
            bars = axes.bar(place + shift, values, width=0.36, color=look[colour], linewidth=0,
                            label=name)
            if not look.narrow:
                axes.bar_label(bars, fmt="{:.2f}", fontsize=7, padding=1, color=look["soft"])
        names = [STAGE_NAMES[stage.stage.name] for stage in quality.stages]
        axes.set_xticks(place, [f"{name}\n{stage.flows:,}" if not look.narrow else name
                                for name, stage in zip(names, quality.stages, strict=True)],
                        rotation=40 if look.narrow else 0, ha="right" if look.narrow else "center",
                        rotation_mode="anchor" if look.narrow else "default")
        axes.set_ylim(0, 1.08)
        axes.grid(axis="x", visible=False)
        axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, borderaxespad=0.2,
                    handlelength=0.9, handleheight=0.9)
        return figure

    return draw


def importance_plot(falls: Sequence[tuple[str, float]], what: str) -> Draw:
    """The features whose shuffling costs most."""

    def draw(look: Look) -> Figure:
        shown = falls[:MOST_FEATURES]
        figure = new_figure(look, 0.8 + 0.2 * len(shown))
        axes = figure.subplots()
        axes.barh(range(len(shown)), [fall * 100 for _, fall in shown], height=0.62,
                  color=look["up"], linewidth=0)
        axes.set_yticks(range(len(shown)), [name for name, _ in shown], fontsize=7.5,
                        color=look["text"])
        axes.set_ylim(len(shown) - 0.4, -0.6)
        axes.grid(axis="y", visible=False)
        axes.set_xlabel(f"{what}: points lost when it is shuffled")
        return figure

    return draw
