"""How answers grow with their steps, and what a batch brings, in words. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from testbed.experiments.picking import of_levels
from testbed.experiments.results import Row
from testbed.experiments.verdicts import Outcome, Verdict

FACTOR = "mode"


def growing(rows: Sequence[Row], modes: Sequence[str]) -> list[Verdict]:
    """What the scenario's `steps` and `batch` show; nothing where it varies neither."""
    found = []
    if len(values_of(rows, "steps")) > 1:
        said = [text for mode in modes if (text := _a_step(rows, mode))]
        at = values_of(rows, "steps")
        found.append(Verdict(f"what a step adds to an answer of {at[0]} to {at[-1]} tokens, by a "
                             "straight line", Outcome.SAID, "; ".join(said)))
    for name in batchings(rows):
        mine = [row for row in rows if batching_of(row) == name]
        if len(values_of(mine, "batch")) > 1:
            said = [text for mode in modes if (text := _gains(mine, mode))]
            found.append(Verdict(f"tokens a second of a batch answered {name}, against one "
                                 "sequence (medians)", Outcome.SAID, "; ".join(said)))
    return [one for one in found if one.why]


def values_of(rows: Sequence[Row], setting: str) -> list[int]:
    """A setting's values, where they are whole numbers, ascending."""
    found = {row.settings.get(setting) for row in rows}
    return sorted(one for one in found if isinstance(one, int))


def batching_of(row: Row) -> str:
    return str(row.settings.get("batching", "side_by_side"))


def batchings(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(batching_of(row) for row in rows))


def by_value(rows: Sequence[Row], arm: str, setting: str, column: str, factor: str = FACTOR
             ) -> dict[int, list[float]]:
    """Values of a column of one arm, a mode as a rule, for each value of a setting."""
    found: dict[int, list[float]] = {}
    for row in of_levels(rows, {factor: arm}):
        value, at = row.figures.get(column), row.settings.get(setting)
        if isinstance(value, int | float) and isinstance(at, int):
            found.setdefault(at, []).append(float(value))
    return dict(sorted(found.items()))


def _a_step(rows: Sequence[Row], mode: str) -> str:
    times, sizes = (_slope(by_value(rows, mode, "steps", name))
                    for name in ("answer_ms", "bytes_total"))
    parts = [f"{times[0]:.1f} ms (r\N{SUPERSCRIPT TWO} {times[1]:.2f})"] if times else []
    return f"{mode} " + ", ".join([*parts, *([f"{sizes[0]:,.0f} B"] if sizes else [])]) if (
        parts or sizes) else ""


def _slope(values: dict[int, list[float]]) -> tuple[float, float] | None:
    """Of all trials together, and how much of their differences the line explains."""
    points = [(at, value) for at, found in values.items() for value in found]
    if len(values) < 2:
        return None
    across, up = [float(at) for at, _ in points], [value for _, value in points]
    line = statistics.linear_regression(across, up)
    level = len(set(up)) == 1
    return line.slope, 1.0 if level else statistics.correlation(across, up) ** 2


def _gains(rows: Sequence[Row], mode: str) -> str:
    values = by_value(rows, mode, "batch", "tokens_per_second")
    if 1 not in values or len(values) < 2:
        return ""
    one = statistics.median(values.pop(1))
    if one <= 0:
        return ""
    return f"{mode} " + ", ".join(f"{statistics.median(found) / one:.2f} x at {at}"
                                  for at, found in values.items())
