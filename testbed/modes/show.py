"""One answer's cost as a table for a terminal."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from rich.table import Table

from testbed.modes.opening import Opened

if TYPE_CHECKING:
    from ue_app.generate import Answer


def table_of(opened: Opened, answer: Answer) -> Table:
    """The prompt's step beside the others' median."""
    table = Table(title=f"{opened.config.mode}: {len(answer.ids)} tokens")
    for name, justify in (("", "left"), ("prompt", "right"), ("a token", "right")):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]  # both are known words
    steps = opened.steps.done
    for text, name, scale, digits in (
            ("bytes up", "sent", 1.0, 0), ("bytes down", "received", 1.0, 0),
            ("time, ms", "seconds", 1e3, 2), ("of it in the client", "client", 1e3, 2),
            ("of it in the server", "server", 1e3, 2)):
        first = getattr(steps[0], name) if steps else None
        later = [value for step in steps[1:] if (value := getattr(step, name)) is not None]
        table.add_row(text, _text(first, scale, digits),
                      _text(statistics.median(later) if later else None, scale, digits))
    return table


def _text(value: float | None, scale: float, digits: int) -> str:
    return "-" if value is None else f"{value * scale:,.{digits}f}"
