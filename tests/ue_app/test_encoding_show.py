"""Tables of encodings fit a terminal of 80 columns, and say where greedy answers part."""

from __future__ import annotations

import io
from dataclasses import replace

from rich.console import Console

from edge_server.encodings.registry import NAMES
from ue_app.encoding_show import show_encodings, show_quality
from ue_app.encoding_table import Greedy, Parting, Quality, Table
from ue_app.encoding_times import RowTime

FIGURES = Quality(2083.0, 0.0069, 1.25973, 36.234, 2590.123, 353.456)
SPLITS = {1: dict.fromkeys(NAMES, FIGURES) | {"int8": replace(FIGURES, increase=-99.999)}}
TABLE = Table("0a" * 32, "bf16", "valid.txt.gz", 12264, SPLITS)
PARTED = {"raw": Parting(0, 64), "int8": Parting(1, 64), "int4": Parting(3, 12)}


def shown(table: Table | None, *, quality: bool) -> list[str]:
    out = io.StringIO()
    console = Console(file=out, width=80)
    if quality:
        assert table is not None
        show_quality(console, table)
    else:
        show_encodings(console, table, dict.fromkeys(NAMES, RowTime(26e-6, 21e-6)), 2048)
    return [line.rstrip() for line in out.getvalue().splitlines()]


def row(lines: list[str], name: str) -> list[str]:
    return next(words for line in lines if (words := line.split()) and words[0] == name)


def test_sizes_and_times() -> None:
    assert row(shown(TABLE, quality=False), "int8")[-3:] == ["2,083", "26", "21"]
    assert row(shown(None, quality=False), "raw")[-3:] == ["are", "26", "21"]  # no size is known


def test_where_answers_part() -> None:
    lines = shown(TABLE, quality=True)
    assert row(lines, "int8")[-3:] == ["-100.0", "±", "353.5"]  # nobody compared answers
    greedy = Greedy(4, 64, {1: PARTED})
    lines = shown(Table("0a" * 32, "bf16", "valid.txt.gz", 12264, SPLITS, greedy), quality=True)
    assert row(lines, "raw")[-1] == "same"
    assert row(lines, "int8")[-2:] == ["end,", "1/4"]
    assert row(lines, "int4")[-2:] == ["12,", "3/4"]
    assert row(lines, "topk")[-1] == "353"  # that one was not
    assert row(lines, "topk")[-3:] == ["+2,590", "±", "353"]
    assert max(map(len, lines)) <= 80
    assert not any("…" in line for line in lines)
