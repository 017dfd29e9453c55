"""Waits between tokens as a chart of block characters, each for some tenths of a second."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from testbed.loop.story import Token

BLOCKS = " ▁▂▃▄▅▆▇█"
LEAST_MS, MOST_MS = 10.0, 1000.0  # of the axis, which is logarithmic
Wait = tuple[float, float]  # when it ended; milliseconds


def waits_of(tokens: Sequence[Token]) -> list[Wait]:
    """From token to token of an answer."""
    return [(after.at, 1000 * (after.at - before.at)) for before, after in pairwise(tokens)
            if before.answer == after.answer]


def columns(waits: Sequence[Wait], begin: float, end: float, width: int) -> list[float | None]:
    """The longest wait of each column; None where no token came."""
    found: list[float | None] = [None] * width
    for at, wait in waits:
        if begin <= at < end:
            place = min(width - 1, int((at - begin) / (end - begin) * width))
            found[place] = max(wait, found[place] or 0.0)
    return found


def chart(values: Sequence[float | None], height: int) -> list[str]:
    """Lines from top to bottom."""
    lines = []
    for row in range(height - 1, -1, -1):
        lines.append("".join(
            " " if value is None else _block(eighths(value, height) - 8 * row)
            for value in values))
    return lines


def eighths(wait_ms: float, height: int) -> int:
    """Of a line's height, from 1: what is there is seen."""
    share = math.log(max(wait_ms, LEAST_MS) / LEAST_MS) / math.log(MOST_MS / LEAST_MS)
    return max(1, min(8 * height, round(share * 8 * height)))


def _block(count: int) -> str:
    return BLOCKS[max(0, min(8, count))]
