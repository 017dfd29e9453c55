"""What a report says of who counted a trial's bytes: the trials in which counts differ, by name."""

from __future__ import annotations

from collections.abc import Sequence

from testbed.experiments.results import Row
from testbed.modes.agreement import BOTH, CLIENT

MOST_NAMED = 20  # trials; all are in the rows


def notes_of(rows: Sequence[Row]) -> list[str]:
    """What a reader must not miss; nothing where all agree and all was captured."""
    sent = [row for row in rows if row.done and row.figures.get("bytes_up") is not None]
    return [*_disagreeing(sent), *_uncaptured(sent)]


def _disagreeing(sent: Sequence[Row]) -> list[str]:
    found = [row for row in sent if row.figures.get("bytes_agree") is False]
    if not found:
        return []
    named = "; ".join(f"{row.trial}: {_way(row, 'up')}, {_way(row, 'down')}"
                      for row in found[:MOST_NAMED])
    more = f"; and {len(found) - MOST_NAMED} more, in rows.parquet" if (
        len(found) > MOST_NAMED) else ""
    return [f"Bytes do not agree in {len(found)} of {len(sent)} trials, which are not left out: "
            f"{named}{more}."]


def _way(row: Row, way: str) -> str:
    """`up 4,606 B by the client, 4,606 by the server, 4,730 captured`."""
    counts = [(row.figures.get(f"{who}_{way}"), text) for who, text in (
        ("bytes", "by the client"), ("server", "by the server"), ("captured", "captured"))]
    return f"{way} " + ", ".join(f"{count:,.0f} {text}" for count, text in counts
                                 if isinstance(count, int | float))


def _uncaptured(sent: Sequence[Row]) -> list[str]:
    found = [row for row in sent if row.figures.get("captured_up") is None
             or row.figures.get("captured_down") is None]
    if not found:
        return []
    parts = [f"{text} in {count}" for who, text in (
        (BOTH, "both sides counted"), (CLIENT, "the client alone counted"))
        if (count := sum(row.figures.get("counted_by") == who for row in found))]
    return [f"Of {len(found)} of {len(sent)} trials there is no capture (none was permitted, or it "
            f"lost packets): that both sides and a capture agree is not said of them"
            f"{'; ' if parts else ''}{', '.join(parts)}."]
